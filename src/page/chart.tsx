// SPDX-License-Identifier: MIT
/**
 * The stacked chart of who held how much, drawn by uPlot.
 *
 * A canvas says nothing to who cannot see it: the chart is a slider over its times, moved by pointer or arrow keys, and the
 * table beside it has the figures of the time that is chosen.
 */

import { useEffect, useMemo, useRef } from "preact/hooks";
import type uPlot from "uplot";
import { size, timeOf } from "./format.ts";
import { useMedia } from "./hooks.ts";
import { edgesOf, type Layer, type Stack } from "./stack.ts";

interface ChartProps {
  readonly stack: Stack;
  readonly limit: number | null;
  /** In seconds, as the times of the stack. */
  readonly range: readonly [number, number];
  /** Times are those of a clock, or of an event at 0. */
  readonly isClock: boolean;
  /** The time that was chosen, as an index; undefined: the last. */
  readonly at: number | undefined;
  readonly onAt: (at: number | undefined) => void;
  readonly label: string;
  /** "12:00:01", "4.2 s before". */
  readonly sayTime: (seconds: number) => string;
}

export function Chart(props: ChartProps) {
  const { stack, range, at, onAt, label, sayTime } = props;
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot>(null);
  const now = useRef(props);
  now.current = props;
  const isDark = useMedia("(prefers-color-scheme: dark)");
  const kinds = stack.layers.map(({ key, isVictim }) => `${key}${isVictim ? "!" : ""}`).join();
  const data = useMemo(
    () => [stack.times, ...edgesOf(stack), stack.usage] as unknown as uPlot.AlignedData,
    [stack],
  );
  useEffect(() => {
    const observer = new ResizeObserver(() => chart.current?.setSize(sizeOf(place.current)));
    let isWanted = true;
    // It is in this file, and run with the first chart: the list of guards need not wait for it.
    void import("uplot").then(({ default: Plot }) => {
      if (!isWanted || place.current === null) return;
      chart.current = new Plot(optionsOf(now, place.current, Plot), data, place.current);
      observer.observe(place.current);
    });
    return () => {
      isWanted = false;
      observer.disconnect();
      chart.current?.destroy();
      chart.current = null;
    };
  }, [kinds, isDark]);
  useEffect(() => chart.current?.setData(data), [data, range[0], range[1]]);
  const last = stack.times.length - 1;
  const index = Math.min(at ?? last, last);
  const move = (event: KeyboardEvent) => {
    const next = stepOf(event.key, index, last);
    if (next === undefined) return;
    event.preventDefault();
    onAt(next);
    const left = chart.current?.valToPos(stack.times[next] ?? 0, "x");
    chart.current?.setCursor({ left: left ?? -1, top: 0 }, false);
  };
  return (
    <div
      ref={place}
      class="chart"
      role="slider"
      tabIndex={0}
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={Math.max(0, last)}
      aria-valuenow={Math.max(0, index)}
      aria-valuetext={`${sayTime(stack.times[index] ?? 0)}: ${size(stack.usage[index] ?? 0)} used`}
      onKeyDown={move}
    />
  );
}

/** Of a layer: a name of style.css, the same in the chart and in the table beside it. */
export function colourOf(layers: readonly Layer[], layer: Layer): string {
  if (layer.isVictim) return "victim";
  if (layer.kind !== "process") return layer.kind;
  const processes = layers.filter(({ kind, isVictim }) => kind === "process" && !isVictim);
  return `c${processes.indexOf(layer) % 8}`;
}

// --- internal ---

const HEIGHT_SHARE = 0.42;
const HEIGHT_LEAST_PX = 220;
const HEIGHT_MOST_PX = 420;
const MIB = 2 ** 20;

function sizeOf(place: HTMLElement | null): { width: number; height: number } {
  const width = place?.clientWidth ?? 0;
  const height = Math.min(HEIGHT_MOST_PX, Math.max(HEIGHT_LEAST_PX, width * HEIGHT_SHARE));
  return { width, height: Math.round(height) };
}

/** By page keys as far as a hand's width of times. */
function stepOf(key: string, index: number, last: number): number | undefined {
  const steps: Record<string, number> = {
    ArrowLeft: index - 1,
    ArrowRight: index + 1,
    PageDown: index - 10,
    PageUp: index + 10,
    Home: 0,
    End: last,
  };
  const next = steps[key];
  return next === undefined ? undefined : Math.max(0, Math.min(last, next));
}

function optionsOf(
  now: { current: ChartProps },
  place: HTMLElement,
  { paths }: typeof uPlot,
): uPlot.Options {
  const { stack, isClock } = now.current;
  const ink = inkOf(place);
  const held = heldBy(paths);
  const layers = stack.layers.map((layer): uPlot.Series => {
    const colour = ink(`--${colourOf(stack.layers, layer)}`);
    const fill = layer.isVictim ? hatched(colour) : `${colour}b0`;
    return { stroke: colour, width: 1, fill, ...held };
  });
  const axis = { stroke: ink("--quiet"), font: `12px ${getComputedStyle(place).fontFamily}` };
  const grid = { stroke: ink("--line"), width: 1 };
  const ticks = { show: false };
  return {
    ...sizeOf(place),
    legend: { show: false },
    padding: [14, 20, 0, 0],
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
    scales: {
      x: { time: isClock, range: () => [...now.current.range] },
      y: {
        range: (_, __, most) => [0, Math.max(1.08 * (now.current.limit ?? 0), 1.1 * most, MIB)],
      },
    },
    axes: [
      {
        ...axis,
        grid: { show: false },
        ticks,
        space: 90,
        size: 30,
        values: isClock ? clockOf : secondsOf,
      },
      { ...axis, grid, ticks, size: 64, incrs: BINARY, values: (_, splits) => splits.map(size) },
    ],
    series: [{}, ...layers, { stroke: ink("--ink"), width: 1.5, ...held }],
    bands: layers.slice(1).map((_, i) => ({ series: [i + 2, i + 1] })),
    hooks: {
      setCursor: [(u) => now.current.onAt(u.cursor.idx ?? undefined)],
      draw: [(u) => drawMarks(u, now.current, ink)],
    },
  };
}

/** What a frame says holds until the next one. */
function heldBy({ stepped }: typeof uPlot.paths): Partial<uPlot.Series> {
  return { points: { show: false }, ...(stepped && { paths: stepped({ align: 1 }) }) };
}

const BINARY = Array.from({ length: 30 }, (_, i) => 2 ** (16 + i));

function secondsOf(_: uPlot, splits: number[]): string[] {
  return splits.map((s) => (s === 0 ? "event" : `${s < 0 ? "−" : "+"}${Math.abs(s)} s`));
}

function clockOf(_: uPlot, splits: number[]): string[] {
  return splits.map((s) => timeOf(s * 1000));
}

/** The limit, and the event. */
function drawMarks(u: uPlot, { limit, isClock }: ChartProps, ink: Ink): void {
  const { ctx, bbox } = u;
  const line = (x1: number, y1: number, x2: number, y2: number) => {
    ctx.beginPath();
    ctx.moveTo(x1, y1);
    ctx.lineTo(x2, y2);
    ctx.stroke();
  };
  ctx.save();
  ctx.lineWidth = devicePixelRatio;
  ctx.textAlign = "left";
  ctx.textBaseline = "alphabetic";
  ctx.strokeStyle = ctx.fillStyle = ink("--bad");
  ctx.font = `${12 * devicePixelRatio}px ${getComputedStyle(u.root).fontFamily}`;
  ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
  if (limit !== null) {
    const y = Math.round(u.valToPos(limit, "y", true));
    line(bbox.left, y, bbox.left + bbox.width, y);
    ctx.fillText(`limit ${size(limit)}`, bbox.left + 6, y - 5 * devicePixelRatio);
  }
  if (!isClock) {
    const x = Math.round(u.valToPos(0, "x", true));
    line(x, bbox.top, x, bbox.top + bbox.height);
  }
  ctx.restore();
}

type Ink = (name: string) => string;

function inkOf(place: HTMLElement): Ink {
  const style = getComputedStyle(place);
  return (name) => style.getPropertyValue(name).trim();
}

/** Not by the colour alone. */
function hatched(colour: string): CanvasPattern | string {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 8 * devicePixelRatio;
  const ctx = tile.getContext("2d");
  if (ctx === null) return colour;
  ctx.fillStyle = `${colour}70`;
  ctx.fillRect(0, 0, tile.width, tile.height);
  ctx.strokeStyle = colour;
  ctx.lineWidth = 2 * devicePixelRatio;
  ctx.beginPath();
  for (const shift of [-0.5, 0.5, 1.5]) {
    ctx.moveTo((shift - 0.5) * tile.width, tile.height * 1.0 + tile.height * 0);
    ctx.lineTo((shift + 0.5) * tile.width, 0);
  }
  ctx.stroke();
  return ctx.createPattern(tile, "repeat") ?? colour;
}
