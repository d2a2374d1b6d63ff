// SPDX-License-Identifier: MIT
/** The feed's server on real sockets, with limits so small that they are reached. */
import { afterEach, expect, test } from "bun:test";
// By path: for the name "ws" Bun puts its own client in the place of the package.
import { WebSocket } from "../../node_modules/ws/wrapper.mjs";
import { Hub, type HubLimits, LIMITS } from "../../src/feed/hub.ts";
import { Present } from "../../src/feed/present.ts";
import type { Message } from "../../src/feed/protocol.ts";
import { Sampling } from "../../src/feed/samples.ts";
import { listenOn } from "../../src/http/listen.ts";
import { serveAt } from "../../src/http/serve.ts";
import { RecentIncidents } from "../../src/journal/recent.ts";
import { RawSocket } from "../helpers/frames.ts";
import { until } from "../helpers/wait.ts";

/** The least that Bun takes. */
const SILENCE_S = 8;

const running: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of running.splice(0)) await one.stop();
});

async function start(limits: Partial<HubLimits> = {}) {
  const present = new Present();
  const sampling = new Sampling(() => undefined);
  const setup = { version: "1", run: "run", present, sampling, watched: () => {} };
  const hub = new Hub({ ...setup, limits: { ...LIMITS, ...limits } });
  const port = await listenOn({ hostname: "127.0.0.1", port: 0 }, undefined, SILENCE_S);
  serveAt(port, {
    token: undefined,
    hub,
    present,
    run: "run",
    journal: new RecentIncidents("run", { of: (incident) => incident }),
    history: () => ({ frames: [], processes: {} }),
    explain: async () => ({}),
    whyNotReady: () => undefined,
    metrics: async () => ({ type: "text/plain", text: "" }),
    areMetricsOpen: false,
    page: "",
    documents: {},
  });
  running.push({
    stop: () => {
      hub.stop();
      return port.stop();
    },
  });
  let seq = 0;
  const say = (text: string) => {
    const usage = { usage_bytes: ++seq, limit_bytes: null, procs: 1, state: "near" as const };
    const message: Message = { v: 1, t: 1, type: "guard", guard: text, ...usage };
    const entry = { seq, message, line: JSON.stringify({ ...message, seq }) };
    present.accept(entry);
    hub.accept(entry);
  };
  return { hub, say, address: `127.0.0.1:${port.server.port}` };
}

async function join(address: string) {
  const client = new WebSocket(`ws://${address}/feed`);
  const heard: { type: string; seq: number; missed?: number }[] = [];
  const state = { code: 0 };
  client.on("message", (data) => heard.push(JSON.parse(String(data))));
  client.on("close", (code) => {
    state.code = code;
  });
  client.on("error", () => {});
  await until("hello", () => heard.length > 0);
  return { client, heard, state };
}

test("one that answers no ping is dropped, one that does stays", async () => {
  const { hub, address } = await start();
  const dead = await new RawSocket(address, "/feed").open();
  const quiet = await join(address);
  await until("the end", () => dead.isClosed, 20_000);
  expect([hub.counts.clients, quiet.state.code]).toEqual([1, 0]);
}, 30_000);

test("one that reads nothing is dropped, and holds up nobody", async () => {
  const { hub, say, address } = await start({ stuckMs: 1000 });
  const deaf = await new RawSocket(address, "/feed").open();
  deaf.socket.pause();
  const quick = await join(address);
  const slow = await join(address);
  slow.client.pause();
  const name = "x".repeat(400);
  let said = 0;
  await until(
    "the end of the deaf one",
    () => {
      for (let i = 0; i < 100; i += 1) say(name);
      said += 100;
      return hub.counts.clients === 1;
    },
    20_000,
  );
  await until("the last", () => quick.heard.at(-1)?.seq === said, 20_000);
  const guards = quick.heard.filter(({ type }) => type === "guard").length;
  const missed = quick.heard.reduce((sum, { missed = 0 }) => sum + missed, 0);
  expect(guards + missed).toBe(said);
}, 60_000);

test("one that was slow hears of the gap and the newest, when it reads again", async () => {
  const { hub, say, address } = await start();
  const slow = await join(address);
  slow.client.pause();
  const name = "x".repeat(400);
  // More than the kernel's buffers hold.
  let said = 0;
  await until(
    "it to be full",
    () => {
      for (let i = 0; i < 1000; i += 1) say(name);
      said += 1000;
      return said > 40_000;
    },
    20_000,
  );
  expect(hub.counts.clients).toBe(1);
  slow.client.resume();
  await until("the newest", () => slow.heard.at(-1)?.seq === said, 20_000);
  const gap = slow.heard.find(({ type }) => type === "gap");
  expect(gap?.missed).toBeGreaterThan(1000);
  expect(slow.heard.length).toBeLessThan(said);
}, 60_000);

test("there are so many clients and no more", async () => {
  const { address } = await start({ clients: 2 });
  const [first] = [await join(address), await join(address)];
  const refused = new RawSocket(address, "/feed");
  await until("the answer", () => refused.head !== "");
  expect(refused.head).toStartWith("HTTP/1.1 503 ");
  first?.client.close();
  await until("a place", async () => {
    const socket = new RawSocket(address, "/feed");
    await until("the answer", () => socket.head !== "");
    return socket.head.startsWith("HTTP/1.1 101");
  });
});

test("when it ends, clients are told", async () => {
  const { address } = await start();
  const { state } = await join(address);
  await running.pop()?.stop();
  await until("the end", () => state.code !== 0);
  expect(state.code).toBe(1001);
});
