// SPDX-License-Identifier: MIT
/** The memory hierarchy of this host: what the files of its groups are called and say, on cgroup v1 and v2. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { memoryRoot, memoryVersion } from "./paths.ts";

/** How a group stands to its OOM. */
export interface Oom {
  /** v1: the kernel's killer is off. v2: there is a mark over which everybody sleeps. */
  readonly held: boolean;
  /** v1: somebody sleeps in the OOM. v2: there is more in the group than the mark allows. */
  readonly waiting: boolean;
  /** By the kernel. */
  readonly kills: number;
}

export interface Memory {
  readonly version: 1 | 2;
  readonly root: string;
  /** Far from its limit a guarded group is not held, from a second after arming on. */
  readonly armsLate: boolean;
  readonly limitFile: string;
  /** What that file has to say so that a guarded group is full at `bytes`. */
  limitFor(bytes: number): number;
  /** And back. */
  fullAt(limitBytes: number): number;
  readonly noLimit: string;
  readonly usageFile: string;
  /** The one whose lock keeps a second reprieve away. */
  readonly switchFile: string;
  /** What a group says that is not held. */
  readonly letGo: string;
  /** Who waits in a held group that has room again may wait on for so long. */
  readonly sleepsOnMs: number;
  /** Text that holds a group of that limit. */
  hold(limitBytes: number): string;
  /** So that swap makes no more of the limit: file and text. */
  swap(limitBytes: number): readonly [file: string, text: string];
  oom(path: string): Oom;
  /** Lets the children of a group have limits of their own. */
  handDown(path: string): void;
  /** A process's own group, as an extended regular expression of sed for /proc/PID/cgroup. */
  readonly ownPattern: string;
}

/** src/cli/guards.ts: the margin is a fourth of the limit, and no more than this. On v2 the group is full there. */
const MARGIN_MOST_BYTES = 16 << 20;
const PAGE = 4096;

const v1: Memory = {
  version: 1,
  root: memoryRoot ?? "",
  armsLate: true,
  limitFile: "memory.limit_in_bytes",
  limitFor: (bytes) => bytes,
  fullAt: (limitBytes) => limitBytes,
  noLimit: "-1",
  usageFile: "memory.usage_in_bytes",
  switchFile: "memory.oom_control",
  letGo: "0",
  sleepsOnMs: 0,
  hold: () => "1",
  swap: (bytes) => ["memory.memsw.limit_in_bytes", String(bytes)],
  oom(path) {
    const control = readFileSync(`${path}/memory.oom_control`, "utf8");
    return {
      held: wordOf(control, "oom_kill_disable") === 1,
      waiting: wordOf(control, "under_oom") === 1,
      kills: wordOf(control, "oom_kill"),
    };
  },
  handDown: () => {},
  ownPattern: ".*:memory:",
};

const v2: Memory = {
  version: 2,
  root: memoryRoot ?? "",
  armsLate: false,
  limitFile: "memory.max",
  limitFor: (bytes) => Math.ceil((bytes + Math.min(MARGIN_MOST_BYTES, bytes / 3)) / PAGE) * PAGE,
  fullAt: (limit) => Math.floor((limit - Math.min(MARGIN_MOST_BYTES, limit / 4)) / PAGE) * PAGE,
  noLimit: "max",
  usageFile: "memory.current",
  switchFile: "memory.high",
  letGo: "max",
  sleepsOnMs: 2000, // MEMCG_MAX_HIGH_DELAY_JIFFIES, mm/memcontrol.c
  hold: (bytes) => String(bytes / 2),
  swap: () => ["memory.swap.max", "0"],
  oom(path) {
    const files = ["memory.high", "memory.current", "memory.events.local"];
    // A child that has no memory controller is a part of its parent.
    if (!existsSync(`${path}/memory.high`)) return { held: false, waiting: false, kills: 0 };
    const [high = "", current = "", events = ""] = files.map((file) =>
      readFileSync(`${path}/${file}`, "utf8").trim(),
    );
    return {
      held: high !== "max",
      waiting: high !== "max" && Number(current) > Number(high),
      kills: wordOf(events, "oom_kill"),
    };
  },
  handDown(path) {
    const control = `${path}/cgroup.subtree_control`;
    const has = readFileSync(control, "utf8").split(/\s/).includes("memory");
    if (!has) writeFileSync(control, "+memory");
  },
  ownPattern: "^0::",
};

export const memory = memoryVersion === 2 ? v2 : v1;

// --- internal ---

function wordOf(text: string, name: string): number {
  return Number(new RegExp(`^${name} (\\d+)$`, "m").exec(text)?.[1] ?? 0);
}
