// SPDX-License-Identifier: MIT
/** One of several groups is removed and made again, as systemd does at a restart: it is guarded again. */
import { afterEach, expect, test } from "bun:test";
import { chownSync, readdirSync } from "node:fs";
import { exit } from "../../src/errors.ts";
import { UID } from "../helpers/as-user.ts";
import { cleanUp } from "../helpers/clean.ts";
import { DoorScene } from "../helpers/door.ts";
import { Group } from "../helpers/group.ts";
import { memory } from "../helpers/memory.ts";
import { type Message, Reprieve } from "../helpers/reprieve.ts";
import { describeWith, kernelTest } from "../helpers/require.ts";
import { LEAK_KB, LIMIT } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";
import { Board } from "../helpers/workload.ts";

const TEST_MS = 60_000;
const RESTARTS = 8;

afterEach(cleanUp);

/** Two guarded groups: one comes and goes, the other one stays. */
async function two(args: readonly string[] = []) {
  const comes = new Group("comes", { limit: LIMIT });
  const stays = new Group("stays", { limit: LIMIT });
  const reprieve = await Reprieve.guard([comes.path, stays.path], args);
  return { comes, stays, reprieve, board: new Board() };
}

type Two = Awaited<ReturnType<typeof two>>;

function said({ reprieve, comes }: Two, type: string, fields: Partial<Message> = {}): Message[] {
  const guard = comes.path.slice(memory.root.length + 1);
  const isSo = (m: Message) => Object.entries(fields).every(([key, value]) => m[key] === value);
  return reprieve.messages.filter((m) => m.type === type && m.guard === guard && isSo(m));
}

async function goes(all: Two): Promise<void> {
  const before = said(all, "guard", { event: "gone" }).length;
  await all.comes.destroy();
  await until("gone to be told", () => said(all, "guard", { event: "gone" }).length > before);
}

async function isArmed(all: Two, times: number): Promise<void> {
  await until(`armed ${times} times`, () => said(all, "armed").length === times);
}

async function expectRelief({ reprieve, board }: Two, group: Group): Promise<void> {
  const from = reprieve.messages.length;
  const leaker = await board.start(group, { means: "touch", kb: LEAK_KB }).ready();
  leaker.go();
  const closed = await reprieve.message("incident.closed", { from });
  expect(closed).toMatchObject({ outcome: "relieved", reason: "killed", faults: 0 });
  await until("the leaker's death", () => !leaker.isAlive());
  board.clear();
}

async function end({ comes, stays, reprieve, board }: Two): Promise<void> {
  expect(await reprieve.stop()).toBe(0);
  await reprieve.gone();
  expect(comes.oom().held).toBe(false);
  await comes.destroy();
  await stays.destroy();
  board.close();
}

describeWith("a group that comes back", kernelTest, () => {
  test(
    "is guarded again, the other one all the time",
    async () => {
      const all = await two();
      await expectRelief(all, all.comes);
      await goes(all);
      await expectRelief(all, all.stays);
      all.comes.renew(LIMIT);
      await isArmed(all, 2);
      await expectRelief(all, all.comes);
      await expectRelief(all, all.stays);
      await end(all);
      expect(all.reprieve.err).not.toContain("refusing");
    },
    TEST_MS,
  );

  test(
    "again and again, at once: no descriptor is left behind",
    async () => {
      const all = await two();
      const { comes, reprieve } = all;
      const helpers = [...reprieve.helpers().values()];
      const open = () => helpers.map((pid) => readdirSync(`/proc/${pid}/fd`).length);
      const restart = async (times: number) => {
        await comes.destroy();
        comes.renew(LIMIT);
        await isArmed(all, times);
      };
      await restart(2);
      const before = open();
      for (let i = 0; i < RESTARTS; i += 1) await restart(3 + i);
      await until(`${before} descriptors, not ${open()}`, () =>
        open().every((count, i) => count <= (before[i] ?? 0)),
      );
      expect([...reprieve.helpers().values()]).toEqual(helpers);
      await expectRelief(all, comes);
      await end(all);
    },
    TEST_MS,
  );

  test(
    "without a limit: told why not, and guarded when it has one",
    async () => {
      const all = await two();
      const { comes, reprieve } = all;
      await goes(all);
      comes.renew(LIMIT);
      comes.setNoLimit();
      await until("a complaint", () => reprieve.err.includes("refusing to guard"));
      expect(reprieve.err).toContain("it has no limit");
      comes.setLimit(LIMIT);
      await isArmed(all, 2);
      await expectRelief(all, comes);
      await end(all);
    },
    TEST_MS,
  );

  test(
    "with its parent, that was removed too",
    async () => {
      const parent = new Group("parent");
      const comes = parent.child("comes", LIMIT);
      const stays = new Group("stays", { limit: LIMIT });
      const reprieve = await Reprieve.guard([comes.path, stays.path]);
      const all = { comes, stays, reprieve, board: new Board() };
      await goes(all);
      await parent.destroy();
      parent.renew(2 * LIMIT);
      const child = parent.child("comes", LIMIT);
      expect(child.path).toBe(comes.path);
      await isArmed(all, 2);
      await expectRelief(all, comes);
      await end(all);
      await parent.destroy();
    },
    TEST_MS,
  );

  test(
    "its designated handler is let go, and may answer for the next one",
    async () => {
      const stays = new Group("stays", { limit: LIMIT });
      const door = await DoorScene.set(["--cgroup", stays.path]);
      const { group, reprieve } = door.scene;
      const first = await door.designated();
      await group.destroy();
      await first.expect("hear", "closed");
      expect((await door.told("resigned")).result).toBe("group-gone");
      group.renew(LIMIT);
      chownSync(group.path, UID, UID);
      await reprieve.armed(3);
      const second = await door.designated();
      const told = () => reprieve.messages.filter((m) => m.event === "designated").length;
      await until("the second to be told of", () => told() === 2);
      await second.end();
      await door.scene.end();
      await stays.destroy();
    },
    TEST_MS,
  );

  test(
    "when no group is left, there is nothing to wait for: 66",
    async () => {
      const all = await two();
      await goes(all);
      await all.stays.destroy();
      expect((await all.reprieve.ended()).code).toBe(exit.noGroup);
      await all.reprieve.gone();
      all.board.close();
    },
    TEST_MS,
  );
});
