// SPDX-License-Identifier: MIT
/**
 * A round with faults that are drawn with it: who is stopped or killed, what somebody else does to the group, and
 * when. Nobody can say how it has to end, but it ends: no leaker is left asleep.
 */
import type { Group } from "../helpers/group.ts";
import { kill, MB } from "../helpers/group.ts";
import type { Random } from "../helpers/random.ts";
import type { Role } from "../helpers/reprieve.ts";
import { type Arena, bear, endAll, leakEnded, type RoundPlan } from "../helpers/round.ts";
import { until } from "../helpers/wait.ts";
import { isAlive } from "../helpers/workload.ts";

const HUNG_MS = 5000;
const ATTACHED_MS = 300;
const HELPERS = 3;
/** Ours more often than others: a group hangs only where two of them fail in the same round. */
const OFTEN = ["stop", "stop", "stop", "stop", "kill", "kill"] as const;
const KINDS = [...OFTEN, "stop-agent", "kill-agent", "limit", "child", "switch"] as const;

interface DrawnFault {
  readonly kind: (typeof KINDS)[number];
  readonly role: Role;
  /** It strikes when so much of the limit is used, or at the OOM. */
  readonly share: number;
  /** Of a changed limit, in bytes; of a written switch, its sign. */
  readonly by: number;
}

/**
 * One watcher is left in peace, for without any nothing is promised. `killed`: a second death within a minute
 * brings a long back-off, so each role is killed once an arena.
 */
export function drawFaults(random: Random, killed: Set<Role>): DrawnFault[] {
  const faults: DrawnFault[] = [];
  const watcher = random.pick<Role>(["watchdog", "spare"]);
  for (let n = random.whole(1, 3); n > 0; n -= 1) {
    const kind = random.pick(KINDS);
    const role = random.pick<Role>(["handler", watcher]);
    const by = random.whole(1, 8) * MB * (random.chance(0.5) ? 1 : -1);
    const share = random.next() * 1.2; // a sixth of them at the OOM
    const isTwice = kind === "kill" && killed.has(role);
    const isRare = kind === "kill-agent" && random.chance(0.7);
    if (kind === "kill" && !isTwice) killed.add(role);
    faults.push({ kind: isTwice || isRare ? "stop" : kind, role, share, by });
  }
  return faults;
}

/** What was wrong, in words; empty: nobody hung. */
export async function playDrawn(
  arena: Arena,
  plan: RoundPlan,
  faults: readonly DrawnFault[],
): Promise<string[]> {
  const { group, limit, reprieve } = arena;
  await until("all helpers", () => reprieve.helpers().size === HELPERS, 10_000);
  const helpers = reprieve.helpers();
  const { leaker, neighbours } = await bear(arena, plan);
  const pending = [...faults];
  const struck = faults.map((fault) => strikeOf(arena, fault, helpers));
  leaker.go();
  const isOver = () => leakEnded(leaker) && !group.oom().waiting;
  const turn = () => {
    const isFull = group.oom().waiting;
    for (const fault of pending) {
      if (!isFull && group.usage() < fault.share * limit) continue;
      pending.splice(pending.indexOf(fault), 1);
      struck[faults.indexOf(fault)]?.strike();
      break;
    }
    return isOver();
  };
  const wrong: string[] = [];
  await until("the round's end", turn, HUNG_MS).catch(() =>
    wrong.push(`hung: ${JSON.stringify({ ...group.oom(), usage: group.usage(), limit })}`),
  );
  await endAll(group, [leaker, ...neighbours]);
  for (const one of struck) await one.heal();
  if (faults.some((fault) => fault.kind === "kill")) await Bun.sleep(ATTACHED_MS);
  return wrong;
}

/** Its switch is on again when it is time to part, whoever is alive by then. */
export async function checkParting({ group, child, limit, reprieve }: Arena): Promise<string[]> {
  const wrong: string[] = [];
  if (isAlive(reprieve.pid)) {
    const code = await reprieve.stop();
    if (code !== 0) wrong.push(`exit code ${code}: ${reprieve.err}`);
  }
  await reprieve.gone();
  for (const one of [group, child]) {
    if (one.oom().held) wrong.push(`the killer of ${one.path} is off`);
  }
  const left = group.limit();
  if (left !== limit) wrong.push(`the limit is ${left}, was ${limit}`);
  return wrong;
}

// --- internal ---

interface Strike {
  strike(): void;
  heal(): void | Promise<void>;
}

const NOTHING = () => {};

function strikeOf(arena: Arena, fault: DrawnFault, helpers: ReadonlyMap<Role, number>): Strike {
  const { group, limit, reprieve } = arena;
  const helper = helpers.get(fault.role) ?? 0;
  switch (fault.kind) {
    case "stop":
      return {
        strike: () => void kill(helper, "SIGSTOP"),
        heal: () => void kill(helper, "SIGCONT"),
      };
    case "kill":
      return { strike: () => void kill(helper, "SIGKILL"), heal: NOTHING };
    case "stop-agent":
      return {
        strike: () => void kill(reprieve.pid, "SIGSTOP"),
        heal: () => void kill(reprieve.pid, "SIGCONT"),
      };
    case "kill-agent":
      return agentKill(reprieve.pid);
    case "limit":
      return {
        strike: () => void tryLimit(group, limit + fault.by),
        heal: async () => void (await until("the old limit", () => tryLimit(group, limit))),
      };
    case "child":
      return childStrike(group);
    case "switch":
      return {
        strike: () => {
          if (fault.by < 0) group.letGo();
          // Off, where nobody of ours is left to answer for the group, is that somebody's own doing.
          else if (isAlive(reprieve.pid)) group.hold();
        },
        heal: NOTHING,
      };
  }
}

/** It is dead before anybody asks whether it lives: that takes it longer than some rounds. */
function agentKill(pid: number): Strike {
  let isStruck = false;
  return {
    strike: () => {
      isStruck = true;
      kill(pid, "SIGKILL");
    },
    heal: async () => {
      if (isStruck) await until("the agent's death", () => !isAlive(pid));
    },
  };
}

/** False where the kernel refuses: there is more in the group than that, or more swap limit is needed first. */
function tryLimit(group: Group, bytes: number): boolean {
  try {
    group.setLimit(bytes);
    return true;
  } catch {
    return false;
  }
}

function childStrike(group: Group): Strike {
  let child: Group | undefined;
  return {
    strike: () => {
      try {
        child = group.child("passing");
      } catch {} // a full group has no room for one
    },
    heal: async () => void (await child?.destroy()),
  };
}
