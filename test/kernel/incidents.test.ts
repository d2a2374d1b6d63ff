// SPDX-License-Identifier: MIT
/** `incidents` beside a reprieve that runs: found by a part of a name or an id, wherever they are kept, and those that are open. */
import { afterEach, expect, test } from "bun:test";
import { exit } from "../../src/errors.ts";
import { cleanUp } from "../helpers/clean.ts";
import { serve } from "../helpers/feed.ts";
import { kill } from "../helpers/group.ts";
import { HookFile, removeHooks } from "../helpers/hook.ts";
import { Journal } from "../helpers/journal.ts";
import { isKillLogged } from "../helpers/kernel-log.ts";
import { ordered } from "../helpers/orders.ts";
import { Reprieve } from "../helpers/reprieve.ts";
import { describeWith, kernelTest } from "../helpers/require.ts";
import { LEAK_KB } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";

afterEach(async () => {
  removeHooks();
  await cleanUp();
});

const incidents = (...args: string[]) => Reprieve.ends(["incidents", ...args]);
const lineCount = (text: string) => text.split("\n").length - 1;

describeWith("incidents", kernelTest, () => {
  test("are found by how their id begins, and by a part of a guard's name or a pattern", async () => {
    const journal = new Journal();
    const { scene, address, token } = await serve(...journal.flags);
    const ids = [await scene.leak(), await scene.leak()].map(({ closed }) => String(closed.id));
    const [first = "", second = ""] = ids;
    await until("both in the journal", () => journal.incidents().length === 2, 10_000);
    const guard = scene.group.path.replace(/.*\//, "");
    const places = [journal.flags, ["--url", `http://${address}/`, "--token", token]];
    for (const place of places) {
      const idOf = async (id: string) =>
        JSON.parse((await incidents("show", id, "--json", ...place)).out).id;
      expect(await idOf(first)).toBe(first);
      expect(await idOf(second.slice(0, -1).concat("2"))).toBe(second);
      const both = await incidents("show", first.slice(0, -1), ...place);
      expect(both.code).toBe(exit.noGroup);
      expect(both.err).toContain(
        `2 incidents begin with ${first.slice(0, -1)}: ${first}, ${second}`,
      );
      const none = await incidents("show", "none", ...place);
      expect(none).toMatchObject({ code: exit.noGroup, err: "reprieve: no incident none\n" });
      const count = async (...more: string[]) =>
        lineCount((await incidents("--json", ...more, ...place)).out);
      expect(await count("--guard", guard.slice(3, -2))).toBe(2);
      expect(await count("--guard", `${guard.slice(0, -3)}*`)).toBe(2);
      expect(await count("--guard", "s*")).toBe(0);
      expect(await count("--limit", "1")).toBe(1);
    }
    expect(await incidents("--guard", "nobody's", ...journal.flags)).toMatchObject({
      out: "",
      err: `reprieve: no incident is like that: looked in ${journal.file}\n`,
    });
    await scene.end();
  });

  test("that a reprieve keeps elsewhere, or cannot write, are known without a flag", async () => {
    const journal = new Journal();
    journal.mount("size=4m");
    const { scene } = await serve(...journal.flags);
    journal.remount("ro");
    const { closed } = await scene.leak();
    const guard = String(closed.guard);
    const { code, out } = await incidents("--guard", guard, "--json");
    expect([code, lineCount(out), JSON.parse(out).id]).toEqual([exit.ok, 1, closed.id]);
    expect((await incidents("show", String(closed.id))).out).toContain("out of memory");
    journal.remount("rw");
    await scene.end();
  });

  test("one that was left to the kernel is not said to have killed nobody", async () => {
    const journal = new Journal();
    const { scene } = await serve(...ordered("hand-over"), ...journal.flags);
    const { leaker } = await scene.leak();
    await until("it in the journal", () => journal.incidents().length === 1, 10_000);
    const { out } = await incidents(...journal.flags);
    const named = isKillLogged(leaker.pid) ? `(${leaker.pid})` : "not known: left to the kernel";
    expect(out).toContain(named);
    await scene.end();
  });

  test("one that is open still is said to be, and where it is seen", async () => {
    const hook = new HookFile("sleep 1000");
    const orders = ordered(`hook=${hook.path}`, "kill");
    const flags = [...orders, "--allow-hooks", "--delay", "60s", "--hook-bound", "50s"];
    const { scene } = await serve(...flags);
    const leaker = await scene.board.start(scene.group, { means: "touch", kb: LEAK_KB }).ready();
    leaker.go();
    const opened = await scene.reprieve.message("incident.opened");
    const guard = String(opened.guard);
    const id = String(opened.id);
    await until("it to be told", async () => (await incidents("show", id)).code === exit.inUse);
    const { err } = await incidents("show", id);
    expect(err).toContain(
      `incident ${id} is open still: reprieve watch ${guard} shows it; try again`,
    );
    kill(leaker.pid, "SIGKILL");
    await scene.closed();
    await scene.end();
  });
});
