// SPDX-License-Identifier: MIT
/** An upgrade in place of a service of systemd's, but for systemd (test/vm/host-*.ts): `reload --main-pid` of another file. */
import { expect, test } from "bun:test";
import { copyFileSync, existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { exit } from "../../src/errors.ts";
import { type ConfigFile, guard, type Tenants } from "../helpers/config.ts";
import { kill } from "../helpers/group.ts";
import type { NotifySocket } from "../helpers/notified.ts";
import { binary, runBase } from "../helpers/paths.ts";
import { commandLine, helpersOf, leftoversOf, parentOf, Reprieve } from "../helpers/reprieve.ts";
import { describeWith, kernelTest } from "../helpers/require.ts";
import { LEAK_KB, LIMIT } from "../helpers/scene.ts";
import { ALLOWED, onServiceStage, pidIn } from "../helpers/service.ts";
import { START_BOUND_MS, until } from "../helpers/wait.ts";
import { type Board, isAlive } from "../helpers/workload.ts";

const TAKE_OVERS = 3;
/** Systemd is busy for so long. */
const BEHIND_MS = 500;
/** By itself, where nobody sees that it waits. */
const GIVES_UP_MS = 10_000;

let config: ConfigFile;
let tenants: Tenants;
let at: string;
let systemd: NotifySocket;
let board: Board;
/** The program as another version would be: another file. */
let newer: string;
let service: (more?: readonly string[], env?: Record<string, string>) => Reprieve;
onServiceStage((stage) => {
  ({ config, tenants, at, systemd, board } = stage);
  newer = join(stage.folder, "reprieve");
  service = (more, env) => stage.service(more, env);
});

/** ExecReload= of the unit, by the newer program. */
function takesOver(pid: number, program = newer) {
  copyFileSync(binary, program);
  const env = { NOTIFY_SOCKET: systemd.name };
  const args = ["reload", "--main-pid", String(pid)];
  return Reprieve.start(args, { command: [program], env }).ended(START_BOUND_MS);
}

async function endBy(pid: number, signal: "SIGTERM" | "SIGINT" = "SIGTERM"): Promise<void> {
  kill(pid, signal);
  await until("its end", () => !isAlive(pid));
  await until("nothing to be left", () => leftoversOf(pid).length === 0);
}

/** A take-over's, in the run directory of one that takes over. */
function marked(name: "attached" | "seen"): boolean {
  return readdirSync(runBase).some((dir) => existsSync(join(runBase, dir, name)));
}

function processesWith(arg: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && commandLine(Number(name)).includes(arg))
    .map(Number);
}

describeWith("reload --main-pid", kernelTest, () => {
  test("of the same program has the file read anew", async () => {
    tenants.child("a", LIMIT);
    config.write(ALLOWED + guard("g", `${at}/*`));
    const reprieve = service();
    await systemd.hears("READY=1");
    const { code } = await Reprieve.ends(["reload", "--main-pid", String(reprieve.pid)]);
    expect(code).toBe(exit.ok);
    await systemd.hears("RELOADING=1");
    await reprieve.stop();
  });

  test("of another program: it takes over with the same flags, is systemd's main process before the old one ends, and guards", async () => {
    const group = tenants.child("a", LIMIT);
    config.write(ALLOWED + guard("g", `${at}/*`));
    const old = service(["--margin", "2M"], { WATCHDOG_USEC: "300000", KEPT: "1" });
    await systemd.hears("READY=1");
    const from = systemd.heard.length;
    const asked = takesOver(old.pid);
    const told = await systemd.hears(/^MAINPID=/);
    const pid = pidIn(told);
    expect(await systemd.hears("READY=1", from)).toContain("STATUS=guarding 1 group");
    expect((await asked).code).toBe(exit.ok);
    expect((await old.ended()).code).toBe(exit.ok);
    const order = systemd.heard.slice(from).filter((text) => !text.startsWith("WATCHDOG"));
    expect(order.map((text) => text.split("=")[0])).toEqual(["MAINPID", "STOPPING", "READY"]);
    const args = (await Bun.file(`/proc/${pid}/cmdline`).text()).split("\0").slice(1, -1);
    const run = ["run", `--replace=${old.pid}`, "--journal", "none"];
    expect(args).toEqual([...run, "--config", config.path, "--margin", "2M"]);
    expect(await Bun.file(`/proc/${pid}/environ`).text()).toContain("KEPT=1");
    await systemd.hears("WATCHDOG=1", systemd.heard.length);
    const leaker = await board.start(group, { means: "touch", kb: LEAK_KB }).ready();
    leaker.go();
    await until("the leaker's death", () => !leaker.isAlive());
    expect(group.oom().kills).toBe(0);
    // And from that one too.
    const again = takesOver(pid, `${newer}-2`);
    expect((await again).code).toBe(exit.ok);
    const last = (await systemd.all()).map(pidIn).findLast((one) => one > 0) ?? pid;
    expect(last).not.toBe(pid);
    await endBy(last);
  });

  test("it ends by each signal that ended the old one", async () => {
    tenants.child("a", LIMIT);
    config.write(ALLOWED + guard("g", `${at}/*`));
    const old = service();
    await systemd.hears("READY=1");
    const ignoredBy = (pid: number) =>
      /^SigIgn:.*/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[0];
    const ignored = ignoredBy(old.pid);
    expect((await takesOver(old.pid)).code).toBe(exit.ok);
    const pid = pidIn(await systemd.hears(/^MAINPID=/));
    expect(ignoredBy(pid)).toBe(ignored);
    await endBy(pid, "SIGINT");
  });

  test("systemd that is behind is told when it has read what waits; the old one guards until then", async () => {
    tenants.child("a", LIMIT);
    config.write(ALLOWED + guard("g", `${at}/*`));
    const old = service();
    await systemd.hears("READY=1");
    const from = systemd.heard.length;
    systemd.fill();
    const asked = takesOver(old.pid);
    await until("the new one to wait for that", () => marked("seen"));
    await Bun.sleep(BEHIND_MS);
    expect(old.helpers().size).toBe(3);
    const pid = pidIn(await systemd.hears(/^MAINPID=/, from));
    expect((await asked).code).toBe(exit.ok);
    await endBy(pid);
  });

  test("the old one ends by itself meanwhile: nobody is left, and that is said", async () => {
    tenants.child("a", LIMIT);
    config.write(ALLOWED + guard("g", `${at}/*`));
    const old = service();
    await systemd.hears("READY=1");
    const asked = takesOver(old.pid);
    const newOnes = () => processesWith(`--replace=${old.pid}`);
    await until("the new one", () => newOnes().length > 1); // and its shell
    const pids = newOnes();
    for (const pid of pids) kill(pid, "SIGSTOP");
    kill(old.pid, "SIGKILL");
    const { code, err } = await asked;
    expect(code).toBe(exit.noGroup);
    expect(err).toContain(
      `reprieve ${old.pid} has ended by itself, and so has the one that was to take over`,
    );
    expect(newOnes()).toEqual([]);
    await Reprieve.ends(["release"]); // ExecStopPost=
    for (const pid of [old.pid, ...pids]) {
      await until("nothing to be left", () => leftoversOf(pid).length === 0);
    }
  });

  test("a new one that nobody waits for undoes what it did at once by SIGTERM; the old one guards on", async () => {
    tenants.child("a", LIMIT);
    config.write(ALLOWED + guard("g", `${at}/*`));
    const old = service();
    await systemd.hears("READY=1");
    const asked = service([`--replace=${old.pid}`], { REPRIEVE_TAKES_OVER: "1" });
    await until("the new one to wait to be seen", () => marked("attached"));
    const from = performance.now();
    kill(asked.pid, "SIGTERM");
    const { code, err } = await asked.ended(START_BOUND_MS);
    expect(performance.now() - from).toBeLessThan(GIVES_UP_MS);
    expect(code).toBe(exit.internal);
    expect(err).toContain("has broken it off");
    expect(leftoversOf(asked.pid)).toEqual([]);
    expect(old.helpers().size).toBe(3);
    await old.stop();
  });

  test("of one that is stuck: the new one says that it lives before that has ended", async () => {
    tenants.child("a", LIMIT);
    config.write(ALLOWED + guard("g", `${at}/*`));
    const old = service([], { WATCHDOG_USEC: "30000000" });
    await systemd.hears("WATCHDOG=1");
    const from = systemd.heard.length;
    kill(old.pid, "SIGSTOP"); // it is given 4 s
    expect((await takesOver(old.pid)).code).toBe(exit.ok);
    const pid = pidIn(await systemd.hears(/^MAINPID=/, from));
    await systemd.hears("READY=1", from);
    const order = systemd.heard.slice(from).map((text) => text.split("=")[0]);
    expect(order).toEqual(["MAINPID", "WATCHDOG", "READY"]);
    await endBy(pid);
  });

  test(`${TAKE_OVERS} times in a stream of OOMs: the group is never held and unwatched, and each leaker dies`, async () => {
    const group = tenants.child("a", LIMIT);
    config.write(ALLOWED + guard("g", `${at}/*`));
    let pid = service().pid;
    await systemd.hears("READY=1");
    let isOn = true;
    let leaks = 0;
    const stream = (async () => {
      for (; isOn; leaks += 1) {
        const leaker = await board.start(group, { means: "touch", kb: LEAK_KB }).ready();
        leaker.go();
        await until("the leaker's death", () => !leaker.isAlive());
        board.clear();
      }
    })();
    const isWatched = () => {
      systemd.read();
      const pids = [pid, ...systemd.heard.map(pidIn)].filter((one) => one > 0);
      return pids.some((one) => helpersOf(one).size > 0);
    };
    const alone: number[] = [];
    let looks = 0;
    const watch = (async () => {
      for (; isOn; looks += 1) {
        // A newer one may have been told of since the first look, for before it is nobody has to end.
        if (group.oom().held && !isWatched() && !isWatched() && group.oom().held) alone.push(leaks);
        await Bun.sleep(2);
      }
    })();
    for (let i = 0; i < TAKE_OVERS; i += 1) {
      const from = systemd.heard.length;
      expect((await takesOver(pid, `${newer}-${i}`)).code).toBe(exit.ok);
      pid = pidIn(await systemd.hears(/^MAINPID=/, from));
      await systemd.hears("READY=1", from);
      const so = leaks;
      await until("two more OOMs", () => leaks >= so + 2, START_BOUND_MS);
    }
    isOn = false;
    await Promise.all([stream, watch]);
    console.log(`${leaks} OOMs, ${group.oom().kills} the kernel's, ${looks} looks`);
    expect(alone).toEqual([]);
    await endBy(pid);
  }, 90_000);

  test("of one that guards nothing now, or the host as a whole alone", async () => {
    for (const what of [guard("g", `${at}/*`), '[system]\nmemory = "1M"\n']) {
      config.write(ALLOWED + what);
      const from = systemd.heard.length;
      const old = service([], { WATCHDOG_USEC: "60000000" });
      await systemd.hears("READY=1", from);
      expect((await takesOver(old.pid)).code).toBe(exit.ok);
      const pid = pidIn(await systemd.hears(/^MAINPID=/, from));
      expect((await old.ended()).code).toBe(exit.ok);
      const told = systemd.heard.indexOf(`MAINPID=${pid}`);
      await systemd.hears("STOPPING=1", told);
      // From the new one, before it may have to wait for the old one.
      const said = systemd.heard.slice(told, told + 3).map((text) => text.split("=")[0]);
      expect(said).toEqual(["MAINPID", "WATCHDOG", "STOPPING"]);
      await endBy(pid);
    }
  });

  test.each([
    ["", guard("g", "/reprieve-none/*")],
    ["alone, ", ""],
  ])(
    "of the host as a whole, %sthe new one's guard starts when the old one has ended",
    async (_, more) => {
      config.write(`${ALLOWED}${more}[system]\nmemory = "1M"\n`);
      const old = service();
      await systemd.hears("READY=1");
      const from = systemd.heard.length;
      const guardsOf = (pid: number) =>
        processesWith("reprieve-system").filter((one) => parentOf(one) === pid);
      const [before] = guardsOf(old.pid);
      const asked = takesOver(old.pid);
      const pid = pidIn(await systemd.hears(/^MAINPID=/, from));
      const newOnes = await until("the new one's guard", () => {
        const found = guardsOf(pid);
        return found.length > 0 && { found, isFirst: !isAlive(old.pid) && !isAlive(before ?? 0) };
      });
      expect(newOnes.isFirst).toBe(true);
      expect((await asked).code).toBe(exit.ok);
      await endBy(pid);
    },
  );

  test("where the new one refuses, the old one guards on", async () => {
    tenants.child("a", LIMIT);
    config.write(ALLOWED + guard("g", `${at}/*`));
    const old = service();
    await systemd.hears("READY=1");
    config.write("[allow]\nkil = true\n");
    const { code, err } = await takesOver(old.pid);
    expect(code).toBe(exit.badConfig);
    expect(err).toContain("kil");
    expect(isAlive(old.pid)).toBe(true);
    expect(old.helpers().size).toBe(3);
    expect((await systemd.all()).length).toBe(1);
    await old.stop();
  });

  test("what is no reprieve of ours", async () => {
    const { code, err } = await takesOver(process.pid);
    expect(code).not.toBe(exit.ok);
    expect(err).toContain(`reprieve`);
  });
});
