// SPDX-License-Identifier: MIT
/**
 * doctor's live proofs: a small group of its own is driven to OOM, once with reprieve watching and once held by
 * hand, to see what this kernel does. The group is in the ledger, so `reprieve release` knows it too.
 */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Agent } from "../agent/agent.ts";
import { startProbe } from "../agent/probe.ts";
import {
  emptyGroup,
  type Hierarchy,
  homeOf,
  makeGroup,
  readIfThere,
  removeGroup,
} from "../cgroup/v1.ts";
import { CliError } from "../errors.ts";
import type { IncidentClosed, Message } from "../feed/protocol.ts";
import { type Core, errnoName } from "../native/core.ts";
import type { CoreImage } from "../native/embed.ts";
import type { Signals } from "./command.ts";
import { say } from "./output.ts";
import { makeRunDir } from "./run.ts";

export interface Check {
  readonly name: string;
  readonly status: "ok" | "no" | "note";
  readonly detail: string;
}

const LIMIT_BYTES = 32 * 2 ** 20;
const DELAY_MS = 500;
/** Each step takes milliseconds; a proof that takes longer has failed. */
const BOUND_MS = 5000;
const TICK_MS = 1;

interface Scene {
  readonly core: Core;
  readonly image: CoreImage;
  readonly group: string;
  readonly signals: Signals;
}

/** Returns what was seen; leaves nothing behind, a signal included: then it throws. */
export async function prove(memory: Hierarchy, core: Core, signals: Signals): Promise<Check[]> {
  const home = homeOf(memory);
  if (home === undefined) return [];
  await using undo = new AsyncDisposableStack();
  const { image, runDir, ledger } = await makeRunDir({ core, undo }, 1);
  void signals.listen();
  const group = join(home, `reprieve-doctor-${runDir.name}`);
  makeGroup(group, LIMIT_BYTES);
  undo.defer(async () => {
    writeFileSync(join(group, "memory.oom_control"), "0");
    await emptyGroup(group, []);
    await removeGroup(group);
  });
  core.addToLedger(ledger.fd, 0, group, true);
  const scene = { core, image, group, signals };
  const messages: Message[] = [];
  core.lockGroup(group);
  const guard = {
    name: "doctor",
    path: group,
    marginBytes: LIMIT_BYTES / 4,
    delayMs: DELAY_MS,
    allowKill: true,
    owned: true,
  };
  const send = (message: Message) => void messages.push(message);
  const agent = new Agent(
    { core, image, runDir, guards: [guard], handlerInside: false, send, say },
    ledger.fd,
  );
  let relief: Check;
  try {
    await agent.attach();
    await agent.arm();
    relief = await proveRelief(scene, messages);
  } finally {
    await agent.stop(() => {});
  }
  await emptyGroup(group, []);
  return [relief, ...(await proveHold(scene))];
}

// --- internal ---

/** An OOM with reprieve watching: relieved, and the right process killed. */
async function proveRelief(scene: Scene, messages: readonly Message[]): Promise<Check> {
  const name = "an OOM is resolved in user space";
  const hog = startProbe(scene, "touch", String(LIMIT_BYTES * 2));
  hog.go();
  const closed = () => messages.find((m): m is IncidentClosed => m.type === "incident.closed");
  if (!(await until(scene, () => closed() !== undefined))) {
    return { name, status: "no", detail: `nothing was resolved in ${BOUND_MS} ms` };
  }
  const { outcome, reason, faults = 0 } = closed() ?? {};
  const relief = messages.find((m) => m.type === "incident.step" && m.step === "relief");
  const us = relief?.type === "incident.step" ? relief.at_us : 0;
  return {
    name,
    status: outcome === "relieved" && faults === 0 ? "ok" : "no",
    detail: `${outcome} (${reason}), relief after ${us} us, ${faults} page faults`,
  };
}

/** The killer switched off by hand: what a fault and a system call do, and what switching it on does. */
async function proveHold(scene: Scene): Promise<Check[]> {
  const switchPath = join(scene.group, "memory.oom_control");
  const calls = startProbe(scene, "calls");
  const hog = startProbe(scene, "touch", String(LIMIT_BYTES * 2));
  await until(scene, () => calls.isReady() && hog.isReady());
  writeFileSync(switchPath, "1");
  try {
    hog.go();
    const slept = await until(scene, () => scene.core.counters(scene.group).underOom);
    const asleep = await proveSleep(scene, hog.process.pid, slept);
    calls.go();
    await until(scene, () => calls.isDone());
    const results = calls.results();
    const startedMs = performance.now();
    writeFileSync(switchPath, "0");
    const killed = await until(scene, () => hog.process.signalCode !== null);
    const tookMs = (performance.now() - startedMs).toFixed(1);
    return [
      asleep,
      {
        name: "a system call in the full group fails",
        status: results.every((result) => result < 0) ? "ok" : "no",
        detail: `open: ${errnoOf(results[0])}, pipe write: ${errnoOf(results[1])}`,
      },
      {
        name: "the kernel takes over when it is told to",
        status: killed ? "ok" : "no",
        detail: killed ? `it killed within ${tookMs} ms` : `no kill in ${BOUND_MS} ms`,
      },
    ];
  } finally {
    writeFileSync(switchPath, "0");
  }
}

/** /proc/PID/maps takes the lock of the memory map: readable at once means that the sleeper holds none. */
async function proveSleep(scene: Scene, pid: number, slept: boolean): Promise<Check> {
  const name = "a page fault at the limit sleeps, no lock held";
  const where = readIfThere(`/proc/${pid}/wchan`) ?? "";
  let isRead = false;
  void Bun.file(`/proc/${pid}/maps`)
    .text()
    .then(() => {
      isRead = true;
    });
  const isFree = await until(scene, () => isRead);
  return {
    name,
    status: slept && isFree ? "ok" : "no",
    detail: `${slept ? "asleep" : "not asleep"} in ${where || "?"}, memory map ${isFree ? "free" : "locked"}`,
  };
}

function errnoOf(result = 0): string {
  return result < 0 ? errnoName(result) : "it worked";
}

/** False at the bound. Every wait of a proof is this one: a signal unwinds all that was changed. */
async function until({ signals }: Scene, done: () => boolean): Promise<boolean> {
  const deadline = performance.now() + BOUND_MS;
  while (!done()) {
    if (signals.received !== undefined) {
      throw new CliError(signals.code, `${signals.received}: the proofs were broken off`);
    }
    if (performance.now() > deadline) return false;
    await Bun.sleep(TICK_MS);
  }
  return true;
}
