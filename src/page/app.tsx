// SPDX-License-Identifier: MIT
/** The frame around every view: where one is, and whether what is shown is true now. */

import { useEffect, useRef } from "preact/hooks";
import { visible } from "../shown.ts";
import type { Feed } from "./feed.ts";
import { capital, span, timeOf } from "./format.ts";
import { GuardPage } from "./guard.tsx";
import { Guards } from "./guards.tsx";
import { useRoute, useStore, useTick } from "./hooks.ts";
import { IncidentPage } from "./incident.tsx";
import { Incidents } from "./incidents.tsx";
import { Nothing } from "./parts.tsx";
import type { Route } from "./route.ts";
import type { Store } from "./store.ts";
import { STATES } from "./words.ts";

export interface Shared {
  readonly store: Store;
  readonly feed: Feed;
}

export function App(shared: Shared) {
  const route = useRoute();
  const main = useRef<HTMLElement>(null);
  const place = placeOf(route);
  const isFirst = useRef(true);
  useEffect(() => {
    if (!isFirst.current) {
      scrollTo(0, 0);
      main.current?.focus({ preventScroll: true });
    }
    isFirst.current = false;
  }, [place]);
  return (
    <>
      <button type="button" class="skip" onClick={() => main.current?.focus()}>
        Skip to what is shown
      </button>
      <Top route={route} store={shared.store} />
      <main id="main" ref={main} tabIndex={-1}>
        <View key={place} route={route} {...shared} />
      </main>
    </>
  );
}

// --- internal ---

function placeOf(route: Route): string {
  switch (route.view) {
    case "guard":
      return `guard ${route.name}`;
    case "incident":
      return `incident ${route.id}`;
    default:
      return route.view;
  }
}

function View({ route, ...shared }: Shared & { route: Route }) {
  switch (route.view) {
    case "guards":
      return <Guards query={route.query} {...shared} />;
    case "guard":
      return <GuardPage name={route.name} {...shared} />;
    case "incidents":
      return <Incidents query={route.query} {...shared} />;
    case "incident":
      return <IncidentPage id={route.id} {...shared} />;
    case "unknown":
      return (
        <>
          <h1>There is no such view</h1>
          <Nothing>
            <a href="#/">All guards</a>
          </Nothing>
        </>
      );
  }
}

function Top({ route, store }: { route: Route; store: Store }) {
  useStore(store);
  const { connection } = store;
  useTick(connection.state === "live" ? 0 : 1000);
  const inTrouble = [...store.rows.values()].filter(({ state }) => STATES[state].tone === "bad");
  const isLive = connection.state === "live";
  useEffect(() => {
    document.title = `${isLive ? "" : "(gone) "}${inTrouble.length > 0 ? `${inTrouble.length} out of memory · ` : ""}reprieve`;
  }, [isLive, inTrouble.length]);
  const here = (view: string) => (route.view.startsWith(view) ? "page" : undefined);
  return (
    <>
      <header class="top">
        <a class="mark" href="#/" aria-label="reprieve, all guards">
          <svg viewBox="0 0 16 16" aria-hidden="true">
            <rect width="16" height="16" rx="4" />
            <path d="M5.5 4.5v7M10.5 4.5v7" />
          </svg>
          reprieve
        </a>
        <nav aria-label="Views">
          <a href="#/" aria-current={here("guard")}>
            Guards
            {store.rows.size > 0 && <small>{store.rows.size}</small>}
          </a>
          <a href="#/incidents" aria-current={here("incident")}>
            Incidents
          </a>
        </nav>
        <span class={`link ${connection.state}`} role="status">
          <i aria-hidden="true" />
          {LINK[connection.state]}
        </span>
      </header>
      {!isLive && connection.state !== "connecting" && <Gone store={store} />}
      {store.lostSteps > 0 && (
        <section class="banner warn" aria-label="Lost steps">
          {store.lostSteps} steps were lost: the agent was too slow to read them, and an incident
          may lack its end.
        </section>
      )}
      {store.journalRemark !== undefined && (
        <section class="banner warn" aria-label="Journal">
          {visible(capital(store.journalRemark))}. Until then the last incidents are kept in memory.
        </section>
      )}
      <p class="unseen" aria-live="polite">
        {visible(store.said)}
      </p>
    </>
  );
}

const LINK = {
  connecting: "connecting",
  live: "live",
  silent: "no answer",
  lost: "not connected",
  unknown: "not let in",
};

function Gone({ store: { connection, rows } }: { store: Store }) {
  if (connection.state === "unknown") {
    return (
      <section class="banner bad" role="alert" aria-label="Connection">
        <b>The agent does not let this browser in.</b> Open the link that reprieve printed at its
        start, or give its token:
        <form action="/" method="get">
          <input name="token" type="password" autocomplete="off" aria-label="Token" required />
          <button type="submit">Enter</button>
        </form>
      </section>
    );
  }
  const { state, since } = connection;
  return (
    <section class="banner bad" aria-label="Connection">
      <span role="alert">
        <b>
          The agent {state === "silent" ? "does not answer" : "cannot be reached"} since{" "}
          {timeOf(since)}.
        </b>{" "}
        {state === "silent"
          ? "It is stopped or stuck, or the way to it swallows what is sent. "
          : "It has ended, or the way to it is cut. "}
        {rows.size > 0 && "What is shown is from then. "}
      </span>
      <span>Asked again every few seconds, for {span(Date.now() - since)}.</span>
    </section>
  );
}
