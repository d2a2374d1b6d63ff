// SPDX-License-Identifier: MIT
/**
 * Figure: CPU time that all of our processes take while GUARDS groups with PROCS processes in each are guarded, far from
 * their limits, and nothing happens there.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { Group, isV2, killQuietly, MIB, removeChildren, untilSettled } from "./lib/group.ts";
import { helperPid, type Role } from "./lib/helpers.ts";
import { Page } from "./lib/page.ts";
import { built, Reprieve, start } from "./lib/programs.ts";
import { report, say } from "./lib/report.ts";

const GUARDS = Number(process.env.GUARDS ?? 1000);
/** In each group: one, and its children. */
const PROCS = Number(process.env.PROCS ?? 5);
const LIMIT_BYTES = 64 * MIB;
/** Behind its start the agent's runtime compiles and collects. */
const WARM_MS = 30_000;
const WINDOW_MS = 20_000;
const ROLES: readonly Role[] = ["handler", "watchdog", "spare"];

const home = new Group("idle");
const paths = Array.from({ length: GUARDS }, (_, index) => `${home.path}/${index}`);
if (isV2) writeFileSync(`${home.path}/cgroup.subtree_control`, "+memory");
const page = new Page();
const members: number[] = [];
for (const path of paths) members.push(await fill(path));
const reprieve = await Reprieve.guard(paths, ["--listen", "none"]);
say(`idle: ${GUARDS} guards settle`);
await untilSettled(paths);
await Bun.sleep(WARM_MS);
const pids = [reprieve.pid, ...ROLES.map((role) => helperPid(reprieve.pid, role))];
const before = pids.map(cpuMs);
await Bun.sleep(WINDOW_MS);
const percent = pids.map((pid, i) => ((cpuMs(pid) - (before[i] ?? 0)) / WINDOW_MS) * 100);
await reprieve.stop();
for (const pid of members) killQuietly(pid);
report("idle", `${GUARDS} armed guards, ${GUARDS * PROCS} processes, quiet: CPU, % of a core`, [
  {
    title: "",
    rows: [
      {
        label: "all of ours",
        values: [percent.reduce((sum, one) => sum + one)],
        target: { max: 1 },
      },
      ...["agent", ...ROLES].map((label, i) => ({ label, values: [percent[i] ?? Number.NaN] })),
    ],
  },
]);
await removeChildren(paths);
home.remove();

/** Makes the group with its processes; they die with the first. */
async function fill(path: string): Promise<number> {
  mkdirSync(path);
  writeFileSync(`${path}/${isV2 ? "memory.max" : "memory.limit_in_bytes"}`, String(LIMIT_BYTES));
  page.clear();
  const crowd = start([built("crowd"), page.path, String(PROCS - 1)]);
  await page.until("leakerPid");
  writeFileSync(`${path}/cgroup.procs`, String(crowd.pid));
  process.kill(crowd.pid, "SIGUSR1");
  await page.until("ready", PROCS - 1);
  return crowd.pid;
}

/** Of the threads that have ended too, to 10 ms. */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10; // utime, stime: proc(5)
}
