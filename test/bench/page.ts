// SPDX-License-Identifier: MIT
/**
 * Figures: the page of the built binary in Chromium (Debian's, headless, without a GPU). From the start of a visit to its first
 * row, nothing cached; the CPU of all of Chromium's processes while GUARDS guards change once a second; its size.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import type { Browser } from "playwright-core";
import { launch, Tab } from "../helpers/browser.ts";
import { freePort } from "../helpers/feed.ts";
import { Group, isV2, MIB, removeChildren } from "./lib/group.ts";
import { built, Reprieve, start } from "./lib/programs.ts";
import { PAIRS, report, say } from "./lib/report.ts";

/** As many as the descriptors of root are enough for here. */
const GUARDS = Number(process.env.GUARDS ?? 900);
const LIMIT_BYTES = 64 * MIB;
/** The watchers' slow work at the start: an RCU grace period a guard (quiet.ts). */
const SETTLE_MS_PER_GUARD = 20;
const WINDOW_MS = 10_000;
const WINDOWS = 3;
const FILE = new URL("../../dist/build/page.html", import.meta.url).pathname;

/** In the page: the frame behind the first row has been drawn. */
const FIRST_ROW = `globalThis.firstRow = new Promise((resolve) => {
  const look = () => {
    if (document.querySelector("tbody th a")) requestAnimationFrame(() => resolve(performance.now()));
    else requestAnimationFrame(look);
  };
  look();
});`;

const home = new Group("page");
const paths = Array.from({ length: GUARDS }, (_, index) => `${home.path}/${index}`);
if (isV2) writeFileSync(`${home.path}/cgroup.subtree_control`, "+memory");
for (const path of paths) {
  mkdirSync(path);
  writeFileSync(`${path}/${isV2 ? "memory.max" : "memory.limit_in_bytes"}`, String(LIMIT_BYTES));
}
const breathers = start([built("breathers"), ...paths]);
const address = `127.0.0.1:${freePort()}`;
const reprieve = await Reprieve.guard(paths, ["--listen", address, "--no-token"]);
say(`page: ${GUARDS} guards settle`);
await Bun.sleep(GUARDS * SETTLE_MS_PER_GUARD);
const browser = await launch();
const first = await firstViews(browser);
const { all, renderer, changes } = await watched(browser);
await browser.close();
await reprieve.stop();
breathers.kill("SIGKILL");
await breathers.exited;
const bytes = Bun.gzipSync(readFileSync(FILE), { level: 9 }).byteLength;
report("page", `The page, with ${GUARDS} guards that change once a second`, [
  {
    title: "start of a visit to its first row",
    rows: [
      { label: "ms", values: first.ms, target: { median: 300 } },
      { label: "of them CPU of its main thread", values: first.cpuMs },
    ],
  },
  {
    title: "CPU of Chromium, % of a core",
    rows: [
      { label: "all of its processes", values: all, target: { median: 20 } },
      { label: "of them the page's", values: renderer },
      { label: "changes of guards a second", values: changes },
    ],
  },
  { title: "size", rows: [{ label: "gzip, KB", values: [bytes / 1000], target: { max: 150 } }] },
]);
await removeChildren(paths);
home.remove();

/** Of a context each, so that nothing is cached. */
async function firstViews(of: Browser) {
  const found = { ms: [] as number[], cpuMs: [] as number[] };
  for (let visit = 0; visit < PAIRS; visit++) {
    say(`page: visit ${visit + 1} of ${PAIRS}`);
    const tab = await Tab.open(of, "about:blank");
    await tab.page.addInitScript(FIRST_ROW);
    const cpuMs = await mainThread(tab);
    const before = await cpuMs();
    await tab.page.goto(`http://${address}/`);
    found.ms.push(Number(await tab.page.evaluate("globalThis.firstRow")));
    found.cpuMs.push((await cpuMs()) - before);
    await tab.close();
  }
  return found;
}

/** Its CPU time so far: what a busy machine does not prolong. */
async function mainThread({ page }: Tab): Promise<() => Promise<number>> {
  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable", { timeDomain: "threadTicks" });
  return async () => {
    const { metrics } = await session.send("Performance.getMetrics");
    return (metrics.find(({ name }) => name === "TaskDuration")?.value ?? Number.NaN) * 1000;
  };
}

async function watched(of: Browser) {
  const tab = await (await Tab.open(of, `http://${address}/`)).live();
  await Bun.sleep(SETTLE_MS_PER_GUARD * 100);
  const found = { all: [] as number[], renderer: [] as number[], changes: [] as number[] };
  for (let window = 0; window < WINDOWS; window++) {
    say(`page: window ${window + 1} of ${WINDOWS}`);
    const [before, said] = [chromiumCpuMs(), reprieve.messages.length];
    await Bun.sleep(WINDOW_MS);
    const after = chromiumCpuMs();
    const share = (name: "all" | "renderer") => ((after[name] - before[name]) / WINDOW_MS) * 100;
    found.all.push(share("all"));
    found.renderer.push(share("renderer"));
    const now = reprieve.messages.slice(said).filter(({ type }) => type === "guard");
    found.changes.push(now.length / (WINDOW_MS / 1000));
  }
  await tab.close();
  return found;
}

/** Of our Chromium: our descendants of that name. */
function chromiumCpuMs(): { all: number; renderer: number } {
  const parents = new Map<number, number>();
  for (const pid of readdirSync("/proc").map(Number).filter(Number.isInteger)) {
    const parent = /^PPid:\s+(\d+)/m.exec(read(`/proc/${pid}/status`))?.[1];
    if (parent !== undefined) parents.set(pid, Number(parent));
  }
  const isOurs = (pid: number): boolean =>
    pid === process.pid || (parents.has(pid) && isOurs(parents.get(pid) ?? 0));
  const sum = { all: 0, renderer: 0 };
  for (const pid of parents.keys()) {
    const line = read(`/proc/${pid}/cmdline`);
    if (!line.includes("chromium") || !isOurs(pid)) continue;
    const ms = cpuMs(pid);
    sum.all += ms;
    if (line.includes("--type=renderer")) sum.renderer += ms;
  }
  return sum;
}

/** "": it is gone. */
function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** Of the threads that have ended too, to 10 ms. */
function cpuMs(pid: number): number {
  const stat = read(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) * 10; // utime, stime: proc(5)
}
