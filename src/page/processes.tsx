// SPDX-License-Identifier: MIT
/** Who held how much at one time: the figures of the chart, and the names of its colours. */

import { colourOf } from "./chart.tsx";
import { size } from "./format.ts";
import { Text } from "./parts.tsx";
import type { Layer, Stack } from "./stack.ts";
import type { Processes } from "./types.ts";

/** A table of more is a flood; the chart has the rest as one. */
const ROWS_MOST = 40;

interface Props {
  readonly stack: Stack;
  readonly processes: Processes;
  /** An index of the frames; undefined: the last. */
  readonly at: number | undefined;
  readonly when: string;
}

export function ProcessesAt({ stack, processes, at, when }: Props) {
  const { frames } = stack;
  const index = Math.min(at ?? frames.length - 1, frames.length - 1);
  const held = (frames[index]?.processes ?? []).toSorted((a, b) => b[1] - a[1]);
  const layerOf = new Map(stack.layers.map((layer) => [layer.pid, layer]));
  const rest = stack.layers.find(({ kind }) => kind === "rest")?.values[index] ?? 0;
  const hasSwap = held.some(([pid]) => (processes[pid]?.swap_bytes ?? 0) > 0);
  return (
    <>
      <table class="held">
        <caption>{when}</caption>
        <thead>
          <tr>
            <th scope="col">Process</th>
            <th scope="col" class="aside">
              User
            </th>
            <th scope="col">Anonymous</th>
            <th scope="col" class="aside">
              Files
            </th>
            {hasSwap && <th scope="col">Swap</th>}
          </tr>
        </thead>
        <tbody>
          {held.slice(0, ROWS_MOST).map(([pid, anon]) => {
            const known = processes[pid];
            return (
              <tr key={pid}>
                <th scope="row">
                  <Swatch layers={stack.layers} layer={layerOf.get(pid)} />
                  <Text of={known?.comm ?? ""} /> <span class="pid">{pid}</span>
                </th>
                <td class="aside">{known?.uid}</td>
                <td>{size(anon)}</td>
                <td class="aside">{known && size(known.file_bytes + known.shmem_bytes)}</td>
                {hasSwap && <td>{size(known?.swap_bytes ?? 0)}</td>}
              </tr>
            );
          })}
          <tr class="rest">
            <th scope="row">
              <Swatch layers={stack.layers} layer={layerOf.get(undefined)} />
              files, shared and kernel
            </th>
            <td class="aside" />
            <td>{size(rest)}</td>
            <td class="aside" />
            {hasSwap && <td />}
          </tr>
        </tbody>
      </table>
      {held.length > ROWS_MOST && <p class="quiet">and {held.length - ROWS_MOST} more</p>}
    </>
  );
}

function Swatch({ layers, layer }: { layers: readonly Layer[]; layer: Layer | undefined }) {
  const colour = layer === undefined ? "others" : colourOf(layers, layer);
  return (
    <>
      <i class={`swatch ${colour}`} aria-hidden="true" />
      {layer?.isVictim && <span class="unseen">victim </span>}
    </>
  );
}
