// SPDX-License-Identifier: MIT
/** Groups of cgroup v1: a limit that the kernel's killer enforces, unless it is switched off. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { isWritable, readIfThere, statIn } from "./files.ts";
import type { Kind } from "./kind.ts";

/** The kernel writes 2^63 less a page for "none". */
const NO_LIMIT_BYTES = 2 ** 62;

export const v1: Kind = {
  name: "v1",
  switchFile: "memory.oom_control",
  canRename: true,
  limitFiles: ["memory.limit_in_bytes"],
  controlFile: undefined,
  // A neighbour's failed calls while a group is held: 78 in 50 ms, up to 871 in 500 ms (measured).
  delay: {
    defaultMs: 100,
    longMs: 10_000,
    why: "at OOM the group's programs fail while it runs",
  },
  noLimit: "it has no limit of its own: write one to its memory.limit_in_bytes",

  homeOf: ({ root, own }) => [root, own].find(isWritable),
  whyNoHome: () => "run as root, or in a group that is yours",
  makeRoom: () => {},
  prepareParent: () => {},

  setLimit(group, bytes) {
    // A group made under one whose killer is off inherits that, and keeps it.
    if (v1.isHeld(group)) v1.letGo(group);
    writeFileSync(join(group, "memory.limit_in_bytes"), String(bytes));
    const swap = join(group, "memory.memsw.limit_in_bytes");
    if (readIfThere(swap) !== undefined) writeFileSync(swap, String(bytes));
  },

  limitOf(group) {
    const limits = ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"].flatMap((file) =>
      numberIn(join(group, file)),
    );
    const least = Math.min(...limits);
    return least < NO_LIMIT_BYTES ? least : undefined;
  },

  roomOf({ own }) {
    const [usage = 0] = numberIn(join(own, "memory.usage_in_bytes"));
    const unused = statIn(own, "total_inactive_file");
    return (v1.limitOf(own) ?? Number.POSITIVE_INFINITY) - usage + unused;
  },

  whyNoGuard: () => undefined,
  whyNotInside: () => undefined,
  switchText: (group) => /^oom_kill_disable \d$/m.exec(control(group))?.[0],
  isHeld: (group) => v1.switchText(group) === "oom_kill_disable 1",
  hold: (group) => writeFileSync(join(group, "memory.oom_control"), "1"),
  letGo: (group) => writeFileSync(join(group, "memory.oom_control"), "0"),
  isOver: (group) => /^under_oom 1$/m.test(control(group)),
  probeGroup: (helperGroup) => join(helperGroup, "probe"),
};

// --- internal ---

function control(group: string): string {
  return readIfThere(join(group, "memory.oom_control")) ?? "";
}

function numberIn(file: string): number[] {
  const text = readIfThere(file);
  return text === undefined ? [] : [Number(text)];
}
