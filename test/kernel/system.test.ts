// SPDX-License-Identifier: MIT
/** The system guard: the host's own memory, taken for real in the VM; observed everywhere. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import * as v from "valibot";
import { exit } from "../../src/errors.ts";
import { Incident } from "../../src/journal/incident.ts";
import { fixture } from "../helpers/build.ts";
import { cleanUp } from "../helpers/clean.ts";
import { ConfigFile, FEED, guard } from "../helpers/config.ts";
import { Group, kill, MB } from "../helpers/group.ts";
import { Journal } from "../helpers/journal.ts";
import { memory } from "../helpers/memory.ts";
import { type Message, Reprieve } from "../helpers/reprieve.ts";
import { describeWith, inVm, kernelTest } from "../helpers/require.ts";
import { LIMIT } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";
import { Board, type Workload } from "../helpers/workload.ts";

const TEST_MS = 120_000;
const BOUND_MS = 60_000;
/** For what should not happen. */
const CALM_MS = 1500;
function meminfo(key: string): number {
  const text = readFileSync("/proc/meminfo", "utf8");
  return Number(new RegExp(`^${key}: +(\\d+) kB$`, "m").exec(text)?.[1] ?? 0) * 1024;
}

/** Its first mark is reached at once, and it stays so. */
const ALWAYS = 'memory = ["100%", "0%"]\nswap = "100%"\n';
const config = new ConfigFile();

afterEach(cleanUp);
afterAll(() => config.remove());

async function watching(table: string, allow = "", ...flags: string[]): Promise<Reprieve> {
  config.write(`${FEED}${allow}[system]\n${table}`);
  const reprieve = Reprieve.start(["run", "--config", config.path, "--json", ...flags]);
  await reprieve.message("system", { where: ({ event }) => event === "armed", boundMs: 20_000 });
  return reprieve;
}

function events({ messages }: Reprieve): unknown[] {
  return messages.filter(({ type }) => type === "system").map(({ event }) => event);
}

function event(reprieve: Reprieve, name: string): Promise<Message> {
  return reprieve.message("system", { where: (m) => m.event === name, boundMs: BOUND_MS });
}

/** In MiB, less than what is available now. */
function less(megabytes: number): string {
  return `"${Math.floor(meminfo("MemAvailable") / MB) - megabytes}M"`;
}

/** Its process, another than `not`. */
function roleOf({ pid: agent }: Reprieve, not = 0): Promise<number> {
  const find = () => {
    const children = readFileSync(`/proc/${agent}/task/${agent}/children`, "utf8").trim();
    return children
      .split(" ")
      .map(Number)
      .find((pid) => pid !== not && isSystem(pid));
  };
  return until("its process", find, BOUND_MS);
}

function isSystem(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").startsWith("reprieve-system\0");
  } catch {
    return false; // it went
  }
}

describeWith("a system guard without its power", kernelTest, () => {
  test("says whom it would take, once, and takes nobody", async () => {
    const reprieve = await watching(ALWAYS);
    const would = await event(reprieve, "would-terminate");
    await Bun.sleep(CALM_MS);
    expect(events(reprieve)).toEqual(["armed", "low", "would-terminate"]);
    expect(Number(would.rss_bytes)).toBeGreaterThan(MB);
    expect(reprieve.err).toContain("the system guard only observes: [allow] system lets it act");
    expect(await reprieve.stop()).toBe(exit.ok);
  });

  test("is quiet above its marks, and started again when it dies", async () => {
    const reprieve = await watching('memory = "0%"\n');
    const first = await roleOf(reprieve);
    kill(first, "SIGKILL");
    const second = await roleOf(reprieve, first);
    expect(events(reprieve)).toEqual(["armed"]);
    kill(reprieve.pid, "SIGKILL");
    await until("its end", () => !existsSync(`/proc/${second}`));
    await reprieve.ended();
  });

  test("has its incident in the journal, exported too, though it went on when reprieve ended", async () => {
    const journal = new Journal();
    const file = `${journal.dir}/exported.jsonl`;
    const reprieve = await watching(`${ALWAYS}[export]\njsonl = "${file}"\n`, "", ...journal.flags);
    const { id, opened_t } = await event(reprieve, "low");
    const { pid } = await event(reprieve, "would-terminate");
    expect(await reprieve.stop()).toBe(exit.ok);
    const incident = { id, scope: "host", outcome: "unknown", reason: "released", opened_t };
    expect(journal.incidents()).toMatchObject([{ ...incident, guard: "system", victims: [] }]);
    const { out, err } = await Reprieve.ends(["incidents", "show", ...journal.flags]);
    expect(out + err).toContain("the host as a whole");
    expect(out).toMatch(new RegExp(`would terminate .*\\(${pid}\\) .* left`));
    const [line = ""] = readFileSync(file, "utf8").split("\n");
    const { steps } = v.parse(Incident, { ...JSON.parse(line), frames: [], processes: {} });
    expect(steps).toMatchObject([
      { step: "low", by: "system" },
      { step: "would-terminate", pid },
    ]);
  });

  test("loses none to a kill of the agent: it is brought in, and not while that lives", async () => {
    const journal = new Journal();
    const ids: unknown[] = [];
    const killed = async () => {
      const reprieve = await watching(ALWAYS, "", ...journal.flags);
      const { id } = await event(reprieve, "low");
      await event(reprieve, "would-terminate");
      if (ids.length === 0) expect((await asked()).messages).toEqual([]);
      kill(reprieve.pid, "SIGKILL");
      await reprieve.ended();
      ids.push(id);
    };
    const asked = () => Reprieve.ends(["incidents", "--json", ...journal.flags]);
    await killed();
    const [first] = ids;
    const unseen = { outcome: "unknown", reason: "unseen" };
    expect((await asked()).messages).toMatchObject([{ id: first, ...unseen }]);
    expect((await asked()).messages).toHaveLength(1);
    await killed();
    const next = await watching('memory = "0%"\n', "", ...journal.flags);
    await until("the next start to bring it in", () => journal.incidents().length === 2);
    expect(await next.stop()).toBe(exit.ok);
    expect(journal.incidents().map(({ id }) => id)).toEqual(ids.map(String));
  });

  test("stands beside guards, and [deny] wins over [allow]", async () => {
    const group = new Group("beside", { limit: LIMIT });
    const at = group.path.slice(memory.root.length);
    const deny = "[deny]\nsystem = true\n";
    config.write(
      `${FEED}[allow]\nkill = true\n${deny}[system]\nmemory = "100%"\nswap = "100%"\n${guard("a", at)}`,
    );
    const reprieve = await config.start(1);
    await event(reprieve, "would-terminate");
    expect(events(reprieve)).not.toContain("terminate");
    expect(await reprieve.stop()).toBe(exit.ok);
    await group.destroy();
  });

  test("of one that takes over begins when the old one's has ended", async () => {
    const group = new Group("two", { limit: LIMIT });
    const at = group.path.slice(memory.root.length);
    config.write(`${FEED}[allow]\nkill = true\n[system]\nmemory = "0%"\n${guard("a", at)}`);
    const old = await config.start(1);
    const its = await roleOf(old);
    kill(old.pid, "SIGSTOP"); // it is given 4 s
    const reprieve = Reprieve.start(["run", "--config", config.path, "--json", "--replace"]);
    await roleOf(reprieve);
    expect(isSystem(its)).toBe(false);
    await old.ended();
    expect(await reprieve.stop()).toBe(exit.ok);
    await group.destroy();
  });
});

// It takes the host's memory, and may have whoever is the largest there killed.
describeWith("a system guard with its power", kernelTest, powerful, inVm);

function powerful(): void {
  const own = "/proc/self/oom_score_adj";
  const before = readFileSync(own, "utf8");
  const ALLOW = "[allow]\nsystem = true\n";
  /** Ours and what we start is immune, the hogs are not. */
  const MORTAL = ["sh", "-c", 'echo 0 > /proc/self/oom_score_adj; exec "$0" "$@"'];
  const STUBBORN = ["sh", "-c", 'trap "" TERM; echo 0 > /proc/self/oom_score_adj; exec "$0" "$@"'];
  let board: Board;
  const hogs: Workload[] = [];

  beforeAll(() => writeFileSync(own, "-1000"));
  afterAll(() => writeFileSync(own, before));
  beforeEach(() => {
    board = new Board();
  });
  afterEach(async () => {
    for (const one of hogs.splice(0)) await one.stop();
  });

  /** Takes so much, a little at a time; -1000: as much as there is. */
  async function hog(megabytes: number, wrapper = MORTAL, heldMb = 8): Promise<Workload> {
    const plan = { means: "touch", beforeKb: heldMb * 1024, kb: megabytes * 1024 } as const;
    const one = await board.start(null, { ...plan, chunkKb: 1024, pauseUs: 1000 }, wrapper).ready();
    one.go();
    hogs.push(one);
    return one;
  }

  function killedPids({ messages }: Reprieve, name: string): unknown[] {
    return messages.filter((m) => m.type === "system" && m.event === name).map(({ pid }) => pid);
  }

  test(
    "by the default marks has the hog of nearly all memory end by SIGTERM, and it is over",
    async () => {
      const bystander = await hog(0);
      const journal = new Journal();
      const listen = `unix:${journal.dir}/api`;
      const reprieve = await watching("", ALLOW, "--listen", listen, ...journal.flags);
      const leaker = await hog(Math.floor(meminfo("MemAvailable") / MB));
      await until("its end", () => !leaker.isAlive(), BOUND_MS);
      const { available_bytes } = await event(reprieve, "terminate");
      expect(Number(available_bytes)).toBeLessThanOrEqual(meminfo("MemTotal") / 10);
      await event(reprieve, "relieved");
      expect(events(reprieve)).toEqual(["armed", "low", "terminate", "dead", "relieved"]);
      expect(killedPids(reprieve, "terminate")).toEqual([leaker.pid]);
      await until("the journal to have it", () => journal.incidents().length === 1);
      const [incident] = journal.incidents();
      expect(incident).toMatchObject({ scope: "host", outcome: "relieved", reason: "terminated" });
      expect(incident?.victims.map(({ pid }) => pid)).toEqual([leaker.pid]);
      const { messages } = await Reprieve.ends(["incidents", "--json", "--url", listen]);
      expect(messages.map(({ id }) => id)).toEqual([incident?.id]);
      expect(bystander.isAlive()).toBe(true);
      expect(await reprieve.stop()).toBe(exit.ok);
    },
    TEST_MS,
  );

  test(
    "kills at the second mark who does not end by SIGTERM",
    async () => {
      const reprieve = await watching(`memory = [${less(200)}, ${less(400)}]\n`, ALLOW);
      const leaker = await hog(800, STUBBORN);
      await until("its end", () => !leaker.isAlive(), BOUND_MS);
      await event(reprieve, "relieved");
      expect(events(reprieve)).toEqual(["armed", "low", "terminate", "kill", "dead", "relieved"]);
      expect(killedPids(reprieve, "kill")).toEqual([leaker.pid]);
      expect(await reprieve.stop()).toBe(exit.ok);
    },
    TEST_MS,
  );

  test(
    "kills 5 s later who does not end by SIGTERM, and grows no further",
    async () => {
      const reprieve = await watching(`memory = [${less(200)}, ${less(600)}]\n`, ALLOW);
      const leaker = await hog(300, STUBBORN);
      await until("its end", () => !leaker.isAlive(), BOUND_MS);
      await event(reprieve, "relieved");
      expect(killedPids(reprieve, "kill")).toEqual([leaker.pid]);
      const [term, sent] = ["terminate", "kill"].map((name) => {
        return reprieve.messages.find((m) => m.type === "system" && m.event === name)?.t ?? 0;
      });
      expect(Number(sent) - Number(term)).toBeGreaterThanOrEqual(4900);
      expect(await reprieve.stop()).toBe(exit.ok);
    },
    TEST_MS,
  );

  test(
    "spares who is avoided while somebody else is there, and who is at -1000",
    async () => {
      const program = `${config.dir}/avoided`;
      copyFileSync(fixture("workload"), program);
      const enter = `echo 0 > /proc/self/oom_score_adj; exec ${program} "$@"`;
      const spared = await hog(0, [], 250);
      const avoided = await hog(0, ["sh", "-c", enter], 200);
      const victim = await hog(0, MORTAL, 120);
      const rules = 'avoid = ["name=avoided,weight=0.1"]\n';
      const reprieve = await watching(`memory = [${less(100)}, ${less(900)}]\n${rules}`, ALLOW);
      const leaker = await hog(150, []);
      await until("the end of the one that is left", () => !victim.isAlive(), BOUND_MS);
      await event(reprieve, "relieved");
      expect(killedPids(reprieve, "terminate")).toEqual([victim.pid]);
      expect([spared, avoided, leaker].every((one) => one.isAlive())).toBe(true);
      expect(await reprieve.stop()).toBe(exit.ok);
    },
    TEST_MS,
  );

  test(
    "tells the kernel to kill when its cap is reached",
    async () => {
      const table = `memory = [${less(200)}, ${less(300)}]\ncaps = { hour = 1 }\n`;
      const reprieve = await watching(table, ALLOW);
      const first = await hog(250);
      await until("the first one's end", () => !first.isAlive(), BOUND_MS);
      const all = [await hog(200), await hog(200)];
      const over = await event(reprieve, "hand-over");
      expect(over).toMatchObject({ reason: "hour-cap", result: "ok" });
      await until("the kernel's kill", () => all.some((one) => !one.isAlive()), BOUND_MS);
      expect(killedPids(reprieve, "terminate").length).toBe(1);
      expect(await reprieve.stop()).toBe(exit.ok);
    },
    TEST_MS,
  );
}
