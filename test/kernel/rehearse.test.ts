// SPDX-License-Identifier: MIT
/** `rehearse` changes nothing, and then an OOM goes as it said. */
import { expect, test } from "bun:test";
import type { Rehearsal } from "../../src/cli/rehearsal.ts";
import { exit } from "../../src/errors.ts";
import { type ConfigFile, FEED, guard, onStage, type Tenants } from "../helpers/config.ts";
import type { Group } from "../helpers/group.ts";
import { memory } from "../helpers/memory.ts";
import { Reprieve } from "../helpers/reprieve.ts";
import { describeWith, kernelTest } from "../helpers/require.ts";
import { LEAK_KB, LIMIT } from "../helpers/scene.ts";
import type { Board } from "../helpers/workload.ts";

const MB = 1 << 20;

let config: ConfigFile;
let tenants: Tenants;
let board: Board;
onStage((stage) => {
  ({ config, tenants, board } = stage);
});

async function rehearsed(what: string): Promise<Rehearsal> {
  const rehearse = Reprieve.start(["rehearse", what, "--config", config.path, "--json"]);
  const ended = await rehearse.ended();
  expect(rehearse.leftovers()).toEqual([]);
  expect(ended.err).toBe("");
  expect(ended.code).toBe(exit.ok);
  return ended.messages[0] as unknown as Rehearsal;
}

function hold(group: Group, megabytes: number) {
  return board.start(group, { means: "touch", beforeKb: megabytes * 1024 }).ready();
}

describeWith("rehearse", kernelTest, () => {
  test("times the choice, changes nothing, and an OOM does the same", async () => {
    const group = tenants.child("a", LIMIT);
    const small = await hold(group, 4);
    const large = await hold(group, 28);
    config.write(
      `${FEED}[allow]\nkill = true\nlimits = true\n` +
        guard("g", `${tenants.at}/a`, 'orders = ["raise=1M", "kill"]\ndelay = "1s"\n'),
    );
    const files = () => [memory.switchFile, memory.limitFile].map((file) => group.read(file));
    const before = files();
    const planned = await rehearsed("g");
    expect(files()).toEqual(before);
    expect([small.isAlive(), large.isAlive()]).toEqual([true, true]);
    expect(planned.choice_us).toBeGreaterThan(0);
    expect(planned.scan_us).toBeGreaterThan(0);
    expect(planned.victim?.pid).toBe(large.pid);
    expect(planned.steps.map(({ order, why_not }) => [order, why_not])).toEqual([
      ["raise=1M", null],
      ["kill", null],
    ]);
    expect(planned.steps[1]?.at_ms).toBe(memory.version === 1 ? 10 : 40);
    expect(planned.steps[1]?.left_bytes).toBeLessThan(planned.usage_bytes - 27 * MB);
    expect(planned.hand_over_ms).toBe(1000);

    const reprieve = await config.start(1);
    const running = await rehearsed(`${tenants.at}/a`);
    expect(running.reprieve).toBe(reprieve.pid);
    expect(running.victim?.pid).toBe(large.pid);
    const leaker = await board
      .start(group, { means: "touch", beforeKb: 1024, kb: LEAK_KB, chunkKb: 64 })
      .ready();
    leaker.go();
    await reprieve.message("incident.closed");
    const done = reprieve.messages.filter(({ step }) => step === "raise" || step === "kill");
    expect(done.slice(0, 2).map(({ step }) => step)).toEqual(["raise", "kill"]);
    expect(done[1]?.pid).toBe(large.pid);
    await leaker.stop();
    expect(await reprieve.stop()).toBe(0);
  });

  test("says what is only observed, and what goes nowhere here", async () => {
    const group = tenants.child("a", LIMIT);
    await hold(group, 8);
    config.write(
      FEED +
        guard(
          "g",
          `${tenants.at}/a`,
          'orders = ["kill-group", "move=/no-such-group", "kill"]\ndelay = "1s"\n',
        ),
    );
    const { steps, why_not } = await rehearsed("g");
    expect(why_not).toContain("cannot move to");
    for (const { acts, at_ms, why_not: why } of steps) {
      expect({ acts, at_ms }).toEqual({ acts: false, at_ms: 0 });
      expect(why).toStartWith("only observed");
    }
    config.write(
      `${FEED}[allow]\nkill = true\n${guard("g", `${tenants.at}/a`, 'orders = ["kill-group", "kill"]\n')}`,
    );
    const [whole, kill] = (await rehearsed("g")).steps;
    expect(whole?.why_not).toBe("the victim lives in no child");
    expect(kill).toMatchObject({ at_ms: 0, why_not: null });
  });

  test("kills nobody where nobody is worth it", async () => {
    const group = tenants.child("a", LIMIT);
    await board.start(group, { means: "touch", beforeKb: 64 }).ready();
    config.write(`${FEED}[allow]\nkill = true\n${guard("g", `${tenants.at}/a`)}`);
    const { victim, steps } = await rehearsed("g");
    expect(victim).toBeNull();
    expect(steps[0]?.why_not).toBe("no process that may be killed holds 1.0 MiB");
    expect(steps[0]?.does).toBe("kill the one it chooses");
  });

  test.each([
    [["rehearse"], exit.usage, "missing required argument 'what'"],
    [["rehearse", "/no/such"], exit.noGroup, "cannot rehearse /no/such: no such cgroup"],
    [["rehearse", "1"], exit.noGroup, "cannot rehearse 1: no such cgroup"],
    [["rehearse", "x", "--config", "/no.toml"], exit.badConfig, "/no.toml: "],
  ])("%p ends with %d", async (args, code, says) => {
    const ended = await Reprieve.ends(args);
    expect(ended.err).toContain(says);
    expect(ended.code).toBe(code);
  });
});
