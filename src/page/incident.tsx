// SPDX-License-Identifier: MIT
/** One incident, for who was not there: what happened to the microsecond, and who held what in the minute before. */

import { useMemo, useState } from "preact/hooks";
import type { Shared } from "./app.tsx";
import { Chart } from "./chart.tsx";
import { duration, momentOf, percent, size } from "./format.ts";
import { useAsk, useStore } from "./hooks.ts";
import { Fact, Nothing, OutcomeBadge, Panel, Process, Text } from "./parts.tsx";
import { ProcessesAt } from "./processes.tsx";
import { guardLink } from "./route.ts";
import { stackOf } from "./stack.ts";
import { Timeline } from "./timeline.tsx";
import type { Incident } from "./types.ts";
import { causeOf, OUTCOMES, reasonOf } from "./words.ts";

/** It is written when it is over; a link may be opened sooner. */
export function IncidentPage({ store, id }: Shared & { id: string }) {
  useStore(store);
  const path = `/api/incidents/${encodeURIComponent(id)}`;
  const { data, error } = useAsk<Incident>(path, store.incidentsChanged);
  if (data === undefined) {
    const why =
      error?.status === 404
        ? "There is no such incident, or it is kept no longer."
        : error?.message;
    return (
      <>
        <h1>Incident</h1>
        <Nothing>
          {why ?? "Asking the agent …"} <a href="#/incidents">All incidents</a>
        </Nothing>
      </>
    );
  }
  return (
    <article class="incident">
      <Head incident={data} path={path} now={store.now()} />
      <div class="columns story">
        <div>
          <Panel title="What happened" id="timeline" note="microseconds after the event">
            <Timeline incident={data} />
          </Panel>
          <Victims incident={data} />
          <Sleepers incident={data} />
          <Orders incident={data} />
        </div>
        <MinuteBefore incident={data} />
      </div>
    </article>
  );
}

// --- internal ---

function Head({ incident, path, now }: { incident: Incident; path: string; now: number }) {
  const { guard, cgroup, outcome, reason, opened_t, duration_us, delay_ms, cause } = incident;
  return (
    <header class="head">
      <p class="crumbs">
        <a href="#/incidents">Incidents</a> <span aria-hidden="true">/</span>{" "}
        <span>{incident.id}</span>
      </p>
      <h1>
        <OutcomeBadge outcome={outcome} />{" "}
        <a href={guardLink(guard)}>
          <Text of={guard} />
        </a>
      </h1>
      <p class="lead">
        {causeOf(cause)}. {capital(OUTCOMES[outcome]?.sentence ?? outcome)}: {reasonOf(reason)}.
      </p>
      <dl class="facts">
        <Fact name="When">
          <time dateTime={new Date(opened_t).toISOString()}>{momentOf(opened_t, now)}</time>
        </Fact>
        <Fact name="Took">{duration(duration_us)}</Fact>
        <Fact name="Reprieve">
          {delay_ms === 0
            ? "none"
            : `${duration(delay_ms * 1000)}, ${percent(Math.min(1, duration_us / 1000 / delay_ms))} used`}
        </Fact>
        <Fact name="Group">
          <code>
            <Text of={cgroup} />
          </code>
        </Fact>
        {incident.faults > 0 && <Fact name="Page faults of the handler">{incident.faults}</Fact>}
        {incident.recovered && (
          <Fact name="Written">by a later agent: the one that watched had died</Fact>
        )}
      </dl>
      <p class="actions">
        <CopyLink />
        <a class="button" href={path} download={`reprieve-${incident.id}.json`}>
          Download JSON
        </a>
      </p>
    </header>
  );
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Without the clipboard (a page that came by http from another host has none) the address bar has it too. */
function CopyLink() {
  const [said, setSaid] = useState("");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(location.href);
      setSaid("Copied");
    } catch {
      setSaid("Copy it from the address bar");
    }
    setTimeout(() => setSaid(""), SAID_MS);
  };
  return (
    <>
      <button type="button" onClick={() => void copy()}>
        Copy link
      </button>
      <span role="status" class="quiet">
        {said}
      </span>
    </>
  );
}

const SAID_MS = 3000;

const SPANS = { "1 min": 60, "10 s": 10, "1 s": 1 } as const;

function MinuteBefore({ incident }: { incident: Incident }) {
  const [at, setAt] = useState<number>();
  const [span, setSpan] = useState<keyof typeof SPANS>("1 min");
  const { frames, processes, victims, kernel_killed: byKernel = [] } = incident;
  const stack = useMemo(
    () => stackOf(frames, new Set([...victims, ...byKernel].map(({ pid }) => pid))),
    [frames, victims, byKernel],
  );
  const chosen = at ?? indexBefore(stack.times);
  if (frames.length === 0) {
    return (
      <Panel title="The minute before" id="minute">
        <Nothing>Nothing was recorded.</Nothing>
      </Panel>
    );
  }
  const seconds = SPANS[span];
  const last = stack.times.at(-1) ?? 0;
  return (
    <Panel title="The minute before" id="minute" note={<Spans value={span} set={setSpan} />}>
      <Chart
        stack={stack}
        limit={null}
        range={[-seconds, Math.max(0.02 * seconds, Math.min(last, 0.1 * seconds))]}
        isClock={false}
        at={chosen}
        onAt={setAt}
        label="Memory of the group before the event, by time"
        sayTime={sayBefore}
      />
      <ProcessesAt
        stack={stack}
        frames={frames}
        processes={processes}
        at={chosen}
        when={sayBefore(stack.times[chosen] ?? 0)}
      />
    </Panel>
  );
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

function Spans({
  value,
  set,
}: {
  value: keyof typeof SPANS;
  set: (span: keyof typeof SPANS) => void;
}) {
  return (
    <fieldset class="chips small">
      <legend class="unseen">How much of it</legend>
      {(Object.keys(SPANS) as (keyof typeof SPANS)[]).map((span) => (
        <button key={span} type="button" aria-pressed={span === value} onClick={() => set(span)}>
          {span}
        </button>
      ))}
    </fieldset>
  );
}

function Victims({
  incident: { victims, kernel_killed: byKernel = [], outcome },
}: {
  incident: Incident;
}) {
  if (victims.length + byKernel.length === 0 && outcome !== "kernel-first") return null;
  return (
    <Panel title="Who ended" id="victims">
      <table class="held">
        <thead>
          <tr>
            <th scope="col">Process</th>
            <th scope="col">By</th>
            <th scope="col">Anonymous</th>
          </tr>
        </thead>
        <tbody>
          {victims.map((victim) => (
            <tr key={victim.pid}>
              <th scope="row">
                <i class="swatch victim" aria-hidden="true" />
                <Process {...victim} />
              </th>
              <td>{victim.by}</td>
              <td>{victim.rss_bytes === undefined ? "" : size(victim.rss_bytes)}</td>
            </tr>
          ))}
          {byKernel.map((killed) => (
            <tr key={killed.pid}>
              <th scope="row">
                <i class="swatch victim" aria-hidden="true" />
                <Process {...killed} />
              </th>
              <td>the kernel</td>
              <td>{size(killed.rss_bytes)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {victims.length + byKernel.length === 0 && (
        <Nothing>Whom the kernel killed is not known.</Nothing>
      )}
    </Panel>
  );
}

function Sleepers({ incident: { sleepers, duration_us } }: { incident: Incident }) {
  const longest = Math.max(duration_us, ...sleepers.map(({ slept_us }) => slept_us));
  return (
    <Panel title="Who slept in the OOM" id="sleepers" note={`${sleepers.length || "nobody"} seen`}>
      {sleepers.length > 0 && (
        <table class="held">
          <thead>
            <tr>
              <th scope="col">Process</th>
              <th scope="col">Slept</th>
              <td />
            </tr>
          </thead>
          <tbody>
            {sleepers
              .toSorted((a, b) => b.slept_us - a.slept_us)
              .map((one) => (
                <tr key={one.pid}>
                  <th scope="row">
                    <Process {...one} />
                  </th>
                  <td>{duration(one.slept_us)}</td>
                  <td class="wide">
                    <span class="bar" aria-hidden="true">
                      <i style={{ transform: `scaleX(${(one.slept_us / longest).toFixed(4)})` }} />
                    </span>
                  </td>
                </tr>
              ))}
          </tbody>
        </table>
      )}
    </Panel>
  );
}

function Orders({ incident: { orders, powers, rule } }: { incident: Incident }) {
  return (
    <Panel title="Orders, as they stood" id="stood">
      <dl class="facts">
        <Fact name="Orders">
          {orders.map((order) => (
            <code key={order}>
              <Text of={order} />
            </code>
          ))}
        </Fact>
        <Fact name="Powers">
          {powers.length === 0 ? "none: it only observed" : powers.join(", ")}
        </Fact>
        {rule !== undefined && <Fact name="Victim chosen by">{rule}</Fact>}
      </dl>
    </Panel>
  );
}
