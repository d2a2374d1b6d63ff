// SPDX-License-Identifier: MIT
/**
 * A pod, as Kubernetes has it: one group, one pid namespace, which a process makes that does nothing else, and in a container of its own
 * an app with a limit, of which a process leaks.
 */
import { chmodSync, existsSync, readdirSync, rmdirSync, writeFileSync } from "node:fs";
import { basename, dirname } from "node:path";
import { fixture } from "./build.ts";
import { bind, Container, type Place, UNHURRIED } from "./container.ts";
import { makeFolder, removeFolder } from "./folder.ts";
import { Group } from "./group.ts";
import { memory } from "./memory.ts";
import type { Reprieve } from "./reprieve.ts";
import { LIMIT, NEAR_KB } from "./scene.ts";
import { until } from "./wait.ts";
import { Board } from "./workload.ts";

const living = new Set<Pod>();

/** For afterEach. */
export async function endPods(): Promise<void> {
  for (const pod of living) await pod.end();
}

const IDLE = ["touch", "0", "0", "4", "0", "1"];
/** Holds most of what is allowed, and takes more when it is told to. */
const LEAK = ["/dev/shm/board", "2", "-", "touch", `${NEAR_KB}`, `${NEAR_KB}`, "4", "0", "1"];

export class Pod {
  readonly #group = new Group("pod");
  readonly #board = new Board();
  readonly #containers: Container[] = [];
  /** Of all its containers, as in Kubernetes: it outlives each. */
  readonly #shm = makeFolder("test-pod", "/dev/shm");
  #firstPid: number | undefined;
  /** Of its group too. */
  appName = "";

  private constructor() {
    living.add(this);
    // The app may be a user.
    chmodSync(this.#board.file, 0o666);
    chmodSync(this.#shm, 0o1777);
  }

  static async set(appUid = 0): Promise<Pod> {
    const pod = new Pod();
    const idle = (slot: number) => ["/dev/shm/board", String(slot), "-", ...IDLE];
    const pause = pod.#container(idle(0), { program: "/workload" });
    pause.start();
    pod.#firstPid = await pause.pid();
    const app = pod.#container(idle(1), { program: "/workload", uid: appUid });
    app.start();
    pod.appName = app.name;
    await pod.#ready(1);
    pod.app.setLimit(LIMIT);
    return pod;
  }

  /** Of one container, whose process has made the pid namespace, and leaks. */
  static async ofLeaker(): Promise<{ pod: Pod; leaker: Reprieve }> {
    const pod = new Pod();
    const app = pod.#container(LEAK, { program: "/workload" });
    const leaker = app.start();
    pod.#firstPid = await app.pid();
    pod.appName = app.name;
    await pod.#ready(2);
    pod.app.setLimit(LIMIT);
    return { pod, leaker };
  }

  /** Where its group is. */
  get path(): string {
    return this.#group.path;
  }

  /** The process that has made its pid namespace. */
  get firstPid(): number {
    return this.#firstPid ?? 0;
  }

  /** The group of the app's container. */
  get app(): Group {
    return this.#group.child(this.appName);
  }

  /** The pod's groups are all that it sees of the hierarchy. */
  sidecar(
    place: Place,
    wrapper: readonly string[] = [],
  ): { container: Container; reprieve: Reprieve } {
    const args = [
      "--cgroup",
      this.appName,
      "--allow-kill",
      ...UNHURRIED,
      "--journal",
      "none",
      "--listen",
      "none",
    ];
    const container = this.#container(["run", ...args, "--json"], {
      hierarchy: bind(this.#group.path, memory.root, ["rw"]),
      ...place,
    });
    return { container, reprieve: container.start(wrapper) };
  }

  /** A leaker in the app's container that holds most of what is allowed, so that the group is held: `leak()` has it take more, until it is dead. */
  async leaker(): Promise<{ leak(): Promise<void> }> {
    const proc = Bun.spawn(["runc", "exec", this.appName, "/workload", ...LEAK], {
      stdio: ["ignore", "ignore", "ignore"],
    });
    await this.#ready(2);
    await until("the group to be held", () => this.app.oom().held);
    return {
      leak: async () => {
        this.leak();
        await proc.exited;
      },
    };
  }

  leak(): void {
    this.#board.at(2).go();
  }

  /** Takes all that is left in a container's group, whose first process the kernel then kills; `before` that. */
  async starve(container: Container, before: () => void): Promise<void> {
    writeFileSync(`/proc/${await container.pid()}/oom_score_adj`, "1000");
    const args = [this.#board.file, "3", container.group, "touch", "0", "1000000", "4", "0", "1"];
    Bun.spawn([fixture("workload"), ...args], { stdio: ["ignore", "ignore", "ignore"] });
    await this.#ready(3);
    before();
    this.#board.at(3).go();
  }

  async end(): Promise<void> {
    living.delete(this);
    for (const container of this.#containers.reverse()) container.remove();
    this.#board.close();
    removeFolder(this.#shm);
    await this.#group.destroy();
    // runc has made the pod's group in every other hierarchy too.
    const above = dirname(memory.root);
    for (const other of readdirSync(above)) {
      const path = `${above}/${other}/${basename(this.#group.path)}`;
      if (existsSync(path)) rmdirSync(path);
    }
  }

  #container(args: readonly string[], place: Place): Container {
    const pid = this.#firstPid;
    const container = new Container(args, {
      pod: `/${basename(this.#group.path)}`,
      hierarchy: null,
      capabilities: [],
      mounts: [
        bind(this.#shm, "/dev/shm", ["rw"]),
        bind(this.#board.file, "/dev/shm/board", ["rw"]),
      ],
      ...(pid !== undefined && { besidePid: pid }),
      ...place,
    });
    this.#containers.push(container);
    return container;
  }

  async #ready(slot: number): Promise<void> {
    await until("a process of the pod", () => this.#board.at(slot).word("ready") === 1);
  }
}
