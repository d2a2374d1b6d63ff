// SPDX-License-Identifier: MIT
/**
 * flooded MESSAGES RATE: the feed's server as the agent has it, without guards; when a line comes on stdin it sends MESSAGES
 * messages, RATE a second, and says what memory it has by then.
 */
import { readFileSync } from "node:fs";
import { giveBackText } from "../../src/agent/footprint.ts";
import type { Message } from "../../src/feed/protocol.ts";
import { openCore } from "../../src/native/core.ts";
import { openTold } from "../helpers/told.ts";

const TICK_MS = 10;
const GUARDS = 100;
const TOLD = 20;

const [messages = 1_000_000, rate = 10_000] = process.argv.slice(2).map(Number);
const { port, send: tellAll } = await openTold();
for (let i = 0; i < GUARDS; i += 1) tellAll(armed(`tenants/web-${i}`));
console.log(JSON.stringify({ type: "listening", port: port.server.port }));
// As the agent does when it has started.
giveBackText(openCore());
for await (const _ of console) break;
let sent = 0;
const begin = performance.now();
let told = 0;
while (sent < messages) {
  const due = Math.min(messages, ((performance.now() - begin) / 1000) * rate);
  while (sent < due) send(sent++);
  if (sent >= ((told + 1) * messages) / TOLD) tell(++told);
  await Bun.sleep(TICK_MS);
}
console.log(JSON.stringify({ type: "done", sent }));

/** Every tenth is a part of an incident. */
function send(n: number): void {
  const guard = `tenants/web-${n % GUARDS}`;
  const of = { v: 1 as const, t: Date.now(), guard };
  const incident = { ...of, incident: `${guard}#${Math.floor(n / 1000)}` };
  const step = { type: "incident.step" as const, by: "handler" as const, result: "ok", at_us: n };
  const end = { outcome: "relieved" as const, reason: "killed", duration_us: 5000, faults: 0 };
  const of1000 = n % 1000;
  if (of1000 === 0) tellAll({ ...incident, type: "incident.opened", cause: "oom" });
  else if (of1000 === 900) tellAll({ ...incident, type: "incident.closed", ...end });
  else if (of1000 % 100 === 0) tellAll({ ...incident, ...step, step: "kill", pid: n });
  else {
    const usage = { usage_bytes: n * 4096, limit_bytes: 1 << 30, procs: 5 };
    tellAll({ ...of, type: "guard", ...usage, state: "near", handler: "own" });
  }
}

function armed(guard: string): Message {
  const rest = { hierarchy: "v1" as const, delay_ms: 100, margin_bytes: 1, allow_kill: true };
  const orders = { powers: ["kill"], orders: ["kill"] };
  return {
    v: 1,
    t: 0,
    type: "armed",
    guard,
    cgroup: `/sys/fs/cgroup/${guard}`,
    ...rest,
    ...orders,
  };
}

function tell(part: number): void {
  const status = readFileSync("/proc/self/status", "utf8");
  const mb = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1]) / 1024;
  console.log(JSON.stringify({ type: "memory", part, rssMb: mb("VmRSS"), anonMb: mb("RssAnon") }));
}
