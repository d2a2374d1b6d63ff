// SPDX-License-Identifier: MIT
/**
 * The one binary in a real container: read-only root, no /tmp or one without exec, no other file
 * written.
 */
import { afterEach, expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { cleanUp } from "../helpers/clean.ts";
import { bind, Container, type Mount, tmpfs } from "../helpers/container.ts";
import { makeFolder, removeFolder } from "../helpers/folder.ts";
import { memoryRoot } from "../helpers/paths.ts";
import type { Ended } from "../helpers/reprieve.ts";
import { describeWith, kernelTest, program } from "../helpers/require.ts";
import { LEAK_KB } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";
import { Board } from "../helpers/workload.ts";

const CONTAINER_BOUND_MS = 30_000;
const needs = [
  ...kernelTest,
  program("runc", "apt-get install runc"),
  program("readelf", "binutils"),
];

afterEach(cleanUp);

function ourGroups(name: string): string[] {
  return readdirSync(memoryRoot ?? "").filter((entry) => entry.includes(name));
}

/** A leak to OOM in a group that `run` makes, in a container with these mounts. */
async function leakInside(mounts: readonly Mount[], name: string): Promise<Ended> {
  const board = new Board();
  const args = ["/dev/shm/board", "0", "-", "touch", "0", String(LEAK_KB), "4", "0", "1"];
  const flags = ["--limit", "48M", "--name", name, "--listen", "none", "--json"];
  const container = new Container(["run", ...flags, "--", "/workload", ...args], {
    mounts: [...mounts, bind(board.file, "/dev/shm/board", ["rw"])],
  });
  const reprieve = container.start();
  await until("the leaker", () => {
    if (reprieve.proc.exitCode !== null) throw new Error(`It ended: ${reprieve.err}`);
    return board.first().word("ready") === 1;
  });
  board.first().go();
  return reprieve.ended();
}

describeWith("in a container", needs, () => {
  for (const kind of ["no /tmp", "a /tmp without exec", "no writable /run"] as const) {
    test(
      `a guarded OOM, read-only root, ${kind}`,
      async () => {
        const tmp = makeFolder("test-tmp", "/var/tmp");
        const mounts = {
          "no /tmp": [],
          "a /tmp without exec": [bind(tmp, "/tmp", ["rw", "noexec"])],
          "no writable /run": [tmpfs("/run", ["ro"])],
        }[kind];
        const name = `kernel-${process.pid}-inside`;
        const ended = await leakInside(mounts, name);
        expect(ended.err).not.toMatch(/rror/);
        expect(ended.code).toBe(137);
        const closed = ended.messages.find((m) => m.type === "incident.closed");
        expect(closed?.outcome).toBe("relieved");
        expect(closed?.faults).toBe(0);
        expect(readdirSync(tmp)).toEqual([]);
        expect(ourGroups(name)).toEqual([]);
        removeFolder(tmp);
      },
      CONTAINER_BOUND_MS,
    );
  }

  test(
    "doctor proves itself, read-only root, no /tmp",
    async () => {
      const container = new Container(["doctor", "--json"]);
      const ended = await container.start().ended(CONTAINER_BOUND_MS);
      expect(ended.err).toBe("");
      expect(ended.code).toBe(0);
      expect(Object.keys(JSON.parse(ended.out))).not.toHaveLength(0);
      expect(existsSync(`${memoryRoot}/${container.name}`)).toBe(false);
    },
    CONTAINER_BOUND_MS,
  );
});
