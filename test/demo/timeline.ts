// SPDX-License-Identifier: MIT
/** One incident as a short timeline, microseconds since the event. Pure but for colour. */
import type { IncidentClosed, IncidentStep, Message } from "../../src/feed/protocol.ts";
import { bold, dim } from "./paint.ts";

export function timeline(messages: readonly Message[]): string[] {
  const steps = messages.filter((message) => message.type === "incident.step");
  const closed = messages.find((message) => message.type === "incident.closed");
  const lines = steps.toSorted((a, b) => a.at_us - b.at_us).flatMap(stepLine);
  return closed === undefined ? lines : [...lines, closedLine(closed)];
}

/** Steps that a first reader needs; the others stay in the JSON lines. */
function stepLine(step: IncidentStep): string[] {
  const who = `${step.comm || "process"} ${step.pid ?? ""}`.trim();
  const held = step.rss_bytes === undefined ? "" : `, ${megabytes(step.rss_bytes)} of its own`;
  switch (step.step) {
    case "seen":
      return [line(step.at_us, "event", `the group is full, ${megabytes(step.usage_bytes ?? 0)}`)];
    case "chose":
      return [line(step.at_us, "decision", `${who}${held}`)];
    case "kill":
      return [line(step.at_us, "kill", step.result === "ok" ? who : `${who}: ${step.result}`)];
    case "mrelease":
      return [line(step.at_us, "reclaim", step.result === "ok" ? who : `${who}: ${step.result}`)];
    case "relief":
      return [line(step.at_us, "relief", "nobody waits for memory any more")];
    case "handed-over":
      return [line(step.at_us, "handed over", `to the kernel: ${step.reason ?? step.result}`)];
    default:
      return [];
  }
}

function closedLine({ duration_us, outcome }: IncidentClosed): string {
  return line(duration_us, "closed", `${outcome}, and it held`);
}

function line(us: number, what: string, text: string): string {
  const time = us.toLocaleString("en-US").replaceAll(",", " ").padStart(10);
  return `  ${dim(`${time} us`)}   ${bold(what.padEnd(11))} ${text}`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(0)} MB`;
}
