// SPDX-License-Identifier: MIT
/**
 * A real container: an OCI bundle made on the spot for runc. The root file system is read-only
 * and holds the binary, a fixture and the libraries they name; the memory hierarchy is there,
 * writable; /run is a tmpfs; there is no /tmp unless asked for. No rlimits: setting one takes
 * CAP_SYS_RESOURCE.
 */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fixture } from "./build.ts";
import { binary, memoryRoot } from "./paths.ts";
import { Reprieve } from "./reprieve.ts";

const CAPABILITIES = [
  "CAP_SYS_ADMIN",
  "CAP_KILL",
  "CAP_IPC_LOCK",
  "CAP_DAC_OVERRIDE",
  "CAP_SYS_PTRACE",
];

export interface Mount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

let made = 0;

export class Container {
  readonly bundle: string;
  readonly name: string;

  constructor(args: readonly string[], mounts: readonly Mount[] = []) {
    made += 1;
    this.name = `reprieve-kernel-${process.pid}-c${made}`;
    this.bundle = mkdtempSync("/var/tmp/reprieve-test-bundle-");
    const root = `${this.bundle}/rootfs`;
    // What lies in a tmpfs of the container's is made there by runc.
    const folders = mounts.map((m) => m.destination).filter((path) => !path.startsWith("/dev/"));
    for (const path of new Set(["proc", "dev", "run", memoryRoot ?? "", ...folders])) {
      mkdirSync(`${root}/${path}`, { recursive: true });
    }
    for (const [from, to] of [
      [binary, "/reprieve"],
      [fixture("workload"), "/workload"],
    ] as const) {
      copyFileSync(from, `${root}${to}`);
      for (const library of librariesOf(from)) {
        mkdirSync(dirname(root + library), { recursive: true });
        copyFileSync(library, root + library);
      }
    }
    writeFileSync(`${this.bundle}/config.json`, JSON.stringify(this.#config(args, mounts)));
  }

  start(): Reprieve {
    return Reprieve.start([], { command: ["runc", "run", "--bundle", this.bundle, this.name] });
  }

  remove(): void {
    Bun.spawnSync(["runc", "delete", "--force", this.name]);
    rmSync(this.bundle, { recursive: true });
  }

  #config(args: readonly string[], mounts: readonly Mount[]): unknown {
    const sets = ["bounding", "effective", "permitted"].map((set) => [set, CAPABILITIES]);
    const kinds = ["pid", "ipc", "uts", "mount", "network"];
    return {
      ociVersion: "1.0.2",
      process: {
        args: ["/reprieve", ...args],
        cwd: "/",
        env: ["PATH=/"],
        user: { uid: 0, gid: 0 },
        capabilities: Object.fromEntries(sets),
        noNewPrivileges: true,
      },
      root: { path: "rootfs", readonly: true },
      mounts: [
        { destination: "/proc", type: "proc", source: "proc" },
        tmpfs("/dev", ["nosuid", "mode=755"]),
        tmpfs("/run", ["nosuid", "nodev", "noexec", "mode=755"]),
        bind(memoryRoot ?? "", memoryRoot ?? "", ["rw"]),
        ...mounts,
      ],
      linux: {
        cgroupsPath: `/${this.name}`,
        namespaces: kinds.map((type) => ({ type })),
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

/** The dynamic linker and the libraries that a program names. */
function librariesOf(program: string): string[] {
  const listed = Bun.spawnSync(["ldd", program]).stdout.toString();
  return [...listed.matchAll(/(\/\S+) \(0x/g)].map((match) => match[1] ?? "");
}
