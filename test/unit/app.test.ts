// SPDX-License-Identifier: MIT
import { describe, expect, test } from "bun:test";
import { createApp, isOwnHost } from "../../src/feed/app.ts";

const TOKEN = "a".repeat(64);
const HOST = { host: "127.0.0.1:7461" };

function appWith(
  upgrade: "upgraded" | "not a websocket" | "full",
  token: string | undefined = TOKEN,
) {
  return createApp({ token, hostname: "127.0.0.1", upgrade: () => upgrade });
}
const get = async (
  path: string,
  headers: Record<string, string> = HOST,
  app = appWith("upgraded"),
) => (await app.request(path, { headers })).status;

describe("GET /feed", () => {
  test("wants the token", async () => {
    expect(await get("/feed")).toBe(401);
    expect(await get(`/feed?token=${TOKEN.slice(1)}`)).toBe(401);
    expect(await get(`/feed?token=${"b".repeat(64)}`)).toBe(401);
    expect(await get("/feed", { ...HOST, authorization: "Bearer x" })).toBe(401);
  });

  test("takes it from the query and as a bearer", async () => {
    expect(await get(`/feed?token=${TOKEN}`)).toBe(200);
    expect(await get("/feed", { ...HOST, authorization: `Bearer ${TOKEN}` })).toBe(200);
  });

  test("wants none with --no-token, but still refuses foreign browsers", async () => {
    const app = createApp({ token: undefined, hostname: "127.0.0.1", upgrade: () => "upgraded" });
    expect(await get("/feed", HOST, app)).toBe(200);
    expect(await get("/feed", { ...HOST, origin: "https://evil.example" }, app)).toBe(403);
    expect(await get("/feed", { ...HOST, origin: "null" }, app)).toBe(403);
    expect(await get("/feed", { ...HOST, origin: "http://127.0.0.1:7461" }, app)).toBe(200);
  });

  test("refuses a name that was pointed here", async () => {
    expect(await get(`/feed?token=${TOKEN}`, { host: "evil.example" })).toBe(403);
  });

  test("says when it is full, and what it wants of plain HTTP", async () => {
    expect(await get(`/feed?token=${TOKEN}`, HOST, appWith("full"))).toBe(503);
    expect(await get(`/feed?token=${TOKEN}`, HOST, appWith("not a websocket"))).toBe(426);
  });
});

test("GET /healthz is open", async () => {
  const response = await appWith("full").request("/healthz");
  expect(response.status).toBe(200);
  expect(await response.json()).toEqual({ status: "ok" });
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
  ["", "127.0.0.1", false],
])("isOwnHost(%p) when listening on %s: %p", (host, listening, own) => {
  expect(isOwnHost(host, listening)).toBe(own);
});
