// SPDX-License-Identifier: MIT
/**
 * What the flight recorder of a region holds: how much each process of a guard's group held, and when. Of a reprieve that runs, or of
 * the region that a dead one has left. Only read.
 */

import { readFileSync } from "node:fs";
import { at, limit, size } from "../native/layout.ts";

const PAGE_BYTES = 4096;

/** One look of the sampler's at the group. */
export interface Frame {
  /** From the moment that was asked for; before it: below 0. */
  readonly t_us: number;
  readonly usage_bytes: number;
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
  readonly #bytes: Uint8Array;
  readonly #data: DataView;

  /** A whole region, as core.mapRegion() and core.viewRegion() give it. */
  constructor(region: ArrayBuffer) {
    this.#bytes = new Uint8Array(region);
    this.#data = new DataView(region);
  }

  /** From `sinceMs` before the moment `atNs` (CLOCK_MONOTONIC, as of a log's record; now) to the newest. */
  frames(guard: number, sinceMs: number, atNs?: number): Recorded {
    const atMs = atNs === undefined ? uptimeMs() : atNs / 1e6;
    const processes: Record<string, Process> = {};
    const held = new Map<number, number>();
    const frames: Frame[] = [];
    const frame = (tMs: number) => {
      if (tMs < atMs - sinceMs) return;
      const all = [...held];
      frames.push({
        t_us: Math.round((tMs - atMs) * 1000),
        usage_bytes: all.reduce((sum, [, bytes]) => sum + bytes, 0),
        processes: all,
      });
    };
    let tMs = 0;
    for (const base of this.#records()) {
      if (this.#data.getUint16(base + at.snapshot_guard, true) !== guard) continue;
      const nextMs = Number(this.#data.getBigUint64(base + at.snapshot_t_ms, true));
      if (tMs !== 0 && nextMs !== tMs) frame(tMs);
      tMs = nextMs;
      const pid = this.#data.getUint32(base + at.snapshot_pid, true);
      processes[pid] = this.#process(base);
      if (this.#data.getUint16(base + at.snapshot_gone, true)) held.delete(pid);
      else held.set(pid, this.#pages(base + at.snapshot_anon_pages));
    }
    if (tMs !== 0) frame(tMs);
    return { frames, processes };
  }

  // --- internal ---

  /** What changed, oldest first. */
  *#records(): Generator<number> {
    const recorder = Number(this.#data.getBigUint64(at.region_recorder_offset, true));
    const head = Number(this.#data.getBigUint64(recorder + at.recorder_head, true));
    for (let i = Math.max(0, head - limit.RING_RECORDS); i < head; i++) {
      yield recorder + at.recorder_ring + (i % limit.RING_RECORDS) * size.snapshot;
    }
  }

  #process(base: number): Process {
    const comm = this.#bytes.subarray(base + at.snapshot_comm).subarray(0, limit.COMM_BYTES);
    const end = comm.indexOf(0);
    return {
      comm: new TextDecoder().decode(end < 0 ? comm : comm.subarray(0, end)),
      uid: this.#data.getUint32(base + at.snapshot_uid, true),
      start: Number(this.#data.getBigUint64(base + at.snapshot_start_time, true)),
      oom_score_adj: this.#data.getInt16(base + at.snapshot_oom_score_adj, true),
      file_bytes: this.#pages(base + at.snapshot_file_pages),
      shmem_bytes: this.#pages(base + at.snapshot_shmem_pages),
      swap_bytes: this.#pages(base + at.snapshot_swap_pages),
    };
  }

  #pages(offset: number): number {
    return this.#data.getUint32(offset, true) * PAGE_BYTES;
  }
}

// --- internal ---

function uptimeMs(): number {
  return Number.parseFloat(readFileSync("/proc/uptime", "latin1")) * 1000;
}
