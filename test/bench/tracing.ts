// SPDX-License-Identifier: MIT
/**
 * Figure: what tracing births costs (sampling.source), and what it saves.
 *
 * Costs: the CPU time of a fork with its exit, and the handler's CPU, at 10, 1,000 and 10,000 forks a second, or as many as this
 * machine gives. The connector tells of the whole host, so that reprieve is started anew for each source; the sources take
 * turns. Saves: how often a newborn leaker is not primed at its OOM, and how long the way from the event to SIGKILL is then.
 */
import { rmSync, writeFileSync } from "node:fs";
import { onEnd } from "./lib/cleanup.ts";
import { crowdedTo } from "./lib/crowd.ts";
import { type Group, killQuietly, MIB } from "./lib/group.ts";
import { cpuNs, helperPid } from "./lib/helpers.ts";
import { Page } from "./lib/page.ts";
import { built, start } from "./lib/programs.ts";
import { PAIRS, report, type Section, say } from "./lib/report.ts";
import { limited, reprieveSide, type Side, turning } from "./lib/round.ts";
import { ratios } from "./lib/stats.ts";

const SOURCES = ["scan", "both"] as const;
type Source = (typeof SOURCES)[number];
const RATES = [10, 1000, 10_000];
const TURNS = Math.min(PAIRS, 10);
const BURSTS = Number(process.env.BURSTS ?? 40);
const SECONDS = 1;
const SETTLE_MS = 1500;
/** Until the group is far from its limit again, and somewhere between two scans. */
const PAUSE_MS = 1100;
const ROOM = 100 * MIB;
const LEAK = 160 * MIB;

const sections = [...(await costs()), ...(await savings())];
report("tracing", "Births of processes, told by the kernel or scanned for", sections);

async function costs(): Promise<Section[]> {
  const found = new Map<string, { ns: number[]; cpu: number[]; forks: number[] }>();
  const of = (place: string, rate: number, source: Source) => {
    const key = `${place}, ${rate}, ${source}`;
    const all = found.get(key) ?? { ns: [], cpu: [], forks: [] };
    found.set(key, all);
    return all;
  };
  for (let turn = 0; turn < TURNS; turn++) {
    for (const source of turning(SOURCES, turn)) {
      const side = await guardedBy(source, limited(ROOM));
      await Bun.sleep(SETTLE_MS);
      for (const place of ["outside", "inside"]) {
        for (const rate of RATES) {
          say(`tracing: turn ${turn + 1} of ${TURNS}, ${source}, ${place}, ${rate}/s`);
          const all = of(place, rate, source);
          const { forks, ns, cpu } = await forked(side, place === "inside", rate);
          all.ns.push(ns);
          all.cpu.push(cpu);
          all.forks.push(forks / SECONDS);
        }
      }
      await side.stop();
    }
  }
  return ["outside", "inside"].flatMap((place) =>
    RATES.map((rate): Section => {
      const [scan, both] = [of(place, rate, "scan"), of(place, rate, "both")];
      return {
        title: `${rate} forks/s ${place} a guarded group`,
        rows: [
          { label: "forks/s, both", values: both.forks },
          { label: "fork+exit, us of CPU, scan", values: scan.ns.map((ns) => ns / 1000) },
          { label: "fork+exit, us of CPU, both", values: both.ns.map((ns) => ns / 1000) },
          { label: "both / scan", values: ratios(both.ns, scan.ns) },
          { label: "handler, % of a core, scan", values: scan.cpu },
          { label: "handler, % of a core, both", values: both.cpu },
        ],
      };
    }),
  );
}

async function forked(side: Side, isInside: boolean, rate: number) {
  const handler = helperPid(side.reprieve?.pid ?? 0, "handler");
  const page = new Page();
  const forker = start([built("forker"), page.path, String(rate), String(SECONDS)]);
  await page.until("leakerPid");
  if (isInside) side.group.join(forker.pid);
  const before = cpuNs(handler);
  killQuietly(forker.pid, "SIGUSR1");
  const [forks = 0, ns = 0] = (await new Response(forker.stdout).text()).split(" ").map(Number);
  const cpu = ((cpuNs(handler) - before) / (SECONDS * 1e9)) * 100;
  await side.group.untilEmpty();
  return { forks, ns, cpu };
}

async function savings(): Promise<Section[]> {
  const sections: Section[] = [];
  for (const crowd of [10, 1000]) {
    const rows: Section["rows"][number][] = [];
    const counts: NonNullable<Section["counts"]>[number][] = [];
    for (const source of SOURCES) {
      const { deaths, kills, missed, wrong } = await bursts(source, crowd);
      rows.push({ label: `event to SIGKILL, ms, ${source}`, values: kills });
      rows.push({ label: `last touch to death, ms, ${source}`, values: deaths });
      counts.push({ label: `not primed, ${source}`, count: missed, of: kills.length });
      counts.push({
        label: `somebody else killed, ${source}`,
        count: wrong,
        of: kills.length,
        most: 0,
      });
    }
    sections.push({ title: `newborn leaker among ${crowd}`, rows, counts });
  }
  return sections;
}

async function bursts(source: Source, crowd: number) {
  const side = await guardedBy(source, crowdedTo(crowd, ROOM));
  const { group, reprieve } = side;
  const page = new Page();
  const parent = start([built("newborn"), page.path, String(LEAK)]);
  await page.until("leakerPid");
  group.join(parent.pid);
  const found = { deaths: [] as number[], kills: [] as number[], missed: 0, wrong: 0 };
  for (let n = 0; n < BURSTS; n++) {
    say(`tracing: ${source}, ${crowd} processes, burst ${n + 1} of ${BURSTS}`);
    await group.untilKillerOn();
    await Bun.sleep(PAUSE_MS + ((n * 137) % 1000));
    const from = reprieve?.messages.length ?? 0;
    killQuietly(parent.pid, "SIGUSR1");
    await page.until("finished", n + 1);
    await reprieve?.until(() => reprieve.closed(from).length > 0);
    const steps = reprieve?.messages.slice(from).filter((m) => m.type === "incident.step") ?? [];
    const kill = steps.find(({ step }) => step === "kill");
    if (kill === undefined) continue;
    if (kill.pid !== page.get("ready")) found.wrong++;
    found.kills.push(kill.at_us / 1000);
    found.deaths.push((page.get("death") - page.lastTouchNs()) / 1e6);
    if (steps.find(({ step }) => step === "chose")?.evidence !== "largest") found.missed++;
  }
  killQuietly(parent.pid);
  for (const pid of group.pids()) killQuietly(pid);
  await side.stop();
  return found;
}

async function guardedBy(source: Source, prepare: (group: Group) => Promise<void>): Promise<Side> {
  const file = `/dev/shm/reprieve-bench-${process.pid}.toml`;
  onEnd(() => rmSync(file, { force: true }));
  const guard = '[[guard]]\nname = "none"\ncgroup = "/none"\n';
  writeFileSync(file, `${guard}[sampling]\nsource = "${source}"\n`, { mode: 0o600 });
  return reprieveSide(prepare, ["--listen", "none", "--config", file], `tracing-${source}`);
}
