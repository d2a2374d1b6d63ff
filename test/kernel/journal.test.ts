// SPDX-License-Identifier: MIT
/**
 * What is written down of a real OOM, and what becomes of it where the journal's file is full, read-only, locked, damaged or of
 * an earlier version.
 */
import { Database } from "bun:sqlite";
import { afterEach, expect, test } from "bun:test";
import { existsSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import * as v from "valibot";
import { exit } from "../../src/errors.ts";
import { Incident, IncidentSummary } from "../../src/journal/incident.ts";
import { at, limit } from "../../src/native/layout.ts";
import { cleanUp } from "../helpers/clean.ts";
import { serve } from "../helpers/feed.ts";
import { kill } from "../helpers/group.ts";
import { Journal, leftBy } from "../helpers/journal.ts";
import { SharedRegion } from "../helpers/region.ts";
import { type Ended, type Message, Reprieve } from "../helpers/reprieve.ts";
import { describeWith, kernelTest, program } from "../helpers/require.ts";
import { LEAK_KB, Scene } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";

/** A journal that cannot be written is tried every 2 s. */
const TRIED_BOUND_MS = 20_000;

afterEach(cleanUp);

const incidents = (journal: Journal, ...args: string[]): Promise<Ended> =>
  Reprieve.ends(["incidents", ...args, ...journal.flags]);

/** Whether it can be written, as was told last. */
async function told(scene: Scene, ok: boolean, from = 0): Promise<Message> {
  const where = (message: Message) => message.ok === ok;
  return scene.reprieve.message("journal", { from, boundMs: TRIED_BOUND_MS, where });
}

async function written(journal: Journal, count: number): Promise<void> {
  await until(
    `${count} incidents in the journal`,
    () => journal.incidents().length === count,
    TRIED_BOUND_MS,
  );
}

describeWith("the journal", [...kernelTest, program("mount", "util-linux")], () => {
  test("has what the feed told of an OOM, and shows it", async () => {
    const journal = new Journal();
    const scene = await Scene.set(journal.flags);
    const region = new SharedRegion(await scene.reprieve.helper("handler"));
    const plan = { means: "touch", kb: LEAK_KB, beforeKb: 1024 } as const;
    const leaker = await scene.board.start(scene.group, plan).ready();
    await until("the recorder to know it", () => region.nameOf(leaker.pid) !== undefined);
    region.close();
    leaker.go();
    const closed = await scene.closed();
    await written(journal, 1);
    const steps = scene.reprieve.messages.filter(({ type }) => type === "incident.step");
    const listed = await incidents(journal, "--json");
    const [one = ""] = listed.out.trim().split("\n");
    const summary = v.parse(IncidentSummary, JSON.parse(one));
    expect(summary).toMatchObject({ id: closed.id, outcome: "relieved", reason: "killed" });
    expect(summary.victims.map(({ pid }) => pid)).toEqual([leaker.pid]);
    const shown = await incidents(journal, "show", summary.id, "--json");
    const all = v.parse(Incident, JSON.parse(shown.out));
    expect(all.steps).toEqual(steps as unknown as typeof all.steps);
    expect(all).toMatchObject({ cgroup: scene.group.path, orders: ["kill"], recovered: false });
    expect(all.frames.some(({ processes }) => processes.some(([pid]) => pid === leaker.pid))).toBe(
      true,
    );
    const { out } = await incidents(journal, "show");
    expect(out).toContain("out of memory");
    expect(out).toMatch(/\+\d+ us {2}kill {2}workload/);
    expect(out).toContain("█");
    expect(statSync(journal.file).mode & 0o777).toBe(0o600);
    await scene.end();
  });

  test("is narrowed by guard, outcome and time; none is no error, but one that is asked for", async () => {
    const journal = new Journal();
    expect(await incidents(journal)).toMatchObject({ code: 0, out: "" });
    expect((await incidents(journal, "show")).code).toBe(66);
    const scene = await Scene.set(journal.flags);
    await scene.leak();
    await written(journal, 1);
    const count = async (...args: string[]) =>
      (await incidents(journal, "--json", ...args)).out.split("\n").length - 1;
    const guard = scene.group.path.replace(/.*\//, "");
    expect(await count("--guard", guard, "--outcome", "relieved", "--since", "1h")).toBe(1);
    expect(await count("--guard", "other")).toBe(0);
    expect(await count("--outcome", "handed-over")).toBe(0);
    expect(await count("--until", "1h")).toBe(0);
    expect((await incidents(journal, "show", "none-0-1")).code).toBe(66);
    await scene.end();
  });

  test("can be asked for at a reprieve that runs: it has what cannot be written yet too", async () => {
    const journal = new Journal();
    journal.mount("size=4m");
    const socket = `${journal.dir}/api.sock`;
    const { scene, address, token } = await serve("--listen", `unix:${socket}`, ...journal.flags);
    journal.remount("ro");
    const { closed } = await scene.leak();
    await told(scene, false);
    expect((await incidents(journal)).out).toBe("");
    const url = ["--url", `http://${address}/`, "--token", token];
    const listed = await Reprieve.ends(["incidents", ...url]);
    expect(listed.out).toContain(String(closed.id));
    const shown = await Reprieve.ends(["incidents", "show", "--url", `unix:${socket}`]);
    expect(shown.out).toContain("out of memory");
    // Not 66: it may be in what cannot be read.
    const none = await Reprieve.ends(["incidents", "show", "none-0-1", ...url]);
    expect(none.code).toBe(69);
    const refused = await Reprieve.ends(["incidents", ...url.slice(0, 2), "--token", "other"]);
    expect(refused.code).toBe(77);
    expect((await Reprieve.ends(["incidents", "--url", "http://127.0.0.1:1/"])).code).toBe(69);
    journal.remount("rw");
    await written(journal, 1);
    await scene.end();
  });

  test("has what a killed agent has left when `incidents` is asked, and another's not", async () => {
    const journal = new Journal();
    const other = new Journal();
    const scene = await Scene.set(journal.flags);
    const region = await leftBy(scene.reprieve);
    const { closed } = await scene.leak();
    kill(scene.reprieve.pid, "SIGKILL");
    await scene.reprieve.ended();
    await until("the helpers' end", () => scene.reprieve.helpers().size === 0);
    expect((await incidents(other)).out).toBe("");
    expect((await incidents(journal)).out).toContain(String(closed.id));
    expect(existsSync(region.path)).toBe(false);
    await scene.strike();
  });

  test("begins whatever stands where dead agents leave theirs", async () => {
    const journal = new Journal();
    const scene = await Scene.set(journal.flags);
    const dir = dirname((await leftBy(scene.reprieve)).path);
    const garbage = crypto.getRandomValues(new Uint8Array(1 << 16));
    new DataView(garbage.buffer).setUint32(at.region_layout, limit.REGION_LAYOUT, true);
    const whose = `${JSON.stringify({ journal: journal.file })}\n`;
    writeFileSync(`${dir}/region-aaaaaaaaaa`, garbage);
    writeFileSync(`${dir}/spool-aaaaaaaaaa`, `${whose}{"place":0}\n{"record":{"role":"HAND`);
    writeFileSync(`${dir}/region-bbbbbbbbbb`, "");
    writeFileSync(`${dir}/spool-bbbbbbbbbb`, `${whose}\0\0\0`);
    await scene.reprieve.stop();
    scene.reprieve = await Reprieve.guard([scene.group.path], journal.flags);
    await scene.leak();
    await written(journal, 1);
    for (const run of ["aaaaaaaaaa", "bbbbbbbbbb"]) {
      expect(scene.reprieve.err).toContain(`cannot read ${dir}/region-${run}`);
    }
    expect((await incidents(journal)).code).toBe(0);
    await scene.end();
  });

  test("is on a disk that fills up: told, kept in memory, and written when there is room", async () => {
    const journal = new Journal();
    journal.mount("size=256k");
    const scene = await Scene.set(journal.flags);
    const first = await scene.leak();
    await written(journal, 1);
    expect(() => writeFileSync(`${journal.dir}/ballast`, new Uint8Array(1 << 20))).toThrow(
      "ENOSPC",
    );
    const second = await scene.leak();
    expect((await told(scene, false)).remark).toContain("full");
    const third = await scene.leak();
    journal.remount("size=4m");
    await told(scene, true);
    await written(journal, 3);
    const ids = [first, second, third].map(({ closed }) => String(closed.id));
    expect(journal.incidents().map(({ id }) => id)).toEqual(ids);
    await scene.end();
  });

  test("is read-only: the same; and what is there can be read", async () => {
    const journal = new Journal();
    journal.mount("size=4m");
    const scene = await Scene.set(journal.flags);
    await scene.leak();
    await written(journal, 1);
    await scene.reprieve.stop();
    journal.remount("ro");
    scene.reprieve = await Reprieve.guard([scene.group.path], journal.flags);
    await scene.leak();
    expect((await told(scene, false)).remark).toContain("read-only");
    expect((await incidents(journal, "--json")).out.trim().split("\n")).toHaveLength(1);
    journal.remount("rw");
    await told(scene, true);
    await written(journal, 2);
    await scene.end();
  });

  test("cannot be read: that is said, and why, and no other is read in its place", async () => {
    const { file, dir, flags } = new Journal();
    const refused = async (why: string) =>
      expect(await Reprieve.ends(["incidents", ...flags])).toMatchObject({
        ...{ code: exit.notPermitted, out: "" },
        err: `reprieve: cannot read the journal ${file}: ${why}\n`,
      });
    writeFileSync(file, "no journal at all. ".repeat(100));
    await refused("it is no journal, or damaged");
    writeFileSync(file, "");
    const other = new Database(file);
    other.run("CREATE TABLE other (x)");
    other.close();
    await refused("it is no journal");
    const config = `${dir}/r.toml`;
    writeFileSync(config, "[journal]\npaht = 1\n");
    const mistaken = await Reprieve.ends(["incidents", "--config", config]);
    expect(mistaken.err).toContain(`${config} cannot be read, or has mistakes`);
    expect([mistaken.code, mistaken.out]).toEqual([exit.badConfig, ""]);
  });

  test("is locked by another program: the same", async () => {
    const journal = new Journal();
    const scene = await Scene.set(journal.flags);
    await scene.leak();
    await written(journal, 1);
    const locker = new Database(journal.file);
    locker.run("BEGIN IMMEDIATE");
    await scene.leak();
    expect((await told(scene, false)).remark).toContain("locked");
    locker.run("ROLLBACK");
    locker.close();
    await told(scene, true);
    await written(journal, 2);
    await scene.end();
  });

  test("is damaged: put aside, and a new one begun", async () => {
    const journal = new Journal();
    writeFileSync(
      journal.file,
      "no journal at all, but long enough to be taken for a header. ".repeat(40),
    );
    const scene = await Scene.set(journal.flags);
    await scene.leak();
    expect((await told(scene, false)).remark).toContain(".corrupt");
    await told(scene, true);
    await written(journal, 1);
    expect(readdirSync(journal.dir)).toContain("journal.sqlite.corrupt");
    await scene.end();
  });

  test("cannot be written at the end: the next start has it", async () => {
    const journal = new Journal();
    journal.mount("size=4m");
    const scene = await Scene.set(journal.flags);
    journal.remount("ro");
    const { closed } = await scene.leak();
    expect(await scene.reprieve.stop()).toBe(0);
    expect(scene.reprieve.err).toContain("1 incident is left");
    journal.remount("rw");
    scene.reprieve = await Reprieve.guard([scene.group.path], journal.flags);
    await written(journal, 1);
    expect(journal.incidents().map(({ id }) => id)).toEqual([String(closed.id)]);
    await scene.end();
  });
});
