// SPDX-License-Identifier: MIT
/** The small parts of every view. Names of processes and groups are hostile: they go through `Text`, and nowhere else. */

import type { ComponentChildren } from "preact";
import { diedIn, leftTo } from "../journal/left-to.ts";
import { visible } from "../shown.ts";
import { percent, shareOf, size, span } from "./format.ts";
import { guardLink } from "./route.ts";
import type { GuardView, IncidentSummary, Outcome, State } from "./types.ts";
import { OUTCOMES, STATES, type Tone } from "./words.ts";

/** What somebody else named: what would steer the line is made visible, and its direction ends with it. */
export function Text({ of }: { of: string }) {
  return <bdi>{visible(of)}</bdi>;
}

/** A newborn's name was never read. */
export function Process({ comm, pid }: { comm: string; pid: number }) {
  return (
    <span class="process">
      {comm === "" ? "process" : <Text of={comm} />} <span class="pid">{pid}</span>
    </span>
  );
}

export function Badge({ tone, children }: { tone: Tone; children: ComponentChildren }) {
  return (
    <span class={`badge ${tone}`}>
      <i aria-hidden="true" />
      {children}
    </span>
  );
}

export function OutcomeBadge({ outcome }: { outcome: Outcome }) {
  const { tone, word } = OUTCOMES[outcome] ?? { tone: "calm", word: outcome };
  return <Badge tone={tone}>{word}</Badge>;
}

export function StateBadge({ state }: { state: State }) {
  const { tone, word } = STATES[state] ?? { tone: "calm", word: state };
  return <Badge tone={tone}>{word}</Badge>;
}

type Filled = Pick<GuardView, "usage_bytes" | "limit_bytes" | "margin_bytes" | "state">;

/** Usage against limit, with a mark where the margin begins. */
export function Usage({ usage_bytes: used, limit_bytes: limit, margin_bytes, state }: Filled) {
  const share = shareOf(used, limit);
  if (share === undefined || limit === null) {
    return (
      <span class="usage">
        {size(used)} <span class="quiet">no limit</span>
      </span>
    );
  }
  const mark = Math.max(0, 1 - margin_bytes / limit);
  const tone = STATES[state]?.tone ?? "calm";
  return (
    <span class={`usage ${tone}`}>
      <span class="figures">
        <span>{size(used)}</span>
        <span class="quiet">of {size(limit)}</span>
        <b>{percent(share)}</b>
      </span>
      <span class="bar" aria-hidden="true">
        <i style={{ transform: `scaleX(${share.toFixed(4)})` }} />
        <u style={{ left: `${(mark * 100).toFixed(2)}%` }} />
      </span>
    </span>
  );
}

/** Whose incident it is; the host as a whole is no guard that could be looked at. */
export function Guard({ guard, scope }: Pick<IncidentSummary, "guard" | "scope">) {
  if (scope === "host") return <>the host</>;
  return (
    <a href={guardLink(guard)}>
      <Text of={guard} />
    </a>
  );
}

/** Who was killed, or asked to end; one, and how many more. */
export function Victims(
  incident: Pick<IncidentSummary, "victims" | "kernel_killed" | "ended" | "outcome" | "reason">,
) {
  const all = diedIn(incident);
  const [first] = all;
  if (first === undefined) {
    return <span class="quiet">{leftTo(incident) === null ? "nobody" : "not known"}</span>;
  }
  return (
    <span class="victims">
      <Process {...first} />
      {first.rss_bytes !== undefined && <span class="quiet"> {size(first.rss_bytes)}</span>}
      {all.length > 1 && <span class="quiet"> and {all.length - 1} more</span>}
    </span>
  );
}

export function Ago({ t, now }: { t: number; now: number }) {
  return <time dateTime={new Date(t).toISOString()}>{span(now - t)} ago</time>;
}

/** A thing and what it is called, of a list of facts. */
export function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

export function Panel({
  title,
  note,
  children,
  id,
}: {
  title: string;
  note?: ComponentChildren;
  children: ComponentChildren;
  id: string;
}) {
  return (
    <section class="panel" aria-labelledby={id}>
      <header>
        <h2 id={id}>{title}</h2>
        {note !== undefined && <span class="quiet">{note}</span>}
      </header>
      {children}
    </section>
  );
}

export function Nothing({ children }: { children: ComponentChildren }) {
  return <p class="nothing">{children}</p>;
}

interface SpansProps<Name extends string> {
  /** Of each name the seconds. */
  readonly of: Readonly<Record<Name, number>>;
  readonly value: Name;
  readonly set: (span: Name) => void;
  readonly legend: string;
}

/** How much of a time is shown. */
export function Spans<Name extends string>({ of, value, set, legend }: SpansProps<Name>) {
  return (
    <fieldset class="chips small">
      <legend class="unseen">{legend}</legend>
      {(Object.keys(of) as Name[]).map((span) => (
        <button key={span} type="button" aria-pressed={span === value} onClick={() => set(span)}>
          {span}
        </button>
      ))}
    </fieldset>
  );
}
