// SPDX-License-Identifier: MIT
/** What runs in the VM: every boot with its hierarchy of cgroups and its test files, in order. Add a file here. */
import type { Cgroups } from "./machine.ts";

export interface TestFile {
  readonly file: string;
  /** Only the tests whose names match: emulation is slow. */
  readonly only?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface Boot {
  readonly cgroups: Cgroups;
  readonly files: readonly TestFile[];
}

/** A file that takes longer is ended, and those after it still run. */
export const FILE_BOUND_S = 150;
/** Of a boot as a whole. */
export const BOOT_BOUND_S = 300;

export const boots: readonly Boot[] = [
  {
    cgroups: "v1",
    files: [{ file: "test/kernel/rounds.test.ts", env: { ROUNDS: "5" } }],
  },
  {
    cgroups: "v2",
    files: [{ file: "test/native/native.test.ts" }],
  },
];
