// SPDX-License-Identifier: MIT
/**
 * Figure: the feed. CPU of the agent with CLIENTS clients and an update a second, beside a bare Bun.serve that publishes as many
 * bytes to as many clients at the same time. Both have run for a while by then: what the compiler of JavaScript takes of the first
 * minute is a row of its own.
 */
import { Clients, freePort, linesOf, lineWhere, untilServed } from "./lib/feed.ts";
import { Group, killQuietly, MIB } from "./lib/group.ts";
import { cpuNs } from "./lib/helpers.ts";
import { built, ended, Reprieve, start } from "./lib/programs.ts";
import { PAIRS, report, say } from "./lib/report.ts";
import { ratios } from "./lib/stats.ts";

const CLIENTS = Number(process.env.CLIENTS ?? 1000);
const SETTLE_S = 60;
const WINDOW_S = 10;
const WINDOWS = Math.min(PAIRS, 8);
const STOP_BOUND_MS = 10_000;

/** Who tells CLIENTS clients of something once a second. */
interface Side {
  readonly pid: number;
  readonly clients: Clients;
  readonly stop: () => Promise<void>;
}

const agent = await agentSide();
const bare = await bareSide(await bytesOf(agent.clients));
say(`feed: ${CLIENTS} clients twice, settling`);
const first = await windowsOf(SETTLE_S, 1);
const settled = await windowsOf(WINDOW_S, WINDOWS);
await agent.stop();
await bare.stop();
report("feed", "The feed", [
  {
    title: `${CLIENTS} clients, an update a second`,
    rows: [
      { label: "agent, us of CPU an update", values: settled.ours },
      { label: "bare publish, us", values: settled.bare },
      {
        label: "agent / bare",
        values: ratios(settled.ours, settled.bare),
        target: { median: 1.5 },
      },
      { label: `in the first ${SETTLE_S} s`, values: ratios(first.ours, first.bare) },
    ],
  },
]);

/** CPU of all threads for each update that was heard. */
async function windowsOf(seconds: number, count: number) {
  const ours: number[] = [];
  const floor: number[] = [];
  for (let n = 0; n < count; n++) {
    const begun = [agent, bare].map(spentBy);
    await Bun.sleep(seconds * 1000);
    const [oursUs = 0, bareUs = 0] = [agent, bare].map((side, i) => {
      const [before, now] = [begun[i], spentBy(side)];
      return (now.us - (before?.us ?? 0)) / (now.updates - (before?.updates ?? 0));
    });
    ours.push(oursUs);
    floor.push(bareUs);
    say(`feed: window ${n + 1} of ${count}`);
  }
  return { ours, bare: floor };
}

function spentBy({ pid, clients }: Side) {
  return { us: cpuNs(pid) / 1000, updates: clients.received / CLIENTS };
}

/** One guard whose usage moves each second. */
async function agentSide(): Promise<Side> {
  const group = new Group("feed");
  group.limit(256 * MIB);
  const port = freePort();
  const listen = ["--listen", `127.0.0.1:${port}`, "--no-token"];
  const reprieve = await Reprieve.guard([group.path], listen);
  const breather = start([built("breathers"), group.path]);
  await untilServed(port);
  const clients = await Clients.join(`ws://127.0.0.1:${port}/feed`, CLIENTS);
  return {
    pid: reprieve.pid,
    clients,
    async stop() {
      await clients.stop();
      killQuietly(breather.pid);
      await reprieve.stop();
      group.remove();
    },
  };
}

async function bareSide(bytes: number): Promise<Side> {
  const server = start([built("bare"), String(bytes)]);
  const port = await lineWhere(linesOf(server), (one) => one.port);
  const clients = await Clients.join(`ws://127.0.0.1:${port}/`, CLIENTS);
  return {
    pid: server.pid,
    clients,
    async stop() {
      await clients.stop();
      killQuietly(server.pid, "SIGTERM");
      await ended(server, STOP_BOUND_MS);
    },
  };
}

/** Of one update. */
async function bytesOf(clients: Clients): Promise<number> {
  const before = { bytes: clients.bytes, received: clients.received };
  await Bun.sleep(5000);
  return Math.round((clients.bytes - before.bytes) / (clients.received - before.received));
}
