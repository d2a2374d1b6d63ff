// SPDX-License-Identifier: MIT
/** One or two of ours are stopped, killed, frozen or traced. */
import { fixture } from "../../helpers/build.ts";
import { Freezer, freezing } from "../../helpers/freezer.ts";
import { kill } from "../../helpers/group.ts";
import type { Reprieve, Role } from "../../helpers/reprieve.ts";
import { program } from "../../helpers/require.ts";
import { LEAK_KB, type Scene } from "../../helpers/scene.ts";
import { until } from "../../helpers/wait.ts";
import { isAlive, type Plan } from "../../helpers/workload.ts";
import { type Fault, type LeakRow, STAGES, together } from "../engine.ts";

type Target = Role | "agent";
const SETTLE_MS = 200;
type Signal = "SIGSTOP" | "SIGKILL" | "SIGSEGV";

const ROLES: readonly Role[] = ["handler", "watchdog", "spare"];
const TARGETS: readonly Target[] = ["handler", "watchdog", "spare", "agent"];

function pidOf(reprieve: Reprieve, target: Target): Promise<number> {
  return target === "agent" ? Promise.resolve(reprieve.pid) : reprieve.helper(target);
}

/** The fault that sends it to all of them. */
export async function signal(
  { reprieve }: Scene,
  targets: readonly Target[],
  name: Signal,
): Promise<Fault> {
  const pids = await Promise.all(targets.map((target) => pidOf(reprieve, target)));
  const endsAgent = targets.includes("agent") && name !== "SIGSTOP";
  return {
    strike: () => pids.forEach((pid) => void kill(pid, name)),
    heal: async () => {
      if (name === "SIGSTOP") for (const pid of pids) kill(pid, "SIGCONT");
      if (endsAgent) await until("the agent's death", () => !isAlive(reprieve.pid));
    },
  };
}

async function frozen({ reprieve }: Scene, role: Role): Promise<Fault> {
  await reprieve.settled(role);
  const freezer = new Freezer([await reprieve.helper(role)]);
  return { strike: () => freezer.freeze(), heal: () => freezer.remove() };
}

/** The main thread, which responds or watches, is in a tracer's hands. */
async function traced({ reprieve }: Scene, role: Role): Promise<Fault> {
  const tracer = Bun.spawn([fixture("tracer"), String(await reprieve.helper(role))], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  await tracer.stdout.getReader().read(); // it has hold of it
  return {
    strike: () => void kill(tracer.pid, "SIGUSR1"),
    heal: async () => {
      kill(tracer.pid, "SIGKILL");
      await tracer.exited;
    },
  };
}

/** No page more for the agent from now on: what it tries to get fails, and its runtime gives up sooner or later. */
function exhausted({ reprieve }: Scene): Fault {
  const limit = (to: string) => {
    Bun.spawnSync(["prlimit", "--pid", String(reprieve.pid), `--as=${to}:unlimited`]);
  };
  return {
    strike: () => limit("1"),
    heal: async () => {
      limit("unlimited");
      await Bun.sleep(SETTLE_MS); // it may be dying
    },
  };
}

function single(target: Target, name: Signal, more: Partial<LeakRow> = {}): LeakRow {
  const prepare = (scene: Scene) => signal(scene, [target], name);
  return { name: `${target} ${name}`, stages: STAGES, prepare, ...more };
}

function pair(targets: readonly Target[], name: Signal): LeakRow {
  const prepare = (scene: Scene) => signal(scene, targets, name);
  return { name: `${targets.join(" and ")} ${name}`, stages: STAGES, prepare };
}

/** One stopped, the other killed: the first must be done with by whoever is left. */
function mixed(stopped: Target, killed: Target): LeakRow {
  return {
    name: `${stopped} SIGSTOP, ${killed} SIGKILL`,
    stages: ["near", "event"],
    prepare: async (scene) => {
      return together([
        await signal(scene, [stopped], "SIGSTOP"),
        await signal(scene, [killed], "SIGKILL"),
      ]);
    },
  };
}

/** It was killed before, and another is at work now. */
async function back(scene: Scene, role: Role): Promise<Fault> {
  const { reprieve } = scene;
  const old = await reprieve.helper(role);
  kill(old, "SIGKILL");
  await until(`another ${role}`, () => ![undefined, old].includes(reprieve.helpers().get(role)));
  await Bun.sleep(ATTACHED_MS);
  return { strike: () => {} };
}

const INSIDE = ["--handler", "inside"];
/** Nobody answers for the group: the kernel is given it, or never lost it. */
const UNHANDLED = /handed-over|kernel-first/;

/** The spare closes what the owner of the switch has handed over, and tells the owner's reason. */
const TAKEN_OVER = /handed-over \(handler-unseen\)/;

/** Slow enough that no burst outruns the arming: it is relieved only where all are at work. */
const SLOW: Plan = { means: "touch", kb: LEAK_KB, chunkKb: 256, pauseUs: 500 };
const ATTACHED_MS = 300;
/** Nobody of ours is there until the agent has started others: 100 ms, and what they take to attach. */
const RESTART_BOUND_MS = 2000;

export const ours: readonly LeakRow[] = [
  single("handler", "SIGSTOP", { says: { quiet: UNHANDLED } }),
  single("handler", "SIGKILL"),
  single("handler", "SIGSEGV"),
  single("watchdog", "SIGKILL", { says: { "hand-over": TAKEN_OVER } }),
  single("watchdog", "SIGSTOP", { says: { "hand-over": TAKEN_OVER } }),
  single("spare", "SIGKILL"),
  single("spare", "SIGSTOP"),
  single("agent", "SIGKILL"),
  single("agent", "SIGSTOP"),
  single("agent", "SIGSEGV"), // its runtime's own way out of a crash
  ...ROLES.map((role) => ({
    name: `${role} frozen`,
    needs: [freezing],
    stages: STAGES,
    prepare: (scene: Scene) => frozen(scene, role),
  })),
  ...ROLES.map((role) => ({
    name: `${role} traced`,
    stages: STAGES,
    prepare: (scene: Scene) => traced(scene, role),
  })),
  ...(["SIGSTOP", "SIGKILL", "SIGSEGV"] as const).map((name) =>
    single("handler", name, { name: `handler inside the group ${name}`, args: INSIDE }),
  ),
  ...ROLES.map((role) => ({
    name: `${role} SIGKILL, and started again`,
    stages: ["near"] as const,
    leak: SLOW,
    prepare: (scene: Scene) => back(scene, role),
    says: { near: /^relieved/ },
  })),
  {
    name: "all helpers SIGKILL: the agent starts others",
    stages: ["near", "event", "hand-over"], // far from the limit nobody is there to tell
    boundMs: RESTART_BOUND_MS,
    prepare: (scene) => signal(scene, ROLES, "SIGKILL"),
  },
  {
    name: "agent out of memory",
    needs: [program("prlimit", "util-linux")],
    stages: ["quiet", "near", "event"],
    prepare: exhausted,
  },
  {
    name: "agent itself in the group",
    stages: ["quiet"],
    prepare: ({ group, reprieve }) => ({ strike: () => group.add(reprieve.pid) }),
  },
  {
    name: "agent itself in the group, handler SIGSTOP",
    stages: ["quiet", "near"],
    // Not before: the pages of the program that it reads again count in the group, which then may not be quiet.
    prepare: async (scene) => {
      const joins = { strike: () => scene.group.add(scene.reprieve.pid) };
      return together([joins, await signal(scene, ["handler"], "SIGSTOP")]);
    },
  },
];

const pairsOf = TARGETS.flatMap((a, i) => TARGETS.slice(i + 1).map((b) => [a, b] as const));

export const pairs: readonly LeakRow[] = [
  ...pairsOf.flatMap((targets) => [pair(targets, "SIGSTOP"), pair(targets, "SIGKILL")]),
  mixed("handler", "watchdog"),
  mixed("watchdog", "handler"),
  mixed("watchdog", "spare"),
  mixed("handler", "agent"),
  mixed("watchdog", "agent"),
];
