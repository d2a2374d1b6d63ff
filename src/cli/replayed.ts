// SPDX-License-Identifier: MIT
/**
 * What other orders would have done in an incident: whom they would have killed, when, and what would have been left, by the frames
 * that are kept with it. `rank` is the core's own (native/replay.c).
 */

import type { Frame, Incident } from "../journal/incident.ts";
import { at, limit, rank_by, size } from "../native/layout.ts";
import type { StandingOrder, When } from "../native/region.ts";
import type { WeighRule } from "../native/weighing.ts";
import { MARGIN_MOST_BYTES } from "./guards.ts";
import { textOf } from "./order.ts";
import { bytes, visible } from "./timeline.ts";

const PAGE_BYTES = 4096;
/** "In about the last second". */
const GROWTH_US = 1_000_000;

/** What is tried in place of what was. */
export interface ReplayOrders {
  /** Whose they are. */
  readonly by: string;
  readonly orders: readonly StandingOrder[];
  readonly weigh: readonly WeighRule[];
  readonly when: When;
  /** Undefined: the default. */
  readonly marginBytes: number | undefined;
  readonly mayKill: boolean;
}

export interface ReplayedProcess {
  readonly pid: number;
  readonly comm: string;
  readonly uid: number | null;
  readonly anon_bytes: number;
  /** Its memory counts so many times. */
  readonly weight: number;
}

export interface Replayed {
  readonly v: 1;
  readonly id: string;
  readonly guard: string;
  readonly cgroup: string;
  /** Whose orders these are. */
  readonly by: string;
  readonly orders: readonly string[];
  /** Tried before a kill; what comes of them cannot be known. */
  readonly untold: readonly string[];
  /** From the event; below 0: before it. */
  readonly at_us: number;
  readonly usage_bytes: number;
  /** The first to be killed foremost. */
  readonly candidates: readonly ReplayedProcess[];
  readonly victim: ReplayedProcess | null;
  readonly would: "kill" | "observe" | "hand-over";
  readonly left: { readonly processes: number; readonly usage_bytes: number };
  /** Whom it was. */
  readonly really: readonly { readonly pid: number; readonly comm: string }[];
  /** Rules by program or group, which are not recorded. */
  readonly unheeded: number;
}

export type Ranker = (processes: Uint8Array, by: number) => number[];

export function replayOf(incident: Incident, wanted: ReplayOrders, rank: Ranker): Replayed {
  const event = atEvent(incident);
  const frame = wanted.when === "before" ? beforeLimit(incident, event, wanted) : event;
  const { by } = killOf(wanted.orders);
  const all = processesAt(incident, frame);
  const packed = packedOf(all, incident.frames, frame);
  const candidates = rank(packed, by === undefined ? rank_by.LARGEST : rank_by[by]).flatMap((i) => {
    const one = all[i];
    const percent = new DataView(packed.buffer, i * size.replayed + at.replayed_percent);
    return one ? [{ ...one.told, weight: percent.getUint32(0, true) / 100 }] : [];
  });
  const [first = null] = candidates;
  const kills = wanted.orders.some(isKill);
  const victim = kills ? first : null;
  const isDone = victim !== null && wanted.mayKill;
  return {
    v: 1,
    id: incident.id,
    guard: incident.guard,
    cgroup: incident.cgroup,
    by: wanted.by,
    orders: wanted.orders.map(textOf),
    untold: untoldOf(wanted.orders).map(textOf),
    at_us: frame.t_us,
    usage_bytes: frame.usage_bytes,
    candidates,
    victim,
    would: victim === null ? "hand-over" : wanted.mayKill ? "kill" : "observe",
    left: {
      processes: all.length - Number(isDone),
      usage_bytes: Math.max(0, frame.usage_bytes - (isDone ? victim.anon_bytes : 0)),
    },
    really: [...incident.victims, ...(incident.kernel_killed ?? [])].map(({ pid, comm }) => ({
      pid,
      comm,
    })),
    unheeded: wanted.weigh.filter((rule) => rule.exe !== undefined || rule.cgroup !== undefined)
      .length,
  };
}

/** For a person. */
export function replayLines(one: Replayed): string[] {
  const { victim, left, really } = one;
  const when = one.at_us === 0 ? "at the event" : `${(one.at_us / 1e6).toFixed(1)} s before it`;
  const why = one.candidates.length === 0 ? "nobody is worth a kill" : "no order kills";
  const verb = one.would === "observe" ? "would have been named, for the power to kill lacks" : "";
  return [
    `${one.id}  ${visible(one.cgroup)}`,
    `orders  ${one.orders.map(visible).join(", ")}; by ${visible(one.by)}`,
    ...one.untold.map(
      (order) => `        ${visible(order)} goes first: what comes of it is not known`,
    ),
    ...(one.unheeded > 0
      ? [`        ${one.unheeded} rules by program or group are left out: neither is recorded`]
      : []),
    victim === null
      ? `replay  ${why}: the kernel would have decided`
      : `replay  ${nameOf(victim)}, ${bytes(victim.anon_bytes)}${weightOf(victim)}, ${verb || `would have been killed ${when}`}`,
    `left    ${left.processes} processes, ${bytes(left.usage_bytes)} of ${bytes(one.usage_bytes)}`,
    `really  ${really.length === 0 ? "nobody was killed" : really.map(nameOf).join(", ")}`,
  ];
}

// --- internal ---

function nameOf({ comm, pid }: { readonly comm: string; readonly pid: number }): string {
  return `${visible(comm)} ${pid}`;
}

function weightOf({ weight }: ReplayedProcess): string {
  return weight === 1 ? "" : `, which counts ${weight} times`;
}

function isKill({ order }: StandingOrder): boolean {
  return order === "KILL" || order.startsWith("KILL_") || order === "TERMINATE";
}

/** Tried before a kill. */
function untoldOf(orders: readonly StandingOrder[]): readonly StandingOrder[] {
  const end = orders.findIndex((one) => isKill(one) || one.order === "HAND_OVER");
  return end < 0 ? orders : orders.slice(0, end);
}

function killOf(orders: readonly StandingOrder[]) {
  return { by: orders.flatMap((one) => (one.order === "KILL" ? [one.by] : []))[0] };
}

/** The last look before it, with what was read of the victims in it. */
function atEvent({ frames, steps }: Incident): Frame {
  const last = frames.findLast(({ t_us }) => t_us <= 0);
  const seen = steps.find(({ usage_bytes }) => usage_bytes !== undefined);
  const held = new Map(last?.processes ?? []);
  for (const { step, pid, rss_bytes: rss } of steps) {
    if ((step === "chose" || step === "would-kill") && pid && rss) held.set(pid, rss);
  }
  return {
    t_us: 0,
    usage_bytes: seen?.usage_bytes ?? last?.usage_bytes ?? 0,
    processes: [...held],
  };
}

/** The first look at which no more than the margin was left of what the group held at the event. */
function beforeLimit({ frames }: Incident, event: Frame, { marginBytes }: ReplayOrders): Frame {
  const margin = marginBytes ?? Math.min(MARGIN_MOST_BYTES, event.usage_bytes / 4);
  const from = event.usage_bytes - margin;
  return frames.find(({ t_us, usage_bytes }) => t_us <= 0 && usage_bytes >= from) ?? event;
}

interface Known {
  readonly told: Omit<ReplayedProcess, "weight">;
  readonly start: number;
  readonly score: number;
}

function processesAt({ processes, steps }: Incident, frame: Frame): Known[] {
  return frame.processes.map(([pid, anonBytes]) => {
    const known = processes[pid];
    const comm = known?.comm ?? steps.find((step) => step.pid === pid)?.comm ?? "";
    return {
      told: { pid, comm, uid: known?.uid ?? null, anon_bytes: anonBytes },
      // Born since the last look.
      start: known?.start ?? Number.MAX_SAFE_INTEGER,
      score: known?.oom_score_adj ?? 0,
    };
  });
}

/** One struct replayed after the other. */
function packedOf(all: readonly Known[], frames: readonly Frame[], now: Frame): Uint8Array {
  const before = new Map(frames.findLast(({ t_us }) => t_us <= now.t_us - GROWTH_US)?.processes);
  const packed = Buffer.alloc(all.length * size.replayed);
  all.forEach(({ told, start, score }, index) => {
    const base = index * size.replayed;
    const grown = Math.max(0, told.anon_bytes - (before.get(told.pid) ?? 0));
    packed.writeBigUInt64LE(BigInt(start), base + at.replayed_start_time);
    packed.writeUInt32LE(told.pid, base + at.replayed_pid);
    packed.writeUInt32LE(told.uid ?? 0xffff_fffe, base + at.replayed_uid);
    packed.writeUInt32LE(Math.floor(told.anon_bytes / PAGE_BYTES), base + at.replayed_pages);
    packed.writeUInt32LE(Math.floor(grown / PAGE_BYTES), base + at.replayed_grown);
    packed.writeInt32LE(score, base + at.replayed_oom_score_adj);
    packed.write(told.comm, base + at.replayed_name, limit.COMM_BYTES, "utf8");
  });
  return new Uint8Array(packed.buffer, packed.byteOffset, packed.length);
}
