// SPDX-License-Identifier: MIT
/**
 * Hop 8a: messages -> lines for a person.
 * Pure. Names of groups and processes are hostile: what could steer a terminal is replaced.
 */

import type {
  Armed,
  Guard,
  Hook,
  IncidentClosed,
  IncidentStep,
  KernelKill,
  Message,
  System,
} from "../feed/protocol.ts";
import { bytes, milliseconds, visible } from "../shown.ts";

/** The lines to print, without a prefix; none for what a person need not see. */
export function linesOf(message: Message): string[] {
  switch (message.type) {
    case "armed":
      return [armed(message)];
    case "incident.opened":
      return [`${visible(message.guard)}: ${OPENED[message.cause] ?? visible(message.cause)}`];
    case "incident.step":
      return [`  ${micro(message.at_us)}  ${step(message)}`];
    case "incident.closed":
      return [closed(message)];
    case "hook":
      return [hook(message)];
    case "system":
      return [system(message)];
    case "guard":
      return guard(message);
    case "released":
      return [
        `${visible(message.guard)}: released${message.result === "ok" ? "" : `, ${message.result}`}`,
      ];
    case "journal":
      return [message.ok ? "the journal is written again" : visible(message.remark ?? "")];
    case "lost":
      return [`${message.steps} steps were lost: this agent was too slow to read them`];
  }
}

// --- internal ---

const OPENED: Readonly<Record<string, string>> = {
  oom: "out of memory",
  "kernel-kill": "out of memory, the kernel killed first",
  near: "near its limit with what cannot be reclaimed",
  memory: "the host is short of memory",
  pressure: "the host is under pressure for memory",
  starving: "full, and its programs' calls fail for want of memory",
};

const OUTCOMES: Readonly<Record<IncidentClosed["outcome"], string>> = {
  relieved: "relieved",
  "handed-over": "handed over to the kernel",
  "kernel-first": "the kernel was first",
  "exited-by-itself": "the memory came back by itself",
  unrelieved: "not relieved",
  observed: "observed only",
  "owner-overrode": "somebody else switched the kernel's killer on",
};

const EVENTS: Readonly<Record<string, string>> = {
  gone: "the group was removed",
  "child-reset": "a child group got its killer back",
  "child-left": "a child group's killer is off by its owner's will: nobody answers for it",
  designated: "a designated handler answers for it from now on",
  resigned: "the designated handler is gone: reprieve's own answers for it",
  "disarmed-by-other": "somebody else wrote the switch: the kernel decides for a time",
  "given-back": "its limit is again what it was before the raise",
  mended: "the kernel's killer was off, and not by reprieve: it is on again",
};

/** Right-aligned, so that the steps of an incident form a column. */
function micro(us: number): string {
  return `+${us} us`.padStart(11);
}

function armed(message: Armed): string {
  const isKernels = message.orders.join() === "hand-over";
  const power =
    message.powers.length > 0 || isKernels
      ? ""
      : ", observing only: it has no power to act (--allow-kill grants one)";
  const when = message.when === "before" ? ", before the limit" : "";
  const isDefault = message.orders.join() === "kill";
  const orders = isDefault ? "" : `, orders: ${message.orders.join(", ")}`;
  return (
    `guarding ${visible(message.cgroup)} (delay ${milliseconds(message.delay_ms)}, ` +
    `margin ${bytes(message.margin_bytes)}${when}${orders})${power}`
  );
}

function step(message: IncidentStep): string {
  const words = [message.step.replaceAll("-", " ")];
  if (message.comm !== undefined) {
    // A newborn's name was never read: there was no memory left to open its files.
    words.push(message.comm === "" ? `process ${message.pid}` : nameAndPid(message));
  }
  if (message.rss_bytes !== undefined) words.push(bytes(message.rss_bytes));
  if (message.usage_bytes !== undefined) words.push(`${bytes(message.usage_bytes)} used`);
  if (message.available_bytes !== undefined) words.push(`${bytes(message.available_bytes)} left`);
  if (message.bytes !== undefined) words.push(bytes(message.bytes));
  if (message.slept_us !== undefined) words.push(milliseconds(Math.ceil(message.slept_us / 1000)));
  if (message.order !== undefined) words.push(message.order);
  if (message.processes !== undefined) words.push(`${message.processes} more processes`);
  if (message.reason !== undefined) words.push(message.reason);
  if (message.result !== "ok") words.push(message.result);
  if (message.by !== "handler" && message.by !== "system") words.push(`by the ${message.by}`);
  return words.join("  ");
}

function hook(message: Hook): string {
  const { event, program, pid, exit_code: code, signal, duration_ms: ms = 0 } = message;
  const what = `  hook of ${visible(message.guard)}: ${visible(program)}`;
  if (event === "failed") return `${what} could not be started, ${message.result}`;
  if (event === "started") return `${what} (${pid}) started`;
  const how = signal === undefined ? `ended with code ${code}` : `was ended by ${signal}`;
  return `${what} (${pid}) ${how} after ${milliseconds(ms)}`;
}

function system(message: System): string {
  const { event, available_bytes, cause, reason, result } = message;
  const left = `${bytes(available_bytes)} left`;
  if (event === "armed") return `watching the memory of the host, ${left}`;
  if (event === "low")
    return `the host: ${cause === "pressure" ? "pressure" : "low memory"}, ${left}`;
  const words = [`  ${event.replaceAll("-", " ")}`];
  if (message.comm !== undefined) words.push(`${visible(message.comm)} (${message.pid})`);
  if (message.rss_bytes !== undefined) words.push(bytes(message.rss_bytes));
  if (reason !== undefined) words.push(reason);
  if (result !== "ok") words.push(result);
  return [...words, left].join("  ");
}

function nameAndPid({ comm = "", pid }: IncidentStep): string {
  return `${visible(comm)} (${pid})`;
}

function closed(message: IncidentClosed): string {
  const faults = message.faults === 0 ? "" : `, ${message.faults} page faults`;
  return (
    `${visible(message.guard)}: ${OUTCOMES[message.outcome]} ` +
    `after ${(message.duration_us / 1000).toFixed(1)} ms (${message.reason}${faults})` +
    kernelKilled(message) +
    (message.ended === undefined ? "" : `, ended: ${namesOf(message.ended)}`)
  );
}

function kernelKilled({ outcome, kernel_killed: killed }: IncidentClosed): string {
  if (killed === undefined)
    return outcome === "kernel-first" ? ", whom it killed is not known" : "";
  return `, the kernel killed ${namesOf(killed)}`;
}

function namesOf(killed: readonly KernelKill[]): string {
  return killed
    .map((one) => `${visible(one.comm)} (${one.pid})  ${bytes(one.rss_bytes)}`)
    .join(", ");
}

/** The killer's switch going off and on near the limit is routine: no line. */
function guard(message: Guard): string[] {
  const name = visible(message.guard);
  if (message.state === "alarm" && message.event === undefined) {
    return [`${name}: STILL OUT OF MEMORY after the hand-over: kill something or raise its limit`];
  }
  if (message.event === "took-over")
    return [`${name}: the other watcher took over (${message.result})`];
  const line = EVENTS[message.event ?? ""];
  return line === undefined ? [] : [`${name}: ${line}`];
}
