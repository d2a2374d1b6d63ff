// SPDX-License-Identifier: MIT
/**
 * One boot: Debian's kernel in qemu, emulated, as CI has no KVM. Its clock counts instructions (2 ns each), so that no
 * load of this machine makes anything late in there: every bound of a test and of the product holds as on a real
 * machine. That goes with one CPU only: with two, qemu 7.2 hangs while the second starts. A script goes in as the second
 * disk, what it prints comes out line by line.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { linesOf } from "../helpers/lines.ts";
import { disk } from "./image.ts";
import { kernel, need } from "./packages.ts";
import { vmBuilt } from "./paths.ts";

/** Those that ./init mounts, or with systemd as process 1 what that makes: v2, or memory on v1 and v2 to tell whose a process is. */
export type Cgroups = "v1" | "v2" | "hybrid" | "systemd" | "systemd-hybrid";

export interface Machine {
  /** Its console is named after it: no other that runs at the same time has the same. */
  readonly name: string;
  readonly cgroups: Cgroups;
  /** With systemd: what is enabled is started, and the machine may boot again, from the disk as it left it. */
  readonly reboots?: true;
  /** An ext4 file; without: that of ./image.ts. */
  readonly disk?: string;
}

export interface Ran {
  /** The script's exit code; null where it came to no end. */
  readonly code: number | null;
  /** Why there is no code, in words. */
  readonly broken: string | null;
}

/** With either of the two the kernel clears and copies memory byte by byte, each an iteration for qemu: 3 times slower. */
const CPU = "max,-erms,-fsrm";
const MEMORY_MB = 2048;
const SECTOR = 512;
/** Of the console, in the reason: elsewhere its file may not be at hand. */
const CONSOLE_LINES = 10;

export const consoleOf = ({ name }: Machine) => `${vmBuilt}/${name}.console.log`;

export async function boot(
  machine: Machine,
  script: string,
  boundS: number,
  onLine: (line: string) => void,
): Promise<Ran> {
  need("qemu-system-x86_64", "qemu-system-x86");
  const job = `${vmBuilt}/${machine.name}.sh`;
  writeFileSync(job, script.padEnd(Math.ceil((script.length + 1) / SECTOR) * SECTOR, "\n"));
  // Into a file: on a pipe qemu loses bytes, or stops for good, when nobody reads for a while (it writes them one by one).
  const printed = `${vmBuilt}/${machine.name}.out`;
  writeFileSync(printed, "");
  const qemu = Bun.spawn(["qemu-system-x86_64", ...argsOf(machine, job, printed)], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  const tail = Bun.spawn(["tail", "-c", "+1", "-f", "--pid", String(qemu.pid), printed], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let late = false;
  const bound = setTimeout(() => {
    late = true;
    qemu.kill("SIGKILL");
  }, boundS * 1000);
  let code: number | null = null;
  for await (const line of linesOf(tail.stdout)) {
    if (line.startsWith("@exit ")) {
      code = Number(line.slice("@exit ".length));
      qemu.kill("SIGKILL"); // ./job waits for it, so that what it printed has come out
    } else {
      onLine(line);
    }
  }
  await qemu.exited;
  clearTimeout(bound);
  if (code !== null) return { code, broken: null };
  const console = readFileSync(consoleOf(machine), "utf8").trimEnd();
  const panic = /Kernel panic.*/.exec(console)?.[0];
  const last = console.split("\n").slice(-CONSOLE_LINES).join("\n  ");
  if (panic !== undefined) return { code, broken: `the kernel of the VM ended: ${panic.trim()}` };
  const how = late
    ? `the VM hung: not at its end after ${boundS} s`
    : `qemu ended with ${qemu.signalCode ?? qemu.exitCode} before the script`;
  return { code, broken: `${how}; at last the console said\n  ${last}` };
}

function argsOf(machine: Machine, job: string, printed: string): string[] {
  const { cgroups, reboots } = machine;
  const target = reboots ? "multi-user.target" : "job.service";
  const systemd = `init=/lib/systemd/systemd systemd.unit=${target}`;
  const init =
    cgroups === "systemd"
      ? systemd
      : cgroups === "systemd-hybrid"
        ? `${systemd} systemd.unified_cgroup_hierarchy=0`
        : `init=/init cgroups=${cgroups}`;
  // The clock goes on while the disk is waited for: the driver must not take that for a disk that does not answer.
  const diskTimeout = "nvme_core.io_timeout=4000000";
  const panic = reboots ? "panic=0" : "panic=-1"; // one that has ended must not look like one that boots again
  const append = `console=ttyS0 quiet ${panic} oops=panic mitigations=off ${diskTimeout} root=/dev/nvme0n1 rw ${init}`;
  return [
    ...["-nodefaults", ...(reboots ? [] : ["-no-reboot"]), "-display", "none"],
    ...["-accel", "tcg,thread=single", "-icount", "shift=1,sleep=off", "-rtc", "clock=vm"],
    ...["-cpu", CPU, "-smp", "1", "-m", String(MEMORY_MB)],
    ...["-kernel", kernel(), "-append", append],
    ...["-device", "nvme,serial=vm"],
    ...["-drive", `if=none,id=root,format=raw,snapshot=on,file=${machine.disk ?? disk()}`],
    ...["-device", "nvme-ns,drive=root,nsid=1"],
    ...["-drive", `if=none,id=job,format=raw,snapshot=on,file=${job}`],
    ...["-device", "nvme-ns,drive=job,nsid=2"],
    ...["-serial", `file:${consoleOf(machine)}`, "-serial", `file:${printed}`],
  ];
}
