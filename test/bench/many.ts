// SPDX-License-Identifier: MIT
/**
 * Figures: TOGETHER guards driven into OOM at the same time, from when one's leaker sleeps in its OOM to the SIGKILL that it is sent; and
 * the same, and the victim's last good touch to its death, where GUARDS others are guarded too, against one that is guarded alone.
 *
 * The second figure waits until all guards have settled: from `armed` on each is held, and looked at ten times a second, until its
 * threshold stands; of a thousand that takes a second, and its CPU.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import type { Message } from "../../src/feed/protocol.ts";
import { Group, isV2, killQuietly, MIB, removeChildren, untilSettled } from "./lib/group.ts";
import { Page } from "./lib/page.ts";
import { built, type Program, Reprieve, start } from "./lib/programs.ts";
import { PAIRS, report, type Section } from "./lib/report.ts";
import { type Burst, interleave, limited, relievedCount, round, type Side } from "./lib/round.ts";
import { ratios } from "./lib/stats.ts";
import { Trace } from "./lib/trace.ts";

const TOGETHER = Number(process.env.TOGETHER ?? 100);
const GUARDS = Number(process.env.GUARDS ?? 1000);
const LIMIT_BYTES = 32 * MIB;
/** More than the limit: the last touch meets it. */
const BURST: Burst = { bytes: 64 * MIB, means: "touch", threads: 1 };
/** Each group's own OOM is over in less than a delay. */
const OVER_BOUND_MS = 30_000;
const LIMIT_FILE = isV2 ? "memory.max" : "memory.limit_in_bytes";

const trace = new Trace();
report("many", "Many guards", [await together(), await among()]);

async function together(): Promise<Section> {
  const home = new Group("together");
  const groups = childrenOf(home, TOGETHER);
  const reprieve = await Reprieve.guard(groups, ["--listen", "none"]);
  const leakers = await Promise.all(groups.map(leakerIn));
  trace.clear();
  for (const { pid } of leakers) process.kill(pid, "SIGUSR1");
  await reprieve.until(() => reprieve.closed(0).length >= TOGETHER, OVER_BOUND_MS);
  const kills = reprieve.messages.filter(isKill);
  const lost = reprieve.messages.reduce((sum, m) => sum + (m.type === "lost" ? m.steps : 0), 0);
  const right = kills.filter(({ pid }) => leakers.some((leaker) => leaker.pid === pid));
  const relieved = reprieve.closed(0).filter(({ outcome }) => outcome === "relieved");
  const told = relieved.filter(({ guard }) => right.some((kill) => kill.guard === guard));
  const times = leakers.map(({ pid, page }) => timesOf(pid, page));
  await reprieve.stop();
  for (const { witness } of leakers) killQuietly(witness.pid);
  await removeChildren(groups);
  home.remove();
  return {
    title: `${TOGETHER} at OOM together`,
    rows: [
      {
        label: "asleep in OOM to SIGKILL, ms",
        values: times.map(({ sleepMs }) => sleepMs),
        target: { p99: 25 },
      },
      // The last one's touch may be long before its OOM: a hundred want the CPUs.
      { label: "last touch to SIGKILL, ms", values: times.map(({ touchMs }) => touchMs) },
      { label: "opened to SIGKILL, ms", values: kills.map(({ at_us }) => at_us / 1000) },
    ],
    counts: [
      { label: "relieved by reprieve itself", count: relieved.length, of: TOGETHER },
      { label: "of these the kill is told", count: told.length, of: relieved.length },
      {
        label: "kills of another process",
        count: kills.length - right.length,
        of: kills.length,
        most: 0,
      },
      { label: "steps lost", count: lost, of: reprieve.messages.length, most: 0 },
    ],
  };
}

/** Of the kill, whoever sent it. */
function timesOf(pid: number, page: Page): { sleepMs: number; touchMs: number } {
  const { eventMs, killMs } = trace.timesOf(pid);
  const touchMs = killMs - page.lastTouchNs() / 1e6;
  return { sleepMs: eventMs === undefined ? touchMs : killMs - eventMs, touchMs };
}

async function among(): Promise<Section> {
  const home = new Group("others");
  const quiet = childrenOf(home, GUARDS);
  const sides = [await sideOf("alone", []), await sideOf("among", quiet)];
  const kills = new Map(sides.map(({ name }) => [name, [] as number[]]));
  const results = await interleave(sides, PAIRS, async (side) => {
    trace.clear();
    const result = await round(side, BURST);
    kills.get(side.name)?.push(timesOf(side.page.get("leakerPid"), side.page).sleepMs);
    return result;
  });
  for (const side of sides) await side.stop();
  await removeChildren(quiet);
  home.remove();
  const kill = (name: string) => kills.get(name) ?? [];
  const death = (name: string) => (results.get(name) ?? []).map(({ deathMs }) => deathMs);
  const rowsOf = (what: string, of: (name: string) => number[], target?: { median: number }) => [
    { label: `${what}, the only one, ms`, values: of("alone") },
    { label: `one of ${GUARDS + 1}, ms`, values: of("among") },
    { label: "ratio", values: ratios(of("among"), of("alone")), ...(target && { target }) },
  ];
  return {
    title: `one of ${GUARDS + 1} guards / the only one`,
    rows: [
      ...rowsOf("asleep to SIGKILL", kill, { median: 1.2 }),
      ...rowsOf("last touch to death", death),
    ],
    counts: sides.map(({ name }) => ({
      ...relievedCount(new Map([["reprieve", results.get(name) ?? []]])),
      label: `relieved, ${name}`,
    })),
  };
}

function isKill(message: Message): message is Extract<Message, { type: "incident.step" }> {
  return message.type === "incident.step" && message.step === "kill";
}

/** Limited groups below one. */
function childrenOf(home: Group, count: number): string[] {
  if (isV2) writeFileSync(`${home.path}/cgroup.subtree_control`, "+memory");
  return Array.from({ length: count }, (_, index) => {
    const path = `${home.path}/${index}`;
    mkdirSync(path);
    writeFileSync(`${path}/${LIMIT_FILE}`, String(LIMIT_BYTES));
    return path;
  });
}

async function sideOf(name: string, others: readonly string[]): Promise<Side> {
  const group = new Group(name);
  await limited(LIMIT_BYTES)(group);
  const reprieve = await Reprieve.guard([group.path, ...others], ["--listen", "none"]);
  await untilSettled([group.path, ...others]);
  const stop = async () => {
    await reprieve.stop();
    group.remove();
  };
  return { name, group, page: new Page(), reprieve, stop };
}

async function leakerIn(path: string): Promise<{ pid: number; page: Page; witness: Program }> {
  const page = new Page();
  const leaker = [built("leaker"), page.path, String(BURST.bytes), BURST.means, "1"];
  const witness = start([built("witness"), page.path, ...leaker]);
  await page.until("leakerPid");
  const pid = page.get("leakerPid");
  writeFileSync(`${path}/cgroup.procs`, String(pid));
  return { pid, page, witness };
}
