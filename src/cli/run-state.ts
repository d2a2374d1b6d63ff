// SPDX-License-Identifier: MIT
/** What the steps of a run share (run.ts). */

import { closeSync } from "node:fs";
import type { Notify } from "../agent/notify.ts";
import { RunDir, runBases } from "../agent/run-dir.ts";
import type { Hierarchy } from "../cgroup/hierarchy.ts";
import type { Core } from "../native/core.ts";
import { findCore } from "../native/embed.ts";
import type { Signals } from "./command.ts";
import type { RunFlags, RunOptions } from "./flags.ts";
import type { LeftOut, Wanted } from "./guards.ts";
import type { Expected } from "./latecomers.ts";

/** What is known before anything is changed, and what undoes the changes. */
export interface Run {
  readonly options: RunOptions;
  readonly memory: Hierarchy;
  /** Groups that exist. */
  readonly wanted: readonly Wanted[];
  /** Those that may come; undefined: one is made for CMD. */
  readonly expected: Expected | undefined;
  readonly leftOut: LeftOut;
  /** No group is guarded, only the host as a whole. */
  readonly isSystemOnly: boolean;
  readonly core: Core;
  readonly undo: AsyncDisposableStack;
  readonly signals: Signals;
  /** undefined: there is no config file. */
  readonly rules: Rules | undefined;
  readonly reloading: Reloading;
  /** undefined: CMD is the service, if this is one. */
  readonly notify: Notify | undefined;
}

interface Rules {
  readonly file: string;
  readonly flags: RunFlags;
  readonly watches: boolean;
  readonly stamp: string;
}

interface Reloading {
  /** From when all is armed on. */
  reloader?: { reload(): void };
  /** It was asked for before. */
  isAsked?: boolean;
}

/** What a run has of its own from then on. */
export type Place = ReturnType<typeof makeRunDir>;

/** Puts back what the dead left, then makes our directory with the ledger. */
export function makeRunDir({ core, undo }: Pick<Run, "core" | "undo">, guards: number) {
  const runDir = new RunDir(undo);
  const image = findCore(() => runDir.make(), ["release", ...runBases()]);
  const fd = runDir.makeWith((ledger) => core.createLedger(ledger, guards));
  let isOpen = true;
  const close = () => {
    if (isOpen) closeSync(fd);
    isOpen = false;
  };
  undo.defer(close);
  return { image, runDir, ledger: { fd, close } };
}
