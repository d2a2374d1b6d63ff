// SPDX-License-Identifier: MIT
/** The list of incidents: by guard, outcome and time, the newest first, more on demand. */

import { useEffect, useState } from "preact/hooks";
import { ask } from "./api.ts";
import type { Shared } from "./app.tsx";
import { replaceRoute, useAsk, useStore } from "./hooks.ts";
import { IncidentTable } from "./incident-table.tsx";
import { Nothing } from "./parts.tsx";
import { queryLink } from "./route.ts";
import type { IncidentSummary } from "./types.ts";
import { OUTCOMES } from "./words.ts";

interface Page {
  readonly incidents: readonly IncidentSummary[];
  readonly next: string | null;
}

const HOUR_MS = 3_600_000;

/** How far back; "": all that is kept. */
const SPANS: Readonly<Record<string, { readonly word: string; readonly ms: number }>> = {
  "1h": { word: "the last hour", ms: HOUR_MS },
  "24h": { word: "the last day", ms: 24 * HOUR_MS },
  "7d": { word: "the last week", ms: 7 * 24 * HOUR_MS },
};

/** While somebody types. */
const TYPING_MS = 250;
/** So that the path is the same for a while. */
const ROUND_MS = 60_000;

export function Incidents({ store, query }: Shared & { query: URLSearchParams }) {
  useStore(store);
  const guard = useLate(query.get("guard") ?? "", TYPING_MS);
  const outcome = query.get("outcome") ?? "";
  const within = query.get("within") ?? "";
  const ms = SPANS[within]?.ms;
  const from = ms === undefined ? "" : String(Math.floor((store.now() - ms) / ROUND_MS) * ROUND_MS);
  const path = pathOf({ guard, outcome, from });
  const { data, error } = useAsk<Page>(path, store.incidentsChanged);
  const [older, setOlder] = useState<Page & { of: string }>();
  const more = older?.of === path ? older : undefined;
  const first = data?.incidents ?? [];
  const isShown = new Set(first.map(({ id }) => id));
  const all = [...first, ...(more?.incidents ?? []).filter(({ id }) => !isShown.has(id))];
  const next = more === undefined ? data?.next : more.next;
  const showOlder = async () => {
    const page = await ask<Page>(pathOf({ guard, outcome, from, before: next ?? "" }));
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
      {data === undefined ? (
        <Nothing>{error === undefined ? "Asking the agent …" : error.message}</Nothing>
      ) : all.length === 0 ? (
        <Nothing>
          No incident{guard + outcome + from === "" ? " so far." : " is like that."}
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
  return (
    <div class="filters">
      <input
        type="search"
        value={query.get("guard") ?? ""}
        placeholder="Guard, its whole name"
        aria-label="Guard"
        onInput={(event) => set("guard", event.currentTarget.value)}
      />
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
        options={Object.entries(SPANS).map(([value, { word }]) => [value, word])}
      />
    </div>
  );
}

interface ChoiceProps {
  readonly name: string;
  readonly query: URLSearchParams;
  readonly set: (name: string, value: string) => void;
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
