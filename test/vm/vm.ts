// SPDX-License-Identifier: MIT
/** `make test-vm`: each test that ran in the VM is a test here, under its own name. */
import { describe, expect, test } from "bun:test";
import { boots } from "./boots.ts";
import { runBoot } from "./suite.ts";

for (const boot of boots) {
  const verdicts = await runBoot(boot);
  for (const { file } of boot.files) {
    describe(`VM with cgroup ${boot.cgroups}: ${file}`, () => {
      for (const { name, failure } of verdicts.filter((verdict) => verdict.file === file)) {
        test(name, () => expect(failure).toBeNull());
      }
    });
  }
}
