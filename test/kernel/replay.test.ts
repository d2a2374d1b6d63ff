// SPDX-License-Identifier: MIT
/** `replay`: other orders over a real incident, out of the journal, when its group is gone. */
import { expect, test } from "bun:test";
import type { Replayed } from "../../src/cli/replayed.ts";
import { FEED, guard, onStage, type Stage } from "../helpers/config.ts";
import { MB } from "../helpers/group.ts";
import { Journal } from "../helpers/journal.ts";
import { SharedRegion } from "../helpers/region.ts";
import { Reprieve } from "../helpers/reprieve.ts";
import { describeWith, kernelTest } from "../helpers/require.ts";
import { LEAK_KB, LIMIT } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";
import type { Workload } from "../helpers/workload.ts";

const SMALL_KB = 8 * 1024;
const ALLOW = "[allow]\nkill = true\n";

let stage: Stage;
onStage((set) => {
  stage = set;
});

/** A real OOM, and who was in it. */
async function played(journal: Journal): Promise<{ small: Workload; leaker: Workload }> {
  const group = stage.tenants.child("a", LIMIT);
  stage.config.write(`${FEED}${ALLOW}${guard("a", `${stage.at}/a`)}`);
  const reprieve = await stage.config.start(1, ...journal.flags);
  const region = new SharedRegion(await reprieve.helper("handler"));
  const small = await stage.board
    .start(group, { means: "steady", beforeKb: SMALL_KB, pauseUs: 1000 })
    .ready();
  const leak = { means: "touch", kb: LEAK_KB, beforeKb: 2048 } as const;
  const leaker = await stage.board.start(group, leak).ready();
  await until("both to be known", () =>
    [small, leaker].every(({ pid }) => region.nameOf(pid) !== undefined),
  );
  region.close();
  leaker.go();
  await until("the incident in the journal", () => journal.incidents().length === 1, 10_000);
  expect(await reprieve.stop()).toBe(0);
  await small.stop();
  stage.tenants.destroy();
  return { small, leaker };
}

async function replayed(journal: Journal, ...args: string[]): Promise<Replayed> {
  const { code, out, err } = await Reprieve.ends(["replay", "--json", ...journal.flags, ...args]);
  expect({ code, err }).toEqual({ code: 0, err: "" });
  return JSON.parse(out) as Replayed;
}

describeWith("replay", kernelTest, () => {
  test("its own orders name who was killed, others another, and one without the power nobody to be killed", async () => {
    const journal = new Journal();
    const { small, leaker } = await played(journal);
    const own = await replayed(journal);
    expect(own).toMatchObject({ would: "kill", at_us: 0, really: [{ pid: leaker.pid }] });
    expect(own.victim?.pid).toBe(leaker.pid);
    expect(own.left.usage_bytes).toBeLessThan(LIMIT / 2);

    const file = ["--config", stage.config.path];
    expect((await replayed(journal, ...file)).victim?.pid).toBe(leaker.pid);

    const write = (more: string, allow = ALLOW) =>
      stage.config.write(`${FEED}${allow}${guard("a", `${stage.at}/a`, more)}`);
    write('orders = ["kill=newest"]\n', "");
    const newest = await replayed(journal, ...file);
    expect(newest).toMatchObject({ would: "observe", victim: { pid: leaker.pid } });
    expect(newest.left).toMatchObject({ processes: 2, usage_bytes: newest.usage_bytes });

    write('orders = ["raise=1M", "hand-over"]\n', "");
    const kernels = await replayed(journal, ...file);
    expect(kernels).toMatchObject({ would: "hand-over", victim: null, untold: ["raise=1M"] });
    const { out } = await Reprieve.ends(["replay", ...journal.flags, ...file]);
    expect(out).toContain("no order kills: the kernel would have decided");

    write(
      `avoid = ["name=work*,weight=0", "exe=/opt/*"]\nwhen = "before"\nmargin = "${40 * MB}"\n`,
    );
    const before = await replayed(journal, ...file);
    expect(before.at_us).toBeLessThan(0);
    expect(before.victim).toMatchObject({ pid: small.pid, weight: 0 });
    // The leaker went on, and came there again.
    expect(before.kills.map(({ pid }) => pid)).toEqual([small.pid, leaker.pid]);
    expect(before.unheeded_rules).toEqual(["avoid exe=/opt/*,weight=0.25"]);

    stage.config.write(`${FEED}${ALLOW}${guard("b", "/elsewhere")}`);
    const elsewhere = await Reprieve.ends(["replay", ...journal.flags, ...file]);
    expect(elsewhere.code).toBe(66);
    expect((await Reprieve.ends(["replay", "nobody", ...journal.flags])).code).toBe(66);
  });
});
