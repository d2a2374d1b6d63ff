// SPDX-License-Identifier: MIT
/**
 * The binary under test, from outside: its arguments, its JSON lines, its processes, what it
 * leaves behind.
 */
import { existsSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { removeFolder } from "./folder.ts";
import { kill } from "./group.ts";
import { memory } from "./memory.ts";
import { binary, hierarchy, runBase } from "./paths.ts";
import { START_BOUND_MS, until } from "./wait.ts";
import { isAlive } from "./workload.ts";

const DEAD_BOUND_MS = 1000;

/** A line of --json; test/kernel/run.test.ts checks every one against the schemas. */
export interface Message {
  readonly v: number;
  readonly t: number;
  readonly type: string;
  readonly [field: string]: unknown;
}

export type Role = "handler" | "watchdog" | "spare" | "door";

const ROLES: ReadonlySet<string> = new Set(["handler", "watchdog", "spare", "door"]);

export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  readonly messages: Message[];
}

export interface StartOptions {
  /** Replaces the command line: for a start through setpriv, runc ... */
  readonly command?: readonly string[];
  readonly env?: Record<string, string>;
}

const living = new Set<Reprieve>();
/** Agents since the last clean-up. */
const started = new Set<number>();

const ANY = (_: Message): boolean => true;

export class Reprieve {
  readonly proc: Bun.Subprocess<"ignore", "pipe", "pipe">;
  readonly messages: Message[] = [];
  out = "";
  err = "";
  #drained: Promise<unknown>;

  private constructor(args: readonly string[], { command, env }: StartOptions) {
    this.proc = Bun.spawn([...(command ?? [binary]), ...withoutJournal(args)], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...env },
    });
    this.#drained = Promise.all([this.#readLines(), this.#readErrors()]);
    living.add(this);
    started.add(this.pid);
  }

  static start(args: readonly string[], options: StartOptions = {}): Reprieve {
    return new Reprieve(args, options);
  }

  /** Guards the groups, with the power to kill; returns when all are armed. */
  static async guard(
    paths: readonly string[],
    more: readonly string[] = [],
    options: StartOptions = {},
  ): Promise<Reprieve> {
    const args = ["run", ...paths.flatMap((path) => ["--cgroup", path]), "--allow-kill", "--json"];
    const listen = more.includes("--listen") ? [] : ["--listen", "none"];
    const reprieve = Reprieve.start([...args, ...listen, ...more], options);
    await reprieve.armed(paths.length);
    return reprieve;
  }

  static async ends(args: readonly string[], options: StartOptions = {}): Promise<Ended> {
    return Reprieve.start(args, options).ended();
  }

  get pid(): number {
    return this.proc.pid;
  }

  async armed(guards = 1): Promise<void> {
    const areArmed = () => {
      if (this.proc.exitCode !== null) throw new Error(`Not armed, but exited: ${this.err}`);
      return this.messages.filter((message) => message.type === "armed").length >= guards;
    };
    await until("armed", areArmed, START_BOUND_MS);
  }

  /** The first message from `from` on that fits. */
  async message(type: string, { from = 0, boundMs = 5000, where = ANY } = {}): Promise<Message> {
    const find = () => this.messages.slice(from).find((m) => m.type === type && where(m));
    return until(`a message ${type}; so far ${this.#tail(from)}`, find, boundMs).catch(() => {
      throw new Error(`Waited ${boundMs} ms in vain for ${type}: ${this.#tail(from)}`);
    });
  }

  /** Our helpers by role, told by the run directory in their command line. */
  helpers(): Map<Role, number> {
    return helpersOf(this.pid);
  }

  async helper(role: Role): Promise<number> {
    const has = () => `has ${[...this.helpers().keys()]}, exit code ${this.proc.exitCode}`;
    return until(`a ${role}`, () => this.helpers().get(role)).catch((error: Error) => {
      throw new Error(`${error.message}: ${this.pid} ${has()}: ${this.#tail(0)}`);
    });
  }

  /** Returns when it lives in its own groups: that is the last slow step of its start. */
  async settled(role: Role): Promise<void> {
    const group = `reprieve-helpers-${this.pid}`;
    const pid = await this.helper(role);
    // On v1 in those of memory and freezer.
    const groups = memory.version === 1 ? 2 : 1;
    const isIn = () => readFileSync(`/proc/${pid}/cgroup`, "utf8").split(group).length > groups;
    await until(`the ${role} to settle`, isIn);
  }

  /** SIGTERM; the exit code. */
  async stop(): Promise<number> {
    kill(this.pid, "SIGTERM");
    return (await this.ended()).code;
  }

  async ended(boundMs = 10_000): Promise<Ended> {
    const bound = setTimeout(() => kill(this.pid, "SIGKILL"), boundMs);
    await this.proc.exited;
    clearTimeout(bound);
    // A helper that outlives the agent may hold our stderr open.
    await Promise.race([this.#drained, Bun.sleep(500)]);
    living.delete(this);
    const signal = this.proc.signalCode === null ? null : 128;
    const code = this.proc.exitCode ?? signal ?? -1;
    return { code, out: this.out, err: this.err, messages: this.messages };
  }

  /** SIGKILL for the agent and all helpers at the same instant. */
  killAll(): void {
    killAllOf(this.pid);
    living.delete(this);
  }

  /** What is left of it on the host, in words; empty when it is all gone. */
  leftovers(): string[] {
    return leftoversOf(this.pid);
  }

  async gone(boundMs = 3000): Promise<void> {
    await until("nothing to be left", () => this.leftovers().length === 0, boundMs).catch(() => {
      throw new Error(`Left behind: ${this.leftovers().join("; ")}`);
    });
  }

  async #readLines(): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of this.proc.stdout) {
      const text = decoder.decode(chunk, { stream: true });
      this.out += text;
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        if (line.startsWith("{")) this.messages.push(JSON.parse(line) as Message);
      }
    }
  }

  async #readErrors(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of this.proc.stderr) this.err += decoder.decode(chunk, { stream: true });
  }

  #tail(from: number): string {
    return JSON.stringify(this.messages.slice(from).slice(-12)) + this.err.slice(-500);
  }
}

/** For afterEach: ends what a failed test left running, and removes what that left behind. */
export async function endReprieves(): Promise<void> {
  for (const reprieve of living) {
    const helpers = [...reprieve.helpers().values()];
    kill(reprieve.pid, "SIGTERM");
    await reprieve.ended(3000);
    for (const pid of helpers) if (isHelperOf(pid, reprieve.pid)) kill(pid, "SIGKILL");
  }
  for (const pid of started) for (const path of pathsOf(pid)) await removeTree(path);
  started.clear();
}

/** A group has only directories that can be removed, a run directory files too. */
async function removeTree(path: string): Promise<void> {
  if (path.startsWith(runBase)) removeFolder(path);
  else await until(`${path} to be empty`, () => tryRemove(path));
}

function tryRemove(path: string): boolean {
  try {
    rmdirSync(path);
    return true;
  } catch {
    return false; // EBUSY until the last task has left it
  }
}

/** When it returns they are dead, and hold no lock any more. */
export function killAllOf(agentPid: number): void {
  const pids = [agentPid, ...helpersOf(agentPid).values()];
  for (const pid of pids) kill(pid, "SIGSTOP"); // nobody sees another die
  for (const pid of pids) kill(pid, "SIGKILL");
  for (let ms = 0; ms < DEAD_BOUND_MS && pids.some(hasTasks); ms++) Bun.sleepSync(1);
}

/** Its first thread may be a zombie while another one still holds its files. */
function hasTasks(pid: number): boolean {
  try {
    return isAlive(pid) || readdirSync(`/proc/${pid}/task`).length > 1;
  } catch {
    return false;
  }
}

/** The door has children for a moment, whose command line is its own. */
export function helpersOf(agentPid: number): Map<Role, number> {
  const found = readdirSync("/proc")
    .map(Number)
    .filter((pid) => pid > 0 && isHelperOf(pid, agentPid));
  const roleOf = (pid: number) => commandLine(pid)[0]?.replace("reprieve-", "") as Role;
  return new Map(
    found
      .filter((pid) => !found.includes(parentOf(pid)))
      .map((pid) => [roleOf(pid), pid] as const)
      .filter(([role]) => ROLES.has(role)),
  );
}

export function leftoversOf(agentPid: number): string[] {
  const helpers = [...helpersOf(agentPid)].map(([role, pid]) => `process ${pid} (${role})`);
  return [...helpers, ...pathsOf(agentPid).map(withFiles)];
}

/** What lies in a run directory says who was to remove it. */
function withFiles(path: string): string {
  return path.startsWith(runBase) ? `${path} (${readdirSync(path)})` : path;
}

/** The groups of its helpers and its run directory, as far as they are there. */
function pathsOf(agentPid: number): string[] {
  const groups = [memory.root, hierarchy("freezer")].flatMap((at) =>
    ["", "-probe"].map((end) => `${at}/reprieve-helpers-${agentPid}${end}`),
  );
  return [...groups, `${runBase}/${agentPid}`].filter((path) => existsSync(path));
}

function isHelperOf(pid: number, agentPid: number): boolean {
  const args = commandLine(pid);
  return args[0]?.startsWith("reprieve-") === true && args.includes(`${runBase}/${agentPid}`);
}

/** 0 where it is gone. */
export function parentOf(pid: number): number {
  try {
    return Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
  } catch {
    return 0;
  }
}

/** A test that is not of the journal leaves this host's alone. */
function withoutJournal(args: readonly string[]): readonly string[] {
  const [command, ...rest] = args;
  if (command !== "run" || rest.includes("--journal")) return args;
  return [command, "--journal", "none", ...rest];
}

/** Empty for a zombie and for a process that is gone. */
export function commandLine(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    return [];
  }
}
