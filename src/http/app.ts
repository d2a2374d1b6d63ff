// SPDX-License-Identifier: MIT
/**
 * The routes. Opens nothing: serve.ts brings the socket and the upgrade, so that all of it can be asked without one.
 *
 * Read-only. What each answers is defined in schema.ts.
 */

import type { Context } from "hono";
import { secureHeaders } from "hono/secure-headers";
import { Hono } from "hono/tiny";
import * as v from "valibot";
import type { Recorded } from "../agent/history.ts";
import type { Resume } from "../feed/hub.ts";
import type { Present } from "../feed/present.ts";
import { type Journal, Unread } from "../journal/journal.ts";
import { type Door, giveCookie, isLetIn, isToken, whyForeign } from "./auth.ts";
import { viewOf } from "./guard-view.ts";
import { policyOf } from "./page-policy.ts";
import { FeedQuery, GuardQuery, IncidentFilter } from "./schema.ts";

const LAST_INCIDENTS = 20;

export interface AppOptions {
  readonly door: Door;
  readonly present: Present;
  /** Of the agent, as in the feed's hello. */
  readonly run: string;
  readonly journal: Pick<Journal, "list" | "get">;
  /** What the processes of a guard held lately, oldest first. */
  readonly history: (guard: string, sinceMs: number) => Recorded;
  /** Of a group; "busy": too many ask. */
  readonly explain: (cgroup: string) => Promise<object | "busy">;
  /** Why not, if not. */
  readonly whyNotReady: () => string | undefined;
  readonly metrics: () => Promise<{ readonly type: string; readonly text: string }>;
  /** Numbers and no names of processes: may be read without the token. */
  readonly areMetricsOpen: boolean;
  readonly page: string;
  /** What API and feed are, for programs: JSON by its name. */
  readonly documents: Readonly<Record<string, string>>;
  /** Turns the request into a websocket; false when it is none, or there are too many. */
  readonly upgrade: (request: Request, resume: Resume) => "upgraded" | "not a websocket" | "full";
  /** False: more are asked for in a second than anybody needs. */
  readonly hasRoom: () => boolean;
}

export function createApp(options: AppOptions) {
  const app = new Hono();
  app.use(
    secureHeaders({
      contentSecurityPolicy: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
      xFrameOptions: "DENY",
      strictTransportSecurity: false,
      overwrite: false,
    }),
  );
  app.use(async (c, next) => {
    if (c.req.method !== "GET" && c.req.method !== "HEAD") {
      c.header("Allow", "GET, HEAD");
      return failed(c, 405, "this server is read-only: GET and HEAD");
    }
    await next();
    c.header("Cache-Control", "no-store");
  });
  addOpen(app, options);
  app.use(refuseForeign(options));
  addPage(app, options);
  app.use(demandToken(options));
  addFeed(app, options);
  addApi(app, options);
  app.notFound((c) => failed(c, 404, "there is nothing here: /api/guards, /api/incidents, /feed"));
  app.onError((error, c) => {
    if (error instanceof Unread) return failed(c, 503, error.message);
    console.error(error);
    return failed(c, 500, "a fault of reprieve's own");
  });
  return app;
}

// --- internal ---

type Status = 400 | 401 | 403 | 404 | 405 | 429 | 500 | 503;

function failed(c: Context, status: Status, error: string) {
  return c.json({ error }, status);
}

/** For supervisors: without token and under any name, and with nothing in them that anybody's is. */
function addOpen(app: Hono, { whyNotReady }: AppOptions): void {
  app.get("/healthz", (c) => c.json({ status: "ok" }));
  app.get("/readyz", (c) => {
    const reason = whyNotReady();
    return reason === undefined ? c.json({ ready: true }) : c.json({ ready: false, reason }, 503);
  });
}

function refuseForeign({ door }: AppOptions) {
  return async (c: Context, next: () => Promise<void>) => {
    const why = whyForeign(c, door);
    if (why !== undefined) return failed(c, 403, why);
    await next();
  };
}

/** It has no data in it, so that it comes without a token, and says itself that it needs one. */
function addPage(app: Hono, { page, door }: AppOptions): void {
  app.get("/", (c) => {
    const token = c.req.query("token");
    const isRight = token !== undefined && isToken(token, door);
    if (isRight) {
      giveCookie(c, door);
      return c.redirect("/", 303);
    }
    c.header("Content-Security-Policy", policyOf(page, new URL(c.req.url).host));
    return c.html(page, token === undefined ? 200 : 401);
  });
}

function demandToken({ door, areMetricsOpen, hasRoom }: AppOptions) {
  return async (c: Context, next: () => Promise<void>) => {
    if (!(areMetricsOpen && c.req.path === "/metrics") && !isLetIn(c, door)) {
      c.header("WWW-Authenticate", "Bearer");
      return failed(c, 401, "this wants the token: open the link that is printed at the start");
    }
    if (!hasRoom()) {
      c.header("Retry-After", "1");
      return failed(c, 429, "too many requests in a second");
    }
    await next();
  };
}

function addFeed(app: Hono, { upgrade, metrics, documents }: AppOptions): void {
  for (const [name, text] of Object.entries(documents)) {
    app.get(`/${name}`, (c) => c.body(text, 200, { "Content-Type": "application/json" }));
  }
  app.get("/feed", (c) => {
    const query = v.safeParse(FeedQuery, c.req.query());
    if (!query.success) return failed(c, 400, sentenceOf(query.issues));
    switch (upgrade(c.req.raw, query.output)) {
      case "full":
        return failed(c, 503, "too many clients");
      case "not a websocket":
        c.header("Upgrade", "websocket");
        return c.json({ error: "connect with a websocket client" }, 426);
      case "upgraded":
        return new Response(null);
    }
  });
  app.get("/metrics", async (c) => {
    const { type, text } = await metrics();
    return c.body(text, 200, { "Content-Type": type });
  });
}

function addApi(app: Hono, { present, run, journal, history, explain }: AppOptions): void {
  app.get("/api/guards", (c) => {
    const guards = present.names.flatMap((name) => viewOf(present, name) ?? []);
    const { seq } = present;
    return c.json({ t: Date.now(), run, seq, guards, ...besideOf(present) });
  });
  app.get("/api/guards/:name", async (c) => {
    const name = c.req.param("name");
    const view = viewOf(present, name);
    if (view === undefined) return failed(c, 404, "no such guard: /api/guards lists them");
    const query = v.safeParse(GuardQuery, c.req.query());
    if (!query.success) return failed(c, 400, sentenceOf(query.issues));
    const { incidents, unread } = await journal.list({ guard: name, limit: LAST_INCIDENTS });
    const recorded = history(name, query.output.last_s * 1000);
    const rest = { history: recorded, incidents, unread, ...besideOf(present) };
    return c.json({ t: Date.now(), ...view, ...rest });
  });
  app.get("/api/incidents", async (c) => {
    const filter = v.safeParse(IncidentFilter, c.req.query());
    if (!filter.success) return failed(c, 400, sentenceOf(filter.issues));
    return c.json(await journal.list(filter.output));
  });
  app.get("/api/incidents/:id", async (c) => {
    const incident = await journal.get(c.req.param("id"));
    if (incident === undefined)
      return failed(c, 404, "no such incident: /api/incidents lists them");
    return c.json(incident);
  });
  app.get("/api/explain/:guard", async (c) => {
    const armed = present.armed(c.req.param("guard"));
    if (armed === undefined) return failed(c, 404, "no such guard: /api/guards lists them");
    const explanation = await explain(armed.cgroup);
    if (explanation === "busy") return failed(c, 429, "too many ask for that at once");
    return c.json(explanation);
  });
}

function besideOf({ system, journal }: Present) {
  return { system, journal };
}

/** Hostile text is quoted by JSON. */
function sentenceOf([issue]: readonly v.BaseIssue<unknown>[]): string {
  const key = issue === undefined ? undefined : v.getDotPath(issue);
  if (issue?.kind === "schema" && issue.expected === "never") return `unknown parameter ${key}`;
  return issue?.message ?? "it is not valid";
}
