// SPDX-License-Identifier: MIT
/** The group changes under reprieve's hands. */
import { expect } from "bun:test";
import { Freezer, freezing } from "../../helpers/freezer.ts";
import { Group, kill, MB } from "../../helpers/group.ts";
import { memory } from "../../helpers/memory.ts";
import { Reprieve } from "../../helpers/reprieve.ts";
import { DELAY_MS, LEAK_KB, LIMIT, Scene } from "../../helpers/scene.ts";
import { bootMs, until } from "../../helpers/wait.ts";
import { Board } from "../../helpers/workload.ts";
import {
  BOUND_MS,
  type Fault,
  type LeakRow,
  type OwnRow,
  type Played,
  together,
} from "../engine.ts";
import { signal } from "./ours.ts";

const DELAY = ["--delay", `${DELAY_MS}ms`];

/** What was removed is gone, the guard beside it is as guarded as before. */
async function removed(atOom: boolean): Promise<Played> {
  const scene = await Scene.set();
  const doomed = new Group("doomed", { limit: LIMIT });
  await scene.reprieve.stop();
  scene.reprieve = await Reprieve.guard([scene.group.path, doomed.path], DELAY);
  if (atOom) {
    kill(await scene.reprieve.helper("handler"), "SIGSTOP");
    const victim = await scene.board.start(doomed, { means: "touch", kb: LEAK_KB }).ready();
    victim.go();
    while (!doomed.oom().waiting) Bun.sleepSync(0.3);
  }
  await doomed.destroy();
  await scene.reprieve.message("guard", { where: (m) => m.event === "gone" });
  kill(await scene.reprieve.helper("handler"), "SIGCONT");
  const from = scene.reprieve.messages.length;
  const { leaker } = await scene.leak();
  const closed = await scene.reprieve.message("incident.closed", {
    from,
    where: (m) => String(m.guard).includes("scene"),
  });
  for (const victim of scene.victims(from)) expect(victim).toBe(leaker.pid);
  await scene.end();
  return { switchMs: null, reliefMs: null, said: `gone; beside it ${closed.outcome}` };
}

/** The path is another group's afterwards, and its switch is nobody's business. */
function renamed(scene: Scene): Fault {
  const { group } = scene;
  const path = group.path;
  let anew: Group | undefined;
  return {
    strike: () => {
      group.rename(`${path}-renamed`);
      anew = new Group("anew", { limit: LIMIT });
      anew.rename(path);
    },
    heal: async () => {
      expect(anew?.oom()).toEqual({ held: false, waiting: false, kills: 0 });
      await anew?.destroy();
    },
  };
}

/** A big process that does not even die: frozen when the leaker needs its memory. */
async function frozenVictim(scene: Scene): Promise<Fault> {
  const plan = { means: "touch", beforeKb: (LIMIT / 1024) * 0.6 } as const;
  const big = await scene.board.start(scene.group, plan).ready();
  const freezer = new Freezer([big.pid]);
  return {
    strike: () => freezer.freeze(),
    heal: () => freezer.remove(),
    victims: [big.pid],
  };
}

/** The kernel refuses it where the group has no room for it: then nothing has changed. */
function childAdded({ group }: Scene): Fault {
  let child: Group | undefined;
  const isOn = () => child === undefined || !child.oom().held;
  return {
    strike: () => {
      try {
        child = group.child("born");
      } catch {}
    },
    heal: () => until("the child's killer to be on", isOn).then(() => {}),
  };
}

/** Refused where the usage is higher: then nothing has changed. */
function limit({ group }: Scene, bytes: number): Fault {
  const write = (to: number) => {
    try {
      group.setLimit(to);
    } catch {}
  };
  return { strike: () => write(bytes), heal: () => write(LIMIT) };
}

/** On v2 a mark that is lower than ours stays, for it is its owner's: he takes it away. */
function written({ group }: Scene, isHeld: boolean): Fault {
  return {
    strike: () => (isHeld ? group.hold() : group.letGo()),
    heal: () => (memory.version === 2 && isHeld ? group.letGo() : undefined),
  };
}

/** Parent and child are both at OOM, the handler is stopped: each is given back in its own time. */
async function nested(first: "child" | "parent", stopped: boolean): Promise<Played> {
  const parent = new Group("nest", { limit: LIMIT });
  const child = parent.child("child", LIMIT / 2);
  const beside = memory.version === 1 ? parent : parent.child("beside");
  const board = new Board();
  const reprieve = await Reprieve.guard([parent.path, child.path], DELAY);
  const leakers = {
    child: await board.start(child, { means: "touch", kb: LEAK_KB / 2 }).ready(),
    parent: await board.start(beside, { means: "touch", kb: LEAK_KB }).ready(),
  };
  if (stopped) kill(await reprieve.helper("handler"), "SIGSTOP");
  leakers[first].go();
  const own = { child, parent }[first];
  const begin = bootMs();
  while (stopped && !own.oom().waiting) Bun.sleepSync(0.3);
  leakers[first === "child" ? "parent" : "child"].go();
  let held = 0;
  let since: number | null = null;
  const all = () => [leakers.child, leakers.parent];
  for (const end = begin + 10_000; all().some((one) => one.isAlive()) && bootMs() < end; ) {
    // Under the parent's OOM the child's counts too: the one switch that is off holds both.
    const isHeld = [child, parent].some((g) => g.oom().waiting) && parent.oom().held;
    if (isHeld) since ??= bootMs();
    else since = null;
    if (since !== null) held = Math.max(held, bootMs() - since);
    Bun.sleepSync(0.3);
  }
  const reliefMs = bootMs() - begin;
  expect(all().map((one) => one.isAlive())).toEqual([false, false]);
  kill(await reprieve.helper("handler"), "SIGCONT");
  const closed = await reprieve.message("incident.closed");
  expect(await reprieve.stop()).toBe(0);
  await reprieve.gone();
  expect([parent, child].map((g) => g.oom().held)).toEqual([false, false]);
  await parent.destroy();
  board.close();
  return { switchMs: held, reliefMs, said: `${closed.outcome} (${closed.reason})` };
}

/** Or it was over before anybody saw the writing. */
const OVERRODE = /owner-overrode|kernel-first|relieved/;

const RAISED = /relieved|handed-over|kernel-first|exited-by-itself/;

/** As native/limits.h: on v2 so long nobody knows what a hand-over has brought; then the mark that was written is used. */
const SLEPT_OUT_MS = 2500;

const leaks: readonly LeakRow[] = [
  {
    name: "group renamed and re-created",
    mayLack: () => (memory.version === 1 ? null : "only on v1: a group of v2 cannot be renamed"),
    stages: ["quiet", "near", "event", "steps", "hand-over"],
    prepare: renamed,
  },
  { name: "victim frozen", needs: [freezing], stages: ["near", "event"], prepare: frozenVictim },
  {
    name: "victim frozen, handler SIGSTOP",
    needs: [freezing],
    stages: ["near", "event"],
    prepare: async (scene) => {
      return together([await frozenVictim(scene), await signal(scene, ["handler"], "SIGSTOP")]);
    },
  },
  {
    name: "child added",
    stages: ["quiet", "near", "event", "steps", "hand-over"],
    prepare: childAdded,
  },
  {
    name: "limit lowered by somebody else",
    stages: ["quiet", "near", "event"],
    prepare: (scene) => limit(scene, LIMIT - 4 * MB),
  },
  {
    name: "limit raised by somebody else",
    stages: ["quiet", "near", "event", "hand-over"],
    prepare: (scene) => limit(scene, LIMIT + 8 * MB),
    // On v2 memory.high follows a moment later: it may be met before, and relieved by that.
    says: { near: RAISED, event: RAISED },
  },
  {
    name: "switch written by somebody else: on",
    stages: ["near", "event", "steps"],
    prepare: (scene) => written(scene, false),
    says: { near: OVERRODE, event: OVERRODE, steps: OVERRODE },
  },
  {
    name: "switch written by somebody else: off",
    stages: ["quiet", "hand-over"],
    prepare: (scene) => written(scene, true),
    // On v2 a quiet group is held as well, and the writing may be met there.
    ...(memory.version === 2 && {
      boundMs: SLEPT_OUT_MS + BOUND_MS,
      says: { quiet: /owner-overrode|relieved|handed-over|kernel-first/ },
    }),
  },
];

export const group: readonly (LeakRow | OwnRow)[] = [
  ...leaks,
  {
    name: "group removed",
    stages: ["quiet", "event"],
    play: (stage) => removed(stage === "event"),
  },
  ...(["child", "parent"] as const).flatMap((first) =>
    [false, true].map(
      (stopped): OwnRow => ({
        name: `nested OOMs, ${first} first${stopped ? ", handler SIGSTOP" : ""}`,
        stages: ["event"],
        boundMs: 2 * (DELAY_MS + 50), // one after the other
        play: () => nested(first, stopped),
      }),
    ),
  ),
];
