// SPDX-License-Identifier: MIT
/** What `watch` asks beside what the feed tells; in a terminal: test/kernel/watch.test.ts. */
import { afterEach, expect, test } from "bun:test";
import { Watched } from "../../src/cli/watched.ts";
import type { Message } from "../../src/feed/protocol.ts";
import { summaryOf } from "../../src/journal/incident.ts";
import { plainIncident } from "../helpers/incident.ts";

const asked: string[] = [];
const server = Bun.serve({
  port: 0,
  fetch(request) {
    asked.push(new URL(request.url).search);
    return Response.json({ incidents: [summaryOf(plainIncident)], next: null });
  },
});

afterEach(() => server.stop(true));

test("the last incidents are asked for again when one may have ended, the host's too", async () => {
  const watched = new Watched({ url: server.url.href }, "a b", () => {});
  watched.back();
  const hears = async (message: object) => {
    watched.hear({ v: 1, t: 0, ...message } as Message);
    await watched.askIncidents();
    return asked.splice(0);
  };
  const query = ["?limit=5&guard=a%20b"];
  const system = { type: "system", event: "relieved", available_bytes: 1, result: "ok" };
  const closed = { type: "incident.closed", guard: "a b", incident: "a b#1" };
  expect(await hears({ type: "incident.opened", guard: "a b", incident: "a b#1" })).toEqual([]);
  expect(await hears(closed)).toEqual(query);
  expect(watched.seen().incidents).toEqual([summaryOf(plainIncident)]);
  expect(await hears({ type: "guard", guard: "a b", state: "quiet" })).toEqual([]);
  expect(await hears(system)).toEqual(query);
});
