// SPDX-License-Identifier: MIT
/** What doctor finds, proves and leaves behind on this host, and on one where it must not try. */
import { afterEach, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { cleanUp } from "../helpers/clean.ts";
import { binary, memoryRoot } from "../helpers/paths.ts";
import { Reprieve } from "../helpers/reprieve.ts";
import { describeWith, kernelTest, program } from "../helpers/require.ts";

afterEach(cleanUp);

const groups = () => readdirSync(memoryRoot ?? "").filter((name) => name.includes("doctor"));

describeWith("doctor", [...kernelTest, program("unshare", "util-linux")], () => {
  test("proves the central promises on a real OOM and leaves nothing", async () => {
    const doctor = Reprieve.start(["doctor"]);
    const ended = await doctor.ended();
    expect(ended.code).toBe(0);
    expect(ended.err).toBe("");
    for (const proof of [
      /ok +an OOM is resolved in user space +relieved \(killed\), .* 0 page faults/,
      /ok +a page fault at the limit sleeps, no lock held +asleep in mem_cgroup_oom_synchronize/,
      /ok +a system call in the full group fails +open: ENOMEM, pipe write: ENOMEM/,
      /ok +the kernel takes over when it is told to +it killed within/,
    ]) {
      expect(ended.out).toMatch(proof);
    }
    expect(ended.out).not.toMatch(/^ {2}no /m);
    await doctor.gone();
    expect(groups()).toEqual([]);
  });

  test("tries nothing where a hand-over would panic the host", async () => {
    const panics =
      'echo 2 > /dev/shm/two && mount --bind /dev/shm/two /proc/sys/vm/panic_on_oom && exec "$@"';
    const ended = await Reprieve.ends(["doctor"], {
      command: [
        "unshare",
        "-m",
        "sh",
        "-c",
        `mount -t tmpfs none /dev/shm && ${panics}`,
        "sh",
        binary,
      ],
    });
    expect(ended.code).toBe(69);
    expect(ended.out).toMatch(/no +panic_on_oom +2: .* set 0 or 1/);
    expect(ended.out).toContain("No live proof was tried");
    expect(groups()).toEqual([]);
  });
});
