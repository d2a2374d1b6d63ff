// SPDX-License-Identifier: MIT
/**
 * A real container, by runc. The root file system is read-only; the memory hierarchy is there, writable; /run is a tmpfs; there
 * is no /tmp unless asked for. No rlimits: setting one takes CAP_SYS_RESOURCE.
 */
import { ENTRYPOINT } from "../../src/release/tree.ts";
import { Bundle } from "./bundle.ts";
import { MB } from "./group.ts";
import { memory } from "./memory.ts";
import { memoryRoot } from "./paths.ts";
import type { Reprieve } from "./reprieve.ts";
import { until } from "./wait.ts";

export const CAPABILITIES = [
  "CAP_SYS_ADMIN",
  "CAP_KILL",
  "CAP_IPC_LOCK",
  "CAP_DAC_OVERRIDE",
  "CAP_SYS_PTRACE",
];

/** In a container it has no real-time priority, and on a busy machine not always a CPU within the 100 ms of a reprieve. */
export const UNHURRIED = ["--delay", "1s"];

export interface Mount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

export interface Place {
  /** Beside the memory hierarchy, /proc, /dev and /run. */
  readonly mounts?: readonly Mount[];
  /** Where it sees the memory hierarchy, by default as the host does; null: it does not. */
  readonly hierarchy?: Mount | null;
  /** Instead of reprieve. */
  readonly program?: string;
  /** Root where it is not said. */
  readonly uid?: number;
  readonly capabilities?: readonly string[];
  /** The group, below the root of each hierarchy, in which runc makes that of the container. */
  readonly pod?: string;
  readonly limitMb?: number;
  /** A process whose pid namespace it shares. */
  readonly besidePid?: number;
  readonly env?: readonly string[];
}

/** What runtimes mount: the container's own group, as the root of all; but writable. */
export const OWN_GROUPS: Mount = {
  destination: "/sys/fs/cgroup",
  type: "cgroup",
  source: "cgroup",
  options: ["nosuid", "noexec", "nodev", "rw"],
};

let made = 0;

export class Container {
  readonly bundle: Bundle;
  readonly name: string;
  readonly #pod: string;

  constructor(args: readonly string[], place: Place = {}) {
    made += 1;
    this.name = `reprieve-kernel-${process.pid}-c${made}`;
    this.#pod = place.pod ?? "";
    this.bundle = new Bundle(this.name, this.#config(args, place));
  }

  /** Of the memory hierarchy. */
  get group(): string {
    return `${memory.root}${this.#pod}/${this.name}`;
  }

  /** `wrapper`: a program and its arguments through which runc is started. */
  start(wrapper: readonly string[] = []): Reprieve {
    return this.bundle.start(wrapper);
  }

  /** Of its first process, seen from here. */
  pid(): Promise<number> {
    return until(`container ${this.name}`, () => {
      const { stdout, success } = Bun.spawnSync(["runc", "state", this.name]);
      const { status, pid } = success ? JSON.parse(stdout.toString()) : {};
      return status === "running" ? (pid as number) : undefined;
    });
  }

  remove(): void {
    this.bundle.remove();
  }

  #config(args: readonly string[], place: Place) {
    const { uid = 0, capabilities = CAPABILITIES, mounts = [], besidePid, limitMb } = place;
    const { hierarchy = bind(memoryRoot ?? "", memoryRoot ?? "", ["rw"]) } = place;
    // A user gets what is permitted by the ambient set alone.
    const sets = [
      "bounding",
      "effective",
      "permitted",
      ...(uid === 0 ? [] : ["inheritable", "ambient"]),
    ];
    const pid = besidePid === undefined ? {} : { path: `/proc/${besidePid}/ns/pid` };
    return {
      ociVersion: "1.0.2",
      process: {
        args: [place.program ?? ENTRYPOINT, ...args],
        cwd: "/",
        env: ["PATH=/usr/bin", ...(place.env ?? [])],
        user: { uid, gid: uid },
        capabilities: Object.fromEntries(sets.map((set) => [set, capabilities])),
        noNewPrivileges: true,
      },
      root: { path: "rootfs", readonly: true },
      mounts: [
        { destination: "/proc", type: "proc", source: "proc", options: [] },
        tmpfs("/dev", ["nosuid", "mode=755"]),
        tmpfs("/dev/shm", ["nosuid", "nodev", "noexec", "mode=1777"]),
        tmpfs("/run", ["nosuid", "nodev", "noexec", "mode=755"]),
        ...(hierarchy === null ? [] : [hierarchy]),
        ...mounts,
      ],
      linux: {
        cgroupsPath: `${this.#pod}/${this.name}`,
        namespaces: [
          { type: "pid", ...pid },
          ...["ipc", "uts", "mount", "network"].map((type) => ({ type })),
          ...(hierarchy === OWN_GROUPS ? [{ type: "cgroup" }] : []),
        ],
        ...(limitMb !== undefined && { resources: { memory: { limit: limitMb * MB } } }),
      },
    };
  }
}

export function tmpfs(destination: string, options: readonly string[]): Mount {
  return { destination, type: "tmpfs", source: "tmpfs", options };
}

export function bind(source: string, destination: string, options: readonly string[]): Mount {
  return { destination, type: "bind", source, options: ["bind", ...options] };
}
