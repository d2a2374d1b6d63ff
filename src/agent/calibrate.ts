// SPDX-License-Identifier: MIT
/**
 * In which kernel function does a group's OOM sleep? Seen live, for kernels rename theirs: a designated handler
 * that sleeps there cannot resolve the OOM (native/trial.c).
 */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { emptyGroup, makeGroup, readIfThere, removeGroup } from "../cgroup/v1.ts";
import type { Core } from "../native/core.ts";
import type { CoreImage } from "../native/embed.ts";
import { startProbe } from "./probe.ts";

const LIMIT_BYTES = 4 * 2 ** 20;
/** It takes about 50 ms. */
const BOUND_MS = 1000;
const TICK_MS = 1;
const SYMBOL = /^[A-Za-z_][\w.]*$/;

/**
 * Makes `group` below that of our helpers, holds it and fills it. Undefined: nobody was seen to sleep. Should we die
 * in between, the process in it does so too, and the group goes with the helpers'.
 */
export async function seeSleep(
  core: Core,
  image: CoreImage,
  group: string,
): Promise<string | undefined> {
  const switchPath = join(group, "memory.oom_control");
  makeGroup(group, LIMIT_BYTES);
  try {
    const probe = startProbe({ image, group }, "touch", String(LIMIT_BYTES * 2));
    await within(() => probe.isReady());
    writeFileSync(switchPath, "1");
    probe.go();
    await within(() => core.counters(group).underOom);
    let where: string | undefined;
    await within(() => {
      where = SYMBOL.exec(readIfThere(`/proc/${probe.process.pid}/wchan`) ?? "")?.[0];
      return where !== undefined; // the kernel says "OOM" a moment before the sleep
    });
    return where;
  } finally {
    writeFileSync(switchPath, "0");
    await emptyGroup(group, []);
    await removeGroup(group);
  }
}

// --- internal ---

async function within(done: () => boolean): Promise<void> {
  const deadline = performance.now() + BOUND_MS;
  while (!done() && performance.now() < deadline) await Bun.sleep(TICK_MS);
}
