// SPDX-License-Identifier: MIT
/**
 * What a kubelet and its runtime make of a pod, on the real kernel: the groups, the volumes, and a container for runc, as the
 * manifest says. The node's groups are below one of the test's own, as with the kubelet's --cgroup-root.
 */
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import type { IContainer } from "kubernetes-models/v1/Container";
import type { IPodSpec } from "kubernetes-models/v1/PodSpec";
import { ENTRYPOINT } from "../../src/release/tree.ts";
import { Bundle } from "./bundle.ts";
import { bind, type Mount, tmpfs } from "./container.ts";
import { makeFolder, removeFolder } from "./folder.ts";
import { Group } from "./group.ts";
import { memory } from "./memory.ts";
import { repository } from "./paths.ts";
import type { Reprieve } from "./reprieve.ts";

export const manifests = `${repository}/dist/kubernetes`;
const MIB = 2 ** 20;
/** What a privileged container is given, of that which matters here. */
const ALL = "CHOWN DAC_OVERRIDE IPC_LOCK KILL NET_ADMIN SYSLOG SYS_ADMIN SYS_NICE SYS_PTRACE".split(
  " ",
);

/** The pod of a manifest. */
export function podIn(file: string): IPodSpec {
  const manifest = Bun.YAML.parse(readFileSync(`${manifests}/${file}`, "utf8"));
  return (manifest as { spec: { template: { spec: IPodSpec } } }).spec.template.spec;
}

/** The pod of the DaemonSet; components change nothing but its container's securityContext. */
export function daemonPod(...components: readonly string[]): IPodSpec {
  const pod = podIn("base/daemon-set.yaml");
  const [container] = pod.containers;
  if (container === undefined) throw new Error("the DaemonSet has no container");
  const changes = components.map(
    (name) => podIn(`components/${name}/daemon-set.yaml`).containers[0],
  );
  const merged = Object.assign(
    {},
    ...[container, ...changes].map((one) => one?.securityContext),
  ) as IContainer["securityContext"];
  return { ...pod, containers: [{ ...container, ...(merged && { securityContext: merged }) }] };
}

export interface How {
  readonly mounts?: readonly Mount[];
  /** Which of the pod's; its first. */
  readonly name?: string;
  /** A container of the pod whose pid namespace it shares. */
  readonly beside?: KubeContainer;
}

export class Node {
  readonly root = new Group("node");
  /** Of the host: its /run and /var/lib, in tmpfs as the first is. */
  readonly #dir = makeFolder("test-node", "/dev/shm");
  readonly #config = `${this.#dir}/config`;
  readonly #containers: KubeContainer[] = [];
  #versions = 0;

  constructor() {
    mkdirSync(this.#config);
    // As the kubelet leaves it.
    Bun.spawnSync(["chmod", "777", this.#config]);
  }

  /** Has the volume of the config say this, as the kubelet does: a new directory, and a link that is renamed. */
  mount(files: Readonly<Record<string, string>>): void {
    this.#versions += 1;
    const version = `..version-${this.#versions}`;
    for (const [name, text] of Object.entries(files)) {
      const file = `${this.#config}/${version}/${name}`;
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, this.#placed(text));
    }
    symlinkSync(version, `${this.#config}/..data_tmp`);
    renameSync(`${this.#config}/..data_tmp`, `${this.#config}/..data`);
    const tops = readdirSync(`${this.#config}/${version}`);
    const there = readdirSync(this.#config);
    for (const top of tops.filter((name) => !there.includes(name))) {
      symlinkSync(`..data/${top}`, `${this.#config}/${top}`);
    }
  }

  /** The group of a container that somebody else runs. */
  group(path: string, limit?: number): Group {
    const names = path.split("/");
    const parent = names.slice(0, -1).reduce((above, name) => {
      memory.handDown(above.path);
      return above.child(name);
    }, this.root);
    return parent.child(names.at(-1) ?? "", limit);
  }

  /** A container of a pod, in this group below the root. */
  run(path: string, pod: IPodSpec, how: How = {}): KubeContainer {
    const container = new KubeContainer(this, path, pod, how);
    this.#containers.push(container);
    return container;
  }

  /** Where a volume of a pod is on this machine. */
  volume(name: string, { volumes = [] }: IPodSpec): string {
    const { hostPath, emptyDir } = volumes.find((one) => one.name === name) ?? {};
    if (hostPath?.path.startsWith("/sys/fs/cgroup/kubepods")) {
      return hostPath.path.replace("/sys/fs/cgroup", this.root.path);
    }
    if (hostPath?.path.startsWith("/sys/")) return hostPath.path;
    if (hostPath === undefined && emptyDir === undefined) return this.#config;
    const path = `${this.#dir}/${hostPath?.path ?? name}`;
    mkdirSync(path, { recursive: true });
    if (emptyDir !== undefined) Bun.spawnSync(["chmod", "777", path]);
    return path;
  }

  remove(): void {
    for (const container of this.#containers) container.remove();
    removeFolder(this.#dir);
  }

  /** The kubelet's --cgroup-root goes before its paths. */
  #placed(toml: string): string {
    return toml.replaceAll('"/kubepods', `"${this.root.path.slice(memory.root.length)}/kubepods`);
  }
}

let made = 0;

export class KubeContainer {
  readonly group: string;
  readonly #bundle: Bundle;
  readonly #name: string;
  /** Below each hierarchy. */
  readonly #path: string;

  constructor(node: Node, path: string, pod: IPodSpec, how: How) {
    made += 1;
    this.#name = `reprieve-kernel-${process.pid}-kube${made}`;
    this.group = `${node.root.path}/${path}`;
    this.#path = this.group.slice(memory.root.length);
    this.#bundle = new Bundle(this.#name, ociOf(node, pod, this.#path, how));
  }

  start(): Reprieve {
    return this.#bundle.start();
  }

  /** What a probe gets: the kubelet comes from the node, to the pod's address. */
  probe(path: string): string {
    const lines = [`GET ${path} HTTP/1.1`, "Host: 10.1.2.3:7461", "Connection: close", "", ""];
    const asked = lines.join("\\r\\n");
    const ask = `exec 3<>/dev/tcp/127.0.0.1/7461 && printf '${asked}' >&3 && cat <&3`;
    const enter = ["nsenter", "-t", String(this.pid()), "-n", "bash", "-c", ask];
    return Bun.spawnSync(enter, { stderr: "ignore" }).stdout.toString();
  }

  /** As `kubectl exec` has it done. */
  exec(...command: readonly string[]): string {
    return Bun.spawnSync(["runc", "exec", this.#name, ...command]).stdout.toString();
  }

  /** As the runtime does when the first process of a container ends that has no pid namespace of its own. */
  killAll(): void {
    Bun.spawnSync(["runc", "kill", "--all", this.#name, "KILL"]);
  }

  remove(): void {
    this.#bundle.remove();
    removeParents(this.#path);
  }

  /** Of its first process. */
  pid(): number {
    const state = Bun.spawnSync(["runc", "state", this.#name]).stdout.toString();
    return JSON.parse(state).pid;
  }
}

// --- internal ---

/** As containerd does it: its mounts, less what a volume hides; a cgroup namespace on v2, for who is not privileged. */
function ociOf(node: Node, pod: IPodSpec, group: string, { name, beside, mounts = [] }: How) {
  const named = pod.containers.find((one) => one.name === name);
  const container = named ?? pod.containers[0] ?? ({} as IContainer);
  const { securityContext, command = [], args = [], volumeMounts = [], resources } = container;
  const privileged = securityContext?.privileged === true;
  const add = privileged ? ALL : (securityContext?.capabilities?.add ?? []);
  const capabilities = add.map((name) => `CAP_${name}`);
  const sets = ["bounding", "effective", "permitted"].map((set) => [set, capabilities]);
  const uid = /\/pod([^/]*)\/[^/]*$/.exec(group)?.[1] ?? "";
  const volumes = volumeMounts.map((one) => {
    const below = one.subPathExpr?.replace("$(POD_UID)", uid);
    const source = node.volume(one.name, pod);
    // A part of the hierarchy goes where the whole of it would be.
    const at = one.mountPath === "/sys/fs/cgroup" && below ? memory.root : one.mountPath;
    return {
      ...bind(below === undefined ? source : `${source}/${below}`, at, []),
      options: ["rbind", "rprivate", one.readOnly ? "ro" : "rw"],
    };
  });
  const own = memory.version === 2 && !privileged ? ["cgroup"] : [];
  const namespaces = ["ipc", "uts", "mount", "network", ...own].map((type) => ({ type }));
  const pid = { type: "pid", ...(beside && { path: `/proc/${beside.pid()}/ns/pid` }) };
  const limit = bytesOf(resources?.limits?.memory);
  return {
    ociVersion: "1.0.2",
    process: {
      args: [...(command.length > 0 ? command : [ENTRYPOINT]), ...args],
      cwd: "/",
      env: ["PATH=/usr/bin"],
      user: { uid: securityContext?.runAsUser ?? 0, gid: securityContext?.runAsGroup ?? 0 },
      capabilities: Object.fromEntries(sets),
      noNewPrivileges: securityContext?.allowPrivilegeEscalation === false,
    },
    root: { path: "rootfs", readonly: securityContext?.readOnlyRootFilesystem === true },
    mounts: [
      { destination: "/proc", type: "proc", source: "proc", options: ["nosuid", "nodev"] },
      tmpfs("/dev", ["nosuid", "mode=755", "size=65536k"]),
      tmpfs("/dev/shm", ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
      ...(privileged ? [bind("/dev/kmsg", "/dev/kmsg", ["rw"])] : []),
      ...volumes,
      ...mounts,
    ],
    linux: {
      cgroupsPath: group,
      namespaces: pod.hostPID ? namespaces : [...namespaces, pid],
      resources: {
        ...(limit !== undefined && { memory: { limit } }),
        devices: [{ allow: privileged, access: "rwm" }],
      },
      ...(!privileged && {
        maskedPaths: ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"],
        readonlyPaths: ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
      }),
    },
  };
}

function bytesOf(quantity: unknown): number | undefined {
  if (quantity === undefined) return undefined;
  const [, number] = /^(\d+)Mi$/.exec(String(quantity)) ?? [];
  if (number === undefined) throw new Error(`${quantity} is no number of Mi`);
  return Number(number) * MIB;
}

/** runc makes the groups above its own in every hierarchy, and leaves them. */
function removeParents(group: string): void {
  for (const hierarchy of readdirSync("/sys/fs/cgroup")) {
    for (let path = dirname(group); path !== "/"; path = dirname(path)) {
      try {
        rmdirSync(`/sys/fs/cgroup/${hierarchy}${path}`);
      } catch {} // it is not there, or has more in it
    }
  }
}
