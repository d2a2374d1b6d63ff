// SPDX-License-Identifier: MIT
/** What doctor finds, proves and leaves behind on this host, and on one where it must not try. */
import { afterEach, expect, test } from "bun:test";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { exit } from "../../src/errors.ts";
import { endsAsUser } from "../helpers/as-user.ts";
import { cleanUp } from "../helpers/clean.ts";
import { Group, kill } from "../helpers/group.ts";
import { memory } from "../helpers/memory.ts";
import { binary, memoryRoot } from "../helpers/paths.ts";
import { Reprieve } from "../helpers/reprieve.ts";
import { describeWith, kernelTest, program } from "../helpers/require.ts";
import { until } from "../helpers/wait.ts";

afterEach(cleanUp);

const groupOf = (doctor: Reprieve) => `${memoryRoot}/reprieve-doctor-${doctor.pid}`;

const PROOFS = [
  /ok +an OOM is resolved in user space +relieved \(killed\), .* 0 page faults/,
  /ok +the kernel takes over when it is told to +it killed within/,
];
const PROOFS_OF = {
  1: [
    /ok +a page fault at the limit sleeps, no lock held +asleep in mem_cgroup_oom_synchronize/,
    /ok +a system call in the full group fails +open: ENOMEM, pipe write: ENOMEM/,
  ],
  2: [
    /ok +growth over memory.high sleeps, no lock held +asleep in (__)?mem_cgroup_handle_over_high/,
    /ok +a SIGKILL wakes who sleeps there +dead within/,
  ],
} as const;

describeWith(
  "doctor",
  [...kernelTest, program("unshare", "util-linux"), program("setpriv", "util-linux")],
  () => {
    test("proves the central promises on a real OOM and leaves nothing", async () => {
      const doctor = Reprieve.start(["doctor"]);
      const ended = await doctor.ended();
      expect(ended.code).toBe(0);
      expect(ended.err).toBe("");
      for (const proof of [...PROOFS, ...PROOFS_OF[memory.version]]) {
        expect(ended.out).toMatch(proof);
      }
      expect(ended.out).not.toMatch(/^ {2}no /m);
      await doctor.gone();
      expect(existsSync(groupOf(doctor))).toBe(false);
    });

    /** From before the first change to the last proof; none takes the whole time. */
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      test(`leaves nothing when ${signal} comes at any moment`, async () => {
        const codes = new Set<number>();
        for (let delayMs = 60; delayMs < 400; delayMs += 20) {
          const doctor = Reprieve.start(["doctor"]);
          await Bun.sleep(delayMs);
          kill(doctor.pid, signal);
          codes.add((await doctor.ended()).code);
          expect(doctor.leftovers()).toEqual([]);
          expect(existsSync(groupOf(doctor))).toBe(false);
        }
        expect([...codes]).toContain(signal === "SIGTERM" ? 143 : 130);
      });
    }

    test("SIGKILL takes its victims with it, and its watchers or release the rest", async () => {
      const doctor = Reprieve.start(["doctor"]);
      const procs = () => {
        const file = `${groupOf(doctor)}/cgroup.procs`;
        return existsSync(file) ? readFileSync(file, "utf8") : "";
      };
      await until("a victim", () => procs() !== "");
      kill(doctor.pid, "SIGKILL");
      await doctor.ended();
      await until("the victims' end", () => procs() === "");
      await until("the helpers' end", () => doctor.helpers().size === 0);
      await Reprieve.ends(["release"]);
      expect(existsSync(groupOf(doctor))).toBe(false);
      await doctor.gone();
    });

    test("proves the same to a user in a group of his own", async () => {
      const group = new Group("delegated");
      const ended = await endsAsUser(["doctor"], group);
      expect(ended.out).not.toMatch(/^ {2}no /m);
      expect(ended.err).not.toMatch(/rror/);
      expect(ended.code).toBe(0);
      await group.destroy();
    });

    test("a hierarchy that is mounted read-only: what to do", async () => {
      const change = `mount -o remount,bind,ro ${memoryRoot} && exec "$@"`;
      const ended = await Reprieve.ends(["doctor"], {
        command: ["unshare", "-m", "sh", "-c", change, "sh", binary],
      });
      expect(ended.out).toMatch(/no +writable +.* mounted read-only, mount -o remount,rw/);
      expect(ended.code).toBe(69);
    });

    test("says so when its output cannot be written", async () => {
      const ended = await Reprieve.ends(["doctor"], {
        command: ["sh", "-c", 'exec "$@" > /dev/full', "sh", binary],
      });
      expect(ended.err).toContain("cannot write to stdout");
      expect(ended.code).toBe(69);
    });

    test("tries nothing where a hand-over would panic the host", async () => {
      const panics =
        'echo 2 > /dev/shm/two && mount --bind /dev/shm/two /proc/sys/vm/panic_on_oom && exec "$@"';
      const doctor = Reprieve.start(["doctor"], {
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
      const ended = await doctor.ended();
      expect(ended.code).toBe(69);
      expect(ended.out).toMatch(/no +panic_on_oom +2: .* set 0 or 1/);
      expect(ended.out).toContain("No live proof was tried");
      expect(ended.out).toMatch(/promises\n {2}no +a guarded group is relieved .* not proved here/);
      expect(existsSync(groupOf(doctor))).toBe(false);
    });

    test.each([16, 64])("and run neither, where the kernel's pages have %d KiB", async (kib) => {
      // AT_PAGESZ, AT_NULL: what the kernel tells a program, bound over that of the one to be.
      const auxv = `/dev/shm/reprieve-test-${process.pid}.auxv`;
      writeFileSync(auxv, new BigUint64Array([6n, BigInt(kib * 1024), 0n, 0n]));
      const told = `mount --bind ${auxv} /proc/$$/auxv && exec "$@"`;
      const command = ["unshare", "-m", "sh", "-c", told, "sh", binary];
      const doctor = await Reprieve.ends(["doctor"], { command });
      const run = await Reprieve.ends(["run", "--limit", "64M", "--", "true"], { command });
      rmSync(auxv);
      const why = `this kernel's pages have ${kib} KiB`;
      expect(doctor.out).toMatch(new RegExp(`no +page size +${why}`));
      expect(doctor.out).toContain("No live proof was tried");
      expect(run.err).toContain(why);
      expect([doctor.code, run.code]).toEqual([exit.host, exit.host]);
    });
  },
);
