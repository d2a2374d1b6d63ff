// SPDX-License-Identifier: MIT
/** `reprieve release`: only starts the native role of that name, whose exit code is reprieve's. */

import { RunDir, runBases } from "../agent/run-dir.ts";
import { CliError, exit } from "../errors.ts";
import { findCore } from "../native/embed.ts";
import { print } from "./output.ts";

interface ReleaseOptions {
  readonly all?: true;
  readonly force?: true;
  readonly json?: true;
}

export async function release(options: ReleaseOptions): Promise<number> {
  if (options.force && !options.all) throw new CliError(exit.usage, "--force goes with --all");
  await using undo = new AsyncDisposableStack();
  const image = findCore(() => new RunDir(undo).make());
  const flags = [...(options.all ? ["--all"] : []), ...(options.force ? ["--force"] : [])];
  const core = Bun.spawn([image.path, "release", ...flags, ...runBases()], {
    env: {},
    stdio: ["ignore", options.json ? "pipe" : "inherit", "inherit"],
  });
  if (core.stdout === undefined) return await core.exited;
  const lines = (await new Response(core.stdout).text()).split("\n").filter((line) => line !== "");
  const code = await core.exited;
  await print([JSON.stringify({ v: 1, code, lines })]);
  return code;
}
