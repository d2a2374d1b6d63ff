// SPDX-License-Identifier: MIT
/** One incident, for who was not there: what happened to the microsecond, and who held what in the minute before. */

import { useState } from "preact/hooks";
import { diedIn, leftTo } from "../journal/left-to.ts";
import type { Shared } from "./app.tsx";
import { capital, duration, momentOf, size } from "./format.ts";
import { useAsk, useStore } from "./hooks.ts";
import { MinuteBefore } from "./minute-before.tsx";
import {
  Victims as Ended,
  Fact,
  Guard,
  Nothing,
  OutcomeBadge,
  Panel,
  Process,
  Text,
} from "./parts.tsx";
import { Timeline } from "./timeline.tsx";
import type { Incident, Processes, Victim } from "./types.ts";
import { causeOf, evidenceOf, OUTCOMES, reasonOf } from "./words.ts";

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
  const { scope, cgroup, outcome, reason, opened_t, duration_us, delay_ms, cause } = incident;
  const relief = incident.steps.find(({ step }) => step === "relief");
  return (
    <header class="head">
      <p class="crumbs">
        <a href="#/incidents">Incidents</a> <span aria-hidden="true">/</span>{" "}
        <span>{incident.id}</span>
      </p>
      <h1>
        <OutcomeBadge outcome={outcome} /> <Guard {...incident} />
      </h1>
      <p class="lead">
        {causeOf(cause)}. {capital(OUTCOMES[outcome]?.sentence ?? outcome)}: {reasonOf(reason)}.
      </p>
      <dl class="facts">
        <Fact name="When">
          <time dateTime={new Date(opened_t).toISOString()}>{momentOf(opened_t, now)}</time>
        </Fact>
        <WhoAndWhy incident={incident} />
        {relief !== undefined && <Fact name="Relief after">{duration(relief.at_us)}</Fact>}
        <Fact name="Delay">{delay_ms === 0 ? "none" : duration(delay_ms * 1000)}</Fact>
        <Fact name="Closed after">{duration(duration_us)}</Fact>
        <Fact name="Group">
          {scope === "host" ? (
            "the host as a whole"
          ) : (
            <code>
              <Text of={cgroup} />
            </code>
          )}
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

/** What is asked first; all of it is told again below. */
function WhoAndWhy({ incident }: { incident: Incident }) {
  const { steps, rule, victims, sleepers, processes } = incident;
  const would = steps.find(({ step }) => step === "would-kill");
  const [longest, ...others] = sleepers.toSorted((a, b) => b.slept_us - a.slept_us);
  return (
    <>
      {(diedIn(incident).length > 0 || would === undefined) && (
        <Fact name="Killed">
          <Ended {...incident} victims={named(victims, processes)} />
        </Fact>
      )}
      {would !== undefined && (
        <Fact name="Would have been killed">
          <Process comm={would.comm ?? ""} pid={would.pid ?? 0} />
        </Fact>
      )}
      {rule !== undefined && <Fact name="Why that one">{evidenceOf(rule)}</Fact>}
      {longest !== undefined && (
        <Fact name="Slept longest">
          <Process {...longest} /> {duration(longest.slept_us)}
          {others.length > 0 && <span class="quiet">, and {others.length} more</span>}
        </Fact>
      )}
    </>
  );
}

/** A name that could not be read at the OOM may be known from another look. */
function named(victims: readonly Victim[], processes: Processes): Victim[] {
  return victims.map((one) => ({ ...one, comm: one.comm || (processes[one.pid]?.comm ?? "") }));
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

function Victims({ incident }: { incident: Incident }) {
  const { victims, kernel_killed: byKernel = [], ended = [], processes } = incident;
  const left = leftTo(incident);
  if (diedIn(incident).length === 0) {
    return left === null ? null : (
      <Panel title="Killed" id="victims">
        <Nothing>Whom {left} killed, if anybody, is not known.</Nothing>
      </Panel>
    );
  }
  return (
    <Panel title="Killed" id="victims">
      <table class="held">
        <thead>
          <tr>
            <th scope="col">Process</th>
            <th scope="col">By</th>
            <th scope="col">Anonymous</th>
          </tr>
        </thead>
        <tbody>
          {named(victims, processes).map((victim) => (
            <tr key={victim.pid}>
              <th scope="row">
                <i class="swatch victim" aria-hidden="true" />
                <Process {...victim} />
              </th>
              <td>{victim.by === "handler" ? "reprieve's handler" : victim.by}</td>
              <td>{victim.rss_bytes === undefined ? "" : size(victim.rss_bytes)}</td>
            </tr>
          ))}
          {[...byKernel, ...ended].map((dead) => (
            <tr key={dead.pid}>
              <th scope="row">
                <i class="swatch victim" aria-hidden="true" />
                <Process {...dead} />
              </th>
              <td>{byKernel.includes(dead) ? "the kernel" : `not told: left to ${left}`}</td>
              <td>{size(dead.rss_bytes)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Panel>
  );
}

function Sleepers({ incident: { sleepers, duration_us } }: { incident: Incident }) {
  const longest = Math.max(duration_us, ...sleepers.map(({ slept_us }) => slept_us));
  return (
    <Panel title="Who slept in the OOM" id="sleepers" note={`${sleepers.length || "nobody"} seen`}>
      {sleepers.length === 0 ? (
        <Nothing>Who sleeps for less than 5 ms is not seen.</Nothing>
      ) : (
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
        {rule !== undefined && <Fact name="First victim chosen by">{rule}</Fact>}
      </dl>
    </Panel>
  );
}
