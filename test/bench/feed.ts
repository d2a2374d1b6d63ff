// SPDX-License-Identifier: MIT
/**
 * Figure: the feed. CPU of the agent with CLIENTS clients and an update a second, against a bare Bun.serve that publishes the same
 * bytes; from the event in the kernel to the message at each of 10 clients; memory over MESSAGES messages, with 1,000 clients of
 * whom 50 read nothing.
 */
import { onEnd } from "./lib/cleanup.ts";
import { Clients, freePort, linesOf, lineWhere, untilServed } from "./lib/feed.ts";
import { Group, killQuietly, MIB } from "./lib/group.ts";
import { cpuNs } from "./lib/helpers.ts";
import { built, ended, Reprieve, start } from "./lib/programs.ts";
import { PAIRS, report, say } from "./lib/report.ts";
import { BURST_200, LIMIT_200, reprieveSide, round } from "./lib/round.ts";
import { ratios } from "./lib/stats.ts";

const CLIENTS = Number(process.env.CLIENTS ?? 1000);
const STUCK = 50;
const MESSAGES = Number(process.env.MESSAGES ?? 1_000_000);
const FEW = 10;
const WINDOW_MS = 20_000;
const FAN_OUT_PAIRS = Math.min(PAIRS, 5);
const STOP_BOUND_MS = 10_000;

const ours: number[] = [];
const bare: number[] = [];
const line = { bytes: 200 };
for (let pair = 0; pair < FAN_OUT_PAIRS; pair++) {
  say(`feed: ${CLIENTS} clients, pair ${pair + 1} of ${FAN_OUT_PAIRS}`);
  ours.push(await agentUs());
  bare.push(await bareUs(line.bytes));
}
const latencies = await latenciesMs();
const flat = await memory(FEW, 0, MESSAGES, 4_000);
const crowded = await memory(CLIENTS, STUCK, 30 * 100, 100);
report("feed", "The feed", [
  {
    title: `${CLIENTS} clients, an update a second`,
    rows: [
      { label: "agent, us of CPU an update", values: ours },
      { label: "bare publish, us", values: bare },
      { label: "agent / bare", values: ratios(ours, bare), target: { median: 1.5 } },
    ],
  },
  {
    title: `event to message at ${FEW} clients`,
    rows: [{ label: "ms", values: latencies, target: { median: 5, p99: 25 } }],
  },
  {
    title: `memory, ${MESSAGES} messages, ${FEW} clients`,
    rows: [
      { label: "resident, MB, each 5 %", values: flat.rssMb, target: { max: 80 } },
      { label: "anonymous, MB", values: flat.anonMb },
    ],
  },
  {
    title: `100 messages a second, ${CLIENTS} clients, ${STUCK} stuck`,
    rows: [
      { label: "resident, MB, each 5 %", values: crowded.rssMb, target: { max: 80 } },
      { label: "heard by who reads, %", values: [crowded.heardPercent] },
    ],
  },
]);

/** One guard whose usage moves; of the agent's whole CPU time. */
async function agentUs(): Promise<number> {
  const group = new Group("feed");
  group.limit(256 * MIB);
  const port = freePort();
  const listen = ["--listen", `127.0.0.1:${port}`, "--no-token"];
  const reprieve = await Reprieve.guard([group.path], listen);
  const stop = breathe(group);
  await untilServed(port);
  const clients = await Clients.join(`ws://127.0.0.1:${port}/feed`, CLIENTS);
  await Bun.sleep(2000);
  const us = await perUpdate(reprieve.pid, clients);
  line.bytes = Math.round(clients.bytes / clients.received);
  await clients.stop();
  stop();
  await reprieve.stop();
  group.remove();
  return us;
}

async function bareUs(bytes: number): Promise<number> {
  const server = start([built("bare"), String(bytes)]);
  const port = await lineWhere(linesOf(server), (one) => one.port);
  const clients = await Clients.join(`ws://127.0.0.1:${port}/`, CLIENTS);
  await Bun.sleep(2000);
  const us = await perUpdate(server.pid, clients);
  await clients.stop();
  killQuietly(server.pid, "SIGTERM");
  await ended(server, STOP_BOUND_MS);
  return us;
}

async function perUpdate(pid: number, clients: Clients): Promise<number> {
  const before = { cpu: cpuNs(pid), received: clients.received };
  await Bun.sleep(WINDOW_MS);
  const updates = (clients.received - before.received) / CLIENTS;
  return (cpuNs(pid) - before.cpu) / 1000 / updates;
}

/** A process in the group that holds more and less. */
function breathe(group: Group): () => void {
  const script = `while :; do for n in 1 2 3 4 5 6 7 8 9; do x=$(head -c \${n}00000 /dev/zero | tr "\\0" x); sleep 0.3; done; done`;
  const program = start(["sh", "-c", `echo $$ >${group.path}/cgroup.procs; ${script}`]);
  return () => killQuietly(program.pid);
}

async function latenciesMs(): Promise<number[]> {
  const port = freePort();
  const listen = ["--listen", `127.0.0.1:${port}`, "--no-token"];
  const side = await reprieveSide(LIMIT_200, listen, "feed");
  await untilServed(port);
  const clients = await Clients.join(`ws://127.0.0.1:${port}/feed`, FEW);
  const all: number[] = [];
  for (let n = 0; n < PAIRS; n++) {
    say(`feed: event to message, ${n + 1} of ${PAIRS}`);
    const from = clients.lines.length;
    await round(side, BURST_200, undefined);
    const eventMs = side.page.lastTouchNs() / 1e6;
    const arrived = () => clients.lines.slice(from).flatMap(({ openedMs }) => openedMs ?? []);
    for (let waited = 0; arrived().length < FEW && waited < 5000; waited++) await Bun.sleep(1);
    all.push(...arrived().map((ms) => ms - eventMs));
  }
  await clients.stop();
  await side.stop();
  return all;
}

async function memory(count: number, stuck: number, messages: number, rate: number) {
  say(`feed: ${messages} messages to ${count} clients`);
  const program = Bun.spawn([built("flooded"), String(messages), String(rate)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const forget = onEnd(() => killQuietly(program.pid));
  const lines = linesOf(program as unknown as Parameters<typeof linesOf>[0]);
  const port = await lineWhere(lines, (one) => one.port);
  const clients = await Clients.join(`ws://127.0.0.1:${port}/feed`, count, stuck);
  const before = clients.received;
  program.stdin.write("go\n");
  program.stdin.flush();
  await lineWhere(lines, ({ type }) => (type === "done" ? true : undefined), 600_000);
  await Bun.sleep(3000);
  const heard = clients.received - before;
  await clients.stop();
  program.kill();
  await program.exited;
  forget();
  const told = lines.filter(({ type }) => type === "memory");
  return {
    rssMb: told.map(({ rssMb = 0 }) => rssMb),
    anonMb: told.map(({ anonMb = 0 }) => anonMb),
    heardPercent: (heard / (messages * (count - stuck))) * 100,
  };
}
