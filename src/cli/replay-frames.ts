// SPDX-License-Identifier: MIT
/** What an incident's frames say of the times at which other orders might have killed. Pure. */

import type { Frame, Incident } from "../journal/incident.ts";
import type { When } from "../native/guard-orders.ts";
import { at, limit, size } from "../native/layout.ts";
import { MARGIN_MOST_BYTES } from "./guards.ts";

const PAGE_BYTES = 4096;
/** "In about the last second". */
const GROWTH_US = 1_000_000;

/** A time, and what was recorded of it. */
export interface Moment {
  readonly frame: Frame;
  /** Somebody was killed then, for that those before him had freed only so much. */
  readonly inVainBytes?: number;
}

export interface Moments {
  /** The first is that of the first kill. */
  readonly all: readonly [Moment, ...Moment[]];
  /** What the group holds at most, or is to. */
  readonly markBytes: number;
}

export interface Known {
  readonly pid: number;
  readonly comm: string;
  readonly uid: number | null;
  readonly anon_bytes: number;
  /** Of it, in about the last second. */
  readonly grown_bytes: number;
  readonly start: number;
  readonly score: number;
}

/** What there would be: of those recorded without the dead, and with those who were really killed. */
export interface Present {
  readonly usageBytes: number;
  readonly processes: readonly Known[];
}

export function momentsOf(
  incident: Incident,
  { when, marginBytes }: { readonly when: When; readonly marginBytes: number | undefined },
): Moments {
  const event = atEvent(incident);
  const mostBytes = incident.limit_bytes ?? event.usage_bytes;
  const later = [...furtherKills(incident, event), ...framesAfter(incident)];
  if (when === "at-oom") return { all: [{ frame: event }, ...later], markBytes: mostBytes };
  const markBytes = mostBytes - (marginBytes ?? Math.min(MARGIN_MOST_BYTES, mostBytes / 4));
  const near = incident.frames.findIndex((one) => one.t_us <= 0 && one.usage_bytes >= markBytes);
  const before = near < 0 ? [] : incident.frames.slice(near).filter(({ t_us }) => t_us <= 0);
  const [first, ...others] = [...before, event].map((frame) => ({ frame }));
  return { all: [first ?? { frame: event }, ...others, ...later], markBytes };
}

export function presentAt(
  incident: Incident,
  { frame }: Moment,
  dead: ReadonlySet<number>,
): Present {
  const there = new Map(frame.processes);
  const really = frame.t_us <= 0 ? [] : killsOf(incident).filter(({ pid }) => !there.has(pid));
  const spared = really.filter(({ pid }) => !dead.has(pid));
  const freed = [...dead].reduce((sum, pid) => sum + (there.get(pid) ?? 0), 0);
  const kept = spared.reduce((sum, { bytes }) => sum + bytes, 0);
  const alive = [...frame.processes, ...spared.map(({ pid, bytes }) => [pid, bytes] as const)];
  const before = new Map(
    incident.frames.findLast(({ t_us }) => t_us <= frame.t_us - GROWTH_US)?.processes,
  );
  return {
    usageBytes: Math.max(0, frame.usage_bytes - freed + kept),
    processes: alive
      .filter(([pid]) => !dead.has(pid))
      .map(([pid, anonBytes]) => knownOf(incident, pid, anonBytes, before.get(pid))),
  };
}

/** By kills, those of others too, as far as they are known. */
export function reallyFreed(incident: Incident): number {
  const ours = killsOf(incident).reduce((sum, { bytes }) => sum + bytes, 0);
  const others = [...(incident.kernel_killed ?? []), ...(incident.ended ?? [])];
  return others.reduce((sum, { rss_bytes }) => sum + rss_bytes, ours);
}

/** One struct replayed after the other. */
export function packed(all: readonly Known[]): Uint8Array {
  const bytes = Buffer.alloc(all.length * size.replayed);
  all.forEach(({ pid, comm, uid, anon_bytes, grown_bytes, start, score }, index) => {
    const base = index * size.replayed;
    bytes.writeBigUInt64LE(BigInt(start), base + at.replayed_start_time);
    bytes.writeUInt32LE(pid, base + at.replayed_pid);
    bytes.writeUInt32LE(uid ?? 0xffff_fffe, base + at.replayed_uid);
    bytes.writeUInt32LE(Math.floor(anon_bytes / PAGE_BYTES), base + at.replayed_pages);
    bytes.writeUInt32LE(Math.floor(grown_bytes / PAGE_BYTES), base + at.replayed_grown);
    bytes.writeInt32LE(score, base + at.replayed_oom_score_adj);
    bytes.write(comm, base + at.replayed_name, limit.COMM_BYTES, "utf8");
  });
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

// --- internal ---

/** By us; when the kernel killed is not told. */
function killsOf({ steps }: Incident): { pid: number; bytes: number; at_us: number }[] {
  const killed = steps.filter(
    ({ step, result }) => (step === "kill" || step === "terminate") && result === "ok",
  );
  return killed.flatMap(({ pid, rss_bytes: bytes, at_us }, index) => {
    const isAgain = killed.findIndex((one) => one.pid === pid) < index; // behind a SIGTERM
    return pid === undefined || bytes === undefined || isAgain ? [] : [{ pid, bytes, at_us }];
  });
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

/** As it was at the event: of the time between nothing better is known. */
function furtherKills(incident: Incident, event: Frame): Moment[] {
  let inVainBytes = 0;
  return killsOf(incident).flatMap(({ bytes, at_us }, index) => {
    const moment = { frame: { ...event, t_us: at_us }, inVainBytes };
    inVainBytes += bytes;
    return index === 0 ? [] : [moment];
  });
}

/** Looks at the group when the dead had given back what they held. */
function framesAfter({ frames, steps }: Incident): Moment[] {
  const dead = steps.findLast(({ step }) => step === "victim-dead");
  return dead === undefined
    ? []
    : frames.filter(({ t_us }) => t_us > dead.at_us).map((frame) => ({ frame }));
}

function knownOf(
  { processes, steps }: Incident,
  pid: number,
  anonBytes: number,
  beforeBytes = 0,
): Known {
  const known = processes[pid];
  return {
    pid,
    comm: known?.comm ?? steps.find((step) => step.pid === pid)?.comm ?? "",
    uid: known?.uid ?? null,
    anon_bytes: anonBytes,
    grown_bytes: Math.max(0, anonBytes - beforeBytes),
    // Born since the last look.
    start: known?.start ?? Number.MAX_SAFE_INTEGER,
    score: known?.oom_score_adj ?? 0,
  };
}
