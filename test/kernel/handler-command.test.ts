// SPDX-License-Identifier: MIT
/** --handler-command: a program of the user's that reprieve starts as the group's owner, and starts again. */
import { afterEach, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { exit } from "../../src/errors.ts";
import { UID } from "../helpers/as-user.ts";
import { fixture } from "../helpers/build.ts";
import { cleanUp } from "../helpers/clean.ts";
import { DoorScene, forEverybody, guardOf } from "../helpers/door.ts";
import { Group, kill } from "../helpers/group.ts";
import { memory } from "../helpers/memory.ts";
import { binary, repository } from "../helpers/paths.ts";
import { Reprieve } from "../helpers/reprieve.ts";
import { describeWith, kernelTest } from "../helpers/require.ts";
import { LIMIT } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";

afterEach(cleanUp);

/** The pids of the processes with that command line. */
function pidsOf(command: string): number[] {
  const found = Bun.spawnSync(["pgrep", "-f", "-x", command]).stdout.toString();
  return found.split("\n").filter(Boolean).map(Number);
}

describeWith("handler-command", kernelTest, () => {
  test("runs as the owner, clean, relieves, is started again, and is gone in the end", async () => {
    let command = "";
    const door = await DoorScene.set((group, folder) => {
      const program = forEverybody(folder, fixture("handler", `${repository}/native/examples`));
      command = `${program} ${guardOf(group)} ${group.path} ${folder}/handler.sock`;
      return ["--handler-command", command];
    });
    const { scene } = door;
    await door.told("designated");
    const pid = await until("the handler", () => pidsOf(command)[0]);
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const ids = Array(4).fill(UID).join("\t");
    expect(status).toContain(`Uid:\t${ids}\nGid:\t${ids}\n`);
    expect(status).toMatch(/^Groups:\s*$/m);
    expect(status).toContain("CapEff:\t0000000000000000\n");
    expect(status).toContain("NoNewPrivs:\t1\n");
    const env = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").filter(Boolean).sort();
    expect(env.map((entry) => entry.split("=")[0])).toEqual([
      "PATH",
      "REPRIEVE_GUARD",
      "REPRIEVE_SOCKET",
    ]);
    expect(env).toContain(`REPRIEVE_GUARD=${door.guard}`);
    expect(env).toContain(`REPRIEVE_SOCKET=${door.socket}`);
    // Three streams; the group's two or three files, the socket, the event and the memory file.
    const descriptors = memory.version === 1 ? 8 : 9;
    await until(
      "all of its descriptors",
      () => readdirSync(`/proc/${pid}/fd`).length === descriptors,
    );
    await door.leakToDeath();
    expect(scene.group.oom().kills).toBe(0);
    expect(scene.steps("kill")).toEqual([]);
    const from = scene.reprieve.messages.length;
    kill(pid, "SIGKILL");
    await door.told("resigned", from);
    await door.told("designated", from);
    expect(scene.reprieve.err).toContain(
      `the handler of ${door.guard} has ended: starting it again`,
    );
    const { reprieve } = scene;
    expect(await reprieve.stop()).toBe(0);
    expect(pidsOf(command)).toEqual([]);
    await scene.expectAsBefore();
  });

  test("reprieve handle needs no arguments there", async () => {
    const door = await DoorScene.set((_, folder) => [
      "--handler-command",
      `${forEverybody(folder, binary)} handle`,
    ]);
    await door.told("designated");
    await door.leakToDeath();
    expect(door.scene.steps("kill")).toEqual([]);
    await door.scene.end();
  });

  test("one that ends at once is started more and more slowly; reprieve's own answers", async () => {
    const door = await DoorScene.set(["--handler-command", "/bin/false"]);
    await until("some starts", () => door.scene.reprieve.err.includes("again in 400 ms"));
    const { closed } = await door.leak();
    expect(closed.outcome).toBe("relieved");
    await door.scene.end();
  });

  test("what cannot be run is refused before anything is armed", async () => {
    const group = new Group("refused", { limit: LIMIT });
    const guard = ["run", "--cgroup", group.path, "--allow-kill", "--listen", "none"];
    const missing = await Reprieve.ends([...guard, "--handler-command", "/no/such"]);
    expect(missing.code).toBe(exit.notFound);
    const empty = await Reprieve.ends([...guard, "--handler-command", " "]);
    expect(empty.code).toBe(exit.usage);
    const inside = ["--handler", "inside", "--handler-command", "/bin/true"];
    expect((await Reprieve.ends([...guard, ...inside])).code).toBe(exit.usage);
    await group.destroy();
  });
});
