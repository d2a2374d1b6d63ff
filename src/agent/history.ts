// SPDX-License-Identifier: MIT
/**
 * What the flight recorder of a region holds: how much each process of a guard's group held, and when. Of a reprieve that runs, or of
 * the region that a dead one has left. Only read.
 */

import type { Core } from "../native/core.ts";
import { at, limit, size } from "../native/layout.ts";
import { type Measured, thinned } from "./thinning.ts";

const PAGE_BYTES = 4096;
/** Of a frame: who, and pages. */
const PROCESS_BYTES = 8;

/** One look of the sampler's at the group. */
export interface Frame {
  /** From the moment that was asked for; before it: below 0. */
  readonly t_us: number;
  readonly usage_bytes: number;
  /** cgroup v2: in percent of the last 10 s; absent where nobody waited for memory. */
  readonly pressure?: { some: number; full: number };
  /** Who was there, and its anonymous memory. */
  readonly processes: [pid: number, anon_bytes: number][];
}

/** As it was last looked at. */
export interface Process {
  /** Hostile text. */
  readonly comm: string;
  readonly uid: number;
  /** Clock ticks since boot. */
  readonly start: number;
  readonly oom_score_adj: number;
  readonly file_bytes: number;
  readonly shmem_bytes: number;
  readonly swap_bytes: number;
}

export interface Recorded {
  readonly frames: readonly Frame[];
  /** By pid: all who are in a frame. */
  readonly processes: Readonly<Record<string, Process>>;
}

export class History {
  readonly #core: Core;
  readonly #region: Uint8Array;

  /** A whole region, as core.mapRegion() and core.viewRegion() give it. */
  constructor(core: Core, region: ArrayBuffer) {
    this.#core = core;
    this.#region = new Uint8Array(region);
  }

  /**
   * From `sinceMs` before the moment `atNs` (CLOCK_MONOTONIC, as of a log's record; now) to the newest, and the one before, which
   * holds at the begin: there is a frame where something has changed.
   */
  frames(guard: number, sinceMs: number, atNs = this.#core.logNs(Date.now())): Recorded {
    return this.#told(guard, sinceMs, atNs, (frames) => [...frames]);
  }

  /** The same until now, in as few as an answer can have. */
  lately(guard: number, sinceMs: number): Recorded {
    const atNs = this.#core.logNs(Date.now());
    const span = [atNs / 1000 - sinceMs * 1000, atNs / 1000] as const;
    return this.#told(guard, sinceMs, atNs, (frames) => thinned(frames, span));
  }

  #told(
    guard: number,
    sinceMs: number,
    atNs: number,
    chosen: (frames: Iterable<Raw>) => Raw[],
  ): Recorded {
    const reader = new Uint8Array(size.history);
    const names = new Names(this.#core, reader);
    const raw = chosen(this.#read(reader, guard, atNs / 1000 - sinceMs * 1000));
    const frames = raw.map((frame) => frameOf(frame, atNs, names));
    return { frames, processes: names.processes };
  }

  /** Of those before only the last. */
  *#read(reader: Uint8Array, guard: number, sinceUs: number): Generator<Raw> {
    let before: Raw | undefined;
    const isThere = this.#core.openHistory(reader, this.#region, guard, sinceUs);
    while (isThere && this.#core.nextFrame(reader)) {
      const frame = rawOf(reader);
      if (frame.t_us > sinceUs && before !== undefined) yield before;
      before = frame.t_us > sinceUs ? undefined : frame;
      if (before === undefined) yield frame;
    }
    if (before !== undefined) yield before;
  }
}

// --- internal ---

/** Who the processes of a history are. */
class Names {
  readonly processes: Record<string, Process> = {};
  readonly #core: Core;
  readonly #reader: Uint8Array;
  readonly #pids = new Map<number, number>();

  constructor(core: Core, reader: Uint8Array) {
    this.#core = core;
    this.#reader = reader;
  }

  pidOf(who: number): number {
    const known = this.#pids.get(who);
    if (known !== undefined) return known;
    const snapshot = new Uint8Array(size.snapshot);
    this.#core.whoIs(this.#reader, who, snapshot);
    const pid = new DataView(snapshot.buffer).getUint32(at.snapshot_pid, true);
    this.processes[pid] = processOf(snapshot);
    this.#pids.set(who, pid);
    return pid;
  }
}

/** A frame as the core tells it; by CLOCK_MONOTONIC. */
interface Raw extends Measured {
  readonly data: DataView;
}

/** The one that a reader holds now. */
function rawOf(reader: Uint8Array): Raw {
  const now = new DataView(reader.buffer, at.history_now);
  const pairs = now.getUint32(at.history_frame_processes, true);
  const end = at.history_now + at.history_frame_process + pairs * PROCESS_BYTES;
  return {
    t_us: Number(now.getBigUint64(at.history_frame_t_us, true)),
    usage_bytes: Number(now.getBigUint64(at.history_frame_usage_bytes, true)),
    pairs,
    data: new DataView(reader.buffer.slice(at.history_now, end)),
  };
}

function frameOf({ t_us, usage_bytes, pairs, data }: Raw, atNs: number, names: Names): Frame {
  const percent = (offset: number) => data.getUint16(offset, true) / 100;
  const some = percent(at.history_frame_some);
  return {
    t_us: Math.round(t_us - atNs / 1000),
    usage_bytes,
    ...(some > 0 && { pressure: { some, full: percent(at.history_frame_full) } }),
    processes: Array.from({ length: pairs }, (_, i) => {
      const base = at.history_frame_process + i * PROCESS_BYTES;
      const pages = data.getUint32(base + 4, true);
      return [names.pidOf(data.getUint32(base, true)), pages * PAGE_BYTES];
    }),
  };
}

function processOf(snapshot: Uint8Array): Process {
  const data = new DataView(snapshot.buffer);
  const pages = (offset: number) => data.getUint32(offset, true) * PAGE_BYTES;
  const comm = snapshot.subarray(at.snapshot_comm, at.snapshot_comm + limit.COMM_BYTES);
  const end = comm.indexOf(0);
  return {
    comm: new TextDecoder().decode(end < 0 ? comm : comm.subarray(0, end)),
    uid: data.getUint32(at.snapshot_uid, true),
    start: Number(data.getBigUint64(at.snapshot_start_time, true)),
    oom_score_adj: data.getInt16(at.snapshot_oom_score_adj, true),
    file_bytes: pages(at.snapshot_file_pages),
    shmem_bytes: pages(at.snapshot_shmem_pages),
    swap_bytes: pages(at.snapshot_swap_pages),
  };
}
