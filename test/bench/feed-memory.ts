// SPDX-License-Identifier: MIT
/**
 * Figure: the agent's memory over MESSAGES messages, sped up: a day of eleven guards that each change once a second. And with 1,000
 * clients of whom 50 read nothing.
 */
import { onEnd } from "./lib/cleanup.ts";
import { Clients, linesOf, lineWhere } from "./lib/feed.ts";
import { killQuietly } from "./lib/group.ts";
import { kilobytes } from "./lib/helpers.ts";
import { built } from "./lib/programs.ts";
import { report, say } from "./lib/report.ts";

const MESSAGES = Number(process.env.MESSAGES ?? 1_000_000);
const DONE_BOUND_MS = 600_000;

const flat = await flood({ messages: MESSAGES, rate: 20_000, count: 10, stuck: 0 });
const crowded = await flood({ messages: 3_000, rate: 100, count: 1000, stuck: 50 });
report("feed-memory", "The feed's memory", [
  { title: `${MESSAGES} messages, 20,000 a second, 10 clients`, rows: rowsOf(flat) },
  { title: "100 messages a second, 1,000 clients, 50 stuck", rows: rowsOf(crowded) },
]);

function rowsOf({ rssMb, anonMb, peakMb, heardPercent }: Awaited<ReturnType<typeof flood>>) {
  return [
    { label: "resident, MB, each 5 %", values: rssMb, target: { max: 80 } },
    { label: "anonymous, MB", values: anonMb },
    { label: "the most ever resident, MB", values: [peakMb], target: { max: 80 } },
    { label: "heard by who reads, %", values: [heardPercent] },
  ];
}

async function flood(of: { messages: number; rate: number; count: number; stuck: number }) {
  const { messages, rate, count, stuck } = of;
  say(`feed-memory: ${messages} messages to ${count} clients`);
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
  await lineWhere(lines, ({ type }) => (type === "done" ? true : undefined), DONE_BOUND_MS);
  await Bun.sleep(3000);
  const heard = clients.received - before;
  const peakMb = kilobytes(`/proc/${program.pid}/status`, "VmHWM") / 1024;
  await clients.stop();
  program.kill();
  await program.exited;
  forget();
  const told = lines.filter(({ type }) => type === "memory");
  return {
    rssMb: told.map(({ rssMb = 0 }) => rssMb),
    anonMb: told.map(({ anonMb = 0 }) => anonMb),
    peakMb,
    heardPercent: (heard / (messages * (count - stuck))) * 100,
  };
}
