// SPDX-License-Identifier: MIT
/**
 * A journal on a disk that hangs: a real file system, frozen, so that whoever writes sleeps and no signal wakes him. The keeper
 * sleeps then, and nobody else.
 */
import { afterEach, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { exit } from "../../src/errors.ts";
import { cleanUp } from "../helpers/clean.ts";
import { ConfigFile, guard } from "../helpers/config.ts";
import { serve } from "../helpers/feed.ts";
import { Group, kill } from "../helpers/group.ts";
import { HookFile, removeHooks } from "../helpers/hook.ts";
import { Journal } from "../helpers/journal.ts";
import { memory } from "../helpers/memory.ts";
import { ordered } from "../helpers/orders.ts";
import { type Message, Reprieve } from "../helpers/reprieve.ts";
import { describeWith, kernelTest, type Need, program } from "../helpers/require.ts";
import { LIMIT, Scene } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";
import { isAlive } from "../helpers/workload.ts";

/** Stuck is said after 2 s, and tried again every 2 s. */
const TOLD_BOUND_MS = 20_000;
const TEST_MS = 60_000;

afterEach(async () => {
  await cleanUp();
  removeHooks();
});

async function told(scene: Scene, ok: boolean) {
  const where = (message: Message) => message.ok === ok;
  return await scene.reprieve.message("journal", { where, boundMs: TOLD_BOUND_MS });
}

async function written(journal: Journal, count: number): Promise<void> {
  await until("them to be written", () => journal.incidents().length === count, TOLD_BOUND_MS);
}

function jsonIn(file: string): object[] {
  const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n") : [];
  return lines.filter(Boolean).map((line) => JSON.parse(line));
}

function ids(all: readonly object[]): unknown[] {
  return all.map((one) => "id" in one && one.id);
}

function keepersOf({ pid }: Reprieve): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((one) => one > 0 && isKeeperOf(one, pid));
}

function isKeeperOf(pid: number, agent: number): boolean {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const command = readFileSync(`/proc/${pid}/cmdline`, "utf8");
    return status.includes(`PPid:\t${agent}\n`) && command.startsWith("reprieve-journal\0");
  } catch {
    return false; // it went
  }
}

/** The VM's kernel has none: what sleeps there sleeps anywhere. */
const loops: Need = () => (existsSync("/dev/loop-control") ? null : "there are no loop devices");
const programs =
  loops() === null ? [program("fsfreeze", "util-linux"), program("mkfs.ext4", "e2fsprogs")] : [];

describeWith("a journal on a disk that hangs", [...kernelTest, ...programs], hanging, loops);

function hanging(): void {
  test(
    "holds up nobody: OOMs are told and hooks run, the API answers, and all is written when it goes on",
    async () => {
      const journal = new Journal();
      journal.mountDisk();
      const hook = new HookFile("echo $$ >> $0.runs", "exit 1");
      const orders = [...ordered(`hook=${hook.path}`, "kill"), "--allow-hooks"];
      const { scene, address, token } = await serve(...orders, ...journal.flags);
      const ask = async (path: string) => {
        const headers = { Authorization: `Bearer ${token}` };
        return await (await fetch(`http://${address}/${path}`, { headers })).text();
      };
      const first = await scene.leak();
      await written(journal, 1);
      journal.hang();
      const second = await scene.leak();
      expect((await told(scene, false)).remark).toContain("journal stuck");
      const third = await scene.leak();
      const started = await hook.note("runs");
      expect(started.split("\n")).toHaveLength(3);
      expect(await ask("metrics")).toContain("reprieve_journal_ok 0");
      // The file cannot be asked: what is in memory is there.
      const { incidents, unread } = JSON.parse(await ask("api/incidents"));
      expect(ids(incidents)).toEqual(ids([third.closed, second.closed]));
      expect(unread).toContain("journal stuck");
      expect(await ask(`api/incidents/${first.closed.id}`)).toContain("journal stuck");
      const at = ["--url", `http://${address}/`, "--token", token];
      const listed = await Reprieve.ends(["incidents", ...at]);
      expect(listed.err).toContain("not all: cannot read the journal");
      const shown = await Reprieve.ends(["incidents", "show", String(first.closed.id), ...at]);
      expect(shown.err).toContain("journal stuck");
      expect(shown.code).toBe(exit.host);
      journal.goOn();
      await told(scene, true);
      await written(journal, 3);
      expect(ids(journal.incidents())).toEqual(ids([first.closed, second.closed, third.closed]));
      await scene.end();
    },
    TEST_MS,
  );

  test(
    "does not hold up the agent's end; the next start has what is not written, once",
    async () => {
      const journal = new Journal();
      journal.mountDisk();
      const scene = await Scene.set(journal.flags);
      const first = await scene.leak();
      await written(journal, 1);
      journal.hang();
      const second = await scene.leak();
      await told(scene, false);
      expect(await scene.reprieve.stop()).toBe(0);
      expect(scene.reprieve.err).toContain("1 incident is left");
      journal.goOn();
      scene.reprieve = await Reprieve.guard([scene.group.path], journal.flags);
      await written(journal, 2);
      expect(ids(journal.incidents())).toEqual(ids([first.closed, second.closed]));
      await scene.end();
    },
    TEST_MS,
  );

  test(
    "nor does one that lines are exported to; they are there when it goes on, and after the next start at the latest",
    async () => {
      const [journal, lines] = [new Journal(), new Journal()];
      lines.mountDisk();
      const file = `${lines.dir}/incidents.jsonl`;
      const config = new ConfigFile();
      const group = new Group("lines", { limit: LIMIT });
      const path = group.path.slice(memory.root.length);
      config.write(`${guard("web", path)}[export]\njsonl = "${file}"\n`);
      const flags = ["--config", config.path, ...journal.flags];
      const scene = await Scene.around(group, flags);
      const exported = () => ids(jsonIn(file));
      const first = await scene.leak();
      await until("the first line", () => exported().length === 1, TOLD_BOUND_MS);
      lines.hang();
      const second = await scene.leak();
      await written(journal, 2);
      expect(await scene.reprieve.stop()).toBe(0);
      expect(scene.reprieve.err).toContain("1 incidents were not exported");
      lines.goOn();
      scene.reprieve = await Reprieve.guard([group.path], flags);
      await until("it to be settled", () => journal.owed(second.closed.id) === 0, TOLD_BOUND_MS);
      expect(new Set(exported())).toEqual(new Set(ids([first.closed, second.closed])));
      await scene.end();
      config.remove();
    },
    TEST_MS,
  );

  test(
    "is said by doctor",
    async () => {
      const journal = new Journal();
      journal.mountDisk();
      const config = new ConfigFile();
      config.write(`[journal]\npath = "${journal.file}"\n[system]\n`);
      const asked = async () => (await Reprieve.ends(["doctor", "--config", config.path])).out;
      expect(await asked()).toContain(`${journal.file}, from the first incident on`);
      expect(existsSync(journal.file)).toBe(false);
      journal.hang();
      expect(await asked()).toContain("journal stuck");
      config.remove();
    },
    TEST_MS,
  );
}

describeWith("the journal's keeper", kernelTest, () => {
  test(
    "is there when there is something to be written, started anew when it is killed, and ends with a killed agent",
    async () => {
      const journal = new Journal();
      const scene = await Scene.set(journal.flags);
      expect(keepersOf(scene.reprieve)).toEqual([]);
      await scene.leak();
      await written(journal, 1);
      const [first = 0, ...more] = keepersOf(scene.reprieve);
      expect(more).toEqual([]);
      kill(first, "SIGTERM");
      await scene.leak();
      await written(journal, 2);
      expect(keepersOf(scene.reprieve)).toEqual([first]);
      kill(first, "SIGKILL");
      await scene.leak();
      await written(journal, 3);
      await until("it to rest", () => keepersOf(scene.reprieve).length === 0, TOLD_BOUND_MS);
      await scene.leak();
      await written(journal, 4);
      const [second = 0] = keepersOf(scene.reprieve);
      kill(scene.reprieve.pid, "SIGKILL");
      await scene.reprieve.ended();
      await until("the keeper's end", () => !isAlive(second));
      await until("the helpers' end", () => scene.reprieve.helpers().size === 0);
      await scene.strike();
    },
    TEST_MS,
  );
});
