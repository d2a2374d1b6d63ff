// SPDX-License-Identifier: MIT
/** `explain` and what it is asked of: the config file of who runs, or another one; groups that nobody may look into, or guards. */
import { expect, test } from "bun:test";
import { chmodSync } from "node:fs";
import { exit } from "../../src/errors.ts";
import { limit } from "../../src/native/layout.ts";
import { endsAsUser } from "../helpers/as-user.ts";
import { ConfigFile, FEED, guard, onStage, type Tenants } from "../helpers/config.ts";
import { below, explained, oneOf, pidsOf, start } from "../helpers/explain.ts";
import type { Group } from "../helpers/group.ts";
import { memory } from "../helpers/memory.ts";
import { SharedRegion } from "../helpers/region.ts";
import { Reprieve } from "../helpers/reprieve.ts";
import { describeWith, kernelTest } from "../helpers/require.ts";
import { LIMIT, Scene } from "../helpers/scene.ts";
import type { Board } from "../helpers/workload.ts";

let config: ConfigFile;
let tenants: Tenants;
let board: Board;
onStage((stage) => {
  ({ config, tenants, board } = stage);
});

describeWith("explain, asked of", kernelTest, () => {
  test("goes by the file that each of those was started with that run", async () => {
    const other = new ConfigFile();
    memory.handDown(tenants.path);
    const child = (name: string) => tenants.child(name, LIMIT);
    const [a, b, c] = [child("a"), child("b"), child("c")];
    const name = `g-${process.pid}`;
    const started = async (file: ConfigFile, group: Group, more: string) => {
      file.write(`${FEED}${guard(name, below(group), more)}`);
      return { file, group, reprieve: await file.start(1) };
    };
    const both = [await started(config, a, ""), await started(other, b, 'delay = "70ms"\n')];
    const byFlags = await Reprieve.guard([c.path]);
    for (const { file, group, reprieve } of both) {
      const told = await oneOf(below(group));
      expect(told).toMatchObject({ config: file.path, reprieve: reprieve.pid, differs: [] });
      expect(told.rules).toMatchObject([{ guard: name, decides: true }]);
      expect(told.orders[0]?.by).toBe("[allow] kill does not name it");
    }
    const byName = (await explained(name)).map(({ cgroup }) => cgroup);
    expect(byName.toSorted()).toEqual([below(a), below(b)]);
    expect(await oneOf(below(c))).toMatchObject({ config: null, rules: [], differs: [] });
    const byOther = await oneOf(below(a), "--config", other.path);
    expect(byOther).toMatchObject({ config: other.path, rules: [] });
    other.write("guard = 1\n");
    const { err, code } = await Reprieve.ends(["explain", below(b)]);
    expect([code, err]).toEqual([0, expect.stringContaining("goes by its file as it was")]);
    for (const one of [...both.map(({ reprieve }) => reprieve), byFlags]) {
      expect(await one.stop()).toBe(0);
    }
    other.remove();
  });

  test("says once that a reprieve is of another version, however many groups that guards", async () => {
    for (const name of ["a", "b"]) tenants.child(name, LIMIT);
    config.write(FEED + guard("both", `${tenants.at}/*`));
    const reprieve = await config.start(2);
    const region = new SharedRegion(await reprieve.helper("handler"));
    region.layoutIs(1);
    const { err } = await Reprieve.ends(["explain", "both", "--config", config.path]);
    expect(err.split(`reprieve ${reprieve.pid} is of another version`)).toHaveLength(2);
    region.layoutIs(limit.REGION_LAYOUT);
    region.close();
    expect(await reprieve.stop()).toBe(0);
  });

  test("shows a hostile name as text", async () => {
    const group = tenants.child("a\u001b[2J", LIMIT);
    await start(board, group, 2);
    config.write(FEED + guard("g", `${tenants.at}/*`));
    const ended = await Reprieve.ends(["explain", "--config", config.path]);
    expect(ended.err).not.toContain("internal");
    expect(ended.out).not.toContain("\u001b");
    expect(ended.out).toContain("a\u{fffd}[2J");
    config.write(FEED + guard("g", `${tenants.at}/none-*`));
    const nobody = await Reprieve.ends(["explain", below(group), "--config", config.path]);
    expect(nobody.err).toContain("a\u{fffd}[2J: no reprieve does");
  });

  test("says why a run would leave a group alone, and tells of it all the same", async () => {
    const group = tenants.child("a", LIMIT);
    group.setNoLimit();
    const one = await start(board, group, 2);
    config.write(FEED + guard("g", below(group)));
    const told = await oneOf("g", "--config", config.path);
    expect(told.why_not).toContain("refusing to guard");
    expect(pidsOf(told)).toEqual([one.pid]);
    expect(told.orders).toMatchObject([{ acts: false, by: "[allow] kill does not name it" }]);
  });

  test("works for a user without rights, and says of another's reprieve that it cannot be seen", async () => {
    const scene = await Scene.set();
    const one = await start(scene.board, scene.group, 2);
    const refused = await endsAsUser(["explain", scene.group.path]);
    expect(refused.err).toContain("cannot look into the reprieve that guards");
    expect(refused.code).toBe(exit.notPermitted);
    await scene.reprieve.stop();
    config.write(FEED + guard("g", below(scene.group)));
    chmodSync(config.dir, 0o755);
    const told = await endsAsUser(["explain", "g", "--config", config.path, "--json"]);
    expect(told.messages).toMatchObject([{ candidates: [{ pid: one.pid }] }]);
    await scene.strike();
  });

  test.each([
    [["explain", "/no/such"], exit.noGroup, "cannot explain /no/such: no such cgroup"],
    [["explain", "4194304"], exit.noGroup, "there is no process 4194304"],
    [["explain", "."], exit.unsafe, "it is the root group"],
    [["explain", "/"], exit.noGroup, "it is not under the memory hierarchy"],
    [["explain", "", "x"], exit.usage, "too many arguments for 'explain'"],
    [["explain", "--config", "/no.toml"], exit.badConfig, "/no.toml: "],
    [["explain", "--jsno"], exit.usage, "(Did you mean --json?)"],
  ])("%p ends with %d", async (args, code, says) => {
    const ended = await Reprieve.ends(args);
    expect(ended.err).toContain(says);
    expect(ended.code).toBe(code);
    expect(ended.out).toBe("");
  });

  test("tells of a group that nobody guards", async () => {
    const group = tenants.child("a", LIMIT);
    const one = await start(board, group, 2);
    config.write(FEED + guard("g", `${tenants.at}/b*`));
    for (const what of [below(group), String(one.pid), "g"]) {
      const ended = await Reprieve.ends(["explain", what, "--config", config.path]);
      expect(ended.code).toBe(exit.noGroup);
    }
  });
});
