// SPDX-License-Identifier: MIT
/** A config file gives each guard its own orders, and powers by group: what is done at an OOM, what is only observed. */
import { expect, test } from "bun:test";
import { exit } from "../../src/errors.ts";
import { armed, type ConfigFile, FEED, guard, onStage, type Tenants } from "../helpers/config.ts";
import type { Group } from "../helpers/group.ts";
import { memory } from "../helpers/memory.ts";
import { FINISH_MS, words } from "../helpers/orders.ts";
import { Reprieve } from "../helpers/reprieve.ts";
import { describeWith, kernelTest, onlyOnV1 } from "../helpers/require.ts";
import { DELAY_MS, LEAK_KB, LIMIT } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";
import { Board } from "../helpers/workload.ts";

const TEST_MS = 60_000;
/** Less than what the leak is over the limit. */
const LITTLE = "raise=4M";

const v1 = onlyOnV1("v2 has reclaim, and four times the bounds");

let config: ConfigFile;
let tenants: Tenants;
let at: string;
onStage((stage) => {
  ({ config, tenants, at } = stage);
});

function write(powers: string, ...guards: string[]): void {
  config.write(`${FEED}${powers}${guards.join("")}`);
}

function orders(...words: string[]): string {
  return `delay = "${DELAY_MS}ms"\norders = ${JSON.stringify(words)}\n`;
}

/** One leaks in there: how that ended, and the orders that were carried out or would have been. */
async function leak(reprieve: Reprieve, group: Group) {
  const from = reprieve.messages.length;
  const board = new Board();
  const leaker = await board.start(group, { means: "touch", kb: LEAK_KB }).ready();
  leaker.go();
  await until("the leaker's end", () => !leaker.isAlive(), FINISH_MS * 2);
  const closed = await reprieve.message("incident.closed", { from, boundMs: FINISH_MS });
  board.close();
  const all = reprieve.messages.slice(from).filter(({ type }) => type === "incident.step");
  const done = all.filter(({ step }) => step === "raise" || step === "kill");
  const would = all.filter(({ step }) => step === "would").map(({ order }) => order);
  return {
    closed: words(closed),
    done: [...new Set(done.map(({ step }) => step))],
    would,
    wouldKill: all.some(({ step }) => step === "would-kill"),
    kernelKills: group.oom().kills,
  };
}

describeWith("orders and powers of a config file", kernelTest, () => {
  test(
    "hold guard by guard and group by group: one raises only, one kills only, one is denied both",
    async () => {
      const [may, kills, denied] = ["raises", "kills", "denied"].map((name) => {
        return tenants.child(name, LIMIT);
      }) as [Group, Group, Group];
      write(
        `[allow]\nlimits = ["${at}/raises", "${at}/denied"]\nkill = ["${at}/k*", "${at}/denied"]\n` +
          `[deny]\nkill = "${at}/d*"\nlimits = "${at}/denied"\n`,
        guard("raising", `${at}/raises`, orders(LITTLE, "kill")),
        guard("others", `${at}/*`, orders("kill", LITTLE)),
      );
      const reprieve = await config.start(3);
      expect(armed(reprieve)).toMatchObject({
        raises: { powers: ["limits"], orders: ["raise", "kill"] },
        kills: { powers: ["kill"], orders: ["kill", "raise"] },
        denied: { powers: [], orders: ["kill", "raise"] },
      });
      for (const line of [
        `guard raising only observes kill in ${at}/raises: [allow] kill lets it act`,
        `guard others only observes raise in ${at}/kills: [allow] limits lets it act`,
        `guard others only observes kill in ${at}/denied: [deny] kill forbids it`,
        `guard others only observes raise in ${at}/denied: [deny] limits forbids it`,
      ]) {
        expect(reprieve.err).toContain(line);
      }
      const raised = await leak(reprieve, may);
      expect(raised).toMatchObject({ done: ["raise"], wouldKill: true, kernelKills: 1 });
      expect(raised.closed).toStartWith("handed-over ");
      expect(await leak(reprieve, kills)).toEqual({
        closed: "relieved killed",
        done: ["kill"],
        would: [],
        wouldKill: false,
        kernelKills: 0,
      });
      const observed = await leak(reprieve, denied);
      expect(observed).toMatchObject({ done: [], kernelKills: 1 });
      // On v2 nothing is held without a power: who would be killed is the kernel's by then.
      expect(observed.wouldKill || observed.would.includes("raise")).toBe(true);
      expect(observed.closed).toStartWith("observed ");
      expect(denied.limit()).toBe(LIMIT);
      expect(await reprieve.stop()).toBe(0);
    },
    TEST_MS,
  );

  test(
    "yield to --order in all groups, and what that lacks is observed; [deny] wins over the flags",
    async () => {
      const [a, b] = ["a", "b"].map((name) => tenants.child(name, LIMIT)) as [Group, Group];
      write(
        `[deny]\nlimits = "${at}/b"\n`,
        guard("a", `${at}/a`, orders("kill-group")),
        guard("b", `${at}/b`),
      );
      const flags = ["--order", LITTLE, "--order", "kill", "--allow-kill", "--allow-limits"];
      const reprieve = await config.start(2, ...flags);
      expect(armed(reprieve)).toMatchObject({
        a: { powers: ["kill", "limits"], orders: ["raise", "kill"] },
        b: { powers: ["kill"], orders: ["raise", "kill"] },
      });
      expect(reprieve.err).toContain(
        `guard b only observes raise in ${at}/b: [deny] limits forbids it`,
      );
      expect(await leak(reprieve, a)).toMatchObject({ done: ["raise", "kill"], would: [] });
      expect(await leak(reprieve, b)).toMatchObject({ done: ["kill"], would: ["raise"] });
      expect(b.limit()).toBe(LIMIT);
      expect(await reprieve.stop()).toBe(0);
    },
    TEST_MS,
  );

  test("move to a group below the hierarchy", async () => {
    tenants.child("a", LIMIT);
    const spill = tenants.child("spill");
    const move = `move=${spill.path.slice(memory.root.length)}`;
    write(
      "[allow]\nmove = true\nkill = true\n",
      guard("a", `${at}/a`, `delay = "1s"\norders = ["${move}", "kill"]\n`),
    );
    const reprieve = await config.start(1);
    expect(armed(reprieve)).toMatchObject({ a: { powers: ["kill", "move"] } });
    expect(await reprieve.stop()).toBe(0);
  });

  /** Nothing is guarded then. */
  async function refused(code: number, says: string, args: readonly string[] = []): Promise<void> {
    const ended = await Reprieve.ends(["run", "--config", config.path, ...args]);
    expect(ended.err).toContain(says);
    expect(ended.code).toBe(code);
  }

  test("are refused where they go in no group, though it has none yet", async () => {
    tenants.child("a", LIMIT);
    const plain = guard("a", `${at}/a`);
    write("", plain, guard("b", `${at}/none-*`, 'orders = ["move=/reprieve-none", "kill"]\n'));
    await refused(exit.noGroup, "guard b: cannot move to /");
    write("", plain, guard("b", `${at}/none-*`, 'orders = ["kill-group=all"]\n'));
    const inside = ["--handler", "inside"];
    await refused(exit.badConfig, "guard b: order kill-group=all would kill the handler", inside);
    // The guard's order is not asked for then.
    await refused(exit.usage, "--order kill is given twice", [
      ...["--order", "kill", "--order", "kill"],
    ]);
  });

  test("leave out a group that its own order would move to", async () => {
    tenants.child("a", LIMIT);
    const to = tenants.child("b", LIMIT).path.slice(memory.root.length);
    write("[allow]\nmove = true\n", guard("all", `${at}/*`, `orders = ["move=${to}"]\n`));
    const reprieve = await config.start(1);
    expect(Object.keys(armed(reprieve))).toEqual(["a"]);
    expect(reprieve.err).toMatch(/guard all leaves out: cannot move to .*b: it is in the guarded/);
    expect(await reprieve.stop()).toBe(0);
  });

  v1("of cgroup v2 are refused on v1 when it starts, and pass the check", async () => {
    tenants.child("a", LIMIT);
    write("", guard("a", `${at}/a`, 'delay = "1s"\norders = ["reclaim", "kill"]\n'));
    await refused(exit.badConfig, "guard a: order reclaim needs cgroup v2, and memory is on v1");
    expect((await Reprieve.ends(["check", config.path])).code).toBe(0);
    write("", guard("a", `${at}/a`, 'orders = ["raise=1M", "move=/x", "kill", "kill-group"]\n'));
    await refused(exit.badConfig, "guard a: the orders before the last may take 100 ms");
  });
});
