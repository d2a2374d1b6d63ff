// SPDX-License-Identifier: MIT
/**
 * Who goes over memory.high, or sleeps in his group's OOM (v1), and who is killed, and when: from the kernel's own tracing, so that
 * no side tells of itself.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { onEnd } from "./cleanup.ts";
import { isV2 } from "./group.ts";

const TRACING = "/sys/kernel/tracing";
/** Of the tasks that a leaker runs, only one that goes over a limit of its group comes there (memcg_memory_event()). */
const TELLS = "reprieve_bench/tells";
/** Uninterruptible but for SIGKILL. */
const SLEEPS = "sched/sched_switch";
const ASLEEP = 'prev_comm == "leaker" && prev_state & 2';
const SIGNALS = "signal/signal_generate";
const EVENTS = / (tells|sched_switch): /;
const EVENT = isV2 ? TELLS : SLEEPS;

export class Trace {
  constructor() {
    if (!existsSync(`${TRACING}/trace`)) {
      const mounted = Bun.spawnSync(["mount", "-t", "tracefs", "tracefs", TRACING]);
      if (!mounted.success) throw new Error(`Cannot trace: ${mounted.stderr}`);
    }
    onEnd(() => this.#end());
    write("trace_clock", "mono");
    if (isV2) write("kprobe_events", `p:${TELLS} cgroup_file_notify`);
    else write(`events/${SLEEPS}/filter`, ASLEEP);
    write(`events/${SIGNALS}/filter`, "sig == 9");
    for (const event of [EVENT, SIGNALS]) write(`events/${event}/enable`, "1");
  }

  clear(): void {
    write("trace", "");
  }

  /** Of the process, in ms of CLOCK_MONOTONIC: when the kernel told that it was over memory.high, or when it slept (undefined: it
   * was killed before), and when it was sent SIGKILL. */
  timesOf(pid: number): { eventMs: number | undefined; killMs: number } {
    const lines = readFileSync(`${TRACING}/trace`, "utf8").split("\n");
    const kill = lines.find((line) => line.includes(" sig=9 ") && line.includes(` pid=${pid} `));
    if (kill === undefined) throw new Error(`Cannot count this round as ${pid} was not traced`);
    const killMs = msOf(kill);
    const times = lines.filter((line) => isBy(pid, line) && EVENTS.test(line)).map(msOf);
    const before = times.filter((ms) => ms < killMs);
    // It may go over memory.high again and again; for a page of its program it may have slept before.
    return { eventMs: isV2 ? before[0] : before.at(-1), killMs };
  }

  /** ms between the two. */
  highToKillMs(pid: number): number {
    const { eventMs, killMs } = this.timesOf(pid);
    if (eventMs === undefined) throw new Error(`Cannot count this round as ${pid} was not traced`);
    return killMs - eventMs;
  }

  #end(): void {
    for (const event of [EVENT, SIGNALS]) write(`events/${event}/enable`, "0");
    write(`events/${SIGNALS}/filter`, "0");
    if (isV2) write("kprobe_events", `-:${TELLS}`);
    else write(`events/${SLEEPS}/filter`, "0");
  }
}

function write(file: string, text: string): void {
  writeFileSync(`${TRACING}/${file}`, text);
}

/** "  leaker-1234    [000] d..1.   123.456789: tells: (cgroup_file_notify+0x0/0x50)" */
function isBy(pid: number, line: string): boolean {
  return line.trimStart().split(/\s/, 1)[0]?.endsWith(`-${pid}`) ?? false;
}

function msOf(line: string): number {
  return Number(/ (\d+\.\d+): /.exec(line)?.[1]) * 1000;
}
