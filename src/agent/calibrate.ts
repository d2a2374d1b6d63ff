// SPDX-License-Identifier: MIT
/**
 * In which kernel function does a group's OOM sleep? Seen live, for kernels rename theirs: a designated handler
 * that sleeps there cannot resolve the OOM (native/trial.c).
 */

import { readIfThere } from "../cgroup/files.ts";
import { emptyGroup, makeGroup, removeGroup } from "../cgroup/group.ts";
import type { Kind } from "../cgroup/kind.ts";
import type { CoreImage } from "../native/embed.ts";
import { startProbe } from "./probe.ts";

const HELD_AT_BYTES = 4 * 2 ** 20;
/** On v2 a limit far above: beyond it the kernel kills. */
const LIMIT_BYTES = { v1: HELD_AT_BYTES, v2: 8 * HELD_AT_BYTES } as const;
/** It takes about 50 ms. */
const BOUND_MS = 1000;
const TICK_MS = 1;
const SYMBOL = /^[A-Za-z_][\w.]*$/;

/**
 * Makes `group`, which goes with that of our helpers, holds it and fills it. Undefined: nobody was seen to sleep.
 * Should we die in between, the process in it does so too.
 */
export async function seeSleep(
  kind: Kind,
  image: CoreImage,
  group: string,
): Promise<string | undefined> {
  makeGroup(kind, group, LIMIT_BYTES[kind.name]);
  try {
    const probe = startProbe({ image, group }, "touch", String(HELD_AT_BYTES * 2));
    await within(() => probe.isReady());
    kind.hold(group, HELD_AT_BYTES);
    probe.go();
    await within(() => kind.isOver(group));
    let where: string | undefined;
    await within(() => {
      where = SYMBOL.exec(readIfThere(`/proc/${probe.process.pid}/wchan`) ?? "")?.[0];
      return where !== undefined; // the kernel says "OOM" a moment before the sleep
    });
    return where;
  } finally {
    kind.letGo(group);
    await emptyGroup(group, []);
    await removeGroup(group);
  }
}

// --- internal ---

async function within(done: () => boolean): Promise<void> {
  const deadline = performance.now() + BOUND_MS;
  while (!done() && performance.now() < deadline) await Bun.sleep(TICK_MS);
}
