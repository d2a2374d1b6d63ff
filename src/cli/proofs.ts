// SPDX-License-Identifier: MIT
/**
 * doctor's live proofs: a small group of its own is driven to OOM, once with reprieve watching and then held by
 * hand, to see what this kernel does. The group is in the ledger, so `reprieve release` knows it too.
 */

import { join } from "node:path";
import { Agent } from "../agent/agent.ts";
import { startProbe } from "../agent/probe.ts";
import { inodeOf } from "../cgroup/files.ts";
import { emptyGroup, homeOf, makeGroup, removeGroup } from "../cgroup/group.ts";
import type { Hierarchy } from "../cgroup/hierarchy.ts";
import { kindOf } from "../cgroup/kind.ts";
import type { IncidentClosed, Message } from "../feed/protocol.ts";
import type { Core } from "../native/core.ts";
import type { GuardOrders } from "../native/guard-orders.ts";
import { newRun } from "../native/run-id.ts";
import type { Signals } from "./command.ts";
import { proveHoldOnV1, proveHoldOnV2 } from "./hold-proofs.ts";
import { groupChecks } from "./memory-checks.ts";
import { say } from "./output.ts";
import { BOUND_MS, type Check, LIMIT_BYTES, type Scene, until } from "./proof-scene.ts";
import { makeRunDir } from "./run-state.ts";

const DELAY_MS = 500;

/** Returns what was seen; leaves nothing behind, a signal included: then it throws. */
export async function prove(memory: Hierarchy, core: Core, signals: Signals): Promise<Check[]> {
  const home = homeOf(memory);
  if (home === undefined) return [];
  const kind = kindOf(memory);
  await using undo = new AsyncDisposableStack();
  const { image, runDir, ledger } = makeRunDir({ core, undo }, 1);
  void signals.listen();
  const group = join(home, `reprieve-doctor-${runDir.name}`);
  makeGroup(kind, group, LIMIT_BYTES);
  undo.defer(async () => {
    kind.letGo(group);
    await emptyGroup(group, []);
    await removeGroup(group);
  });
  const has = groupChecks(memory, group);
  if (has.some(({ status }) => status === "no")) return has;
  core.addToLedger(ledger.fd, 0, group, true);
  const scene = { core, kind, image, group, signals };
  const messages: Message[] = [];
  core.lockGroup(group);
  const guard: GuardOrders = {
    name: "doctor",
    path: group,
    inode: inodeOf(group) ?? 0n,
    marginBytes: LIMIT_BYTES / 4,
    delayMs: DELAY_MS,
    allowKill: true,
    allowLimits: false,
    allowMove: false,
    allowHooks: false,
    owned: true,
    orders: [{ order: "KILL" }],
  };
  const send = (message: Message) => void messages.push(message);
  const agent = new Agent(
    {
      core,
      image,
      runDir,
      run: newRun(),
      memory,
      guards: [guard],
      handlerInside: false,
      send,
      say,
    },
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
  const proveHold = { v1: proveHoldOnV1, v2: proveHoldOnV2 }[kind.name];
  return [...has, relief, ...(await proveHold(scene))];
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
