// SPDX-License-Identifier: MIT
/** A small process of the core's that runs into a group's limit on command (native/probe.c). */

import { readSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { type CoreImage, makeMemfd } from "../native/embed.ts";
import { at, size } from "../native/layout.ts";

interface ProbeScene {
  readonly image: CoreImage;
  readonly group: string;
}

/** A child that waits for go(), moved into the group before it takes any memory. */
export function startProbe({ image, group }: ProbeScene, ...args: string[]) {
  const memory = makeMemfd("reprieve-probe");
  writeSync(memory, new Uint8Array(size.probe), 0, size.probe, 0);
  const parent = String(globalThis.process.pid);
  const stdio: Array<"ignore" | number> = ["ignore", "ignore", "ignore", memory];
  const process = Bun.spawn([image.path, "probe", parent, ...args], {
    env: {},
    stdio: stdio as ["ignore", "ignore", "ignore"],
  });
  writeFileSync(join(group, "cgroup.procs"), String(process.pid));
  const word = (offset: number): number => {
    const bytes = new Int32Array(1);
    readSync(memory, bytes, 0, 4, offset);
    return bytes[0] ?? 0;
  };
  return {
    process,
    go: () => void writeSync(memory, new Uint32Array([1]), 0, 4, at.probe_go),
    isReady: () => word(at.probe_ready) === 1,
    isDone: () => word(at.probe_done) === 1,
    results: () => [word(at.probe_open_result), word(at.probe_pipe_result)],
  };
}
