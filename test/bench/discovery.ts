// SPDX-License-Identifier: MIT
/**
 * Figure: how soon a group is guarded: from its limit being written to "armed", beside none and beside GUARDS other guards;
 * and from the start of reprieve until all of the groups that are there are armed, of a fourth, half and all of them.
 *
 * "Armed" is when its line has come to us, the agent's writing of it included. SAMPLES=1000; GUARDS=1000.
 */
import { mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { onEnd } from "./lib/cleanup.ts";
import { Group, isV2, killQuietly, MIB, untilSettled } from "./lib/group.ts";
import { ended, REPRIEVE, start } from "./lib/programs.ts";
import { report, say } from "./lib/report.ts";

const SAMPLES = Math.max(2, Number(process.env.SAMPLES ?? 1000));
const GUARDS = Math.max(4, Number(process.env.GUARDS ?? 1000));
const STARTS = 5;
const LIMIT_FILE = isV2 ? "memory.max" : "memory.limit_in_bytes";
const LIMIT_BYTES = 64 * MIB;
/** Between two groups: each comes to a reprieve that has done with the one before. */
const REST_MS = 10;
const STOP_BOUND_MS = 20_000;
const BOUND_MS = 60_000;

const home = new Group("discovery");
if (isV2) writeFileSync(join(home.path, "cgroup.subtree_control"), "+memory");
const config = join(tmpdir(), `reprieve-bench-discovery-${process.pid}.toml`);
writeFileSync(
  config,
  `[feed]\nlisten = "none"\n[allow]\nkill = true\n[[guard]]\nname = "all"\ncgroup = "/${basename(home.path)}/*"\n`,
  { mode: 0o600 },
);
onEnd(() => Bun.spawnSync(["rm", "-f", config]));

const alone = await latencies(0);
const beside = await latencies(GUARDS);
const sizes = [GUARDS / 4, GUARDS / 2, GUARDS].map(Math.round);
const starts: number[][] = [];
for (const size of sizes) starts.push(await startTimes(size));
home.remove();
report("discovery", "How soon a group is guarded", [
  {
    title: "a new limit to armed",
    rows: [
      { label: "beside no other guard, ms", values: alone, target: { p99: 50 } },
      { label: `beside ${GUARDS} others, ms`, values: beside, target: { p99: 50 } },
    ],
  },
  {
    title: "start of reprieve to all armed",
    rows: sizes.map((size, i) => ({
      label: `${size} groups, ms`,
      values: starts[i] ?? [],
      ...(size === GUARDS && { target: { median: 1000 } }),
    })),
  },
]);

async function latencies(others: number): Promise<number[]> {
  const made = await makeAll(others);
  const reprieve = new Watched();
  await reprieve.armed(others);
  await untilSettled(made);
  const found: number[] = [];
  for (let n = 0; n < SAMPLES; n++) {
    say(`discovery: group ${n + 1} of ${SAMPLES}, beside ${others}`);
    const path = `${home.path}/new-${n}`;
    mkdirSync(path);
    await Bun.sleep(REST_MS);
    const from = performance.now();
    writeFileSync(join(path, LIMIT_FILE), String(LIMIT_BYTES));
    found.push((await reprieve.armedAt(basename(path))) - from);
    rmdirSync(path);
    await Bun.sleep(REST_MS);
  }
  await reprieve.stop();
  for (const path of made) rmdirSync(path);
  return found;
}

async function startTimes(size: number): Promise<number[]> {
  const made = await makeAll(size);
  const found: number[] = [];
  for (let n = 0; n < STARTS; n++) {
    say(`discovery: start ${n + 1} of ${STARTS}, ${size} groups`);
    const from = performance.now();
    const reprieve = new Watched();
    found.push((await reprieve.armed(size)) - from);
    await reprieve.stop();
  }
  for (const path of made) rmdirSync(path);
  return found;
}

async function makeAll(count: number): Promise<string[]> {
  return Array.from({ length: count }, (_, n) => {
    const path = `${home.path}/group-${n}`;
    mkdirSync(path);
    onEnd(() => Bun.spawnSync(["rmdir", path], { stderr: "ignore" }));
    writeFileSync(join(path, LIMIT_FILE), String(LIMIT_BYTES));
    return path;
  });
}

/** A reprieve whose "armed" lines are stamped as they come. */
class Watched {
  readonly #program = start(
    [REPRIEVE, "run", "--journal", "none", "--config", config, "--json"],
    "ignore",
  );
  readonly #at = new Map<string, number>();
  #wake = () => {};

  constructor() {
    void this.#read();
  }

  /** When `count` were. */
  async armed(count: number): Promise<number> {
    await this.#until(() => this.#at.size >= count);
    return Math.max(0, ...this.#at.values());
  }

  async armedAt(name: string): Promise<number> {
    await this.#until(() => this.#at.has(name));
    return this.#at.get(name) ?? Number.NaN;
  }

  async stop(): Promise<void> {
    killQuietly(this.#program.pid, "SIGTERM");
    await ended(this.#program, STOP_BOUND_MS);
  }

  async #until(done: () => boolean): Promise<void> {
    const deadline = performance.now() + BOUND_MS;
    while (!done()) {
      if (performance.now() > deadline) throw new Error("Cannot go on as nothing gets armed");
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        setTimeout(resolve, 100);
      });
    }
  }

  async #read(): Promise<void> {
    let rest = "";
    for await (const chunk of this.#program.stdout) {
      const now = performance.now();
      const lines = (rest + new TextDecoder().decode(chunk)).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const path = /"type":"armed".*?"cgroup":"([^"]+)"/.exec(line)?.[1];
        if (path !== undefined) this.#at.set(basename(path), now);
      }
      this.#wake();
    }
  }
}
