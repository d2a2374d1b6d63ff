// SPDX-License-Identifier: MIT
/**
 * Hop 7a: log records of the three roles -> messages.
 *
 * No clock and no I/O: records, counters and the time come in as arguments. The roles log independently, so a
 * record may arrive before the one that opened its incident, and a late step after the one that closed it:
 * both are held for HOLD_NS, nothing else is delayed.
 */

import { constants } from "node:os";
import { type OrderName, wordOf } from "../cli/order.ts";
import type { IncidentClosed, IncidentStep, KernelKill, Message } from "../feed/protocol.ts";
import { errnoName } from "../native/core.ts";
import { cause, evidence, limit, order, outcome, reason, step } from "../native/layout.ts";
import type { LogRecord } from "../native/region.ts";

/** Three times the watchers' slowest turn in an incident, with room for a busy machine. */
export const HOLD_NS = 30_000_000;

/** Messages without their stamp (`v`, `t`), which the agent adds when it sends them. */
type Unstamped<T> = T extends unknown ? Omit<T, "v" | "t"> : never;
export type Draft = Unstamped<Message>;

/** A step outside an incident, for the `guard` message that goes with it. */
interface GuardEvent {
  readonly guard: number;
  readonly event: string;
  readonly result: string;
}

/** What the records do not say. */
export interface Run {
  /** By which its incidents are told from others'. */
  readonly run: string;
  /** The wall clock in ms, of a time of the logs. */
  readonly wallMs: (tNs: number) => number;
  /** Who was in the group of that place since then, and has ended. */
  readonly endedSince?: (place: number, tNs: number) => KernelKill[];
}

interface Open {
  readonly id: string;
  /** Of the guard: its place may be another's before all is told. */
  readonly name: string;
  openedNs: number | undefined;
  /** Waiting for the record that opens the incident. */
  early: LogRecord[];
  closed: LogRecord | undefined;
  dueNs: number;
  /** By us. */
  readonly killed: Set<number>;
}

const WITH_PROCESS: readonly number[] = [
  step.CHOSE,
  step.WOULD_KILL,
  step.KILL,
  step.TERMINATE,
  step.MRELEASE,
  step.VICTIM_DEAD,
  step.MOVE,
  step.SLEPT,
  step.LEFT_TO,
];
const WITH_EVIDENCE: readonly number[] = [step.CHOSE, step.WOULD_KILL];
const WITH_RSS: readonly number[] = [step.CHOSE, step.WOULD_KILL, step.KILL, step.TERMINATE];
const WITH_BYTES: readonly number[] = [step.RAISE, step.ROOM, step.RECLAIM, step.FREEZE];
const WITH_USAGE: readonly number[] = [step.SEEN, step.RELIEF];
const WITH_REASON: readonly number[] = [step.GAVE_UP, step.TOOK_OVER];

const KILLS: readonly number[] = [step.KILL, step.TERMINATE];
/** Where others kill, and do not tell us whom. */
const BY_OTHERS: readonly number[] = [reason.DESIGNATED, reason.HOOK];

/** Of no other incident anywhere: what the region alone tells, so that it is the same whoever tells it. */
export function idOf(run: string, guard: number | "system", incident: number): string {
  return `${run}-${guard}-${incident}`;
}

/** "HANDED_OVER" -> "handed-over": the names of the protocol are those of native/region.h. */
export function kebab(name: string): string {
  return name.toLowerCase().replaceAll("_", "-");
}

/** The name of a value of one of the generated enums. */
export function nameOf(values: Readonly<Record<string, number>>, value: number): string {
  const entry = Object.entries(values).find(([, number]) => number === value);
  return entry === undefined ? `unknown-${value}` : kebab(entry[0]);
}

export class Incidents {
  /** Several per guard only for the hold: by guard and number. */
  readonly #open = new Map<string, Open>();
  readonly #guards: readonly (string | undefined)[];
  readonly #run: Run;

  /** By their places; undefined: it is free. */
  constructor(guards: readonly (string | undefined)[], run: Run) {
    this.#guards = guards;
    this.#run = run;
  }

  /** Takes sorted records; returns what can be said now. */
  accept(records: readonly LogRecord[], nowNs: number): { drafts: Draft[]; events: GuardEvent[] } {
    const drafts: Draft[] = [];
    const events: GuardEvent[] = [];
    for (const record of renamed(records)) {
      if (record.incident === 0) events.push(this.#event(record));
      else this.#add(record, nowNs, drafts);
    }
    drafts.push(...this.#due(nowNs));
    return { drafts, events };
  }

  /** Something is held back and wants accept() to be called again in HOLD_NS. */
  get waiting(): boolean {
    return [...this.#open.values()].some((open) => open.dueNs < Number.POSITIVE_INFINITY);
  }

  // --- internal ---

  #event(record: LogRecord): GuardEvent {
    const result = record.result === 0 && record.arg !== 0 ? nameOf(reason, record.arg) : undefined;
    return {
      guard: record.guard,
      event: nameOf(step, record.step),
      result: result ?? resultName(record.result),
    };
  }

  #add(record: LogRecord, nowNs: number, drafts: Draft[]): void {
    const key = `${record.guard}:${record.incident}`;
    const open = this.#open.get(key) ?? this.#begun(key, record);
    if (open === undefined) return;
    if (record.step === step.OPENED) {
      if (open.openedNs === undefined) this.#begin(open, record, record.arg, drafts);
    } else if (record.step === step.CLOSED) {
      open.closed = record;
      open.dueNs = Math.min(open.dueNs, nowNs + HOLD_NS);
    } else if (open.openedNs === undefined) {
      open.early.push(record);
      open.dueNs = Math.min(open.dueNs, nowNs + HOLD_NS);
    } else {
      drafts.push(this.#step(record, open, open.openedNs));
    }
  }

  /** undefined: it is of a guard that is no more. */
  #begun(key: string, { guard, incident }: LogRecord): Open | undefined {
    const name = this.#guards[guard];
    if (name === undefined) return undefined;
    const nothing = {
      openedNs: undefined,
      early: [],
      closed: undefined,
      killed: new Set<number>(),
    };
    const id = idOf(this.#run.run, guard, incident);
    const open: Open = { id, name, ...nothing, dueNs: Number.POSITIVE_INFINITY };
    this.#open.set(key, open);
    return open;
  }

  #begin(open: Open, first: LogRecord, why: number, drafts: Draft[]): void {
    // Of an incident of which only the end was told: a hundred at once overrun the log.
    const openedNs = first.step === step.CLOSED ? first.openedNs : first.tNs;
    open.openedNs = openedNs;
    drafts.push({
      type: "incident.opened",
      ...namesOf(open, first),
      cause: nameOf(cause, why),
      opened_t: this.#run.wallMs(openedNs),
    });
    for (const record of open.early) drafts.push(this.#step(record, open, openedNs));
    open.early = [];
    if (open.closed === undefined) open.dueNs = Number.POSITIVE_INFINITY;
  }

  #due(nowNs: number): Draft[] {
    const drafts: Draft[] = [];
    for (const [key, open] of this.#open) {
      if (nowNs < open.dueNs) continue;
      const first = open.early[0] ?? open.closed;
      // The opening record never came: a role died between claiming the incident and logging it.
      if (open.openedNs === undefined && first !== undefined) {
        this.#begin(open, first, cause.OOM, drafts);
      }
      if (open.closed === undefined) continue;
      drafts.push(this.#close(open.closed, open, open.openedNs ?? open.closed.tNs));
      this.#open.delete(key);
    }
    return drafts;
  }

  #step(record: LogRecord, open: Open, openedNs: number): Unstamped<IncidentStep> {
    const has = (steps: readonly number[]) => steps.includes(record.step);
    if (has(KILLS)) open.killed.add(record.pid);
    const why = has(WITH_REASON) || record.step === step.HANDED_OVER;
    const isHook = record.step === step.HOOK;
    return {
      type: "incident.step",
      ...namesOf(open, record),
      step: nameOf(step, record.step),
      by: record.role.toLowerCase() as IncidentStep["by"],
      ...(has(WITH_PROCESS) && { pid: record.pid, comm: record.comm }),
      ...(has(WITH_RSS) && { rss_bytes: record.bytes }),
      ...(has(WITH_EVIDENCE) && { evidence: nameOf(evidence, record.arg) }),
      ...(has(WITH_USAGE) && { usage_bytes: record.bytes }),
      ...(has(WITH_BYTES) && record.result === 0 && { bytes: record.bytes }),
      ...(record.step === step.SLEPT && { slept_us: record.bytes }),
      ...(record.step === step.WOULD && { order: orderWord(record.arg) }),
      ...(record.step === step.KILL_GROUP && record.result === 0 && { processes: record.bytes }),
      ...(why && record.arg !== reason.NONE && { reason: nameOf(reason, record.arg) }),
      result: isHook ? hookResult(record) : resultName(record.result),
      at_us: microseconds(record.tNs - openedNs),
    };
  }

  #close(record: LogRecord, open: Open, openedNs: number): Unstamped<IncidentClosed> {
    const why = record.arg & 0xffff;
    const isByOthers = BY_OTHERS.includes(why);
    const all = (isByOthers && this.#run.endedSince?.(record.guard, openedNs)) || [];
    const ended = all.filter(({ pid }) => !open.killed.has(pid));
    return {
      type: "incident.closed",
      ...namesOf(open, record),
      outcome: nameOf(outcome, record.arg >>> 16) as IncidentClosed["outcome"],
      reason: nameOf(reason, why),
      duration_us: microseconds(record.tNs - openedNs),
      faults: record.bytes,
      ...(ended.length > 0 && { ended }),
    };
  }
}

/** Who was killed is called as at the kill: an exec may have changed the name since the sampler read it. Mostly that is told together. */
function renamed(records: readonly LogRecord[]): LogRecord[] {
  const key = ({ guard, incident, pid }: LogRecord) => `${guard}:${incident}:${pid}`;
  const dead = records.filter(({ step: one, comm }) => one === step.VICTIM_DEAD && comm !== "");
  const names = new Map(dead.map((record) => [key(record), record.comm]));
  return records.map((record) => {
    const comm = WITH_PROCESS.includes(record.step) ? names.get(key(record)) : undefined;
    return comm === undefined ? record : { ...record, comm };
  });
}

function orderWord(value: number): string {
  const [name] = Object.entries(order).find(([, number]) => number === value) ?? [];
  return name === undefined ? nameOf(order, value) : wordOf(name as OrderName);
}

function namesOf({ id, name }: Open, { incident }: LogRecord) {
  return { guard: name, incident: `${name}#${incident}`, id };
}

/** 0 is "ok"; ESRCH of a kill is the name of the errno, and so on. */
function resultName(result: number): string {
  return result === 0 ? "ok" : errnoName(result);
}

/** How its program has ended: "ok", "exit-1", "SIGKILL", or the errno of a start that failed. */
export function hookResult({ arg, result }: Pick<LogRecord, "arg" | "result">): string {
  if (arg === 0) return resultName(result);
  return arg < limit.HOOK_SIGNAL ? `exit-${arg}` : signalName(arg - limit.HOOK_SIGNAL);
}

function signalName(number: number): string {
  const entry = Object.entries(constants.signals).find(([, one]) => one === number);
  return entry?.[0] ?? `signal-${number}`;
}

function microseconds(ns: number): number {
  return Math.max(0, Math.round(ns / 1000));
}
