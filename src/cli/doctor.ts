// SPDX-License-Identifier: MIT
/** `reprieve doctor`: what this host offers, which promises hold here, and the central ones proved live. */

import { existsSync } from "node:fs";
import { release } from "node:os";
import { runBases } from "../agent/run-dir.ts";
import { readIfThere } from "../cgroup/files.ts";
import { findMemory } from "../cgroup/hierarchy.ts";
import { CliError, exit } from "../errors.ts";
import { type Core, errnoName, openCore } from "../native/core.ts";
import { findCore } from "../native/embed.ts";
import { whyOtherPages } from "../native/page-size.ts";
import { visible } from "../shown.ts";
import { Signals } from "./command.ts";
import type { ConfigChecks } from "./config-checks.ts";
import { DEFAULT_CONFIG } from "./flags.ts";
import { journalChecks } from "./journal-checks.ts";
import { killerChecks } from "./killer-checks.ts";
import { hierarchyChecks } from "./memory-checks.ts";
import { print } from "./output.ts";
import { type Check, check } from "./proof-scene.ts";
import { prove } from "./proofs.ts";
import { journalOf } from "./which-journal.ts";

/** Each helper locks under 512 KiB. */
const MEMLOCK_LEAST_BYTES = 4 * 2 ** 20;
/** One guard with its primed candidates takes about 100. */
const NOFILE_LEAST = 1024;
const CAP = { CAP_KILL: 5, CAP_IPC_LOCK: 14, CAP_SYS_NICE: 23, CAP_SYS_RESOURCE: 24 } as const;

interface DoctorOptions {
  readonly config?: string;
  readonly json?: true;
}

/** Returns exit.ok when every promise holds, exit.host when one does not, exit.badConfig when only the config file does not fit. */
export async function doctor(options: DoctorOptions): Promise<number> {
  const core = openCore();
  const { checks: config, groups } = await checksOfConfig(core, options);
  const host = [
    ...hierarchyChecks(),
    ...kernelChecks(core),
    ...processChecks(),
    ...killerChecks(groups),
    ...(await journalChecks(journalOf(options.config))),
  ];
  const isHopeless = host.some((check) => check.status === "no");
  const proofs = isHopeless ? [] : await proofChecks(core);
  const promises = promiseChecks(host, proofs);
  const isGood = [...host, ...proofs].every((check) => check.status !== "no") && !isHopeless;
  const isConfigGood = config.every((check) => check.status !== "no");
  if (options.json) {
    const ok = isGood && isConfigGood;
    await print([JSON.stringify({ v: 1, ok, host, config, proofs, promises })]);
  } else {
    const tables = [
      table("host", host),
      table("config", config),
      table("proved just now", proofs),
      table("promises", promises),
    ];
    const hopeless = isHopeless ? ["No live proof was tried: see the lines marked no."] : [];
    await print([...tables.filter((text) => text !== ""), ...hopeless]);
  }
  if (!isGood) return exit.host;
  return isConfigGood ? exit.ok : exit.badConfig;
}

/** Three columns, the marks first so that a "no" is found at a glance. */
export function table(title: string, checks: readonly Check[]): string {
  if (checks.length === 0) return "";
  const width = Math.max(...checks.map((check) => check.name.length));
  const lines = checks.map(({ name, status, detail }) =>
    `  ${status.padEnd(4)}  ${name.padEnd(width)}  ${visible(detail)}`.trimEnd(),
  );
  return `${title}\n${lines.join("\n")}\n`;
}

// --- internal ---

/** Of the file that is given, or the default one where that is there. */
async function checksOfConfig(core: Core, { config }: DoctorOptions): Promise<ConfigChecks> {
  const memory = findMemory();
  const path = config ?? (existsSync(DEFAULT_CONFIG) ? DEFAULT_CONFIG : undefined);
  if (path === undefined || memory === undefined) return { checks: [], groups: [] };
  return (await import("./config-checks.ts")).configChecks(core, memory, path);
}

function kernelChecks(core: Core): Check[] {
  const tried = (name: string, result: number, otherwise: Check["status"], why: string) =>
    result === 0
      ? check(name, "ok", "tried")
      : check(name, otherwise, `${errnoName(result)}: ${why}`);
  const panic = readIfThere("/proc/sys/vm/panic_on_oom")?.trim() ?? "?";
  const otherPages = whyOtherPages();
  return [
    check("kernel", "ok", release()),
    check("page size", otherPages === undefined ? "ok" : "no", otherPages ?? "4 KiB"),
    tried("pidfd", core.tryPidfd(), "no", "a victim could not be named safely; Linux 5.3 has it"),
    tried(
      "process_mrelease",
      core.tryMrelease(),
      "note",
      "a frozen victim keeps its memory; Linux 5.15 has it",
    ),
    tried(
      "real-time priority",
      core.tryRealTime(),
      "note",
      "a busy CPU can make the helpers late; CAP_SYS_NICE or ulimit -r 1 allows it",
    ),
    panic === "2"
      ? check("panic_on_oom", "no", "2: giving a group to the kernel panics the host; set 0 or 1")
      : check("panic_on_oom", "ok", panic),
    check(
      "memfd_noexec",
      "ok",
      readIfThere("/proc/sys/vm/memfd_noexec")?.trim() ?? "not known here",
    ),
  ];
}

function processChecks(): Check[] {
  const status = readIfThere("/proc/self/status") ?? "";
  const held = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`);
  const caps = Object.entries(CAP).map(([name, bit]) => ({
    name,
    has: (held >> BigInt(bit)) & 1n,
  }));
  const missing = caps.filter(({ has }) => has === 0n).map(({ name }) => name);
  const memlock = limitOf("Max locked memory");
  const nofile = limitOf("Max open files");
  const hasLock = caps.some(({ name, has }) => name === "CAP_IPC_LOCK" && has === 1n);
  const isLockable = hasLock || memlock >= MEMLOCK_LEAST_BYTES;
  const why = hasLock ? "CAP_IPC_LOCK" : `limit ${memlock} bytes`;
  return [
    check("user", process.getuid?.() === 0 ? "ok" : "note", `uid ${process.getuid?.()}`),
    check("capabilities", missing.length === 0 ? "ok" : "note", capText(missing)),
    check("locked memory", isLockable ? "ok" : "note", why),
    check("descriptors", nofile >= NOFILE_LEAST ? "ok" : "note", `limit ${nofile}`),
    coreCheck(),
  ];
}

function capText(missing: readonly string[]): string {
  return missing.length === 0 ? Object.keys(CAP).join(" ") : `without ${missing.join(" ")}`;
}

/** The hard limit: the first number after the name is the soft one, which we may raise. */
function limitOf(name: string): number {
  const limits = readIfThere("/proc/self/limits") ?? "";
  const [, , hard] = new RegExp(`^${name}\\s+(\\S+)\\s+(\\S+)`, "m").exec(limits) ?? [];
  return hard === "unlimited" ? Number.POSITIVE_INFINITY : Number(hard ?? 0);
}

function coreCheck(): Check {
  try {
    const { from } = findCore(() => {
      throw new CliError(exit.host, "memfd exec is refused; a private directory is tried at a run");
    });
    return check(
      "native core",
      "ok",
      `runs from a ${from}; run files in ${runBases().join(" or ")}`,
    );
  } catch (error) {
    return check("native core", "note", (error as Error).message);
  }
}

async function proofChecks(core: Core): Promise<Check[]> {
  const memory = findMemory();
  if (memory === undefined) return [];
  const signals = new Signals(core);
  try {
    return await prove(memory, core, signals);
  } catch (error) {
    if (signals.received !== undefined) throw error;
    return [check("live proofs", "no", (error as Error).message)];
  }
}

/** What the findings mean for the person. */
function promiseChecks(host: readonly Check[], proofs: readonly Check[]): Check[] {
  const good = (name: string) =>
    [...host, ...proofs].find((one) => one.name === name)?.status === "ok";
  const promise = (
    name: string,
    needs: readonly string[],
    otherwise: string,
    status: Check["status"] = "note",
  ) => {
    const failing = needs.filter((need) => !good(need));
    return failing.length === 0
      ? check(name, "ok", "")
      : check(name, status, `${otherwise} (${failing.join(", ")})`);
  };
  return [
    promise(
      "a guarded group is relieved or handed over within its delay",
      ["an OOM is resolved in user space", "the kernel takes over when it is told to"],
      "not proved here",
      "no",
    ),
    promise(
      "the helpers take no page fault at OOM",
      ["locked memory", "an OOM is resolved in user space"],
      "their memory may not be locked",
    ),
    promise("busy CPUs make no helper late", ["real-time priority"], "they may"),
    promise("a frozen or stuck victim gives its memory back", ["process_mrelease"], "it may not"),
    promise(
      "no incident is lost when reprieve is killed",
      ["journal", "region in memory"],
      "some may be",
    ),
    promise("a limit counts swap too", ["swap accounting"], "a leaker can fill the swap first"),
    ...(host.some(({ name }) => name === "freezer")
      ? [promise("the helpers are not frozen with anybody", ["freezer"], "they may be")]
      : []),
  ];
}
