// SPDX-License-Identifier: MIT
/** dist/examples: none has a mistake, and real groups get what the comments of each promise. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { copyFileSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { exit } from "../../src/errors.ts";
import { fixture } from "../helpers/build.ts";
import { type ConfigFile, FEED, onStage, type Tenants } from "../helpers/config.ts";
import { below, oneOf } from "../helpers/explain.ts";
import { makeFolder, removeFolder } from "../helpers/folder.ts";
import { type Group, MB } from "../helpers/group.ts";
import { HookFile, removeHooks } from "../helpers/hook.ts";
import { memory } from "../helpers/memory.ts";
import { limitIs, words } from "../helpers/orders.ts";
import { repository } from "../helpers/paths.ts";
import { type Message, Reprieve } from "../helpers/reprieve.ts";
import { describeWith, kernelTest } from "../helpers/require.ts";
import { LEAK_KB, LIMIT } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";
import type { Board, Plan, Workload } from "../helpers/workload.ts";

const EXAMPLES = `${repository}/dist/examples`;
const TEST_MS = 60_000;
const KB = 1024;
const SAMPLED_MS = 1200; // SAMPLE_FAR_MS of native/limits.h, and some
const share = (part: number) => Math.round((LIMIT / KB) * part);
/** The kernel tells starts by 10 ms. */
const nextTick = () => Bun.sleep(20);

let config: ConfigFile;
let tenants: Tenants;
let board: Board;
onStage((stage) => {
  ({ config, tenants, board } = stage);
});
let dir: string;
beforeEach(() => {
  dir = makeFolder("examples", "/run");
});
afterEach(() => {
  removeFolder(dir);
  removeHooks();
});

/** Its slices are below a group of the test's own, its hook is the test's, and it has no port of the host. */
function use(name: string, hook = new HookFile("exit 1"), change = (toml: string) => toml): void {
  const toml = readFileSync(`${EXAMPLES}/${name}.toml`, "utf8");
  const moved = toml
    .replaceAll(/"\/(?=[a-z]+\.slice\/)/g, `"${below(tenants)}/`)
    .replaceAll(/\/usr\/s?bin\/(logger|runuser)/g, hook.path);
  config.write(`${change(moved)}\n${FEED}`);
}

/** Of a slice: on v2 it has no process of its own. */
function unit(slice: string, name: string, limit = LIMIT): Group {
  const parent = tenants.child(slice);
  memory.handDown(tenants.path);
  return parent.child(name, limit);
}

/** What calls itself so. */
function start(group: Group, name: string, plan: Partial<Plan>): Promise<Workload> {
  const program = join(dir, name);
  copyFileSync(fixture("workload"), program);
  const wrapper = ["/bin/sh", "-c", 'shift; exec "$0" "$@"', program];
  return board.start(group, { means: "touch", ...plan }, wrapper).ready();
}

/** The order's steps, in their order, and to whom. */
function steps({ messages }: Reprieve, ...names: readonly string[]): [string, number][] {
  const all = messages.filter(
    ({ type, step }) => type === "incident.step" && names.includes(String(step)),
  );
  return all.map(({ step, pid }) => [String(step), Number(pid)]);
}

/** The next one may have raised the limit, and the leak went on. */
function closedBy(reprieve: Reprieve, reason: string): Promise<Message> {
  const where = (message: Message) => message.reason === reason;
  return reprieve.message("incident.closed", { where, boundMs: TEST_MS });
}

async function end(reprieve: Reprieve): Promise<void> {
  expect(await reprieve.stop()).toBe(exit.ok);
}

describeWith("examples", kernelTest, () => {
  test.each(readdirSync(EXAMPLES))("%s has no mistake", async (name) => {
    const { code, err } = await Reprieve.ends(["check", `${EXAMPLES}/${name}`]);
    expect({ code, err }).toEqual({ code: exit.ok, err: "" });
  });
});

describeWith("tenants.toml", kernelTest, () => {
  test(
    "a peak is lived through, who leaks on is killed, sshd is not, and limits are as before",
    async () => {
      use("tenants");
      const web = unit("tenants.slice", "web");
      const sshd = await start(web, "sshd", { beforeKb: share(0.6) });
      const peak = await start(web, "peak", { kb: share(0.6) });
      const reprieve = await config.start(1);
      peak.go();
      expect(words(await reprieve.message("incident.closed"))).toBe("relieved raised");
      const leak = await start(web, "leak", { kb: share(6) });
      leak.go();
      await closedBy(reprieve, "killed");
      expect(steps(reprieve, "kill")).toEqual([["kill", leak.pid]]);
      expect([sshd, peak].map((one) => one.isAlive())).toEqual([true, true]);
      await peak.stop();
      await limitIs(web, LIMIT);
      await end(reprieve);
    },
    TEST_MS,
  );

  test("one of free-* goes as a whole, without a reserve, and nobody else", async () => {
    use("tenants");
    const [free, web] = [unit("tenants.slice", "free-7"), unit("tenants.slice", "web")];
    const told = await oneOf(free.path, "--config", config.path);
    expect(told.orders.map(({ order, acts }) => [order, acts])).toEqual([["kill-group=all", true]]);
    const small = await start(free, "small", { beforeKb: share(0.1) });
    const other = await start(web, "other", { beforeKb: share(0.9) });
    const reprieve = await config.start(2);
    const leak = await start(free, "leak", { kb: LEAK_KB });
    leak.go();
    expect(words(await reprieve.message("incident.closed"))).toBe("relieved killed");
    await until("all of it to be dead", () => !small.isAlive() && !leak.isAlive());
    expect(other.isAlive()).toBe(true);
    await end(reprieve);
  });
});

describeWith("ci-runners.toml", kernelTest, () => {
  /** A job with a runner, a large database and a test that leaks. */
  async function job(): Promise<{ reprieve: Reprieve; others: Workload[]; leak: Workload }> {
    const group = unit("ci.slice", "job-1");
    const runner = await start(group, "Runner.Listener", { beforeKb: share(0.1) });
    const database = await start(group, "mysqld", { beforeKb: share(0.6) });
    const leak = await start(group, "test", { kb: LEAK_KB });
    const reprieve = await config.start(1);
    await Bun.sleep(SAMPLED_MS);
    leak.go();
    expect(words(await reprieve.message("incident.closed"))).toBe("relieved killed");
    return { reprieve, others: [runner, database], leak };
  }

  test("a job loses who grows fastest", async () => {
    use("ci-runners");
    const { reprieve, others, leak } = await job();
    expect(steps(reprieve, "kill")).toEqual([["kill", leak.pid]]);
    expect(others.map((one) => one.isAlive())).toEqual([true, true]);
    await end(reprieve);
  });

  test("the hook knows the job and its limit, and with 1 the kill follows", async () => {
    const hook = new HookFile('echo "$REPRIEVE_GUARD $REPRIEVE_LIMIT_BYTES" > $0.note; exit 1');
    use("ci-runners", hook);
    const { reprieve, leak } = await job();
    const [guard, limit] = (await hook.note("note")).split(" ");
    expect(guard).toEndWith("/ci.slice/job-1");
    expect(Number(limit)).toBe(Number(unit("ci.slice", "job-1").read(memory.limitFile)));
    expect(steps(reprieve, "hook", "kill")).toEqual([
      ["hook", expect.any(Number)],
      ["kill", leak.pid],
    ]);
    await end(reprieve);
  });

  test("a build loses its newest compiler, and never make", async () => {
    use("ci-runners");
    const group = unit("ci.slice", "build-1");
    const oldest = await start(group, "cc1plus", { beforeKb: 2 * KB, kb: share(0.8) });
    await nextTick();
    const newest = await start(group, "cc1", { beforeKb: share(0.3) });
    await nextTick();
    const make = await start(group, "make", { beforeKb: 4 * KB });
    const reprieve = await config.start(1);
    await Bun.sleep(SAMPLED_MS);
    oldest.go();
    expect(words(await reprieve.message("incident.closed"))).toBe("relieved killed");
    expect(steps(reprieve, "kill")).toEqual([["kill", newest.pid]]);
    expect([oldest, make].map((one) => one.isAlive())).toEqual([true, true]);
    await end(reprieve);
  });
});

/** 128 MB/s: slow enough to be met in the margin on any host. */
const SLOW = { chunkKb: 64, pauseUs: 500 } as const;

describeWith("database-host.toml", kernelTest, () => {
  const limit = 192 * MB;
  /** As its comment says. */
  const onThisVersion = (toml: string) =>
    memory.version === 1 ? toml.replace('"reclaim",', "") : toml;

  test(
    "the database gets a reserve and then its hook, and is killed by no flag",
    async () => {
      const hook = new HookFile("kill -9 $(cat $0.pid)");
      use("database-host", hook, onThisVersion);
      const group = unit("database.slice", "postgresql.service", limit);
      const shared = await start(group, "postgres", { beforeKb: share(0.5) });
      const query = await start(group, "query", { kb: (4 * limit) / KB, ...SLOW });
      await Bun.write(`${hook.path}.pid`, String(query.pid));
      const reprieve = await config.start(1, "--allow-kill");
      query.go();
      await closedBy(reprieve, "hook");
      const done = steps(reprieve, "raise", "kill", "hook").map(([step]) => step);
      expect([done[0], done.at(-1), done.includes("kill")]).toEqual(["raise", "hook", false]);
      expect(group.oom().kills).toBe(0);
      expect(shared.isAlive()).toBe(true);
      await end(reprieve);
    },
    TEST_MS,
  );

  test("a backup dies under its limit, and no charge has failed", async () => {
    use("database-host", undefined, onThisVersion);
    const group = unit("batch.slice", "backup", limit);
    const backup = await start(group, "backup", { kb: (2 * limit) / KB, ...SLOW });
    const reprieve = await config.start(1);
    backup.go();
    const closed: Message = await reprieve.message("incident.closed", { boundMs: TEST_MS });
    expect(words(closed)).toBe("relieved killed");
    expect(steps(reprieve, "kill")).toEqual([["kill", backup.pid]]);
    if (memory.version === 1) expect(group.read("memory.failcnt")).toBe("0");
    await end(reprieve);
  });
});

describeWith("desktop.toml", kernelTest, () => {
  test(
    "a tab is asked to end before the larger editor is, and the shell stays",
    async () => {
      // What it does for the host as a whole must not depend on the memory of this one.
      use("desktop", undefined, (toml) => toml.replace("system = true", "system = false"));
      const group = unit("user.slice", "user-1000.slice");
      const shell = await start(group, "gnome-shell", { beforeKb: share(0.2) });
      const tab = await start(group, "Isolated Web Co", { beforeKb: share(0.2) });
      const editor = await start(group, "editor", { beforeKb: share(0.4), kb: share(0.3) });
      const reprieve = await config.start(1);
      await Bun.sleep(SAMPLED_MS);
      editor.go();
      const closed = await reprieve.message("incident.closed", { boundMs: 10_000 });
      expect(steps(reprieve, "terminate", "kill")).toEqual([["terminate", tab.pid]]);
      expect(closed.outcome).toBe("relieved");
      await until("the tab's end", () => !tab.isAlive());
      expect([shell, editor].map((one) => one.isAlive())).toEqual([true, true]);
      await end(reprieve);
    },
    TEST_MS,
  );
});
