// SPDX-License-Identifier: MIT
/** The newest frame of each guard that somebody watches, however many do. */

import type { Samples } from "../feed/protocol.ts";
import type { Recorded } from "./history.ts";

/** As often as a chart of minutes can show. */
const ASK_EVERY_MS = 500;
/** Of more guards than are watched at a time. */
const KNOWN_MOST = 256;

type Frame = Samples["frame"];

export class Newest {
  /** Times of the frames are relative to now. */
  readonly #ask: (guard: string) => Recorded;
  readonly #known = new Map<
    string,
    { readonly askedMs: number; readonly frame: Frame | undefined }
  >();

  constructor(ask: (guard: string) => Recorded) {
    this.#ask = ask;
  }

  /** The same object as long as there is no newer one. */
  of(guard: string, nowMs: number): Frame | undefined {
    const known = this.#known.get(guard);
    if (known !== undefined && nowMs - known.askedMs < ASK_EVERY_MS) return known.frame;
    const next = frameOf(this.#ask(guard), nowMs);
    const isSame = next !== undefined && known?.frame !== undefined && isOneTime(next, known.frame);
    const frame = isSame ? known.frame : next;
    if (this.#known.size >= KNOWN_MOST) this.#known.clear();
    this.#known.set(guard, { askedMs: nowMs, frame });
    return frame;
  }
}

// --- internal ---

/** Two looks are 10 ms apart at least; the two clocks that a time is made of are not read at once. */
function isOneTime(a: Frame, b: Frame): boolean {
  return Math.abs(a.t - b.t) < 5;
}

function frameOf({ frames, processes }: Recorded, nowMs: number): Frame | undefined {
  const frame = frames.at(-1);
  if (frame === undefined) return undefined;
  return {
    t: nowMs + frame.t_us / 1000,
    usage_bytes: frame.usage_bytes,
    ...(frame.pressure && { pressure: frame.pressure }),
    processes: frame.processes.flatMap(([pid, anon_bytes]) => {
      const process = processes[String(pid)];
      if (process === undefined) return [];
      const { comm, uid, file_bytes, shmem_bytes, swap_bytes } = process;
      return [{ pid, comm, uid, anon_bytes, file_bytes, shmem_bytes, swap_bytes }];
    }),
  };
}
