// SPDX-License-Identifier: MIT
/** What runs in the VM: every boot with its hierarchy of cgroups and its test files, in order. Add a file here. */
import type { Machine } from "./machine.ts";

export interface TestFile {
  readonly file: string;
  /** Only the tests whose names match: emulation is slow. */
  readonly only?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface Boot extends Machine {
  readonly files: readonly TestFile[];
}

/** A file that takes longer, by the VM's clock, is ended, and those after it still run. */
export const FILE_BOUND_S = 150;
/** A boot as a whole, by ours. */
export const BOOT_BOUND_S = 780;

/** All at the same time, on what the tests outside leave of the CPUs (`make test`); other files run here too, with `make vm`. */
export const boots: readonly Boot[] = [
  {
    name: "v1",
    cgroups: "v1",
    files: [
      { file: "test/kernel/rounds.test.ts", env: { ROUNDS: "3" } },
      // A negative score takes CAP_SYS_RESOURCE, which is not everywhere.
      { file: "test/fault/matrix.test.ts", only: "tasks of -1000", env: { FAULT_ROUNDS: "1" } },
      { file: "test/kernel/release.test.ts" },
    ],
  },
  {
    name: "v2",
    cgroups: "v2",
    files: [
      { file: "test/kernel/rounds.test.ts", env: { ROUNDS: "3", SEED: "7" } },
      { file: "test/kernel/high.test.ts" },
      { file: "test/kernel/cache.test.ts", only: "writer|largest" },
      // What is on v2 only, or otherwise than on v1.
      { file: "test/kernel/orders-raise.test.ts", only: "relieves|given back by release" },
      { file: "test/kernel/orders.test.ts" },
      { file: "test/kernel/config-orders.test.ts", only: "guard by guard" },
    ],
  },
  {
    name: "v2-faults",
    cgroups: "v2",
    files: [
      {
        file: "test/fault/matrix.test.ts",
        // All but two at once, the host's shortages and a hundred groups: those take as long again.
        only: "^(one of ours|all of ours|designated handlers|group|memory(?! 100)) ",
        env: { FAULT_ROUNDS: "1", FAULT_STAGES: "1" },
      },
    ],
  },
  {
    name: "systemd",
    cgroups: "systemd",
    files: [{ file: "test/vm/systemd.ts" }],
  },
];
