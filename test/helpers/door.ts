// SPDX-License-Identifier: MIT
/** The door from outside: a folder for its socket, and clients of a user of our choice. */

import { chmodSync, chownSync, copyFileSync, existsSync } from "node:fs";
import { basename } from "node:path";
import { UID } from "./as-user.ts";
import { fixture } from "./build.ts";
import { makeFolder, removeFolder } from "./folder.ts";
import { Group, kill } from "./group.ts";
import { linesOf } from "./lines.ts";
import { programOf, repository } from "./paths.ts";
import type { Message, StartOptions } from "./reprieve.ts";
import { LEAK_KB, LIMIT, Scene } from "./scene.ts";
import { until } from "./wait.ts";

/** Nobody's either, and not the owner of anything here. */
export const OTHER_UID = 12346;

export const AS_OWNER = ["env", `WORKLOAD_UID=${UID}`];

const folders = new Set<string>();
const clients = new Set<Bun.Subprocess>();

/** For afterEach. */
export async function closeDoors(): Promise<void> {
  for (const client of clients) {
    kill(client.pid, "SIGKILL");
    await client.exited;
  }
  clients.clear();
  for (const folder of folders) removeFolder(folder);
  folders.clear();
}

/** Root's; everybody may read it. */
export function doorFolder(): string {
  const folder = makeFolder("test", "/var/tmp");
  chmodSync(folder, 0o755);
  folders.add(folder);
  return folder;
}

/** What everybody may run: the checkout may be closed to others. */
export function forEverybody(folder: string, program: string): string {
  const copy = `${folder}/${basename(program)}`;
  if (!existsSync(copy)) copyFileSync(program, copy);
  chmodSync(copy, 0o755);
  return copy;
}

/** The name that the feed has for it. */
export function guardOf(group: Group): string {
  return basename(group.path);
}

export function asUser(uid: number, command: readonly string[]): string[] {
  return [programOf("setpriv"), `--reuid=${uid}`, `--regid=${uid}`, "--clear-groups", ...command];
}

type Handler = Bun.Subprocess<"ignore", "inherit", "pipe">;

/** As Scene, with the door open and the group owned by UID. */
export class DoorScene {
  readonly scene: Scene;
  readonly folder: string;

  private constructor(scene: Scene, folder: string) {
    this.scene = scene;
    this.folder = folder;
  }

  /** `args` may depend on the group and the folder. */
  static async set(
    args: readonly string[] | ((group: Group, folder: string) => string[]) = [],
    options: StartOptions = {},
  ): Promise<DoorScene> {
    const folder = doorFolder();
    const group = new Group("door", { limit: LIMIT });
    chownSync(group.path, UID, UID);
    const door = ["--handler", "designated", "--handler-socket", `${folder}/handler.sock`];
    const more = typeof args === "function" ? args(group, folder) : args;
    return new DoorScene(await Scene.around(group, [...door, ...more], options), folder);
  }

  get socket(): string {
    return `${this.folder}/handler.sock`;
  }

  get guard(): string {
    return guardOf(this.scene.group);
  }

  /** The guard's message with that event. */
  told(event: string, from = 0): Promise<Message> {
    return this.scene.reprieve.message("guard", { from, where: (m) => m.event === event });
  }

  /** As the scene's, by a process of the group's owner. */
  leak() {
    return this.scene.leak(AS_OWNER);
  }

  /** The same, where a handler may be so quick that no watcher saw an OOM. */
  async leakToDeath(): Promise<void> {
    const { board, group } = this.scene;
    const leaker = await board.start(group, { means: "touch", kb: LEAK_KB }, AS_OWNER).ready();
    leaker.go();
    await until("the leaker's death", () => !leaker.isAlive());
  }

  client(uid = UID, wrapper: readonly string[] = []): Client {
    return new Client(this.socket, this.folder, uid, wrapper);
  }

  /** A client that is the guard's handler. */
  async designated(uid = UID): Promise<Client> {
    const client = this.client(uid);
    await client.expect("dial", "0");
    await client.expect(`name ${this.guard}`, "0");
    await client.expect("hear", "3 0 accepted");
    return client;
  }

  /** The example of native/examples, as the group's owner; `inside`: in the group. */
  example(inside: boolean): Handler {
    const program = fixture("handler", `${repository}/native/examples`);
    return this.start([program, this.guard, this.scene.group.path, this.socket], { inside });
  }

  /** The one for Bun, outside. */
  exampleForBun(): Handler {
    const script = forEverybody(this.folder, `${repository}/native/examples/handler.ts`);
    const bun = forEverybody(this.folder, process.execPath);
    return this.start([bun, script, this.guard, this.scene.group.path, this.socket]);
  }

  /** A program that may be closed to others, with what a user may lock by default on many hosts. */
  start([program = "", ...args]: readonly string[], { inside = false, uid = UID } = {}): Handler {
    const command = asUser(uid, [forEverybody(this.folder, program), ...args]);
    const enter = inside ? [`echo 0 > "${this.scene.group.path}/cgroup.procs" &&`] : [];
    const script = [...enter, 'ulimit -l 8192 && exec "$@"'].join(" ");
    const handler = Bun.spawn(["sh", "-c", script, "sh", ...command], {
      stdio: ["ignore", "inherit", "pipe"],
      env: { PATH: process.env.PATH },
      cwd: "/",
    });
    clients.add(handler);
    return handler;
  }
}

/** test/fixtures/knock.c: a command a line, and an answer. */
export class Client {
  readonly proc: Bun.Subprocess<"pipe", "pipe", "inherit">;
  readonly #lines: AsyncGenerator<string>;

  constructor(socket: string, folder: string, uid: number, wrapper: readonly string[] = []) {
    const program = forEverybody(folder, fixture("knock"));
    this.proc = Bun.spawn([...wrapper, ...asUser(uid, [program, socket])], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#lines = linesOf(this.proc.stdout);
    clients.add(this.proc);
  }

  get pid(): number {
    return this.proc.pid;
  }

  /** Its answer, or "gone". */
  async ask(command: string): Promise<string> {
    this.proc.stdin.write(`${command}\n`);
    this.proc.stdin.flush();
    return this.next();
  }

  async next(): Promise<string> {
    const { value } = await this.#lines.next();
    return value ?? "gone";
  }

  /** Throws where the answer is another. */
  async expect(command: string, answer: string): Promise<void> {
    const got = await this.ask(command);
    if (got !== answer) throw new Error(`"${command}": expected "${answer}", got "${got}"`);
  }

  async end(): Promise<void> {
    kill(this.pid, "SIGKILL");
    await this.proc.exited;
  }
}
