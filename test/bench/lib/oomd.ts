// SPDX-License-Identifier: MIT
/**
 * Meta's oomd (Debian's package) as a side, as fast as it can be set: it looks once a second, acts on what it sees at
 * once, and pauses for nothing.
 *
 * It kills whole groups, so leaker and neighbour have one each. Without memory.high the kernel would kill first.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { onEnd } from "./cleanup.ts";
import { Group } from "./group.ts";
import { Page } from "./page.ts";
import { ended, start } from "./programs.ts";
import type { Prepare, Side } from "./round.ts";

export type Detector = "memory_above" | "pressure_above";

const START_BOUND_MS = 10_000;
const STOP_BOUND_MS = 10_000;
/** In percent of the last 10 s: the least it can be told. */
const PRESSURE_ABOVE = "1";

export async function oomdSide(detector: Detector, prepare: Prepare): Promise<Side> {
  const group = new Group(detector);
  await prepare(group);
  group.hold();
  const directory = mkdtempSync("/dev/shm/reprieve-bench-oomd-");
  const forget = onEnd(() => rmSync(directory, { recursive: true, force: true }));
  const [config, socket] = [`${directory}/config.json`, `${directory}/oomd-stats.socket`];
  writeFileSync(config, JSON.stringify(configOf(detector, group)));
  const command = ["oomd", "--interval", "1", "--config", config, "--runtime-dir", directory];
  const program = start(command, process.env.VERBOSE === undefined ? "ignore" : "inherit");
  await untilThere(socket);
  return {
    name: detector,
    group,
    page: new Page(),
    stop: async () => {
      program.kill("SIGKILL"); // it has nothing to put back
      await ended(program, STOP_BOUND_MS);
      group.remove();
      rmSync(directory, { recursive: true });
      forget();
    },
  };
}

function configOf(detector: Detector, group: Group) {
  const name = group.path.slice(group.path.lastIndexOf("/") + 1);
  const args = {
    memory_above: { threshold: `${Number(group.read("memory.high")) >> 20}M` },
    pressure_above: { resource: "memory", threshold: PRESSURE_ABOVE },
  };
  return {
    rulesets: [
      {
        name: "bench",
        detectors: [
          [detector, { name: detector, args: { cgroup: name, duration: "0", ...args[detector] } }],
        ],
        actions: [
          {
            name: "kill_by_memory_size_or_growth",
            args: { cgroup: `${name}/*`, post_action_delay: "0" },
          },
        ],
      },
    ],
  };
}

async function untilThere(path: string): Promise<void> {
  for (let waited = 0; !existsSync(path); waited += 5) {
    if (waited >= START_BOUND_MS) throw new Error("Cannot go on as oomd does not start");
    await Bun.sleep(5);
  }
}
