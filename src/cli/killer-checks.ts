// SPDX-License-Identifier: MIT
/** Who else kills for want of memory on this host, as far as it can be seen: processes, and what systemd says of units. */

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { readIfThere } from "../cgroup/files.ts";
import { type Check, check } from "./proof-scene.ts";

/** By the names of their processes. */
const KILLERS: Readonly<Record<string, string>> = {
  "systemd-oomd": "it kills units with ManagedOOMSwap= or ManagedOOMMemoryPressure=kill as a whole",
  oomd: "it kills whole groups by its own rules",
  earlyoom: "it kills by the host's free memory, in guarded groups too",
  nohang: "it kills by the host's free memory, in guarded groups too",
};
const SYSTEMCTL_BOUND_MS = 2000;
/** So many units are asked for. */
const UNITS_MOST = 100;

export function killerChecks(groups: readonly string[]): Check[] {
  const running = readdirSync("/proc")
    .filter((pid) => /^\d+$/.test(pid))
    .flatMap((pid) => {
      const name = readIfThere(`/proc/${pid}/comm`)?.trimEnd() ?? "";
      const what = Object.hasOwn(KILLERS, name) ? KILLERS[name] : undefined;
      return what === undefined ? [] : [check("beside us", "note", `${name} (${pid}): ${what}`)];
    });
  const whole = groups.find((path) => readIfThere(join(path, "memory.oom.group"))?.trim() === "1");
  return [
    ...(running.length === 0 ? [check("beside us", "ok", "no other killer runs")] : running),
    ...managedUnits(groups),
    ...(whole === undefined
      ? []
      : [check("memory.oom.group", "note", `${whole} goes as a whole with a victim in it`)]),
  ];
}

// --- internal ---

/** Units in which systemd-oomd may kill: guarded ones, and those around them. */
function managedUnits(groups: readonly string[]): Check[] {
  const parts = groups.flatMap((path) => path.split("/"));
  const units = new Set(parts.filter((name) => /\.(service|scope|slice)$/.test(name)));
  if (units.size === 0 || !existsSync("/run/systemd/system")) return [];
  const names = ["-.slice", ...units].slice(0, UNITS_MOST);
  const properties = "--property=Id,ManagedOOMSwap,ManagedOOMMemoryPressure";
  const asked = Bun.spawnSync(["systemctl", "show", properties, "--", ...names], {
    stdio: ["ignore", "pipe", "ignore"],
    timeout: SYSTEMCTL_BOUND_MS,
  });
  return asked.stdout
    .toString()
    .split("\n\n")
    .flatMap((unit) => {
      const id = /^Id=(.*)$/m.exec(unit)?.[1];
      const by = /^(ManagedOOM\w+)=kill$/m.exec(unit)?.[1];
      const detail = `${id} has ${by}=kill: systemd-oomd may be first, and kills a unit whole`;
      return by === undefined ? [] : [check("systemd-oomd", "note", detail)];
    });
}
