// SPDX-License-Identifier: MIT
/** `make test-vm`: each test that ran in the VM is a test here, under its own name. */
import { describe, test } from "bun:test";
import { boots } from "./boots.ts";
import { runBoot } from "./suite.ts";

// At the same time: each takes one CPU, and what it measures does not depend on the others.
const verdictsOf = await Promise.all(boots.map((boot) => runBoot(boot)));

for (const [i, boot] of boots.entries()) {
  const verdicts = verdictsOf[i] ?? [];
  for (const { file } of boot.files) {
    describe(file, () => {
      for (const { name, failure } of verdicts.filter((verdict) => verdict.file === file)) {
        test(`${boot.cgroups}: ${name}`, () => {
          if (failure !== null) throw new Error(failure);
        });
      }
    });
  }
}
