// SPDX-License-Identifier: MIT
/** `reprieve handle`: reprieve's own handler as the group's owner, at the door of root's reprieve. */
import { afterEach, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { exit } from "../../src/errors.ts";
import { cleanUp } from "../helpers/clean.ts";
import { DoorScene, OTHER_UID } from "../helpers/door.ts";
import { kill } from "../helpers/group.ts";
import { binary } from "../helpers/paths.ts";
import { describeWith, kernelTest } from "../helpers/require.ts";
import { until } from "../helpers/wait.ts";

const ROUNDS = 5;

afterEach(cleanUp);

function handle(door: DoorScene, { inside = false, uid = 12345, guard = door.guard } = {}) {
  const command = [binary, "handle", "--guard", guard, "--socket", door.socket];
  return door.start(command, { inside, uid });
}

describeWith("handle", kernelTest, () => {
  for (const where of ["outside", "inside"] as const) {
    test(`relieves ${where} the group, as its owner and without Bun`, async () => {
      const door = await DoorScene.set(["--delay", "8s"]);
      const { scene } = door;
      const handler = handle(door, { inside: where === "inside" });
      await door.told("designated");
      expect(readFileSync(`/proc/${handler.pid}/cmdline`, "utf8")).toStartWith("reprieve-handle\0");
      expect(rssKb(handler.pid)).toBeLessThan(4096);
      const neighbour = await scene.neighbour();
      for (let i = 0; i < ROUNDS; i += 1) {
        await door.leakToDeath();
        await Bun.sleep(300); // it closes its own incident
      }
      expect(neighbour.isAlive()).toBe(true);
      const turns = turnsOf(handler.pid);
      await Bun.sleep(500);
      expect(turnsOf(handler.pid) - turns).toBeLessThan(50); // it looks every ms while an incident is open
      expect(scene.group.oom().kills).toBe(0);
      expect(scene.steps("kill")).toEqual([]);
      expect(scene.steps("handed-over")).toEqual([]);
      expect(await scene.reprieve.stop()).toBe(0);
      expect(await handler.exited).toBe(exit.inUse);
      const said = await new Response(handler.stderr).text();
      expect(said.match(/killed .*\(\d+\)/g)?.length).toBe(ROUNDS);
      expect(said).toContain("the door has closed the connection");
      await scene.expectAsBefore();
    });
  }

  test("says why it is refused, with an exit code", async () => {
    const door = await DoorScene.set();
    const ends = async (options: Parameters<typeof handle>[1], code: number, why: RegExp) => {
      const handler = handle(door, options);
      expect(await handler.exited).toBe(code);
      expect(await new Response(handler.stderr).text()).toMatch(why);
    };
    await ends({ uid: OTHER_UID }, exit.notPermitted, /only the owner of the group's directory/);
    await ends({ guard: "no-such" }, exit.noGroup, /no such cgroup/);
    const first = handle(door);
    await door.told("designated");
    await ends({}, exit.inUse, /another handler answers for it/);
    kill(first.pid, "SIGTERM");
    await door.told("resigned");
    await until("its end", () => first.exitCode !== null || first.signalCode !== null);
    await door.scene.end();
  });
});

/** Of the responder, the main thread. */
function turnsOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/task/${pid}/status`, "utf8");
  return Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1]);
}

function rssKb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
}
