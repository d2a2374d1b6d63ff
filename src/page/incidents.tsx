// SPDX-License-Identifier: MIT
/** The list of incidents: by guard, outcome and time, the newest first, more on demand. */

import { useEffect, useState } from "preact/hooks";
import { visible } from "../shown.ts";
import { ask } from "./api.ts";
import type { Shared } from "./app.tsx";
import { localOf } from "./format.ts";
import { replaceRoute, useAsk, useStore } from "./hooks.ts";
import { IncidentTable } from "./incident-table.tsx";
import { Nothing, Text } from "./parts.tsx";
import { queryLink } from "./route.ts";
import type { IncidentSummary } from "./types.ts";
import { OUTCOMES } from "./words.ts";

interface Page {
  readonly incidents: readonly IncidentSummary[];
  readonly next: string | null;
  readonly unread?: string;
}

const HOUR_MS = 3_600_000;

/** How far back; "": all that is kept; BETWEEN: two times that are given. */
const SPANS: Readonly<Record<string, { readonly word: string; readonly ms: number }>> = {
  "1h": { word: "the last hour", ms: HOUR_MS },
  "24h": { word: "the last day", ms: 24 * HOUR_MS },
  "7d": { word: "the last week", ms: 7 * 24 * HOUR_MS },
};

const BETWEEN = "between";

/** While somebody types. */
const TYPING_MS = 250;
/** So that the path is the same for a while. */
const ROUND_MS = 60_000;

export function Incidents({ store, query }: Shared & { query: URLSearchParams }) {
  useStore(store);
  const name = useLate(query.get("name") ?? "", TYPING_MS);
  const wanted = {
    ...{ guard: query.get("guard") ?? "", name },
    ...{ outcome: query.get("outcome") ?? "", ...timesOf(query, store.now()) },
  };
  const path = pathOf(wanted);
  const { data, error } = useAsk<Page>(path, store.incidentsChanged);
  const [older, setOlder] = useState<Page & { of: string }>();
  const more = older?.of === path ? older : undefined;
  const first = data?.incidents ?? [];
  const isShown = new Set(first.map(({ id }) => id));
  const all = [...first, ...(more?.incidents ?? []).filter(({ id }) => !isShown.has(id))];
  const next = more === undefined ? data?.next : more.next;
  const showOlder = async () => {
    const page = await ask<Page>(pathOf({ ...wanted, before: next ?? "" }));
    setOlder({
      of: path,
      incidents: [...(more?.incidents ?? []), ...page.incidents],
      next: page.next,
    });
  };
  return (
    <>
      <h1 class="unseen">Incidents</h1>
      <Filters query={query} />
      {data?.unread !== undefined && <Nothing>Not all: {visible(data.unread)}.</Nothing>}
      {data === undefined ? (
        <Nothing>{error === undefined ? "Asking the agent …" : error.message}</Nothing>
      ) : all.length === 0 ? (
        <Nothing>
          No incident{Object.values(wanted).join("") === "" ? " so far." : " is like that."}
        </Nothing>
      ) : (
        <IncidentTable incidents={all} now={store.now()} />
      )}
      {next !== null && next !== undefined && (
        <button type="button" class="more" onClick={() => void showOlder()}>
          Older ones
        </button>
      )}
    </>
  );
}

// --- internal ---

function pathOf(fields: Readonly<Record<string, string>>): string {
  const query = new URLSearchParams(Object.entries(fields).filter(([, value]) => value !== ""));
  return `/api/incidents?${query}`;
}

/** Opened at `from` or later, and before `to`: in ms, as the API takes them. */
function timesOf(query: URLSearchParams, nowMs: number): { from: string; to: string } {
  const within = query.get("within") ?? "";
  const ms = SPANS[within]?.ms;
  if (ms !== undefined) {
    return { from: String(Math.floor((nowMs - ms) / ROUND_MS) * ROUND_MS), to: "" };
  }
  const time = (name: string) => {
    const at = within === BETWEEN ? Date.parse(query.get(name) ?? "") : Number.NaN;
    return Number.isNaN(at) ? "" : String(Math.max(0, at));
  };
  return { from: time("from"), to: time("to") };
}

function useLate(value: string, ms: number): string {
  const [late, setLate] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setLate(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return late;
}

function Filters({ query }: { query: URLSearchParams }) {
  const set = (name: string, value: string) =>
    replaceRoute(queryLink("incidents", { ...Object.fromEntries(query), [name]: value }));
  const guard = query.get("guard") ?? "";
  return (
    <div class="filters">
      {guard === "" ? (
        <input
          type="search"
          value={query.get("name") ?? ""}
          placeholder="Guard: a part of its name, or web*"
          aria-label="Guard"
          onInput={(event) => set("name", event.currentTarget.value)}
        />
      ) : (
        <button type="button" title="of any guard" onClick={() => set("guard", "")}>
          <Text of={guard} /> <span aria-hidden="true">×</span>
          <span class="unseen">: show those of any guard</span>
        </button>
      )}
      <Choice
        name="outcome"
        query={query}
        set={set}
        all="every outcome"
        label="Outcome"
        options={Object.entries(OUTCOMES).map(([value, { word }]) => [value, word])}
      />
      <Choice
        name="within"
        query={query}
        set={set}
        all="all that is kept"
        label="Time"
        options={[
          ...Object.entries(SPANS).map(([value, { word }]) => [value, word] as const),
          [BETWEEN, "between …"],
        ]}
      />
      {query.get("within") === BETWEEN && (
        <>
          <Moment name="from" query={query} set={set} label="From" />
          <Moment name="to" query={query} set={set} label="To" />
        </>
      )}
    </div>
  );
}

type Setter = (name: string, value: string) => void;

interface MomentProps {
  readonly name: string;
  readonly query: URLSearchParams;
  readonly set: Setter;
  readonly label: string;
}

/** In the reader's zone; in the address in that of nobody, so that a link means the same to all. */
function Moment({ name, query, set, label }: MomentProps) {
  const at = Date.parse(query.get(name) ?? "");
  return (
    <label class="moment">
      {label}
      <input
        type="datetime-local"
        value={Number.isNaN(at) ? "" : localOf(at)}
        onChange={({ currentTarget: { value } }) =>
          set(name, value === "" ? "" : new Date(value).toISOString())
        }
      />
    </label>
  );
}

interface ChoiceProps {
  readonly name: string;
  readonly query: URLSearchParams;
  readonly set: Setter;
  readonly all: string;
  readonly label: string;
  readonly options: readonly (readonly [string, string])[];
}

function Choice({ name, query, set, all, label, options }: ChoiceProps) {
  return (
    <select
      aria-label={label}
      value={query.get(name) ?? ""}
      onChange={(event) => set(name, event.currentTarget.value)}
    >
      <option value="">{all}</option>
      {options.map(([value, word]) => (
        <option key={value} value={value}>
          {word}
        </option>
      ))}
    </select>
  );
}
