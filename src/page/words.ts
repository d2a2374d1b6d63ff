// SPDX-License-Identifier: MIT
/** The protocol's words as sentences for a person. Pure; a word that is not known here is shown as it is. */

import { duration, size } from "./format.ts";
import type { IncidentStep, Outcome, State } from "./types.ts";

/** How a thing went: a colour, and never the colour alone. */
export type Tone = "good" | "warn" | "bad" | "calm";

export interface Told {
  readonly tone: Tone;
  readonly word: string;
  readonly sentence: string;
}

export const OUTCOMES: Readonly<Record<Outcome, Told>> = {
  relieved: { tone: "good", word: "relieved", sentence: "relieved" },
  "exited-by-itself": {
    tone: "calm",
    word: "by itself",
    sentence: "the memory came back by itself",
  },
  observed: { tone: "calm", word: "observed", sentence: "observed only" },
  "handed-over": { tone: "warn", word: "handed over", sentence: "handed over to the kernel" },
  "kernel-first": {
    tone: "warn",
    word: "kernel first",
    sentence: "the kernel was first",
  },
  "owner-overrode": {
    tone: "warn",
    word: "overridden",
    sentence: "somebody else switched the kernel's killer on",
  },
  unknown: {
    tone: "warn",
    word: "unknown",
    sentence: "its end was not told: the agent was killed, or too slow",
  },
  unrelieved: {
    tone: "bad",
    word: "not relieved",
    sentence: "handed over to the kernel, and not relieved",
  },
};

export const STATES: Readonly<Record<State, Told>> = {
  alarm: { tone: "bad", word: "alarm", sentence: "handed over, and still out of memory" },
  oom: { tone: "bad", word: "OOM", sentence: "out of memory: the reprieve runs" },
  handed: { tone: "warn", word: "kernel", sentence: "handed over: the kernel decides" },
  relief: { tone: "warn", word: "relief", sentence: "relieved, and watched whether it holds" },
  near: { tone: "warn", word: "near", sentence: "within the margin of its limit" },
  gone: { tone: "calm", word: "gone", sentence: "the group was removed" },
  quiet: { tone: "calm", word: "quiet", sentence: "far from its limit" },
  none: { tone: "calm", word: "starting", sentence: "not yet looked at" },
};

/** Trouble first. */
export const STATE_RANK: Readonly<Record<State, number>> = {
  alarm: 0,
  oom: 1,
  handed: 2,
  relief: 3,
  near: 4,
  none: 5,
  quiet: 6,
  gone: 7,
};

const CAUSES: Readonly<Record<string, string>> = {
  oom: "Out of memory: somebody in the group waits for memory that is not there",
  "kernel-kill": "Out of memory: all that was seen of it is the kernel's kill",
  near: "Near its limit with what cannot be reclaimed",
  memory: "The host has less memory left than its mark",
  pressure: "The host waits for memory more than its mark allows",
  starving: "Full: nobody sleeps, but calls that need memory fail",
};

const REASONS: Readonly<Record<string, string>> = {
  killed: "a kill of ours brought relief",
  terminated: "who was sent SIGTERM has ended by it",
  raised: "the limit was raised",
  reclaimed: "memory was reclaimed",
  moved: "a process was moved to another group",
  hook: "the program of the orders was at work, or had been",
  designated: "a designated handler was at work",
  deadline: "the delay was over",
  "handler-dead": "the handler was dead",
  "handler-asleep": "the handler slept in the OOM that it is to resolve",
  "handler-unseen": "the handler was not seen at work",
  "no-candidate": "nobody holds memory that a kill would free",
  "kill-cap": "the most kills for one incident",
  "hour-cap": "the most kills in an hour for this guard",
  "host-cap": "the most kills in an hour for the host",
  "no-order-left": "all standing orders were tried in vain",
  ordered: "hand-over was the next of its orders",
  budget: "too much of the last minute was OOM",
  burst: "the burst was faster than the arming",
  observing: "reprieve only observes here",
  "no-kill-seen": "memory came back without a kill",
  "kernel-killed": "the kernel's own kill brought relief",
  "not-relieved": "the hand-over brought no relief",
  "switch-written": "somebody else wrote the switch",
  "agent-dead": "the agent was dead",
  released: "the guard was released",
  "owner-dead": "the other watcher was dead",
  "owner-silent": "the other watcher did not answer",
  "group-gone": "the group was removed",
};

const EVIDENCE: Readonly<Record<string, string>> = {
  largest: "it holds the most",
  unexplained: "memory was unexplained, and it is the largest of those not seen before",
  busiest: "memory was unexplained, and it has used the most CPU since",
  "kernels-rule": "as the kernel would have chosen",
  newest: "it started last",
  fastest: "it has grown the most in the last second",
  weight: "it has the highest weight",
};

export function causeOf(cause: string): string {
  return CAUSES[cause] ?? cause;
}

export function evidenceOf(evidence: string): string {
  return EVIDENCE[evidence] ?? evidence;
}

export function reasonOf(reason: string): string {
  return REASONS[reason] ?? reason.replaceAll("-", " ");
}

const STEPS: Readonly<Record<string, { readonly tone?: Tone; readonly word: string }>> = {
  seen: { word: "The handler is awake and looks at the group" },
  "left-to": { word: "Left to the designated handler, which the kernel has woken" },
  chose: { word: "Chosen" },
  "would-kill": { word: "Would have been killed" },
  kill: { tone: "bad", word: "SIGKILL" },
  terminate: { tone: "warn", word: "SIGTERM" },
  mrelease: { word: "Its memory is taken back at once" },
  "victim-dead": { word: "Dead" },
  relief: { tone: "good", word: "Relief: nobody waits for memory any more" },
  "gave-up": { tone: "warn", word: "The handler asks for the hand-over" },
  "handed-over": { tone: "warn", word: "Handed over: the kernel decides" },
  "handler-killed": { tone: "warn", word: "The handler was ended" },
  engaged: { word: "The kernel's killer is off" },
  disengaged: { word: "The kernel's killer is on" },
  "took-over": { tone: "warn", word: "The other watcher took over" },
  "put-back": { word: "The guard was released" },
  gone: { tone: "warn", word: "The group was removed" },
  alarm: { tone: "bad", word: "Alarm: handed over, and still out of memory" },
  woke: { word: "Sleepers in a group with room were woken" },
  "disarmed-by-other": { tone: "warn", word: "Somebody else wrote the switch" },
  "kill-group": { tone: "bad", word: "Its group is killed whole" },
  raise: { word: "The limit is raised" },
  room: { word: "Room is made for who was sent SIGTERM" },
  slept: { word: "Slept in the OOM" },
  reclaim: { word: "Memory is reclaimed" },
  freeze: { word: "The largest child group stands still" },
  thaw: { word: "It goes on again" },
  move: { word: "Moved to another group" },
  hook: { word: "What the program of the orders came to" },
  "given-back": { word: "The limit is what it was" },
  would: { word: "Only observed" },
};

export function stepWord(step: string): string {
  return STEPS[step]?.word ?? step.replaceAll("-", " ");
}

export function stepTone({ step, result }: IncidentStep): Tone {
  return result !== "ok" && step === "kill" ? "warn" : (STEPS[step]?.tone ?? "calm");
}

/** What is behind the word of a step, without the process. */
export function stepDetails(step: IncidentStep): string[] {
  const details: string[] = [];
  if (step.rss_bytes !== undefined) details.push(size(step.rss_bytes));
  if (step.usage_bytes !== undefined) details.push(`${size(step.usage_bytes)} used`);
  if (step.available_bytes !== undefined) details.push(`${size(step.available_bytes)} available`);
  if (step.bytes !== undefined) details.push(size(step.bytes));
  if (step.slept_us !== undefined) details.push(duration(step.slept_us));
  if (step.order !== undefined) details.push(`order ${step.order}`);
  if (step.processes !== undefined) details.push(`${step.processes} more processes`);
  if (step.evidence !== undefined) details.push(evidenceOf(step.evidence));
  if (step.reason !== undefined) details.push(reasonOf(step.reason));
  if (step.result !== "ok") details.push(step.result);
  return details;
}
