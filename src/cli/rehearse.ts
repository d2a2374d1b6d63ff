// SPDX-License-Identifier: MIT
/** `reprieve rehearse`: what a guard would do at an OOM now, the choice of the victim timed. Changes nothing. */

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { look } from "../agent/look.ts";
import { Guardians } from "../agent/running.ts";
import { readIfThere, whyNotWritable } from "../cgroup/files.ts";
import { processesOf } from "../cgroup/group.ts";
import { type Hierarchy, requireMemory } from "../cgroup/hierarchy.ts";
import { kindOf } from "../cgroup/kind.ts";
import { exit } from "../errors.ts";
import { type Core, openCore } from "../native/core.ts";
import type { StandingOrder } from "../native/guard-orders.ts";
import { limit, step } from "../native/layout.ts";
import type { LogRecord } from "../native/region.ts";
import { below } from "./configured.ts";
import { type ExplainOptions, findGroups } from "./explain.ts";
import { explainAll, type Plan, planOf, specOfPlan } from "./explained.ts";
import type { Explanation } from "./explanation.ts";
import { print } from "./output.ts";
import { PolicyFiles } from "./policy-files.ts";
import { type Part, type Rehearsal, rehearsalLines, rehearsalOf } from "./rehearsal.ts";

/** `target`: a guard's name or a group. */
export async function rehearse(target: string, options: ExplainOptions): Promise<number> {
  const memory = requireMemory();
  const core = openCore();
  const guardians = new Guardians(core);
  const files = new PolicyFiles(memory, guardians, options.config);
  const paths = findGroups(memory, target, files, "cannot rehearse");
  const all: Rehearsal[] = [];
  for (const path of paths) {
    const plan = planOf(guardians, memory, path, files.of(path));
    all.push(await rehearseOne(core, memory, plan));
  }
  await print(
    all.map((one) => (options.json ? JSON.stringify(one) : rehearsalLines(one).join("\n"))),
  );
  return exit.ok;
}

// --- internal ---

async function rehearseOne(core: Core, memory: Hierarchy, plan: Plan): Promise<Rehearsal> {
  const { path } = plan;
  const [one] = await explainAll(core, memory, [plan]);
  if (one === undefined) throw new RangeError("nothing was explained");
  const { records, view } = await look(core, [specOfPlan(plan)]);
  const victim = victimOf(one, plan, records);
  return rehearsalOf(one, {
    patience: kindOf(memory).name === "v2" ? limit.V2_PATIENCE : 1,
    victim,
    choice_us: choiceUs(records),
    scan_us: Math.round(view.scanCpuNs() / 1000),
    pids: processesOf(path),
    children: childrenOf(memory, path),
    reclaimableBytes: reclaimableOf(path),
    whyNot: (order) => whyNot(core, memory, path, order),
  });
}

/** Of a guarded group by what its reprieve knows: the look knows of no memory that was brought along. */
function victimOf({ candidates }: Explanation, plan: Plan, records: readonly LogRecord[]) {
  const chosen = records.find((record) => record.step === step.WOULD_KILL);
  if (chosen === undefined) return null;
  if (plan.guardian !== undefined) return candidates[0] ?? null;
  return { pid: chosen.pid, comm: chosen.comm, score_bytes: chosen.bytes };
}

function choiceUs(records: readonly LogRecord[]): number {
  const [begun, chosen] = [step.SEEN, step.WOULD_KILL].map((number) =>
    records.find((record) => record.step === number),
  );
  const end = chosen ?? records.find((record) => record.step === step.GAVE_UP);
  return begun && end ? Math.round((end.tNs - begun.tNs) / 1000) : 0;
}

function whyNot(
  core: Core,
  memory: Hierarchy,
  path: string,
  order: StandingOrder,
): string | undefined {
  const isThere = (file: string) => existsSync(join(path, file));
  switch (order.order) {
    case "RECLAIM":
      return isThere("memory.reclaim") ? undefined : "this kernel has no memory.reclaim";
    case "FREEZE":
      return isThere("cgroup.freeze") ? undefined : "this kernel has no cgroup.freeze there";
    case "MOVE": {
      const errno = whyNotWritable(
        join(
          order.to.startsWith(memory.root) ? order.to : join(memory.root, order.to),
          "cgroup.procs",
        ),
      );
      return errno === undefined ? undefined : `its cgroup.procs cannot be written: ${errno}`;
    }
    case "KILL":
      return core.tryPidfd() < 0 ? "this kernel has no pidfd" : undefined;
    default:
      return undefined;
  }
}

/** With what they hold. */
function childrenOf(memory: Hierarchy, path: string): Part[] {
  const entries = readdirSync(path, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return entries.map(({ name }) => {
    const child = join(path, name);
    const usage = ["memory.current", "memory.usage_in_bytes"].flatMap(
      (file) => readIfThere(join(child, file)) ?? [],
    );
    return {
      cgroup: below(memory, child),
      pids: processesOf(child),
      bytes: Number(usage[0] ?? 0),
    };
  });
}

/** v2: what files and slabs hold. */
function reclaimableOf(path: string): number {
  const stat = readIfThere(join(path, "memory.stat")) ?? "";
  const names = ["active_file", "inactive_file", "slab_reclaimable"];
  const sizes = names.map((name) =>
    Number(new RegExp(`^${name} (\\d+)$`, "m").exec(stat)?.[1] ?? 0),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
