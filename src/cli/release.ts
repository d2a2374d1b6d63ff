// SPDX-License-Identifier: MIT
/** `reprieve release`: only starts the native role of that name, whose exit code is reprieve's. */

import { RunDir, runBase } from "../agent/run-dir.ts";
import { findCore } from "../native/embed.ts";

export async function release(options: { all?: true; force?: true }): Promise<number> {
  await using undo = new AsyncDisposableStack();
  const base = runBase();
  const image = findCore(() => new RunDir(base, undo).make());
  const flags = [...(options.all ? ["--all"] : []), ...(options.force ? ["--force"] : [])];
  const core = Bun.spawn([image.path, "release", ...flags, base], {
    env: {},
    stdio: ["ignore", "inherit", "inherit"],
  });
  return await core.exited;
}
