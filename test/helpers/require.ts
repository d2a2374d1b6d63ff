// SPDX-License-Identifier: MIT
/**
 * What a test needs of its host. A missing thing is a loud skip; with REPRIEVE_TEST_ALL=1
 * ("everything must run") it is a failure, so that no layer goes missing in CI unnoticed.
 */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { memory } from "./memory.ts";
import { binary, memoryRoot } from "./paths.ts";

/** One thing a host may lack: null when it is there, else the reason in words. */
export type Need = () => string | null;

export const root: Need = () => (process.getuid?.() === 0 ? null : "not root");

export const memoryGroups: Need = () => {
  if (memoryRoot === null) return "no memory controller is mounted";
  try {
    accessSync(memoryRoot, constants.W_OK);
    return null;
  } catch {
    return `${memoryRoot} is not writable`;
  }
};

export const built: Need = () => (existsSync(binary) ? null : `${binary} is not built (run make)`);

export function program(name: string, remedy: string): Need {
  return () => (Bun.which(name) === null ? `${name} is not installed (${remedy})` : null);
}

export const prometheusPackage = program("prometheus", "apt-get install prometheus");

/** Debian's kubectl has kustomize 2, which knows no components, and no package has a newer one: a host may lack it. */
export const kustomize: Need = () => {
  const said = Bun.which("kubectl") && Bun.spawnSync(["kubectl", "version", "--client"]).stdout;
  return /Kustomize Version: v[5-9]/.test(String(said)) ? null : "no kubectl with kustomize 5";
};

/**
 * Without memory.oom_control's figure of kernel kills an old kernel cannot be judged (Linux
 * 4.13).
 */
const killCounter: Need = () => {
  if (memoryRoot === null || memory.version === 2) return null;
  const counted = readFileSync(`${memoryRoot}/memory.oom_control`, "utf8").includes("oom_kill ");
  return counted ? null : "this kernel does not count its kills in memory.oom_control";
};

/** For what would harm another host. */
export const inVm: Need = () =>
  / cgroups=/.test(readFileSync("/proc/cmdline", "utf8")) ? null : "in the VM only: make test-vm"; // vm/machine.ts

/** A negative score takes CAP_SYS_RESOURCE, which many containers lack. */
export const negativeScore: Need = () => {
  const tried = Bun.spawnSync(["sh", "-c", "echo -1000 > /proc/self/oom_score_adj"]);
  return tried.success ? null : "CAP_SYS_RESOURCE is missing: oom_score_adj cannot be negative";
};

/** Of each test: a hang is a failure, a slow machine is none. Everything in there waits with bounds of its own. */
const HANG_MS = 30_000;

/**
 * describe() that runs its body only where every need is met. Without what a host `mayLack` it is a skip, and never a failure:
 * the VM has it, or it can be had from no package (kubectl).
 */
export function describeWith(
  name: string,
  needs: readonly Need[],
  body: () => void,
  mayLack: Need = () => null,
): void {
  const lacks = mayLack();
  const missing = needs.map((need) => need()).filter((reason) => reason !== null);
  const reasons = [...missing, ...(lacks === null ? [] : [lacks])].join("; ");
  if (reasons === "") {
    setDefaultTimeout(HANG_MS); // of this file's
    describe(name, body);
    return;
  }
  if (missing.length > 0 && process.env.REPRIEVE_TEST_ALL === "1") {
    test(`${name} can run here`, () => expect(reasons).toBe(""));
    return;
  }
  console.error(`NOT RUN: ${name}: ${reasons}`);
  test.skip(`${name}: ${reasons}`, () => {});
}

/** What every test of a real group needs. */
export const kernelTest: readonly Need[] = [root, memoryGroups, killCounter, built];

/** test() for what only cgroup v1 has, or only v2: elsewhere a skip that says why, and never a failure. */
export const onlyOnV1 = (why: string) => only(1, why);
export const onlyOnV2 = (why: string) => only(2, why);

export const renaming = onlyOnV1("a group of v2 cannot be renamed");

function only(version: 1 | 2, why: string) {
  return (name: string, body: () => void | Promise<void>, boundMs?: number): void => {
    if (memory.version === version) {
      test(name, body, boundMs);
      return;
    }
    const reason = `${name} (only on v${version}: ${why})`;
    console.error(`NOT RUN: ${reason}`);
    test.skip(reason, () => {});
  };
}
