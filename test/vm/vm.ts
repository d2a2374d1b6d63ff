// SPDX-License-Identifier: MIT
/** `make test-vm`: each test that ran in the VM is a test here, under its own name. */
import { describe, test } from "bun:test";
import { built, describeWith, program, root } from "../helpers/require.ts";
import { boots } from "./boots.ts";
import { runBoot } from "./suite.ts";

const needs = [
  root, // apt renews its lists
  built,
  program("qemu-system-x86_64", "apt install qemu-system-x86"),
  program("mke2fs", "apt install e2fsprogs"),
];
const canRun = needs.every((need) => need() === null);

// At the same time: each takes one CPU, and what it measures does not depend on the others.
const verdictsOf = canRun ? await Promise.all(boots.map((boot) => runBoot(boot))) : [];

describeWith("Linux 6.1 in a VM", needs, () => {
  for (const [i, boot] of boots.entries()) {
    const verdicts = verdictsOf[i] ?? [];
    for (const { file } of boot.files) {
      describe(file, () => {
        for (const { name, failure, skipped } of verdicts.filter((one) => one.file === file)) {
          test.skipIf(skipped)(`${boot.cgroups}: ${name}`, () => {
            if (failure !== null) throw new Error(failure);
          });
        }
      });
    }
  }
});
