// SPDX-License-Identifier: MIT
/** `reprieve release`: only starts the native role of that name, whose exit code is reprieve's. */

import { RunDir, runBases } from "../agent/run-dir.ts";
import { CliError, exit } from "../errors.ts";
import { findCore } from "../native/embed.ts";

export async function release(options: { all?: true; force?: true }): Promise<number> {
  if (options.force && !options.all) throw new CliError(exit.usage, "--force goes with --all");
  await using undo = new AsyncDisposableStack();
  const image = findCore(() => new RunDir(undo).make());
  const flags = [...(options.all ? ["--all"] : []), ...(options.force ? ["--force"] : [])];
  const core = Bun.spawn([image.path, "release", ...flags, ...runBases()], {
    env: {},
    stdio: ["ignore", "inherit", "inherit"],
  });
  return await core.exited;
}
