// SPDX-License-Identifier: MIT
/**
 * One look at groups, by the core's own code: who is in there, whom it would kill. Guards nothing, changes nothing, and
 * needs no rights but to read.
 */

import { closeSync } from "node:fs";
import type { Core } from "../native/core.ts";
import { type CoreImage, findCore } from "../native/embed.ts";
import { type GuardOrders, partsOf } from "../native/guard-orders.ts";
import { fd, want } from "../native/layout.ts";
import { type LogRecord, Region } from "../native/region.ts";
import { RegionView } from "../native/region-view.ts";
import { RunDir } from "./run-dir.ts";

const POWERLESS = {
  allowKill: false,
  allowLimits: false,
  allowMove: false,
  allowHooks: false,
  owned: false,
};

export interface Look {
  /** Its guards in the order of those given. */
  readonly view: RegionView;
  /** What the responder logged: when it began, whom it chose, when it had. */
  readonly records: readonly LogRecord[];
}

export async function look(core: Core, guards: readonly GuardOrders[]): Promise<Look> {
  await using undo = new AsyncDisposableStack();
  const runDir = new RunDir(undo);
  const image = findCore(() => runDir.make());
  const parts = { ...partsOf(guards), isRanked: false, isOrdered: true, isRecorded: false };
  const memfd = core.createRegion(guards.length, process.pid, parts);
  undo.defer(() => closeSync(memfd));
  const region = new Region(core.mapRegion(memfd));
  guards.forEach((guard, index) => {
    region.setOrders(index, { ...guard, ...POWERLESS }, index);
    region.setWant(index, want.ATTACHED);
  });
  const nobody = core.eventfd();
  undo.defer(() => closeSync(nobody));
  await runLook(image, memfd, nobody);
  const buffer = core.viewRegion(memfd);
  if (buffer === undefined) throw new Error("cannot map the region of a look");
  return { view: new RegionView(core, buffer), records: region.drain() };
}

// --- internal ---

/** Whomever it would wake: nobody listens. */
async function runLook(image: CoreImage, memfd: number, nobody: number): Promise<void> {
  const events = Array.from({ length: fd.LISTEN - fd.AGENT }, () => nobody);
  const proc = Bun.spawn([image.path, "look"], {
    argv0: "reprieve-look",
    env: {},
    cwd: "/",
    stdio: ["ignore", "ignore", "inherit", memfd, ...events],
  });
  const code = await proc.exited;
  if (code !== 0) throw new Error(`the native core's look ended with code ${code}`);
}
