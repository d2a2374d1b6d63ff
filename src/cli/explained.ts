// SPDX-License-Identifier: MIT
/**
 * What is, or would be, done at a group's OOM, and to whom: the rule that decides, the standing orders as they stand, the
 * candidates with their scores. Of a reprieve that runs, by its own region; else by one look of the core.
 */

import { readFileSync } from "node:fs";
import { uptime } from "node:os";
import { join } from "node:path";
import { look } from "../agent/look.ts";
import type { Guardian, Guardians } from "../agent/running.ts";
import { inodeOf, readIfThere } from "../cgroup/files.ts";
import { treeOf } from "../cgroup/group.ts";
import type { Hierarchy } from "../cgroup/hierarchy.ts";
import { kindOf } from "../cgroup/kind.ts";
import { CliError, exit } from "../errors.ts";
import { type Core, errnoName } from "../native/core.ts";
import type { GuardOrders } from "../native/guard-orders.ts";
import { limit } from "../native/layout.ts";
import type { Explained, RegionView, Why } from "../native/region-view.ts";
import { visible } from "../shown.ts";
import { below } from "./configured.ts";
import { byOf, differencesOf, ordersOf, rulesOf } from "./explained-rule.ts";
import type { AskedTold, Explanation, ProcessTold } from "./explanation.ts";
import { demandGroup, specOf, type Wanted } from "./guards.ts";
import { demandOrders } from "./orders.ts";
import type { File } from "./policy-files.ts";

/** Of each group; the first to be killed are the first. */
const CANDIDATES_TOLD = 10;
/** USER_HZ: of every kernel that we run on. */
const TICKS_PER_S = 100;

/** How a group is guarded, and by whom. */
export interface Plan {
  readonly path: string;
  /** What it was held against; undefined: there is none. */
  readonly file: File | undefined;
  readonly guardian: Guardian | undefined;
  /** What a run would make of it; `whyNot`: it would leave it alone. */
  readonly byFile: { readonly spec: GuardOrders; readonly whyNot?: string } | undefined;
}

/** Of a group that exists. Throws where nobody guards it. */
export function planOf(
  guardians: Guardians,
  memory: Hierarchy,
  path: string,
  file: File | undefined,
): Plan {
  const guardian = guardians.of(path);
  const isNamed = file?.policy.guardOf(below(memory, path)) !== undefined;
  const byFile = file && isNamed ? specBy(memory, file.settingsOf(path), guardian) : undefined;
  if (guardian !== undefined || byFile !== undefined) return { path, file, guardian, byFile };
  const why =
    file === undefined
      ? "no reprieve does, and there is no config file: give --config FILE"
      : "no reprieve does, and no guard of the config matches it";
  throw new CliError(exit.noGroup, `nobody guards ${visible(below(memory, path))}: ${why}`);
}

/** What its guard is ordered. */
export function specOfPlan({ guardian, byFile }: Plan): GuardOrders {
  const spec = guardian?.view.standing(guardian.guard) ?? byFile?.spec;
  if (spec === undefined) throw new RangeError("nobody guards it");
  return spec;
}

/** In the order of the plans. `pid`: of whom is asked. */
export async function explainAll(
  core: Core,
  memory: Hierarchy,
  plans: readonly Plan[],
  pid?: number,
): Promise<Explanation[]> {
  const unguarded = plans.filter(({ guardian }) => guardian === undefined);
  const seen = unguarded.length === 0 ? undefined : await look(core, unguarded.map(specOfPlan));
  return plans.map((plan) => {
    const view = plan.guardian?.view ?? seen?.view;
    const guard = plan.guardian?.guard ?? unguarded.indexOf(plan);
    if (view === undefined) throw new RangeError("no region for a group");
    return explanationOf(memory, plan, view, guard, pid);
  });
}

// --- internal ---

/** What a run would make of it, also where that would refuse. */
function specBy(memory: Hierarchy, wanted: Wanted, guardian: Guardian | undefined) {
  try {
    demandGroup(memory, wanted.path);
    demandOrders(memory, wanted.orders, wanted.decided?.guard);
    // What is held there is held by the one that runs.
    const ours = guardian === undefined ? [] : treeOf(wanted.path);
    return { spec: specOf({ memory }, wanted, false, ours) };
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    return { spec: bareSpec(memory, wanted), whyNot: error.message };
  }
}

function bareSpec(memory: Hierarchy, wanted: Wanted): GuardOrders {
  const { path, margin, caps, sampling, orders } = wanted;
  return {
    ...(orders.weigh?.length && { weigh: orders.weigh }),
    name: below(memory, path).slice(1),
    path,
    inode: inodeOf(path) ?? 0n,
    marginBytes: margin ?? 0,
    delayMs: orders.delay ?? kindOf(memory).delay.defaultMs,
    ...(orders.when !== undefined && { when: orders.when }),
    orders: orders.order.length > 0 ? orders.order : [{ order: "KILL" }],
    allowKill: orders.granted.has("kill"),
    allowLimits: orders.granted.has("limits"),
    allowMove: orders.granted.has("move"),
    allowHooks: orders.granted.has("hooks"),
    owned: false,
    caps,
    sampling,
  };
}

function explanationOf(
  memory: Hierarchy,
  { path, file, guardian, byFile }: Plan,
  view: RegionView,
  guard: number,
  pid: number | undefined,
): Explanation {
  const cgroup = below(memory, path);
  const seen = view.standing(guard);
  const ordered = guardian === undefined && byFile !== undefined ? byFile.spec : seen;
  const all = view.processes(guard);
  const candidates = all.filter(({ why }) => why === "CANDIDATE");
  const host = view.hostCap();
  return {
    v: 1,
    cgroup,
    reprieve: guardian?.pid ?? null,
    designated: seen.designated ?? null,
    state: guardian === undefined ? null : seen.state.toLowerCase(),
    config: file?.path ?? null,
    why_not: guardian === undefined ? (byFile?.whyNot ?? whyUnseen(view, guard)) : null,
    rules: file === undefined ? [] : rulesOf(file.policy, cgroup),
    differs: guardian && byFile && !byFile.whyNot ? differencesOf(seen, byFile.spec) : [],
    delay_ms: ordered.delayMs,
    margin_bytes: ordered.marginBytes,
    when: ordered.when ?? "at-oom",
    usage_bytes: seen.usageBytes,
    limit_bytes: seen.limitBytes ?? null,
    raised_bytes: guardian === undefined ? 0 : seen.raisedBytes,
    orders: ordersOf(kindOf(memory), ordered, cgroup, guardian?.pid, file?.policy),
    caps: {
      incident: ordered.caps?.incident ?? limit.KILLS_PER_INCIDENT_MAX,
      hour: ordered.caps?.hour ?? null,
      hour_kills: seen.hourKills,
      host_hour: (guardian === undefined ? file?.hostHour : host.most) || null,
      host_hour_kills: host.kills,
    },
    processes: all.length,
    unseen: {
      groups: seen.unsampledGroups,
      processes: foreignIn(path),
      bytes: hiddenIn(path, all),
    },
    whole: wholeIn(path).map((group) => below(memory, group)),
    by: byOf(ordered),
    candidates: candidates.slice(0, CANDIDATES_TOLD).map(told),
    more_candidates: Math.max(0, candidates.length - CANDIDATES_TOLD),
    others: othersOf(all),
    asked: pid === undefined ? null : askedOf(pid, all, seen.unsampledGroups),
  };
}

function whyUnseen(view: RegionView, guard: number): string | null {
  const result = view.looked(guard);
  return result === 1 ? null : `it cannot be looked into: ${errnoName(result)}`;
}

function told({
  pid,
  comm,
  uid,
  scoreBytes,
  weight,
  anonBytes,
  baseBytes,
  grownBytes,
  startTicks,
}: Explained): ProcessTold {
  return {
    pid,
    comm,
    uid,
    score_bytes: scoreBytes,
    weight,
    anon_bytes: anonBytes,
    brought_bytes: Math.min(baseBytes, anonBytes),
    grown_bytes: grownBytes,
    age_s: Math.max(0, Math.round(uptime() - startTicks / TICKS_PER_S)),
  };
}

function wordOf(why: Why): string {
  return why.toLowerCase();
}

function othersOf(all: readonly Explained[]) {
  const others = all.filter(({ why }) => why !== "CANDIDATE");
  return [...Map.groupBy(others, ({ why }) => why)].flatMap(([why, alike]) => {
    const [first] = alike.toSorted((a, b) => b.anonBytes - a.anonBytes);
    return first === undefined
      ? []
      : [{ why: wordOf(why), processes: alike.length, first: told(first) }];
  });
}

/** Those not in the table: of a child that is not looked at, or come since the last look. */
function askedOf(pid: number, all: readonly Explained[], unsampled: number): AskedTold {
  const index = all.findIndex((one) => one.pid === pid);
  const found = all[index];
  if (found !== undefined) {
    const place = found.why === "CANDIDATE" ? index + 1 : null;
    return { pid, comm: found.comm, why: wordOf(found.why), place };
  }
  const comm = readIfThere(`/proc/${pid}/comm`)?.trimEnd() ?? "";
  return { pid, comm, why: unsampled > 0 ? "unsampled" : "newborn", place: null };
}

/** v2: the groups that go with a victim in them. */
function wholeIn(path: string): string[] {
  return treeOf(path).filter(
    (group) => readIfThere(join(group, "memory.oom.group"))?.trim() === "1",
  );
}

/** So much anonymous memory nobody who is looked at holds (native/choose.c: find_unexplained()). */
function hiddenIn(path: string, all: readonly Explained[]): number {
  const stat = readIfThere(join(path, "memory.stat")) ?? "";
  const anon = Number(/^(?:total_rss|anon) (\d+)$/m.exec(stat)?.[1] ?? 0);
  const counted = all.filter(({ why }) => why !== "ELSEWHERE" && why !== "UNREAD");
  return Math.max(0, anon - counted.reduce((sum, { scoreBytes }) => sum + scoreBytes, 0));
}

/** Of other pid namespaces: the kernel writes 0. */
function foreignIn(path: string): number {
  return treeOf(path).reduce((sum, group) => {
    try {
      const pids = readFileSync(join(group, "cgroup.procs"), "utf8").split("\n");
      return sum + pids.filter((one) => one === "0").length;
    } catch {
      return sum; // it was removed, or is threaded
    }
  }, 0);
}
