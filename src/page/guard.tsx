// SPDX-License-Identifier: MIT
/** One guard: who holds what now and in the last minutes, what would be done at an OOM, what was done before. */

import { useEffect, useMemo, useState } from "preact/hooks";
import { visible } from "../shown.ts";
import type { Shared } from "./app.tsx";
import { Chart } from "./chart.tsx";
import { Explained } from "./explain.tsx";
import { capital, size, timeOf } from "./format.ts";
import { useAsk, useStore, useTick } from "./hooks.ts";
import { IncidentTable } from "./incident-table.tsx";
import { Badge, Fact, Nothing, Panel, Spans, StateBadge, Text, Usage } from "./parts.tsx";
import { ProcessesAt } from "./processes.tsx";
import { Reprieve } from "./reprieve.tsx";
import { queryLink } from "./route.ts";
import { stackOf, windowOf } from "./stack.ts";
import type { Store } from "./store.ts";
import type { Frame, GuardAnswer, Recording, Row } from "./types.ts";
import { STATES } from "./words.ts";

/** Orders change by a reload only, candidates all the time. */
const EXPLAIN_EVERY_MS = 5000;
/** The recorder thins what is old. What has come since is live, of which that much is kept. */
const HISTORY_EVERY_MS = 60_000;
const SPANS = { "3 min": 180, "15 min": 900, "1 h": 3600 } as const;
type Span = keyof typeof SPANS;

export function GuardPage({ store, feed, name }: Shared & { name: string }) {
  useStore(store);
  const look = useTick(EXPLAIN_EVERY_MS);
  const isLive = store.connection.state === "live";
  const again = `${store.incidentsChanged} ${isLive ? store.connection.since : ""}`;
  const minute = useTick(HISTORY_EVERY_MS);
  const [span, setSpan] = useState<Span>("3 min");
  const path = `/api/guards/${encodeURIComponent(name)}?last_s=${SPANS[span]}`;
  const { data, error } = useAsk<GuardAnswer>(path, `${again} ${minute}`);
  useEffect(() => {
    feed.wantSamples(name);
    return () => feed.wantSamples(undefined);
  }, [feed, name]);
  const row = store.rows.get(name) ?? (data && { ...data, last: undefined });
  if (row === undefined) {
    const why = error?.status === 404 ? "No such group is guarded." : error?.message;
    return (
      <>
        <h1>
          <Text of={name} />
        </h1>
        <Nothing>
          {why ?? "Asking the agent …"} <a href="#/">All guards</a>
        </Nothing>
      </>
    );
  }
  return (
    <article>
      <Head row={row} now={store.now} isGone={store.isFilled && !store.rows.has(name)} />
      <div class="columns">
        <div>
          <LastMinutes store={store} row={row} answer={data} span={span} setSpan={setSpan} />
        </div>
        <div>
          <Explained guard={name} again={`${again} ${look}`} />
          <Panel
            title="Incidents"
            id="incidents"
            note={<a href={queryLink("incidents", { guard: name })}>all of them</a>}
          >
            {data === undefined || data.incidents.length === 0 ? (
              <Nothing>None so far.</Nothing>
            ) : (
              <IncidentTable incidents={data.incidents} now={store.now()} isOfOne />
            )}
          </Panel>
        </div>
      </div>
    </article>
  );
}

// --- internal ---

function Head({ row, now, isGone }: { row: Row; now: () => number; isGone: boolean }) {
  const { pressure } = row;
  return (
    <header class="head">
      <p class="crumbs">
        <a href="#/">Guards</a> <span aria-hidden="true">/</span>{" "}
        <span>
          <Text of={row.guard} />
        </span>
      </p>
      <h1>
        <StateBadge state={isGone ? "gone" : row.state} /> <Text of={row.guard} />
      </h1>
      {row.incident !== null && (
        <p class="banner bad">
          <b>Out of memory.</b> The reprieve: <Reprieve {...row.incident} now={now} />
        </p>
      )}
      <p class="lead">{isGone ? "It is not guarded any more." : sentence(row)}</p>
      <Usage {...row} />
      <dl class="facts">
        <Fact name="Group">
          <code>
            <Text of={row.cgroup} />
          </code>{" "}
          <span class="quiet">cgroup {row.hierarchy}</span>
        </Fact>
        <Fact name="Processes">{row.procs}</Fact>
        <Fact name="Handler">{row.handler === "own" ? "reprieve's own" : row.handler}</Fact>
        <Fact name="Powers">
          {row.powers.length === 0 ? (
            <Badge tone="calm">observed only</Badge>
          ) : (
            row.powers.join(", ")
          )}
        </Fact>
        {pressure !== null && (
          <Fact name="Pressure, 10 s">
            some {pressure.some_avg10.toFixed(1)} %, full {pressure.full_avg10.toFixed(1)} %
          </Fact>
        )}
      </dl>
    </header>
  );
}

function sentence({ state, margin_bytes, limit_bytes, usage_bytes }: Row): string {
  const what = STATES[state]?.sentence ?? state;
  const left = limit_bytes === null ? undefined : Math.max(0, limit_bytes - usage_bytes);
  const room =
    left === undefined ? "" : `, ${size(left)} left; the margin is ${size(margin_bytes)}`;
  return `${capital(what)}${room}.`;
}

interface LastMinutesProps {
  readonly store: Store;
  readonly row: Row;
  readonly answer: GuardAnswer | undefined;
  readonly span: Span;
  readonly setSpan: (span: Span) => void;
}

function LastMinutes({ store, row, answer, span, setSpan }: LastMinutesProps) {
  const [at, setAt] = useState<number>();
  useTick(1000);
  const now = Math.ceil(store.now() / 1000);
  const from = now - SPANS[span];
  const live = store.live?.guard === row.guard ? store.live : undefined;
  const { frames, processes } = useMemo(
    () => joined(answer, live?.frames ?? [], live?.processes, [from * 1e6, now * 1e6]),
    [answer, live?.frames, live?.frames.at(-1), from, now],
  );
  const stack = useMemo(() => stackOf(frames, NOBODY), [frames]);
  const shown = at !== undefined && at < frames.length ? at : undefined;
  const shownAt = stack.times[shown ?? frames.length - 1];
  return (
    <Panel
      title="Who holds what"
      id="processes"
      note={<Spans of={SPANS} value={span} set={setSpan} legend="How far back" />}
    >
      {frames.length === 0 ? (
        <Nothing>Nothing is recorded yet.</Nothing>
      ) : (
        <>
          <Chart
            stack={stack}
            limit={row.limit_bytes}
            range={[from, now]}
            isClock
            at={shown}
            onAt={setAt}
            label={`Memory of ${visible(row.guard)} by time`}
            sayTime={(s) => timeOf(s * 1000)}
          />
          <ProcessesAt
            stack={stack}
            processes={processes}
            at={shown}
            when={shownAt === undefined ? "" : `at ${timeOf(shownAt * 1000)}`}
          />
        </>
      )}
    </Panel>
  );
}

const NOBODY: ReadonlySet<number> = new Set();

/** The recorder's until it was asked, and the feed's since; by the clock. */
function joined(
  answer: GuardAnswer | undefined,
  live: readonly Frame[],
  seen: ReadonlyMap<string, Recording["processes"][string]> | undefined,
  [fromUs, toUs]: readonly [number, number],
): Recording {
  const base = (answer?.t ?? 0) * 1000;
  const recorded = (answer?.history.frames ?? []).map((frame) => ({
    ...frame,
    t_us: frame.t_us + base,
  }));
  const newest = recorded.at(-1)?.t_us ?? 0;
  return {
    frames: windowOf([...recorded, ...live.filter(({ t_us }) => t_us > newest)], fromUs, toUs),
    processes: { ...answer?.history.processes, ...Object.fromEntries(seen ?? []) },
  };
}
