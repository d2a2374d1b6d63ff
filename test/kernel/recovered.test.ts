// SPDX-License-Identifier: MIT
/** What is known of an incident whose agent was killed: whom the kernel killed, what its hooks did, the group's limit. */
import { afterEach, expect, test } from "bun:test";
import * as v from "valibot";
import { Incident } from "../../src/journal/incident.ts";
import { cleanUp } from "../helpers/clean.ts";
import { kill, MB } from "../helpers/group.ts";
import { HookFile, removeHooks } from "../helpers/hook.ts";
import { Journal } from "../helpers/journal.ts";
import { isKillLogged } from "../helpers/kernel-log.ts";
import { ordered } from "../helpers/orders.ts";
import { type Message, Reprieve } from "../helpers/reprieve.ts";
import { describeWith, kernelTest, program } from "../helpers/require.ts";
import { LEAK_KB, Scene } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";

afterEach(async () => {
  await cleanUp();
  removeHooks();
});

async function killAgent({ reprieve }: Scene): Promise<void> {
  kill(reprieve.pid, "SIGKILL");
  await reprieve.ended();
  await until("the helpers' end", () => reprieve.helpers().size === 0);
}

async function limitOf({ reprieve }: Scene): Promise<unknown> {
  const where = ({ limit_bytes }: Message) => Number(limit_bytes) > 0;
  return (await reprieve.message("guard", { where })).limit_bytes;
}

async function recovered(journal: Journal): Promise<Incident> {
  const { out } = await Reprieve.ends(["incidents", "show", "--json", ...journal.flags]);
  const one = v.parse(Incident, JSON.parse(out));
  expect(one.recovered).toBe(true);
  return one;
}

describeWith("a recovered incident", [...kernelTest, program("mount", "util-linux")], () => {
  test("names whom the kernel killed, and has the limit, though its agent had read nothing", async () => {
    const journal = new Journal();
    const scene = await Scene.set(["--deny-kill", ...journal.flags]);
    const limit = await limitOf(scene);
    kill(scene.reprieve.pid, "SIGSTOP");
    const plan = { means: "touch", kb: LEAK_KB } as const;
    const leaker = await scene.board.start(scene.group, plan).ready();
    leaker.go();
    await until("the kernel's kill", () => !leaker.isAlive());
    await killAgent(scene);
    const one = await recovered(journal);
    const killed = isKillLogged(leaker.pid) ? [leaker.pid] : undefined;
    expect(one.kernel_killed?.map(({ pid }) => pid)).toEqual(killed);
    expect(one).toMatchObject({ outcome: "observed", limit_bytes: limit });
    await scene.strike();
  });

  test("has what its hook did, and its limit is that from before a raise", async () => {
    const journal = new Journal();
    journal.mount("size=4m");
    const hook = new HookFile("exit 3");
    const orders = ordered("raise=4M", `hook=${hook.path}`, "kill");
    const powers = ["--allow-limits", "--allow-hooks"];
    const scene = await Scene.set([...orders, ...powers, ...journal.flags]);
    const limit = await limitOf(scene);
    journal.remount("ro");
    const { leaker, closed } = await scene.leak();
    await scene.reprieve.message("journal", { where: ({ ok }) => !ok });
    expect(scene.steps("raise")).toMatchObject([{ bytes: 4 * MB, result: "ok" }]);
    await killAgent(scene);
    journal.remount("rw");
    const one = await recovered(journal);
    const told = scene.reprieve.messages.filter(({ type }) => type === "hook");
    expect(one.hooks).toEqual(told as unknown as typeof one.hooks);
    expect(one.hooks.map(({ event, exit_code }) => [event, exit_code])).toEqual([
      ["started", undefined],
      ["ended", 3],
    ]);
    expect(one).toMatchObject({ id: closed.id, outcome: "relieved", limit_bytes: limit });
    expect(one.victims.map(({ pid }) => pid)).toEqual([leaker.pid]);
    expect(one).not.toHaveProperty("kernel_killed");
    await scene.strike();
  });
});
