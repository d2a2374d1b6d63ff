// SPDX-License-Identifier: MIT
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import * as v from "valibot";
import { Present } from "../../src/feed/present.ts";
import type { Message } from "../../src/feed/protocol.ts";
import { type AppOptions, createApp } from "../../src/http/app.ts";
import { isOwnHost } from "../../src/http/auth.ts";
import {
  Failure,
  FeedQuery,
  GuardDetails,
  GuardQuery,
  Guards,
  IncidentFilter,
  IncidentList,
} from "../../src/http/schema.ts";
import { Unread } from "../../src/journal/journal.ts";
import { RecentIncidents } from "../../src/journal/recent.ts";

const TOKEN = "a".repeat(64);
const HOST = { host: "127.0.0.1:7461" };
const BEARER = { ...HOST, authorization: `Bearer ${TOKEN}` };
const PAGE = "<!doctype html><style>b{}</style><script type=module>1</script>";
const DOOR = { token: TOKEN, hostname: "127.0.0.1", cookie: "reprieve-7461", isTls: false };

function appWith(more: Partial<AppOptions> = {}, messages: readonly Message[] = []) {
  const present = new Present();
  const journal = new RecentIncidents("run", { of: (incident) => incident });
  messages.forEach((message, i) => {
    present.accept({ seq: i + 1, message, line: "" });
    journal.accept(message);
  });
  return createApp({
    door: DOOR,
    present,
    run: "run",
    journal,
    history: () => ({ frames: [], processes: {} }),
    explain: async (cgroup) => ({ cgroup }),
    whyNotReady: () => undefined,
    metrics: async () => ({ type: "text/plain", text: "up 1\n" }),
    areMetricsOpen: false,
    page: PAGE,
    documents: { "openapi.json": "{}" },
    upgrade: () => "upgraded",
    hasRoom: () => true,
    ...more,
  });
}

type Headers = Record<string, string>;
const get = async (path: string, headers: Headers = HOST, app = appWith()) =>
  (await app.request(path, { headers })).status;

const at = { v: 1 as const, t: 1000 };

function armed(guard: string): Message {
  const rest = { hierarchy: "v1" as const, delay_ms: 100, margin_bytes: 1, allow_kill: true };
  const powers = { powers: ["kill"], orders: ["kill"] };
  return { ...at, type: "armed", guard, cgroup: `/sys/fs/cgroup/${guard}`, ...rest, ...powers };
}

function opened(guard: string): Message {
  return { ...at, type: "incident.opened", guard, incident: `${guard}#1`, cause: "oom" };
}

function closed(guard: string): Message {
  const end = { outcome: "relieved" as const, reason: "killed", duration_us: 9, faults: 0 };
  return { ...at, type: "incident.closed", guard, incident: `${guard}#1`, ...end };
}

describe("who may come in", () => {
  const wanting = [
    "/feed",
    "/api/guards",
    "/api/incidents",
    "/metrics",
    "/openapi.json",
    "/no/such",
  ];

  test.each(wanting)("%s wants the token", async (path) => {
    expect(await get(path)).toBe(401);
    expect(await get(path, { ...HOST, authorization: "Bearer x" })).toBe(401);
    expect(await get(path, { ...HOST, authorization: `Bearer ${"b".repeat(64)}` })).toBe(401);
    expect(await get(path, { ...HOST, cookie: `reprieve-7461=${TOKEN.slice(1)}` })).toBe(401);
    expect(await get(path, { ...HOST, cookie: `reprieve-7462=${TOKEN}` })).toBe(401);
  });

  test("as a bearer, as a cookie; in the address only of the feed, for addresses are logged", async () => {
    expect(await get("/api/guards", BEARER)).toBe(200);
    expect(await get("/api/guards", { ...HOST, cookie: `x=1; reprieve-7461=${TOKEN}` })).toBe(200);
    expect(await get(`/api/guards?token=${TOKEN}`)).toBe(401);
    expect(await get(`/feed?token=${TOKEN}`)).toBe(200);
    expect(await get(`/feed?token=${TOKEN.slice(1)}`)).toBe(401);
    expect(await get("/feed", BEARER)).toBe(200);
  });

  test("the link that is printed gives the cookie, and leads to where there is no token to be seen", async () => {
    const response = await appWith().request(`/?token=${TOKEN}`, { headers: HOST });
    expect([response.status, response.headers.get("location")]).toEqual([303, "/"]);
    const cookie = `reprieve-7461=${TOKEN}; Path=/; HttpOnly; SameSite=Strict`;
    expect(response.headers.get("set-cookie")).toBe(cookie);
    const wrong = await appWith().request("/?token=x", { headers: HOST });
    expect([wrong.status, wrong.headers.get("set-cookie")]).toEqual([401, null]);
    const tls = appWith({ door: { ...DOOR, isTls: true } });
    const secure = await tls.request(`/?token=${TOKEN}`, { headers: HOST });
    expect(secure.headers.get("set-cookie")).toContain("Secure");
  });

  test("browsers of other origins and names that were pointed here are refused, token or not", async () => {
    const open = appWith({ door: { ...DOOR, token: undefined } });
    for (const path of [...wanting, "/"]) {
      for (const app of [appWith(), open]) {
        const refused = (headers: Headers) => get(path, { ...BEARER, ...headers }, app);
        expect(await refused({ origin: "https://evil.example" })).toBe(403);
        expect(await refused({ origin: "http://127.0.0.1:8080" })).toBe(403);
        expect(await refused({ origin: "null" })).toBe(403);
        expect(await refused({ host: "evil.example" })).toBe(403);
        expect(await refused({ host: "evil.example:7461" })).toBe(403);
      }
    }
    expect(await get("/feed", { ...HOST, origin: "http://127.0.0.1:7461" }, open)).toBe(200);
  });

  test("by a unix socket any name is right, and an origin is still a browser's", async () => {
    const app = appWith({ door: { ...DOOR, token: undefined, hostname: undefined } });
    expect(await get("/api/guards", { host: "localhost" }, app)).toBe(200);
    expect(await get("/api/guards", { host: "x" }, app)).toBe(200);
    expect(await get("/api/guards", { host: "x", origin: "https://evil.example" }, app)).toBe(403);
  });

  test("--open-metrics opens /metrics and nothing else", async () => {
    const app = appWith({ areMetricsOpen: true });
    expect(await get("/metrics", HOST, app)).toBe(200);
    expect(await get("/metrics", { host: "evil.example" }, app)).toBe(403);
    expect(await get("/api/guards", HOST, app)).toBe(401);
  });

  test("health and readiness are open, and say nothing of anybody", async () => {
    const app = appWith({ whyNotReady: () => "it is starting" });
    expect(await (await app.request("/healthz")).json()).toEqual({ status: "ok" });
    const ready = await app.request("/readyz", { headers: { host: "10.1.2.3:7461" } });
    expect([ready.status, await ready.json()]).toEqual([
      503,
      { ready: false, reason: "it is starting" },
    ]);
    expect(await get("/readyz")).toBe(200);
  });
});

test("it is read-only", async () => {
  for (const method of ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"]) {
    const response = await appWith().request("/api/guards", { method, headers: BEARER });
    expect([response.status, response.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
  }
  const head = await appWith().request("/api/guards", { method: "HEAD", headers: BEARER });
  expect([head.status, await head.text()]).toEqual([200, ""]);
});

test("every answer has the headers that keep browsers from guessing and framing", async () => {
  for (const path of ["/", "/api/guards", "/healthz", "/nothing"]) {
    const { headers } = await appWith().request(path, { headers: BEARER });
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("x-frame-options")).toBe("DENY");
    expect(headers.get("cross-origin-resource-policy")).toBe("same-origin");
    expect(headers.get("referrer-policy")).toBe("no-referrer");
    expect(headers.get("cache-control")).toBe("no-store");
    expect(headers.get("content-security-policy")).toContain("default-src 'none'");
  }
});

test("the page may run its own script and style, and nothing else", async () => {
  const response = await appWith().request("/", { headers: HOST });
  const policy = response.headers.get("content-security-policy") ?? "";
  const hash = (text: string) => new Bun.CryptoHasher("sha256").update(text).digest("base64");
  expect(policy).toContain(`script-src 'sha256-${hash("1")}';`);
  expect(policy).toContain(`style-src 'sha256-${hash("b{}")}';`);
  expect(policy).not.toContain("unsafe");
  expect(await response.text()).toBe(PAGE);
});

test("too much is refused, and when to come again is said", async () => {
  const response = await appWith({ hasRoom: () => false }).request("/api/guards", {
    headers: BEARER,
  });
  expect([response.status, response.headers.get("retry-after")]).toEqual([429, "1"]);
  expect(await get("/feed", BEARER, appWith({ upgrade: () => "full" }))).toBe(503);
  expect(await get("/feed", BEARER, appWith({ upgrade: () => "not a websocket" }))).toBe(426);
  const busy = appWith({ explain: async () => "busy" }, [armed("a")]);
  expect(await get("/api/explain/a", BEARER, busy)).toBe(429);
});

describe("what it answers", () => {
  const ask = async (path: string, messages: readonly Message[]) => {
    const response = await appWith({}, messages).request(path, { headers: BEARER });
    return { status: response.status, body: await response.json() };
  };
  const usage = { usage_bytes: 5, limit_bytes: null, procs: 2, state: "oom" as const };

  test("guards, with their open incident and when the kernel decides", async () => {
    const messages = [
      armed("a/b"),
      { ...at, type: "guard", guard: "a/b", ...usage } as Message,
      opened("a/b"),
    ];
    const { body } = await ask("/api/guards", messages);
    const { guards, run, seq } = v.parse(Guards, body);
    expect([run, seq]).toEqual(["run", messages.length]); // the feed goes on from there
    const incident = { incident: "a/b#1", opened_t: 1000, deadline_t: 1100 };
    expect(guards).toHaveLength(1);
    expect(guards[0]).toMatchObject({ guard: "a/b", ...usage, incident, handler: "own" });
  });

  test("a guard that is released or removed is none any more", async () => {
    const gone = { ...at, type: "guard", guard: "a", ...usage, state: "gone" } as Message;
    const released = { ...at, type: "released", guard: "b", result: "ok" } as Message;
    const { body } = await ask("/api/guards", [armed("a"), armed("b"), gone, released]);
    expect(v.parse(Guards, body).guards).toEqual([]);
    expect((await ask("/api/guards/a", [armed("a"), gone])).status).toBe(404);
  });

  test("one guard by any name that a group can have", async () => {
    const aName = fc
      .string({ unit: "binary", minLength: 1, maxLength: 40 })
      .filter((name) => name.isWellFormed() && !/^\.{1,2}$/.test(name) && !name.includes("\0"));
    await fc.assert(
      fc.asyncProperty(aName, async (name) => {
        const { status, body } = await ask(`/api/guards/${encodeURIComponent(name)}`, [
          armed(name),
        ]);
        expect(status).toBe(200);
        expect(v.parse(GuardDetails, body).guard).toBe(name);
      }),
    );
  });

  test("one guard's history is as long as is asked for, and a wrong question is refused", async () => {
    const asked: number[] = [];
    const history = (_: string, sinceMs: number) => {
      asked.push(sinceMs);
      return { frames: [], processes: {} };
    };
    const app = appWith({ history }, [armed("a")]);
    const statusOf = (query: string) => get(`/api/guards/a${query}`, BEARER, app);
    expect(await statusOf("")).toBe(200);
    expect(await statusOf("?last_s=3600")).toBe(200);
    expect(asked).toEqual([180_000, 3_600_000]);
    for (const wrong of ["last_s=0", "last_s=3601", "last_s=1e3", "last_s=", "last=1"])
      expect(await statusOf(`?${wrong}`)).toBe(400);
  });

  test("incidents: a list and each of them", async () => {
    const messages = [armed("a"), opened("a"), closed("a")];
    const { body } = await ask("/api/incidents?guard=a&outcome=relieved&limit=1", messages);
    const { incidents, next } = v.parse(IncidentList, body);
    expect([incidents.length, next]).toEqual([1, null]);
    const one = await ask(`/api/incidents/${incidents[0]?.id}`, messages);
    expect(one).toMatchObject({ status: 200, body: { incident: "a#1", cause: "oom" } });
    expect((await ask("/api/incidents/nobody", messages)).status).toBe(404);
  });

  test("incidents of a file that cannot be read now are not said to be none", async () => {
    const unread = () => Promise.reject(new Unread("cannot read the journal /j: it is locked"));
    const app = appWith({ journal: { list: unread, get: unread } });
    for (const path of ["/api/incidents?before=run-0-1", "/api/incidents/run-0-1"]) {
      const response = await app.request(path, { headers: BEARER });
      expect(response.status).toBe(503);
      expect(await response.json()).toEqual({ error: "cannot read the journal /j: it is locked" });
    }
  });

  test.each([
    "limit=0",
    "limit=501",
    "limit=1e2",
    "limit=-1",
    "from=yesterday",
    "to=1.5",
    "outcome=fine",
    "before=../x",
    "limti=5",
    "__proto__=1",
  ])("incidents?%s is refused with a sentence", async (query) => {
    const { status, body } = await ask(`/api/incidents?${query}`, []);
    expect(status).toBe(400);
    expect(v.parse(Failure, body).error).not.toContain("nvalid");
  });

  test("whatever is asked, the answer is JSON and no fault of ours", async () => {
    const app = appWith({ upgrade: () => "not a websocket" }, [
      armed("a"),
      opened("a"),
      closed("a"),
    ]);
    const anId = fc.string({ unit: "binary" }).map((one) => encodeURIComponent(one.toWellFormed()));
    const aPath = fc.oneof(
      fc.constantFrom("/feed", "/api/guards", "/api/guards/a", "/api/incidents", "/api/explain/a"),
      fc
        .tuple(fc.constantFrom("guards", "incidents", "explain"), anId)
        .map(([of, id]) => `/api/${of}/${id}`),
    );
    const queries = [FeedQuery, GuardQuery, IncidentFilter];
    const aKey = fc.constantFrom(
      ...queries.flatMap(({ entries }) => Object.keys(entries)),
      "x",
      "",
    );
    const aValue = fc.oneof(
      fc.string({ unit: "binary" }).map((one) => one.toWellFormed()),
      fc.oneof(fc.integer(), fc.double()).map(String),
      fc.constantFrom("relieved", "run", "a", "*", "%", "[", "0", "500"),
    );
    const aQuery = fc.array(fc.tuple(aKey, aValue), { maxLength: 4 });
    const seen = new Set<number>();
    await fc.assert(
      fc.asyncProperty(aPath, aQuery, fc.webQueryParameters(), async (path, pairs, raw) => {
        const query = pairs.length > 0 ? new URLSearchParams(pairs) : raw;
        const response = await app.request(`${path}?${query}`, { headers: BEARER });
        seen.add(response.status);
        expect([200, 400, 404, 426]).toContain(response.status);
        const body = await response.json();
        if (response.status !== 200) expect(v.parse(Failure, body).error).not.toContain("nvalid");
      }),
      { numRuns: 1000 },
    );
    expect([...seen].sort()).toEqual([200, 400, 404, 426]);
  });
});

test.each([
  ["localhost:1", "127.0.0.1", true],
  ["127.9.9.9", "10.0.0.1", true],
  ["[::1]:7461", "::1", true],
  ["10.0.0.1:7461", "10.0.0.1", true],
  ["10.0.0.2:7461", "10.0.0.1", false],
  ["10.0.0.2:7461", "0.0.0.0", true],
  ["evil.example", "0.0.0.0", false],
  ["127.0.0.1.evil.example", "127.0.0.1", false],
  ["localhost.evil.example", "127.0.0.1", false],
  ["evil.example@127.0.0.1", "127.0.0.1", false],
  ["127.0.0.1/x", "127.0.0.1", false],
  ["", "127.0.0.1", false],
])("isOwnHost(%p) when listening on %s: %p", (host, listening, own) => {
  expect(isOwnHost(host, listening)).toBe(own);
});
