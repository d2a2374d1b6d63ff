// SPDX-License-Identifier: MIT
/**
 * Figure: the image as a sidecar, a user with two capabilities, with the page cache of its files cold: start of runc to `armed`, and what is
 * charged to its own group 70 s later, at limits of 128 and 96 MiB. cgroup v1.
 *
 * Each container has files of its own; all settle at the same time.
 */
import { readdirSync, readFileSync } from "node:fs";
import { forgetTree, removeBundles } from "../helpers/bundle.ts";
import { Container } from "../helpers/container.ts";
import { destroyGroups, Group, MB } from "../helpers/group.ts";
import type { Reprieve } from "../helpers/reprieve.ts";
import { onEnd } from "./lib/cleanup.ts";
import { report, say } from "./lib/report.ts";

const ROUNDS = Number(process.env.ROUNDS ?? 5);
const SETTLE_MS = 70_000;
const LIMITS_MB = [128, 96];
const MIB = 2 ** 20;
const FLAGS = ["--allow-kill", "--journal", "none", "--listen", "none", "--json"];

interface Started {
  readonly container: Container;
  readonly reprieve: Reprieve;
  readonly limitMb: number;
  readonly armedMs: number;
}

const started: Started[] = [];
for (let round = 0; round < ROUNDS; round++) {
  for (const limitMb of LIMITS_MB) {
    say(`sidecar: ${limitMb} MiB, round ${round + 1} of ${ROUNDS}`);
    started.push(await start(limitMb));
  }
}
say(`sidecar: all settle for ${SETTLE_MS / 1000} s`);
await Bun.sleep(SETTLE_MS);
report(
  "sidecar",
  "A sidecar with a cold page cache",
  LIMITS_MB.map((limitMb) => {
    const those = started.filter((one) => one.limitMb === limitMb);
    const of = (name: string) => those.map((one) => fileOf(one, name) / MIB);
    return {
      title: `limit of ${limitMb} MiB`,
      rows: [
        { label: "runc run to armed, ms", values: those.map(({ armedMs }) => armedMs) },
        { label: "most ever charged, MiB", values: of("memory.max_usage_in_bytes") },
        {
          label: "charged when settled, MiB",
          values: of("memory.usage_in_bytes"),
          target: { max: 48 },
        },
        { label: "  of it anonymous, MiB", values: those.map((one) => statOf(one, "rss") / MIB) },
        {
          label: "  mapped files, MiB",
          values: those.map((one) => statOf(one, "mapped_file") / MIB),
        },
      ],
    };
  }),
);
for (const { container, reprieve } of started) {
  Bun.spawnSync(["runc", "kill", container.name, "TERM"]); // it takes its groups away
  await reprieve.ended();
  container.remove();
}
removeBundles();
await destroyGroups();
process.exit(0);

async function start(limitMb: number): Promise<Started> {
  const place = { uid: 65532, capabilities: ["CAP_DAC_OVERRIDE", "CAP_KILL"], limitMb };
  const guarded = new Group("sidecar", { limit: 64 * MB });
  forgetTree();
  const container = new Container(["run", "--cgroup", guarded.path, ...FLAGS], place);
  onEnd(() => Bun.spawnSync(["runc", "delete", "--force", container.name]));
  chill(container.bundle.root);
  const from = performance.now();
  const reprieve = container.start();
  await reprieve.armed();
  return { container, reprieve, limitMb, armedMs: performance.now() - from };
}

/** Has the page cache forget all files below it. */
function chill(root: string): void {
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = `${entry.parentPath}/${entry.name}`;
    Bun.spawnSync(["sync", file]);
    Bun.spawnSync(["dd", `if=${file}`, "iflag=nocache", "count=0"]);
  }
}

function fileOf({ container }: Started, name: string): number {
  return Number(readFileSync(`${container.group}/${name}`, "utf8"));
}

function statOf({ container }: Started, name: string): number {
  const stat = readFileSync(`${container.group}/memory.stat`, "utf8");
  return Number(new RegExp(`^${name} (\\d+)$`, "m").exec(stat)?.[1]);
}
