// SPDX-License-Identifier: MIT
/**
 * Figure: locked memory of each helper, and kernel memory charged for the helpers, with one guard.
 *
 * The sampler's table and the flight recorder are apart: it is locked in the handler only, and its size is a choice. The
 * helpers share one cgroup, whose kernel memory is so an upper bound for each of them.
 */
import { readFileSync } from "node:fs";
import { helperPid, kilobytes, RegionHead, type Role } from "./lib/helpers.ts";
import { type Row, report } from "./lib/report.ts";
import { BURST_200, LIMIT_200, reprieveSide, round } from "./lib/round.ts";

const MOST_KB = 512;
const ROLES: readonly Role[] = ["handler", "watchdog", "spare"];

const side = await reprieveSide(LIMIT_200);
const agent = side.reprieve?.pid ?? 0;
/** After an OOM every page and buffer that work needs is there. */
await round(side, BURST_200);
const rows: Row[] = [];
for (const role of ROLES) {
  const pid = helperPid(agent, role);
  const locked = kilobytes(`/proc/${pid}/status`, "VmLck") - recorderKb(pid);
  rows.push({ label: `locked, ${role}, KB`, values: [locked], target: { max: MOST_KB } });
}
rows.push({ label: "locked, recorder, KB", values: [recorderKb(helperPid(agent, "handler"))] });
const kernel = Number(readFileSync(`${helpersGroup()}/memory.kmem.usage_in_bytes`, "utf8"));
const target = { max: MOST_KB };
rows.push({ label: "kernel memory, all three, KB", values: [Math.round(kernel / 1024)], target });
await side.stop();
report("memory", "Memory of the helpers, one guard, after one OOM", [{ title: "", rows }]);

/**
 * KB of the region beyond what every role maps, as far as this process has it mapped and locked.
 */
function recorderKb(pid: number): number {
  const region = new RegionHead(pid);
  const from = region.recorderAt;
  region.close();
  const maps = readFileSync(`/proc/${pid}/maps`, "utf8").split("\n");
  const bytes = maps
    .filter((line) => /\/memfd:reprieve-region|\/region-/.test(line))
    .map((line) => {
      const [, start = "", end = "", offset = ""] = /^(\w+)-(\w+) \S+ (\w+)/.exec(line) ?? [];
      const size = Number.parseInt(end, 16) - Number.parseInt(start, 16);
      return Math.max(0, Number.parseInt(offset, 16) + size - from);
    });
  return Math.round(bytes.reduce((sum, size) => sum + size, 0) / 1024);
}

function helpersGroup(): string {
  const own = readFileSync(`/proc/${helperPid(agent, "handler")}/cgroup`, "utf8");
  const path = /^\d+:memory:(.*)$/m.exec(own)?.[1];
  if (path === undefined) throw new Error("Cannot find the helpers' memory cgroup");
  return `/sys/fs/cgroup/memory${path}`;
}
