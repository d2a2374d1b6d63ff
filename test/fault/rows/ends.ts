// SPDX-License-Identifier: MIT
/** All of ours at once, by signals, a container's end or a terminal: who is left to put back. */
import { expect } from "bun:test";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { Group, kill } from "../../helpers/group.ts";
import { memory } from "../../helpers/memory.ts";
import { binary, runBase } from "../../helpers/paths.ts";
import { Reprieve } from "../../helpers/reprieve.ts";
import { program } from "../../helpers/require.ts";
import { DELAY_MS, LEAK_KB, LIMIT, NEAR_KB, Scene } from "../../helpers/scene.ts";
import { bootMs, until } from "../../helpers/wait.ts";
import { isAlive, isStopped, type Workload } from "../../helpers/workload.ts";
import { HARD_BOUND_MS, type OwnRow, type Played, type Stage } from "../engine.ts";

/** A program of 90 MB is started on a busy machine, and finds the ledgers. */
const RELEASE_BOUND_MS = 5000;

async function leakerOf(scene: Scene, beforeKb: number): Promise<Workload> {
  const plan = { means: "touch", beforeKb, kb: LEAK_KB } as const;
  return scene.board.start(scene.group, plan).ready();
}

/** From its last good touch to its death. */
async function leakToDeath(leaker: Workload): Promise<number> {
  leaker.go();
  await until("the leaker's death", () => !leaker.isAlive());
  return bootMs() - leaker.lastTouchMs();
}

/** Far from the limit nothing of ours is needed: the killer is on already. */
async function far(strike: (scene: Scene) => void | Promise<void>): Promise<Played> {
  const scene = await Scene.set();
  const leaker = await leakerOf(scene, 0);
  await until("the killer to be on", () => !scene.group.oom().held);
  await strike(scene);
  expect(scene.group.oom().held).toBe(false);
  const reliefMs = await leakToDeath(leaker);
  expect((await Reprieve.ends(["release"])).code).toBeOneOf([0, 75]);
  await scene.expectAsBefore();
  return { switchMs: 0, reliefMs, said: "switch on already" };
}

/** Near the limit it stays off, for ever, until somebody comes: that is the one gap, and it is told. */
async function near(stage: Stage, comes: "release" | "the next start"): Promise<Played> {
  const scene = await Scene.set();
  const leaker = await leakerOf(scene, NEAR_KB);
  await until("the killer to be off", () => scene.group.oom().held);
  if (stage === "event") {
    for (const pid of scene.reprieve.helpers().values()) kill(pid, "SIGSTOP");
    leaker.go();
    await until("the OOM", () => scene.group.oom().waiting);
  }
  scene.reprieve.killAll();
  await until("all to be dead", () => scene.reprieve.helpers().size === 0);
  leaker.go();
  await until("the OOM", () => scene.group.oom().waiting);
  expect(scene.group.oom().held).toBe(true);
  const begin = bootMs();
  if (comes === "release") {
    expect((await Reprieve.ends(["release"])).code).toBeOneOf([0, 75]);
  } else {
    const next = await Reprieve.guard([scene.group.path]);
    await until("the leaker's death", () => !leaker.isAlive());
    expect(await next.stop()).toBe(0);
    await next.gone();
  }
  await until("the leaker's death", () => !leaker.isAlive());
  const tookMs = bootMs() - begin;
  await scene.expectAsBefore();
  return { switchMs: tookMs, reliefMs: tookMs, said: `put back by ${comes}` };
}

// --- a container ---

/** Every process of the pid namespace, by its role in argv[0]. */
function processesBeside(pid: number): Map<string, number> {
  const namespace = readlinkSync(`/proc/${pid}/ns/pid`);
  const found = new Map<string, number>();
  for (const entry of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      if (readlinkSync(`/proc/${entry}/ns/pid`) !== namespace) continue;
      found.set(readFileSync(`/proc/${entry}/cmdline`, "utf8").split("\0")[0] ?? "", Number(entry));
    } catch {} // it has ended
  }
  return found;
}

/**
 * A pid namespace whose pid 1 is a shell, with reprieve as its child; /run is the host's, so that the host can
 * release. The number is drawn: others may have a process 2 in a namespace of theirs.
 */
async function container(stage: Stage): Promise<Played> {
  const script = 'echo $1 > /proc/sys/kernel/ns_last_pid && shift && "$@"; exit $?';
  const number = 10_000 + (process.pid % 10_000);
  const inside = ["unshare", "-pf", "--mount-proc", "sh", "-c", script, "sh", String(number)];
  const group = new Group("scene", { limit: LIMIT });
  const scene = await Scene.around(group, [], { command: [...inside, binary] });
  const isNear = stage === "near" || !memory.armsLate;
  const leaker = await leakerOf(scene, isNear ? NEAR_KB : 0);
  await until("the killer", () => scene.group.oom().held === isNear);
  const children = readFileSync(`/proc/${scene.reprieve.pid}/task/${scene.reprieve.pid}/children`);
  const init = Number(children.toString().trim());
  const ours = [...processesBeside(init).values()];
  expect(existsSync(`${runBase}/${number + 1}`)).toBe(true);
  kill(init, "SIGKILL");
  await until("its end", () => !ours.some(isAlive));
  expect(scene.group.oom().held).toBe(isNear);
  if (isNear) leaker.go();
  const farMs = isNear ? 0 : await leakToDeath(leaker);
  if (isNear) await until("the OOM", () => scene.group.oom().waiting);
  const begin = bootMs();
  const ended = await Reprieve.ends(["release"]);
  expect(ended.code).toBeOneOf([0, 75]);
  expect(existsSync(`${runBase}/${number + 1}`)).toBe(false);
  await until("the leaker's death", () => !leaker.isAlive());
  const tookMs = isNear ? bootMs() - begin : 0;
  await scene.expectAsBefore();
  const said = isNear ? "put back by release" : "switch on already";
  return { switchMs: tookMs, reliefMs: isNear ? tookMs : farMs, said };
}

// --- a terminal ---

/**
 * The agent is the foreground job of a shell in a terminal: only with job control is it stopped by what is typed,
 * for the kernel stops no process group whose parent is in another session.
 */
async function terminal(act: "Ctrl-Z" | "hang-up", stage: Stage): Promise<Played> {
  const scene = await Scene.set();
  await scene.reprieve.stop();
  const none = ["--listen", "none", "--journal", "none"];
  const args = ["run", "--cgroup", scene.group.path, "--allow-kill", ...none];
  const run = `${binary} ${args.join(" ")} --json --delay ${DELAY_MS}ms`;
  const script = `set -m; sh -c "echo pid=\\$\\$; exec ${run}"; sleep 60`;
  const window = Bun.spawn(["script", "-qfec", script, "/dev/null"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  let out = "";
  const reading = (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of window.stdout) out += decoder.decode(chunk);
  })();
  await until("armed", () => out.includes('"armed"'));
  const agent = Number(/pid=(\d+)/.exec(out)?.[1]);
  const isNear = stage === "near" || !memory.armsLate;
  const leaker = await leakerOf(scene, isNear ? NEAR_KB : 0);
  await until("the killer", () => scene.group.oom().held === isNear);
  if (act === "Ctrl-Z") {
    window.stdin.write("\x1a");
    window.stdin.flush();
    await until("the agent to stop", () => isStopped(agent));
  } else {
    kill(window.pid, "SIGKILL");
  }
  const reliefMs = await leakToDeath(leaker);
  expect(reliefMs).toBeLessThan(HARD_BOUND_MS);
  const byKernel = scene.group.oom().kills > 0;
  kill(agent, "SIGCONT");
  kill(agent, "SIGTERM");
  await until("the agent's end", () => !isAlive(agent));
  kill(window.pid, "SIGKILL");
  await window.exited;
  await reading;
  await scene.expectAsBefore();
  const said = `${act === "Ctrl-Z" ? "agent stopped" : "agent ended"}, killed by ${byKernel ? "the kernel" : "reprieve"}`;
  return { switchMs: reliefMs, reliefMs, said };
}

export const ends: readonly OwnRow[] = [
  {
    name: "all SIGKILL, far from the limit",
    mayLack: () =>
      memory.armsLate ? null : "only on v1: on v2 a group is held far from its limit too",
    stages: ["quiet"],
    play: () => far((scene) => scene.reprieve.killAll()),
  },
  ...(["release", "the next start"] as const).map(
    (comes): OwnRow => ({
      name: `all SIGKILL, then ${comes}`,
      stages: ["near", "event"],
      boundMs: RELEASE_BOUND_MS,
      play: (stage) => near(stage, comes),
    }),
  ),
  {
    name: "pid 1 of the container SIGKILL",
    needs: [program("unshare", "util-linux")],
    stages: ["quiet", "near"],
    boundMs: RELEASE_BOUND_MS,
    play: container,
  },
  ...(["Ctrl-Z", "hang-up"] as const).map(
    (act): OwnRow => ({
      name: `${act} of the terminal`,
      needs: [program("script", "util-linux")],
      stages: ["quiet", "near"],
      play: (stage) => terminal(act, stage),
    }),
  ),
];
