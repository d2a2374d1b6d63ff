// SPDX-License-Identifier: MIT
/** `reprieve handle`: prepares reprieve's own handler for somebody else's guard, and becomes it: no Bun stays. */

import { existsSync } from "node:fs";
import { defaultSockets } from "../agent/door.ts";
import { RunDir } from "../agent/run-dir.ts";
import { resolveGroup } from "../cgroup/group.ts";
import { requireMemory } from "../cgroup/hierarchy.ts";
import { CliError, exit } from "../errors.ts";
import { errnoName, openCore } from "../native/core.ts";
import { findCore } from "../native/embed.ts";

interface HandleOptions {
  readonly guard: string;
  readonly socket?: string;
}

/** Does not return where it succeeds. */
export async function handle({ guard, socket }: HandleOptions): Promise<number> {
  const group = resolveGroup(requireMemory(), guard);
  const sockets = socket === undefined ? defaultSockets() : [socket];
  const path = sockets.find((candidate) => existsSync(candidate));
  if (path === undefined) {
    const remedy = "start reprieve run --handler designated as root, or give --socket PATH";
    throw new CliError(exit.host, `no reprieve listens at ${sockets.join(" or ")}: ${remedy}`);
  }
  await using undo = new AsyncDisposableStack();
  const runDir = new RunDir(undo);
  const image = findCore(() => runDir.make());
  const errno = openCore().become(image.path, ["reprieve-handle", "handle", guard, group, path]);
  throw new CliError(exit.host, `cannot run the native core: ${errnoName(errno)}`);
}
