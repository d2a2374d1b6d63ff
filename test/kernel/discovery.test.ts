// SPDX-License-Identifier: MIT
/** Groups that come while others are guarded, and go: followed wherever a glob may match. */
import { expect, test } from "bun:test";
import { chownSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { readIfThere } from "../../src/cgroup/files.ts";
import { UID } from "../helpers/as-user.ts";
import { armed, type ConfigFile, FEED, guard, onStage, type Tenants } from "../helpers/config.ts";
import { Client, doorFolder } from "../helpers/door.ts";
import { type Group, kill } from "../helpers/group.ts";
import { memory } from "../helpers/memory.ts";
import { runBase } from "../helpers/paths.ts";
import { Random, seedFromEnv } from "../helpers/random.ts";
import type { Message, Reprieve } from "../helpers/reprieve.ts";
import { describeWith, kernelTest, onlyOnV1, onlyOnV2, renaming } from "../helpers/require.ts";
import { LEAK_KB, LIMIT, NEAR_KB, Scene } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";
import type { Board } from "../helpers/workload.ts";

const STORM = Number(process.env.STORM ?? 1000);
const STORM_MS = Number(process.env.STORM_MS ?? 10_000);
const STORM_BOUND_MS = 120_000;
/** fs.inotify.max_queued_events is 16,384 everywhere. */
const TOO_MANY_EVENTS = 20_000;

let config: ConfigFile;
let tenants: Tenants;
let at: string;
let board: Board;
onStage((stage) => {
  ({ config, tenants, at, board } = stage);
});

async function start(toml: string, guards = 0, more: readonly string[] = []): Promise<Reprieve> {
  config.write(`${FEED}[allow]\nkill = true\n${toml}`);
  const reprieve = await config.start(guards, ...more);
  if (guards === 0) await until("the start", () => reprieve.err.includes("waiting for the first"));
  return reprieve;
}

function said({ messages }: Reprieve, type: string, end: string, event?: string): Message[] {
  const isIts = (m: Message) => m.type === type && String(m.guard).endsWith(end);
  return messages.filter((m) => isIts(m) && (event === undefined || m.event === event));
}

async function isArmed(reprieve: Reprieve, end: string, times = 1): Promise<void> {
  await until(`${end} armed ${times} times`, () => {
    return said(reprieve, "armed", end).length === times;
  }).catch((error) => {
    const told = reprieve.messages.slice(-15);
    throw new Error(`${error.message}: ${JSON.stringify(told)} ${reprieve.err.slice(-500)}`);
  });
}

async function isGone(reprieve: Reprieve, end: string, times = 1): Promise<void> {
  const gone = () => said(reprieve, "guard", end, "gone").length === times;
  await until(`${end} gone ${times} times`, gone);
}

async function isReleased(reprieve: Reprieve, end: string): Promise<void> {
  await until(`${end} released`, () => said(reprieve, "released", end).length === 1);
}

async function expectRelief(reprieve: Reprieve, group: Group, kb = LEAK_KB): Promise<void> {
  const from = reprieve.messages.length;
  const leaker = await board.start(group, { means: "touch", kb }).ready();
  leaker.go();
  const closed = await reprieve.message("incident.closed", { from });
  expect(closed).toMatchObject({ outcome: "relieved", reason: "killed" });
  expect(group.path.endsWith(String(closed.guard))).toBe(true);
  await until("the leaker's death", () => !leaker.isAlive());
}

/** Of what groups that are gone must leave nothing: inotify watches, records of the ledger, descriptors of each process. */
function holds(reprieve: Reprieve): number[] {
  const { pid } = reprieve;
  const pids = [pid, ...reprieve.helpers().values()];
  const fds = pids.map((one) => readdirSync(`/proc/${one}/fd`).length);
  return [watchesOf(pid), recordsOf(pid), ...fds];
}

function watchesOf(pid: number): number {
  const infos = readdirSync(`/proc/${pid}/fdinfo`).map((fd) =>
    readIfThere(`/proc/${pid}/fdinfo/${fd}`),
  );
  return infos.join("").split("\ninotify wd:").length - 1;
}

/** Records of groups in its ledger (native/ledger.h). */
function recordsOf(pid: number): number {
  const [head, size] = [16, 584];
  const ledger = readFileSync(`${runBase}/${pid}/ledger`);
  const all = Math.floor((ledger.length - head) / size);
  return Array.from({ length: all }, (_, i) => ledger.readBigUInt64LE(head + i * size)).filter(
    (inode) => inode > 0n,
  ).length;
}

async function end(reprieve: Reprieve, ...groups: Group[]): Promise<void> {
  expect(await reprieve.stop()).toBe(0);
  await reprieve.gone();
  for (const group of groups) expect(group.oom().held).toBe(false);
}

describeWith("a group that comes", kernelTest, () => {
  test("is guarded as soon as it has a limit, and again after another of its name", async () => {
    const reprieve = await start(guard("all", `${at}/*`));
    memory.handDown(tenants.path);
    const comes = tenants.child("comes");
    await until("why not", () => reprieve.err.includes("guard all leaves out: refusing"));
    expect(reprieve.err).toMatch(/comes: it has no limit/);
    comes.setLimit(LIMIT);
    await isArmed(reprieve, "/comes");
    await expectRelief(reprieve, comes);
    rmdirSync(comes.path);
    await isGone(reprieve, "/comes");
    mkdirSync(comes.path);
    comes.setLimit(LIMIT);
    await isArmed(reprieve, "/comes", 2);
    await expectRelief(reprieve, comes);
    await end(reprieve, comes);
  });

  test("and loses its limit is let go, and guarded again when it has one", async () => {
    const [comes, stays] = [tenants.child("comes", LIMIT), tenants.child("stays", LIMIT)];
    const reprieve = await start(guard("all", `${at}/*`), 2);
    comes.setNoLimit();
    await isReleased(reprieve, "/comes");
    expect(reprieve.err).toContain("/comes is let go: it has no limit any more");
    expect(comes.oom().held).toBe(false);
    comes.setLimit(LIMIT);
    await isArmed(reprieve, "/comes", 2);
    await expectRelief(reprieve, comes);
    await expectRelief(reprieve, stays);
    await end(reprieve, comes, stays);
  });

  onlyOnV2("v1 has the controller everywhere")("and gets the memory controller later", async () => {
    const reprieve = await start(guard("all", `${at}/*`));
    const comes = tenants.child("comes");
    await until("why not", () => reprieve.err.includes("controller is not enabled"));
    memory.handDown(tenants.path);
    comes.setLimit(LIMIT);
    await isArmed(reprieve, "/comes");
    await expectRelief(reprieve, comes);
    await end(reprieve, comes);
  });

  test("at any depth, where ** matches, with groups above it that come with it", async () => {
    const reprieve = await start(
      guard("all", `${at}/**`, `except = "${at}/**/not"\n`) + guard("deep", `${at}/*/*/deep`),
    );
    const a = tenants.child("a");
    memory.handDown(tenants.path);
    const b = a.child("b");
    memory.handDown(a.path);
    const deep = b.child("deep", LIMIT);
    const not = tenants.child("c").child("not", LIMIT);
    const other = tenants.child("c").child("other", LIMIT);
    await isArmed(reprieve, "/a/b/deep");
    await isArmed(reprieve, "/c/other");
    await expectRelief(reprieve, deep);
    expect(said(reprieve, "armed", "/not")).toEqual([]);
    await end(reprieve, deep, not, other);
  });

  test("has the powers of its path, and of no other", async () => {
    const reprieve = await start(`[deny]\nkill = "${at}/un*"\n${guard("all", `${at}/*`)}`);
    const [un, other] = [tenants.child("un", LIMIT), tenants.child("other", LIMIT)];
    await isArmed(reprieve, "/un");
    await isArmed(reprieve, "/other");
    const found = armed(reprieve);
    expect(found.un).toMatchObject({ allow_kill: false });
    expect(found.other).toMatchObject({ allow_kill: true });
    await end(reprieve, un, other);
  });

  test("goes on where the one that was there at the start went", async () => {
    const first = tenants.child("first", LIMIT);
    const reprieve = await start(guard("all", `${at}/*`), 1);
    await first.destroy();
    await isGone(reprieve, "/first");
    const second = tenants.child("second", LIMIT);
    await isArmed(reprieve, "/second");
    await expectRelief(reprieve, second);
    await end(reprieve, second);
  });

  test("that was named has to be there at the start, and is waited for when it is gone", async () => {
    const [comes, stays] = [tenants.child("comes", LIMIT), tenants.child("stays", LIMIT)];
    const reprieve = await start(guard("a", `${at}/comes`) + guard("b", `${at}/stays`), 2);
    rmdirSync(comes.path);
    await isGone(reprieve, "/comes");
    tenants.child("comes", LIMIT);
    await isArmed(reprieve, "/comes", 2);
    await end(reprieve, comes, stays);
  });
});

describeWith("a group that is renamed", kernelTest, () => {
  renaming("is guarded as its new name says", async () => {
    const group = tenants.child("plain", LIMIT);
    const more = guard("b", `${at}/better-*`, 'delay = "70ms"\n');
    const reprieve = await start(guard("a", `${at}/*`, `except = "${at}/out-*"\n`) + more, 1);
    group.rename(`${tenants.path}/better-one`);
    await isArmed(reprieve, "/better-one");
    await isReleased(reprieve, "/plain");
    expect(armed(reprieve)["better-one"]).toMatchObject({ delay_ms: 70 });
    await expectRelief(reprieve, group);
    group.rename(`${tenants.path}/out-one`);
    await isReleased(reprieve, "/better-one");
    group.setLimit(LIMIT * 2);
    group.rename(`${tenants.path}/plain-again`);
    await isArmed(reprieve, "/plain-again");
    await end(reprieve, group);
  });

  renaming("with the groups below it", async () => {
    const above = tenants.child("above");
    const inner = above.child("inner", LIMIT);
    const reprieve = await start(guard("all", `${at}/**`), 1);
    above.rename(`${tenants.path}/renamed`);
    inner.path = `${above.path}/inner`;
    await isArmed(reprieve, "/renamed/inner");
    await expectRelief(reprieve, inner);
    await end(reprieve, inner);
  });

  renaming("in the middle of an incident keeps its guard until that is closed", async () => {
    const group = tenants.child("before", LIMIT);
    chownSync(group.path, UID, UID);
    const folder = doorFolder();
    const socket = `${folder}/handler.sock`;
    const reprieve = await start(
      `[handler]\nwhere = "designated"\nsocket = "${socket}"\n` +
        guard("all", `${at}/*`, 'delay = "5s"\n'),
      1,
    );
    // One that answers for the group, and does nothing.
    const idle = new Client(socket, folder, UID);
    await idle.expect("dial", "0");
    await idle.expect(`name ${at.slice(1)}/before`, "0");
    await idle.expect("hear", "3 0 accepted");
    const leaker = await board.start(group, { means: "touch", kb: LEAK_KB }).ready();
    leaker.go();
    await reprieve.message("incident.opened");
    group.rename(`${tenants.path}/after`);
    await Bun.sleep(200);
    expect(said(reprieve, "released", "/before")).toEqual([]);
    kill(leaker.pid, "SIGKILL");
    await isArmed(reprieve, "/after");
    const closed = await reprieve.message("incident.closed");
    expect(closed).toMatchObject({ guard: `${at.slice(1)}/before`, reason: "designated" });
    await expectRelief(reprieve, group);
    await end(reprieve, group);
  });
});

describeWith("a group in which the handler lives", kernelTest, () => {
  test("is left by it when nobody else is in there, and joined again", async () => {
    const scene = await Scene.set(["--handler", "inside"]);
    const handler = await scene.reprieve.helper("handler");
    const isIn = () => scene.group.procs().includes(handler);
    const first = await scene.neighbour();
    await until("the handler to be in", isIn);
    await Bun.sleep(1500); // it has been seen
    expect(isIn()).toBe(true);
    kill(first.pid, "SIGKILL");
    await until("the handler to leave", () => !isIn());
    await scene.neighbour();
    await until("the handler to be in again", isIn);
    expect((await scene.leak()).closed).toMatchObject({ outcome: "relieved", reason: "killed" });
    await scene.end();
  });
});

describeWith("below a guarded group", kernelTest, () => {
  onlyOnV1("v2 has no switch to inherit")(
    "one that is made while that is held is guarded all the same",
    async () => {
      const above = tenants.child("above", 2 * LIMIT);
      const reprieve = await start(guard("all", `${at}/**`), 1);
      const hog = await board.start(above, { means: "touch", kb: NEAR_KB * 2 }).ready();
      hog.go();
      await until("held", () => above.oom().held);
      const inner = above.child("inner", LIMIT);
      await isArmed(reprieve, "/above/inner");
      kill(hog.pid, "SIGKILL");
      await expectRelief(reprieve, inner);
      rmdirSync(inner.path);
      await isGone(reprieve, "/above/inner");
      await expectRelief(reprieve, above, LEAK_KB * 2);
      await end(reprieve, above);
    },
  );
});

describeWith("of very many changes", kernelTest, () => {
  test("none is missed where the kernel drops the news of them", async () => {
    const [goes, stays] = [tenants.child("goes", LIMIT), tenants.child("stays", LIMIT)];
    const reprieve = await start(guard("all", `${at}/**`), 2);
    kill(reprieve.pid, "SIGSTOP");
    const limits = [goes, stays].map(({ path }) => `${path}/${memory.limitFile}`);
    const text = readFileSync(limits[0] ?? "", "utf8");
    for (let i = 0; i < TOO_MANY_EVENTS; i += 1) writeFileSync(limits[i % 2] ?? "", text);
    rmdirSync(goes.path);
    const [comes, deep] = [
      tenants.child("comes", LIMIT),
      tenants.child("far").child("deep", LIMIT),
    ];
    kill(reprieve.pid, "SIGCONT");
    await isArmed(reprieve, "/comes");
    await isArmed(reprieve, "/far/deep");
    await isGone(reprieve, "/goes");
    expect(said(reprieve, "armed", "/stays")).toHaveLength(1);
    const later = tenants.child("later", LIMIT);
    await isArmed(reprieve, "/later");
    await expectRelief(reprieve, later);
    await end(reprieve, stays, comes, deep, later);
  });

  test(
    `${STORM} groups in ${STORM_MS / 1000} s: each is guarded, and nothing is left of them`,
    async () => {
      const random = new Random(seedFromEnv());
      const stays = tenants.child("stays", LIMIT);
      const reprieve = await start(guard("all", `${at}/*`), 1);
      const first = tenants.child("first", LIMIT);
      await isArmed(reprieve, "/first");
      await first.destroy();
      await isGone(reprieve, "/first");
      const before = holds(reprieve);
      const storm = Array.from({ length: STORM }, async (_, i) => {
        await Bun.sleep((i * STORM_MS) / STORM);
        const group = tenants.child(`storm-${i}`, LIMIT);
        // Every other one goes when it likes, armed or not.
        if (i % 2 === 0) await isArmed(reprieve, `/storm-${i}`);
        else await Bun.sleep(random.whole(0, 60));
        rmdirSync(group.path);
        return `/storm-${i}`;
      });
      const names = await Promise.all(storm);
      await until(`no more than ${before}`, () =>
        holds(reprieve).every((count, i) => count <= (before[i] ?? 0)),
      ).catch((error) => {
        throw new Error(`${error.message}: ${holds(reprieve)}`);
      });
      expect(names).toHaveLength(STORM);
      const comes = tenants.child("comes", 2 * LIMIT);
      await isArmed(reprieve, "/comes");
      await expectRelief(reprieve, stays);
      expect(reprieve.messages.filter(({ type }) => type === "lost")).toEqual([]);
      await end(reprieve, stays, comes);
      expect(reprieve.err).not.toContain("cannot");
    },
    STORM_BOUND_MS,
  );
});
