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

/** A file that takes longer, by the VM's clock, is ended, and those after it still run. */
export const FILE_BOUND_S = 150;
/** A boot as a whole, by ours. */
export const BOOT_BOUND_S = 600;

export const boots: readonly Boot[] = [
  {
    cgroups: "v1",
    files: [
      { file: "test/kernel/rounds.test.ts", env: { ROUNDS: "3" } },
      { file: "test/kernel/switch.test.ts" },
      { file: "test/kernel/nested.test.ts" },
      { file: "test/kernel/release.test.ts" },
    ],
  },
  {
    cgroups: "v2",
    files: [
      { file: "test/native/native.test.ts" },
      { file: "test/kernel/rounds.test.ts", env: { ROUNDS: "3", SEED: "7" } },
      { file: "test/kernel/high.test.ts" },
      { file: "test/kernel/victims.test.ts", only: "two similar|fresh fork|where killing" },
      { file: "test/kernel/nested.test.ts", only: "parent first|own limit" },
      { file: "test/kernel/arming.test.ts" },
      { file: "test/kernel/switch.test.ts" },
      { file: "test/kernel/release.test.ts" },
    ],
  },
  {
    cgroups: "systemd",
    files: [{ file: "test/vm/systemd.ts" }],
  },
];
