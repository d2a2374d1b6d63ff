// SPDX-License-Identifier: MIT
/**
 * Who goes over memory.high, and who is killed, and when: from the kernel's own tracing, so that no side tells of itself.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { onEnd } from "./cleanup.ts";

const TRACING = "/sys/kernel/tracing";
/** Of the tasks that a leaker runs, only one that goes over a limit of its group comes there (memcg_memory_event()). */
const TELLS = "reprieve_bench/tells";
const SIGNALS = "signal/signal_generate";

export class Trace {
  constructor() {
    if (!existsSync(`${TRACING}/trace`)) {
      const mounted = Bun.spawnSync(["mount", "-t", "tracefs", "tracefs", TRACING]);
      if (!mounted.success) throw new Error(`Cannot trace: ${mounted.stderr}`);
    }
    onEnd(() => this.#end());
    write("trace_clock", "mono");
    write("kprobe_events", `p:${TELLS} cgroup_file_notify`);
    write(`events/${SIGNALS}/filter`, "sig == 9");
    for (const event of [TELLS, SIGNALS]) write(`events/${event}/enable`, "1");
  }

  clear(): void {
    write("trace", "");
  }

  /** ms from when the kernel told that the process was over memory.high to the SIGKILL that it was sent. */
  highToKillMs(pid: number): number {
    const lines = readFileSync(`${TRACING}/trace`, "utf8").split("\n");
    const high = lines.find((line) => isBy(pid, line) && line.includes(" tells: "));
    const kill = lines.find((line) => line.includes(" sig=9 ") && line.includes(` pid=${pid} `));
    if (high === undefined || kill === undefined)
      throw new Error(`Cannot count this round as ${pid} was not traced`);
    return msOf(kill) - msOf(high);
  }

  #end(): void {
    for (const event of [TELLS, SIGNALS]) write(`events/${event}/enable`, "0");
    write(`events/${SIGNALS}/filter`, "0");
    write("kprobe_events", `-:${TELLS}`);
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
