// SPDX-License-Identifier: MIT
/** All guards, a row each. Only the rows that can be seen exist: a thousand cost no more than a screen of them. */

import { useEffect, useMemo, useRef } from "preact/hooks";
import type { Shared } from "./app.tsx";
import { size } from "./format.ts";
import { GuardRow } from "./guard-row.tsx";
import { replaceRoute, useMedia, useStore, useTick, useWindow } from "./hooks.ts";
import { Ago, Nothing, Process } from "./parts.tsx";
import { queryLink } from "./route.ts";
import type { Store } from "./store.ts";
import {
  type Column,
  fieldsOf,
  SHOWS,
  type Show,
  selected,
  startsDescending,
  type Wanted,
  wantedOf,
} from "./table.ts";
import type { Row } from "./types.ts";

/** A table in which rows change their places is hard to read: only so often, but at once where a state changes. */
const SORT_EVERY_MS = 2000;
/** As in style/tables.css and style/screens.css. */
const ROW_PX = 38;
const NARROW_ROW_PX = 76;
const NARROW = "(max-width: 719px)";

export function Guards({ store, query }: Shared & { query: URLSearchParams }) {
  useStore(store);
  useTick(1000);
  const wanted = wantedOf(query);
  const rows = useOrder(store, wanted);
  const isNarrow = useMedia(NARROW);
  const height = isNarrow ? NARROW_ROW_PX : ROW_PX;
  const { body, from, to } = useWindow(rows.length, height);
  const set = (change: Partial<Wanted>) =>
    replaceRoute(queryLink("guards", fieldsOf({ ...wanted, ...change })));
  return (
    <>
      <h1 class="unseen">Guards</h1>
      <Filters store={store} wanted={wanted} shown={rows.length} set={set} />
      <HostLine store={store} />
      <table class="guards" aria-rowcount={rows.length + 1} aria-label="Guards">
        <Heads wanted={wanted} set={set} />
        <tbody ref={body} onKeyDown={moveByArrow}>
          <Space px={from * height} />
          {rows.slice(from, to).map((row, at) => (
            <GuardRow
              key={row.guard}
              row={row}
              at={from + at + 2}
              ago={agoOf(store, row)}
              now={store.now}
            />
          ))}
          <Space px={(rows.length - to) * height} />
        </tbody>
      </table>
      {rows.length === 0 && <Nothing>{emptyText(store, wanted)}</Nothing>}
    </>
  );
}

// --- internal ---

/** The order is kept for a while, what is in the rows is always new. */
function useOrder(store: Store, wanted: Wanted): readonly Row[] {
  const kept = useRef<{ names: string[]; at: number }>({ names: [], at: 0 });
  const key = JSON.stringify(wanted);
  const isLater = performance.now() - kept.current.at > SORT_EVERY_MS;
  const turn = useRef(0);
  if (isLater) turn.current += 1;
  const names = useMemo(() => {
    kept.current = { names: [], at: performance.now() };
    return selected(store.rows.values(), wanted).map(({ guard }) => guard);
  }, [key, turn.current, store.statesChanged, store.rows.size]);
  return names.map((name) => store.rows.get(name)).filter((row) => row !== undefined);
}

/** A row that does not change is rendered anew only when its "3 min ago" does. */
function agoOf(store: Store, { last }: Row): number {
  return last === undefined ? 0 : Math.floor((store.now() - last.t) / 5000);
}

function emptyText({ rows, isFilled }: Store, { text }: Wanted): string {
  if (!isFilled && rows.size === 0) return "Asking the agent …";
  if (rows.size === 0) return "Nothing is guarded.";
  return text === "" ? "No guard is in this state." : "No guard has all of these words.";
}

const CHIPS: Readonly<Record<Show, string>> = {
  all: "All",
  trouble: "Out of memory",
  near: "Near the limit",
  observing: "Observed only",
};

interface FiltersProps {
  readonly store: Store;
  readonly wanted: Wanted;
  readonly shown: number;
  readonly set: (change: Partial<Wanted>) => void;
}

function Filters({ store, wanted, shown, set }: FiltersProps) {
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== "/" || event.target instanceof HTMLInputElement) return;
      event.preventDefault();
      field.current?.focus();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  const all = [...store.rows.values()];
  return (
    <div class="filters">
      <input
        ref={field}
        type="search"
        value={wanted.text}
        placeholder="Filter by name, state, order …"
        aria-label="Filter guards"
        aria-keyshortcuts="/"
        onInput={(event) => set({ text: event.currentTarget.value })}
      />
      <fieldset class="chips">
        <legend class="unseen">Which guards</legend>
        {(Object.keys(CHIPS) as Show[]).map((show) => {
          const count = all.filter(SHOWS[show]).length;
          const tone =
            show === "trouble" && count > 0 ? "bad" : show === "near" && count > 0 ? "warn" : "";
          return (
            <button
              key={show}
              type="button"
              class={tone}
              aria-pressed={wanted.show === show}
              onClick={() => set({ show })}
            >
              {CHIPS[show]} <b>{count}</b>
            </button>
          );
        })}
      </fieldset>
      <span class="quiet shown" role="status">
        {shown === all.length ? "" : `${shown} shown`}
      </span>
    </div>
  );
}

/** What the system guard has last said, where there is one. */
function HostLine({ store: { host, now } }: { store: Store }) {
  if (host === undefined) return null;
  const { event, comm, pid, rss_bytes: held, available_bytes: available, result, t } = host;
  const isCalm = event === "armed" || event === "relieved";
  return (
    <p class={isCalm ? "quiet host" : "banner warn"}>
      <span>
        The host: {HOST[event] ?? event}
        {comm !== undefined && (
          <>
            {" "}
            <Process comm={comm} pid={pid ?? 0} />
          </>
        )}
        {held !== undefined && `, ${size(held)}`}
        {result !== "ok" && `, ${result}`}; {size(available)} available
        {event !== "armed" && (
          <>
            , <Ago t={t} now={now()} />
          </>
        )}
      </span>
    </p>
  );
}

const HOST: Readonly<Record<string, string>> = {
  armed: "watched as a whole",
  low: "short of memory",
  relieved: "has memory again",
  terminate: "SIGTERM to",
  kill: "SIGKILL to",
  dead: "dead is",
  "hand-over": "given to the kernel",
  "would-terminate": "would end",
  "would-kill": "would kill",
};

const HEADS: Readonly<Record<Column, string>> = {
  state: "State",
  guard: "Guard",
  usage: "Used",
  limit: "Limit",
  pressure: "Pressure",
  procs: "Processes",
  handler: "Handler",
  reprieve: "Delay",
  last: "Last incident",
};

function Heads({ wanted, set }: Pick<FiltersProps, "wanted" | "set">) {
  const { sort, isDescending } = wanted;
  return (
    <thead>
      <tr aria-rowindex={1}>
        {(Object.keys(HEADS) as Column[]).map((column) => {
          const isBy = column === sort;
          const next = isBy ? !isDescending : startsDescending(column);
          return (
            <th
              key={column}
              scope="col"
              class={column}
              aria-sort={isBy ? (isDescending ? "descending" : "ascending") : "none"}
            >
              <button type="button" onClick={() => set({ sort: column, isDescending: next })}>
                {HEADS[column]}
              </button>
            </th>
          );
        })}
      </tr>
    </thead>
  );
}

/** In the place of the rows that are not there. */
function Space({ px }: { px: number }) {
  return px <= 0 ? null : (
    <tr class="space" style={{ height: `${px}px` }}>
      <td colSpan={9} />
    </tr>
  );
}

/** Up and down in the column of names. */
function moveByArrow(event: KeyboardEvent & { currentTarget: HTMLElement }): void {
  const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
  if (step === 0) return;
  const links = [...event.currentTarget.querySelectorAll<HTMLElement>("th a")];
  const here = links.indexOf(document.activeElement as HTMLElement);
  const next = links[here + step];
  if (here < 0 || next === undefined) return;
  event.preventDefault();
  next.focus();
  next.scrollIntoView({ block: "nearest" });
}
