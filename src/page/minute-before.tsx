// SPDX-License-Identifier: MIT
/** Who held what before an incident, and who of them did not outlive it. */

import { useMemo, useState } from "preact/hooks";
import { diedIn } from "../journal/left-to.ts";
import { Chart } from "./chart.tsx";
import { duration } from "./format.ts";
import { Nothing, Panel, Spans } from "./parts.tsx";
import { ProcessesAt } from "./processes.tsx";
import { stackOf, windowOf } from "./stack.ts";
import type { Incident } from "./types.ts";

const SPANS = { "1 min": 60, "10 s": 10, "1 s": 1 } as const;

type Span = keyof typeof SPANS;

export function MinuteBefore({ incident }: { incident: Incident }) {
  const { frames, processes } = incident;
  const [at, setAt] = useState<number>();
  const [span, setSpan] = useState<Span>();
  const shown = span ?? spanOf(frames);
  const range = rangeOf(frames, SPANS[shown]);
  const stack = useMemo(
    () => stackOf(windowOf(frames, range[0] * 1e6, range[1] * 1e6), deadIn(incident)),
    [incident, range[0], range[1]],
  );
  if (frames.length === 0) {
    return (
      <Panel title="The minute before" id="minute">
        <Nothing>Nothing was recorded.</Nothing>
      </Panel>
    );
  }
  const chosen = at ?? indexBefore(stack.times);
  return (
    <Panel
      title="The minute before"
      id="minute"
      note={<Spans of={SPANS} value={shown} set={setSpan} legend="How much of it" />}
    >
      <Chart
        stack={stack}
        limit={incident.limit_bytes ?? null}
        range={range}
        isClock={false}
        at={chosen}
        onAt={setAt}
        label="Memory of the group before the event, by time"
        sayTime={sayBefore}
      />
      <ProcessesAt
        stack={stack}
        processes={processes}
        at={chosen}
        when={sayBefore(stack.times[chosen] ?? 0)}
      />
    </Panel>
  );
}

// --- internal ---

/** A group may be younger than a minute. */
function spanOf([first]: Incident["frames"]): Span {
  const seconds = -(first?.t_us ?? 0) / 1e6;
  return seconds <= SPANS["1 s"] ? "1 s" : seconds <= SPANS["10 s"] ? "10 s" : "1 min";
}

/** With what came after, as far as there is room. */
function rangeOf(frames: Incident["frames"], seconds: number): [number, number] {
  const last = (frames.at(-1)?.t_us ?? 0) / 1e6;
  return [-seconds, Math.max(0.02 * seconds, Math.min(last, 0.1 * seconds))];
}

function deadIn(incident: Incident): Set<number> {
  return new Set(diedIn(incident).map(({ pid }) => pid));
}

/** The last look before the event. */
function indexBefore(times: readonly number[]): number {
  const after = times.findIndex((s) => s > 0);
  return after < 0 ? times.length - 1 : Math.max(0, after - 1);
}

function sayBefore(seconds: number): string {
  const us = Math.round(Math.abs(seconds) * 1e6);
  return us === 0
    ? "at the event"
    : `${duration(us)} ${seconds < 0 ? "before" : "after"} the event`;
}
