// SPDX-License-Identifier: MIT
/** What a guard would do at an OOM now: its orders, one after the other, none of which brings relief. Pure. */

import * as v from "valibot";
import type { StandingOrder } from "../native/guard-orders.ts";
import { limit, order_bound_ms, order as orderNumber } from "../native/layout.ts";
import { bytes, milliseconds, visible } from "../shown.ts";
import type { Explanation, OrderTold, ProcessTold } from "./explanation.ts";
import { Order, type OrderName, textOf } from "./order.ts";

/** Part of a group, with what it holds. */
export interface Part {
  readonly cgroup: string;
  readonly pids: readonly number[];
  readonly bytes: number;
}

type Victim = Pick<ProcessTold, "pid" | "comm" | "score_bytes">;

/** What was found out for it. */
export interface Facts {
  /** So many times as long as on v1 the orders may take. */
  readonly patience: number;
  /** Whom the core chose; null: nobody is worth a kill. */
  readonly victim: Victim | null;
  readonly choice_us: number;
  /** CPU time of the look before it. */
  readonly scan_us: number;
  /** Of the group and all below it. */
  readonly pids: readonly number[];
  readonly children: readonly Part[];
  readonly reclaimableBytes: number;
  /** Why this host cannot do it. */
  readonly whyNot: (order: StandingOrder) => string | undefined;
}

interface StepTold extends OrderTold {
  /** After the event, when those before it have brought no relief. */
  readonly at_ms: number;
  /** Why it would do nothing; null: it would. */
  readonly why_not: string | null;
  readonly does: string;
  readonly frees_bytes: number;
  /** In the group, after it. */
  readonly left_bytes: number;
  readonly left_processes: number;
}

/** One line of --json. */
export interface Rehearsal {
  readonly v: 1;
  readonly cgroup: string;
  readonly reprieve: number | null;
  readonly why_not: string | null;
  readonly usage_bytes: number;
  readonly limit_bytes: number | null;
  readonly processes: number;
  readonly victim: Facts["victim"];
  readonly choice_us: number;
  readonly scan_us: number;
  readonly steps: readonly StepTold[];
  /** Not relieved by then, the kernel decides. */
  readonly hand_over_ms: number;
}

export function rehearsalOf(one: Explanation, facts: Facts): Rehearsal {
  let left: Left = { atMs: 0, bytes: one.usage_bytes, dead: new Set() };
  const steps = one.orders.map((told): StepTold => {
    const order = v.parse(Order, told.order);
    const victim = victimOf(one, facts, left);
    const why = whyNothing(told, order, victim, one, facts);
    const { does, frees, ends } = effectOf(order, victim, one, facts);
    const at_ms = left.atMs;
    if (why === undefined) {
      left = {
        atMs: Math.min(one.delay_ms, at_ms + (told.bound_ms ?? one.delay_ms)),
        bytes: Math.max(0, left.bytes - frees),
        dead: left.dead.union(new Set(ends)),
      };
    }
    return {
      ...{ ...told, at_ms, why_not: why ?? null, does },
      frees_bytes: why === undefined ? frees : 0,
      left_bytes: left.bytes,
      left_processes: Math.max(0, one.processes - left.dead.size),
    };
  });
  const handOver = steps.find(({ order }) => order === textOf({ order: "HAND_OVER" }));
  const { cgroup, reprieve, why_not, usage_bytes, limit_bytes, processes } = one;
  const { victim, choice_us, scan_us } = facts;
  return {
    ...{ v: 1, cgroup, reprieve, why_not, usage_bytes, limit_bytes, processes },
    ...{ victim, choice_us, scan_us, steps, hand_over_ms: handOver?.at_ms ?? one.delay_ms },
  };
}

export function rehearsalLines(one: Rehearsal): string[] {
  const most = one.limit_bytes === null ? "no limit" : `of ${bytes(one.limit_bytes)}`;
  return [
    `${visible(one.cgroup)}  ${bytes(one.usage_bytes)} ${most}: an OOM now, and nothing is done`,
    ...(one.why_not === null ? [] : [`  not guarded: ${visible(one.why_not)}`]),
    ...one.steps.map((step) => `${at(step.at_ms)}  ${visible(stepText(step))}`),
    `${at(one.hand_over_ms)}  the kernel decides, if there is still no relief`,
    visible(
      `  the victim was chosen in ${one.choice_us} us among ${counted(one.processes)}, after a look of ${one.scan_us} us`,
    ),
  ];
}

// --- internal ---

const KILLS: ReadonlySet<OrderName> = new Set([
  "KILL",
  "TERMINATE",
  "KILL_GROUP",
  "KILL_GROUP_ALL",
]);

function at(ms: number): string {
  return milliseconds(ms).padStart(10);
}

function stepText({ order, why_not, does, left_bytes, left_processes, frees_bytes }: StepTold) {
  if (why_not !== null) return `${order}: would ${does}, and does not: ${why_not}`;
  const left =
    frees_bytes === 0 ? "" : `; ${bytes(left_bytes)} and ${counted(left_processes)} left`;
  return `${order}: ${does}${left}`;
}

/** What those before have left. */
interface Left {
  readonly atMs: number;
  readonly bytes: number;
  readonly dead: ReadonlySet<number>;
}

/** The next one, when those before are dead. */
function victimOf({ candidates }: Explanation, { victim }: Facts, { dead }: Left): Victim | null {
  if (victim === null) return null;
  return [victim, ...candidates].find(({ pid }) => !dead.has(pid)) ?? null;
}

function whyNothing(
  told: OrderTold,
  order: StandingOrder,
  victim: Victim | null,
  { caps }: Explanation,
  { children, whyNot }: Facts,
): string | undefined {
  if (!told.acts) return `only observed (${told.by})`;
  const why = whyNot(order);
  if (why !== undefined) return why;
  const name = order.order;
  if (name === "FREEZE" && largestOf(children) === undefined) {
    return "there is no child with memory of its own";
  }
  if (!KILLS.has(name) && name !== "MOVE") return undefined;
  if (victim === null) return `no process that may be killed holds ${bytes(limit.KILL_MIN_BYTES)}`;
  if (name === "KILL_GROUP" && homeOf(children, victim) === undefined) {
    return "the victim lives in no child";
  }
  if (!KILLS.has(name)) return undefined;
  if (caps.hour !== null && caps.hour_kills >= caps.hour) return "the cap of an hour is reached";
  const isHostCapped = caps.host_hour !== null && caps.host_hour_kills >= caps.host_hour;
  return isHostCapped ? "the cap of all guards is reached" : undefined;
}

/** What one order does where it can, how much that frees and which processes it ends. */
function effectOf(
  order: StandingOrder,
  victim: Victim | null,
  one: Explanation,
  { pids, children, reclaimableBytes, patience }: Facts,
): { does: string; frees: number; ends: readonly number[] } {
  const who = victim === null ? "the one it chooses" : `${victim.comm} (${victim.pid})`;
  const held = victim === null ? "" : `, ${bytes(victim.score_bytes)}`;
  const none = { frees: 0, ends: [] };
  switch (order.order) {
    case "RAISE": {
      const by = Math.min(order.byBytes, Math.max(0, order.mostBytes - one.raised_bytes));
      const to = one.limit_bytes === null ? "" : ` to ${bytes(one.limit_bytes + by)}`;
      return { ...none, does: `raise the limit by ${bytes(by)}${to}` };
    }
    case "RECLAIM": {
      const frees = Math.min(one.margin_bytes, reclaimableBytes);
      return { ...none, frees, does: `reclaim up to ${bytes(one.margin_bytes)}` };
    }
    case "FREEZE":
      return { ...none, does: `freeze ${largestOf(children)?.cgroup ?? "a child"}` };
    case "MOVE":
      return { ...none, does: `move ${who} to ${order.to}` };
    case "HOOK":
      return { ...none, does: `run ${order.argv[0]}` };
    case "KILL": {
      const frees = victim?.score_bytes ?? 0;
      const next = nextOf(one, victim, patience);
      const ends = victim === null ? [] : [victim.pid];
      return { frees, ends, does: `kill ${who}${held}${next}` };
    }
    case "TERMINATE": {
      const frees = victim?.score_bytes ?? 0;
      const ends = victim === null ? [] : [victim.pid];
      return { frees, ends, does: `send SIGTERM to ${who}${held}, and make room; then SIGKILL` };
    }
    case "KILL_GROUP": {
      const home = victim === null ? undefined : homeOf(children, victim);
      const ends = home?.pids ?? [];
      const does = `kill ${home?.cgroup ?? "a child"} whole, ${counted(ends.length)}`;
      return { frees: home?.bytes ?? 0, ends, does };
    }
    case "KILL_GROUP_ALL":
      return {
        frees: one.usage_bytes,
        ends: pids,
        does: `kill everybody, ${counted(pids.length)}`,
      };
    case "HAND_OVER":
      return { ...none, does: "wait no longer" };
  }
}

/** Whom a kill that brings no relief is followed by. */
function nextOf({ candidates, caps }: Explanation, victim: Victim | null, patience: number) {
  const at = candidates.findIndex(({ pid }) => pid === victim?.pid);
  const next = candidates[at + 1];
  if (victim === null || next === undefined || caps.incident < 2) return "";
  const boundMs = (order_bound_ms[orderNumber.KILL] ?? 0) * patience;
  return `, and ${milliseconds(boundMs)} later ${next.comm} (${next.pid})`;
}

function homeOf(children: readonly Part[], { pid }: Victim): Part | undefined {
  return children.find(({ pids }) => pids.includes(pid));
}

function largestOf(children: readonly Part[]): Part | undefined {
  return children.filter((one) => one.bytes > 0).toSorted((a, b) => b.bytes - a.bytes)[0];
}

function counted(processes: number): string {
  return `${processes} process${processes === 1 ? "" : "es"}`;
}
