// SPDX-License-Identifier: MIT
/** Figure: from when a process sleeps in its group's OOM, by the kernel's own tracing, to the message at each of 10 clients. */
import { Clients, freePort, untilServed } from "./lib/feed.ts";
import { PAIRS, report, say } from "./lib/report.ts";
import { BURST_200, LIMIT_200, reprieveSide, round } from "./lib/round.ts";
import { Trace } from "./lib/trace.ts";

const CLIENTS = 10;
const ARRIVAL_BOUND_MS = 5000;

const trace = new Trace();
const port = freePort();
const listen = ["--listen", `127.0.0.1:${port}`, "--no-token"];
const side = await reprieveSide(LIMIT_200, listen, "feed");
await untilServed(port);
const clients = await Clients.join(`ws://127.0.0.1:${port}/feed`, CLIENTS);
const fromSleep: number[] = [];
const fromTouch: number[] = [];
for (let n = 0; n < PAIRS; n++) {
  say(`feed-latency: ${n + 1} of ${PAIRS}`);
  const arrivals = await burst();
  const touchMs = side.page.lastTouchNs() / 1e6;
  // One that was killed before it slept has not waited.
  const sleptMs = trace.timesOf(side.page.get("leakerPid")).eventMs ?? touchMs;
  fromSleep.push(...arrivals.map((ms) => ms - sleptMs));
  fromTouch.push(...arrivals.map((ms) => ms - touchMs));
}
await clients.stop();
await side.stop();
report("feed-latency", `An OOM at each of ${CLIENTS} clients`, [
  {
    title: "ms to incident.opened",
    rows: [
      { label: "from asleep in its OOM", values: fromSleep, target: { median: 5, p99: 25 } },
      { label: "from the last good touch", values: fromTouch },
    ],
  },
]);

/** When it came to each client. */
async function burst(): Promise<number[]> {
  const from = clients.lines.length;
  trace.clear();
  await round(side, BURST_200);
  const arrived = () => clients.lines.slice(from).flatMap(({ openedMs }) => openedMs ?? []);
  for (let waited = 0; arrived().length < CLIENTS && waited < ARRIVAL_BOUND_MS; waited++) {
    await Bun.sleep(1);
  }
  return arrived();
}
