// SPDX-License-Identifier: MIT
/** What doctor looks for in the memory hierarchy, cgroup v1's or v2's, and in a group there. */

import { closeSync, existsSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { codeOf, isWritable, readIfThere, whyNotWritable } from "../cgroup/files.ts";
import { homeOf } from "../cgroup/group.ts";
import { findMemory, findV1, type Hierarchy, refusal } from "../cgroup/hierarchy.ts";
import { kindOf } from "../cgroup/kind.ts";
import { type Check, check } from "./proof-scene.ts";

/** Full for 50 ms in 500 ms: what a watcher would ask for. */
const PRESSURE_TRIGGER = "full 50000 500000";

export function hierarchyChecks(): Check[] {
  const memory = findMemory();
  if (memory === undefined) {
    return [check("memory hierarchy", "no", "no memory hierarchy is mounted here")];
  }
  const { root, own, version } = memory;
  return [
    check("memory hierarchy", "ok", `cgroup v${version} at ${root}, we are in ${own}`),
    homeCheck(memory),
    ...(version === 1 ? checksOfV1(memory) : checksOfV2()),
  ];
}

/** Of a group that doctor has made; on v1 the hierarchy's own group has told it all. */
export function groupChecks({ version }: Hierarchy, group: string): Check[] {
  if (version === 1) return [];
  const note = (name: string, file: string, why: string) =>
    existsSync(join(group, file))
      ? check(name, "ok", file)
      : check(name, "note", `${file} is missing: ${why}`);
  return [
    isWritable(join(group, "memory.high"))
      ? check("the mark", "ok", "memory.high is writable")
      : check("the mark", "no", "memory.high is not writable: nobody can be held"),
    existsSync(join(group, "memory.events"))
      ? check("events", "ok", "memory.events")
      : check("events", "no", "memory.events is missing: an OOM is not told"),
    note("own events", "memory.events.local", "a limit above looks like our own; Linux 5.2 has it"),
    note("swap accounting", "memory.swap.max", "swap is not limited"),
    note("reclaim", "memory.reclaim", "cache cannot be dropped on demand; Linux 5.19 has it"),
    note("group kill", "memory.oom.group", "one process is killed only; Linux 4.19 has it"),
    pressureCheck(group),
  ];
}

// --- internal ---

function homeCheck(memory: Hierarchy): Check {
  const home = homeOf(memory);
  if (home !== undefined) return check("writable", "ok", `new groups are made in ${home}`);
  const errno = whyNotWritable(memory.root);
  const none = "no group can be made";
  return errno === undefined
    ? check("writable", "no", `${none}: ${kindOf(memory).whyNoHome(memory)}`)
    : check("writable", "no", refusal(none, errno, memory.root).message);
}

function checksOfV1({ own }: Hierarchy): Check[] {
  const freezer = findV1("freezer");
  const isThere = (name: string, file: string, otherwise: Check["status"], why: string) =>
    readIfThere(join(own, file)) !== undefined
      ? check(name, "ok", file)
      : check(name, otherwise, `${file} is missing: ${why}`);
  return [
    isThere(
      "killer switch",
      "memory.oom_control",
      "no",
      "this kernel cannot switch its killer off",
    ),
    isWritable(join(own, "cgroup.event_control"))
      ? check("eventfd", "ok", "cgroup.event_control")
      : check("eventfd", "no", "cgroup.event_control is not writable: OOM events cannot be had"),
    existsSync(join(own, "memory.pressure_level"))
      ? check("pressure events", "ok", "memory.pressure_level")
      : check("pressure events", "note", "memory.pressure_level is missing"),
    isThere("swap accounting", "memory.memsw.limit_in_bytes", "note", "swap is not limited"),
    freezer === undefined
      ? check("freezer", "note", "no v1 freezer: the helpers could be frozen with their session")
      : check("freezer", "ok", `cgroup v1 at ${freezer.root}`),
    readIfThere("/proc/pressure/memory") === undefined
      ? check("PSI", "note", "/proc/pressure/memory is missing; v1 does not need it")
      : check("PSI", "ok", "/proc/pressure/memory"),
  ];
}

function checksOfV2(): Check[] {
  return [
    readIfThere("/proc/pressure/memory") === undefined
      ? check("PSI", "note", "/proc/pressure/memory is missing: boot with psi=1")
      : check("PSI", "ok", "/proc/pressure/memory"),
  ];
}

/** The trigger goes with the descriptor. */
function pressureCheck(group: string): Check {
  const name = "pressure trigger";
  try {
    const fd = openSync(join(group, "memory.pressure"), "r+");
    try {
      writeSync(fd, PRESSURE_TRIGGER);
    } finally {
      closeSync(fd);
    }
    return check(name, "ok", `memory.pressure takes "${PRESSURE_TRIGGER}"`);
  } catch (error) {
    const why =
      "endless reclaim without an OOM is seen later; Linux 6.6 or CAP_SYS_RESOURCE allows it";
    return check(name, "note", `${codeOf(error)}: ${why}`);
  }
}
