// SPDX-License-Identifier: MIT
/**
 * The recorder's frames -> the layers of a stacked chart. Pure.
 *
 * What is steady lies below and what has grown most on top, the victims last: a layer is easy to read only on an even ground.
 */

import type { Frame } from "./types.ts";

/** More colours than these nobody tells apart. */
const PROCESSES_MOST = 8;

export interface Layer {
  readonly key: string;
  readonly kind: "process" | "others" | "rest";
  /** Of a process. */
  readonly pid: number | undefined;
  readonly isVictim: boolean;
  /** In bytes, one for each time. */
  readonly values: readonly number[];
}

export interface Stack {
  readonly frames: readonly Frame[];
  /** In seconds, as `t_us`: from the event, or from when the history was asked for. */
  readonly times: readonly number[];
  readonly usage: readonly number[];
  /** From the bottom to the top. */
  readonly layers: readonly Layer[];
}

export function stackOf(frames: readonly Frame[], victims: ReadonlySet<number>): Stack {
  const byPid = valuesByPid(frames);
  const all = [...byPid].map(([pid, values]) => ({ pid, values, ...extentOf(values) }));
  const shown = all
    .toSorted((a, b) => rank(b, victims) - rank(a, victims) || b.most - a.most)
    .slice(0, PROCESSES_MOST)
    .toSorted((a, b) => rank(a, victims) - rank(b, victims) || a.grown - b.grown);
  const isShown = new Set(shown.map(({ pid }) => pid));
  const others = sumOf(
    frames.length,
    all.filter(({ pid }) => !isShown.has(pid)),
  );
  const sum = sumOf(frames.length, all);
  const usage = frames.map((frame) => frame.usage_bytes);
  const rest = usage.map((bytes, at) => Math.max(0, bytes - (sum[at] ?? 0)));
  const none = { pid: undefined, isVictim: false } as const;
  return {
    frames,
    times: frames.map((frame) => frame.t_us / 1e6),
    usage,
    layers: [
      { key: "rest", kind: "rest", ...none, values: rest },
      ...(others.some((bytes) => bytes > 0)
        ? [{ key: "others", kind: "others", ...none, values: others } as const]
        : []),
      ...shown.map(({ pid, values }) => ({
        key: String(pid),
        kind: "process" as const,
        pid,
        isVictim: victims.has(pid),
        values,
      })),
    ],
  };
}

/** What is known of a time, a frame at each end: one holds until the next. */
export function windowOf(frames: readonly Frame[], fromUs: number, toUs: number): Frame[] {
  const first = frames.findLastIndex(({ t_us }) => t_us <= fromUs);
  const within = frames.slice(Math.max(0, first)).filter(({ t_us }) => t_us <= toUs);
  const last = within.at(-1);
  if (last === undefined) return [];
  const clipped = within.map((frame) => ({ ...frame, t_us: Math.max(frame.t_us, fromUs) }));
  return last.t_us < toUs ? [...clipped, { ...last, t_us: toUs }] : clipped;
}

/** Each layer's upper edge. */
export function edgesOf({ layers }: Stack): number[][] {
  const edges: number[][] = [];
  for (const { values } of layers) {
    const below = edges.at(-1);
    edges.push(values.map((bytes, at) => bytes + (below?.[at] ?? 0)));
  }
  return edges;
}

// --- internal ---

function rank({ pid }: { pid: number }, victims: ReadonlySet<number>): number {
  return victims.has(pid) ? 1 : 0;
}

/** Who is in no frame holds nothing there. */
function valuesByPid(frames: readonly Frame[]): Map<number, number[]> {
  const byPid = new Map<number, number[]>();
  frames.forEach((frame, at) => {
    for (const [pid, bytes] of frame.processes) {
      const values = byPid.get(pid) ?? new Array<number>(frames.length).fill(0);
      values[at] = bytes;
      byPid.set(pid, values);
    }
  });
  return byPid;
}

function extentOf(values: readonly number[]): { most: number; grown: number } {
  let most = 0;
  let least = Number.POSITIVE_INFINITY;
  for (const bytes of values) {
    most = Math.max(most, bytes);
    least = Math.min(least, bytes);
  }
  return { most, grown: most - least };
}

function sumOf(length: number, rows: readonly { values: readonly number[] }[]): number[] {
  const sum = new Array<number>(length).fill(0);
  for (const { values } of rows)
    values.forEach((bytes, at) => {
      sum[at] = (sum[at] ?? 0) + bytes;
    });
  return sum;
}
