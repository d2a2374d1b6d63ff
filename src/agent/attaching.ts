// SPDX-License-Identifier: MIT
/** How the start of the helpers went: whether they have attached, and in words what failed or was not allowed. */

import { mkdirSync } from "node:fs";
import { CliError, exit } from "../errors.ts";
import { errnoName } from "../native/core.ts";
import { type Region, ROLES, type Role } from "../native/region.ts";

/** A helper attaches in some milliseconds; one in a group without memory never does. */
export const ATTACH_BOUND_MS = 5000;

/** Nothing is to be waited for: all have attached, or one has failed. */
export function isAttached(region: Region, roles: readonly Role[], guard: number): boolean {
  const results = roles.map((role) => region.attached(guard, role));
  return results.every((result) => result === 1) || results.some((result) => result < 0);
}

/** One that failed tells more than one that is still at it: the wait ends with the first failure. */
export function demandAttached(
  region: Region,
  roles: readonly Role[],
  guard: number,
  path: string,
): void {
  const results = roles.map((role) => ({ role, result: region.attached(guard, role) }));
  const failed =
    results.find(({ result }) => result < 0) ?? results.find(({ result }) => result !== 1);
  if (failed === undefined) return;
  const who = failed.role.toLowerCase();
  if (failed.result < 0) throw attachError(path, who, errnoName(failed.result));
  const seconds = ATTACH_BOUND_MS / 1000;
  throw new CliError(exit.internal, `cannot guard ${path}: no ${who} after ${seconds} s`);
}

/** What went wrong when a native call on a group failed, with the exit code that says so. */
export function attachError(path: string, who: string, errno: string): CliError {
  const cannot = `cannot guard ${path}: the ${who} got ${errno}`;
  switch (errno) {
    case "EROFS":
      return new CliError(exit.host, `${cannot}: its hierarchy is mounted read-only`);
    case "EMFILE":
    case "ENFILE":
      return new CliError(exit.host, `${cannot}: too many open files, raise ulimit -n`);
    case "EACCES":
    case "EPERM":
      return new CliError(exit.notPermitted, `${cannot}: run as root or as the group's owner`);
    case "ENOENT":
    case "ENODEV":
      return new CliError(exit.noGroup, `${cannot}: the group was removed meanwhile`);
    case "ENOMEM":
    case "ENOSPC":
      return new CliError(exit.host, `${cannot}: the host has too little left to watch it`);
    default:
      return new CliError(exit.internal, cannot);
  }
}

/** Groups of the helpers' own where the kernel may neither starve nor freeze them with somebody else's. */
export function makeHelperGroups(paths: readonly string[], say: (text: string) => void): string[] {
  return paths.filter((path) => {
    try {
      mkdirSync(path);
      return true;
    } catch (error) {
      const errno = (error as NodeJS.ErrnoException).code ?? String(error);
      say(`the helpers stay in our own group: cannot make ${path} (${errno})`);
      return false;
    }
  });
}

/** What the host did not allow the helpers, and what then may not hold. */
export function lacksOf(region: Region, names: readonly string[]): string[] {
  const lack = (result: (role: Role) => number, text: (errno: string) => string) => {
    const failed = ROLES.map(result).find((one) => one !== 0);
    return failed === undefined ? [] : [text(errnoName(failed))];
  };
  return [
    // One that can be paged out may fault at OOM.
    ...lack(
      (role) => region.lockResult(role),
      (errno) => `the helpers' memory is not locked (${errno}): raise ulimit -l`,
    ),
    ...lack(
      (role) => region.hurryResult(role),
      (errno) =>
        `the helpers have no real-time priority (${errno}), and may be late when the CPUs are busy: ` +
        "give CAP_SYS_NICE or raise ulimit -r",
    ),
    ...untracedOf(region.eventsResult()),
    ...unseenStarvation(region, names),
  ];
}

// --- internal ---

const UNTRACED: Readonly<Record<string, string>> = {
  EPERM: "that takes CAP_NET_ADMIN on this kernel",
  ECONNREFUSED: "that takes the host's network namespace",
  ENOMSG: "that takes the host's pid and user namespace, and a kernel with CONFIG_PROC_EVENTS",
};

function untracedOf(result: number): string[] {
  if (result === 0) return [];
  const errno = errnoName(result);
  const why = UNTRACED[errno] ?? "the kernel has no process connector to be had";
  return [`births of processes are not traced (${errno}), only scanned for: ${why}`];
}

function unseenStarvation(region: Region, names: readonly string[]): string[] {
  const results = names.map((name, guard) => ({ name, result: region.pressureResult(guard) }));
  const [first, ...more] = results.filter(({ result }) => result !== 0);
  if (first === undefined) return [];
  const where = more.length === 0 ? first.name : `${first.name} and ${more.length} more`;
  const why = `no events of its pressure (${errnoName(first.result)})`;
  return [`starvation without an OOM is not seen in ${where}: ${why}`];
}
