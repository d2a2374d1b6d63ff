// SPDX-License-Identifier: MIT
/** What the views share: the store, the address, answers of the agent, the clock. */

import { useEffect, useReducer, useRef, useState } from "preact/hooks";
import { type ApiError, ask } from "./api.ts";
import { type Route, routeOf } from "./route.ts";
import type { Store } from "./store.ts";

/** Renders the view anew whenever the store tells of something. */
export function useStore(store: Store): void {
  const [, render] = useReducer((n: number) => n + 1, 0);
  useEffect(() => store.listen(() => render(undefined)), [store]);
}

const MOVED = "reprieve-moved";

export function useRoute(): Route {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const move = () => setHash(location.hash);
    for (const event of ["hashchange", MOVED]) addEventListener(event, move);
    return () => {
      for (const event of ["hashchange", MOVED]) removeEventListener(event, move);
    };
  }, []);
  return routeOf(hash);
}

/** The same view, otherwise filtered: no step for the way back. */
export function replaceRoute(link: string): void {
  history.replaceState(null, "", link);
  dispatchEvent(new Event(MOVED));
}

export interface Answer<T> {
  readonly data: T | undefined;
  readonly error: ApiError | undefined;
}

/**
 * Asks anew when the path or `again` is another; until that answers, what is known stays. One question at a time: in a storm
 * `again` changes faster than the agent answers.
 */
export function useAsk<T>(path: string, again: unknown = 0): Answer<T> {
  const [answer, setAnswer] = useState<Answer<T> & { path?: string }>(NONE);
  const asking = useRef<{ readonly path: string; isOld: boolean } | undefined>(undefined);
  useEffect(() => {
    if (asking.current?.path === path) {
      asking.current.isOld = true;
      return;
    }
    const mine = { path, isOld: true };
    asking.current = mine;
    const isWanted = () => asking.current === mine;
    const askWhileOld = async () => {
      while (isWanted() && mine.isOld) {
        mine.isOld = false;
        await ask<T>(path).then(
          (data) => isWanted() && setAnswer({ path, data, error: undefined }),
          (error: ApiError) =>
            isWanted() &&
            setAnswer((known) => ({
              path,
              data: known.path === path ? known.data : undefined,
              error,
            })),
        );
      }
      if (isWanted()) asking.current = undefined;
    };
    void askWhileOld();
  }, [path, again]);
  useEffect(() => {
    return () => {
      asking.current = undefined;
    };
  }, []);
  return answer;
}

const NONE = { data: undefined, error: undefined };

/** A number that grows every so often; `everyMs` 0: never. */
export function useTick(everyMs: number): number {
  const [tick, advance] = useReducer((n: number) => n + 1, 0);
  useEffect(() => {
    if (everyMs === 0) return;
    const timer = setInterval(() => advance(undefined), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return tick;
}

/** The rows of a long table that can be seen, and some around them. */
export function useWindow(count: number, rowHeight: number) {
  const body = useRef<HTMLTableSectionElement>(null);
  // At first no more than the window can hold: those around come when that is drawn.
  const [range, setRange] = useState(() => ({ from: 0, to: Math.ceil(innerHeight / rowHeight) }));
  useEffect(() => {
    const look = () => {
      const top = body.current?.getBoundingClientRect().top ?? 0;
      const from = Math.max(0, Math.floor(-top / rowHeight) - ROWS_AROUND);
      const to = Math.ceil((innerHeight - top) / rowHeight) + ROWS_AROUND;
      setRange((now) => (now.from === from && now.to === to ? now : { from, to }));
    };
    look();
    const options = { passive: true };
    addEventListener("scroll", look, options);
    addEventListener("resize", look, options);
    return () => {
      removeEventListener("scroll", look);
      removeEventListener("resize", look);
    };
  }, [rowHeight]);
  const to = Math.min(count, range.to);
  return { body, from: Math.min(range.from, to), to };
}

/** Enough for a page of scrolling, and for the tabulator key. */
const ROWS_AROUND = 12;

/** Of a media query, as it is now. */
export function useMedia(query: string): boolean {
  const [matches, setMatches] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const list = matchMedia(query);
    const change = () => setMatches(list.matches);
    change();
    list.addEventListener("change", change);
    return () => list.removeEventListener("change", change);
  }, [query]);
  return matches;
}
