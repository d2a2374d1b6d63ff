// SPDX-License-Identifier: MIT
/**
 * Drives test/fixtures/workload from outside the group: a file in tmpfs with one slot a process,
 * written here first so that its pages are charged to us. Words as in test/fixtures/slot.h.
 */
import { closeSync, openSync, readFileSync, readSync, rmSync, writeSync } from "node:fs";
import { fixture } from "./build.ts";
import { type Group, kill } from "./group.ts";
import { START_BOUND_MS, until } from "./wait.ts";

const SLOT_BYTES = 1024;
const GO_RUN = 1n;
const GO_STOP = 2n;
const PID_OFFSET = 72;
const WORD = {
  ready: 1,
  bytes: 2,
  lastTouchNs: 3,
  turns: 4,
  failedCalls: 5,
  longestNs: 6,
  done: 7,
  pids: 8,
} as const;

export type Means =
  | "touch"
  | "huge"
  | "populate"
  | "threads"
  | "fork"
  | "newborn"
  | "file"
  | "quit"
  | "steady"
  | "outside"
  | "thread-in"
  | "orphan"
  | "write"
  | "leave"
  | "reread";

export interface Plan {
  readonly means: Means;
  /** Touched before it reports ready. */
  readonly beforeKb?: number;
  readonly kb?: number;
  readonly chunkKb?: number;
  readonly pauseUs?: number;
  readonly parts?: number;
}

let boards = 0;
const open = new Set<Board>();

/** For afterEach: what a failed test left. */
export function closeBoards(): void {
  for (const board of open) board.close();
}

/** One file, up to 16 workloads at a time. */
export class Board {
  static readonly SLOTS = 16;
  readonly file: string;
  readonly fd: number;
  #used = 0;

  constructor() {
    boards += 1;
    this.file = `/dev/shm/reprieve-test-${process.pid}-${boards}`;
    this.fd = openSync(this.file, "w+", 0o600);
    this.clear();
    open.add(this);
  }

  /** All slots are free again; the workloads that used them must be dead. */
  clear(): void {
    writeSync(this.fd, new Uint8Array(Board.SLOTS * SLOT_BYTES), 0, Board.SLOTS * SLOT_BYTES, 0);
    this.#used = 0;
  }

  close(): void {
    open.delete(this);
    closeSync(this.fd);
    this.dropHeld();
    rmSync(this.file);
  }

  /** The workload of slot 0, where somebody else starts it. */
  first(): Workload {
    return this.at(0);
  }

  at(slot: number): Workload {
    return new Workload(this, slot);
  }

  /** Removes the file that a workload by means of "file" filled. */
  dropHeld(): void {
    rmSync(`${this.file}.held`, { force: true });
  }

  /** Starts one; with a wrapper (a program and its arguments) through that. */
  start(group: Group | null, plan: Plan, wrapper: readonly string[] = []): Workload {
    const slot = this.#take();
    const args = this.#line(slot, group?.path ?? "-", plan);
    Bun.spawn([...wrapper, fixture("workload"), ...args], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    return new Workload(this, slot);
  }

  /** Starts one that is born in the nursery's group. */
  bear(nursery: Pick<Nursery, "bear">, plan: Plan): Workload {
    const slot = this.#take();
    nursery.bear(this.#line(slot, "-", plan));
    return new Workload(this, slot);
  }

  #take(): number {
    if (this.#used === Board.SLOTS) throw new Error("Cannot start a workload as the board is full");
    this.#used += 1;
    return this.#used - 1;
  }

  #line(slot: number, group: string, plan: Plan): string[] {
    const { means, beforeKb = 0, kb = 0, chunkKb = 4, pauseUs = 0, parts = 1 } = plan;
    const numbers = [beforeKb, kb, chunkKb, pauseUs, parts].map(String);
    return [this.file, String(slot), group, means, ...numbers];
  }
}

/** A small process in a group that forks workloads there: quicker than one that has to join. */
export class Nursery {
  readonly #proc: Bun.Subprocess<"pipe", "ignore", "inherit">;

  constructor(group: Group) {
    this.#proc = Bun.spawn([fixture("workload"), "nursery", group.path], {
      stdio: ["pipe", "ignore", "inherit"],
    });
  }

  get pid(): number {
    return this.#proc.pid;
  }

  isAlive(): boolean {
    return isAlive(this.pid);
  }

  sleepsIn(): string {
    return sleepOf(this.pid);
  }

  bear(args: readonly string[]): void {
    this.#proc.stdin.write(`${args.join(" ")}\n`);
    this.#proc.stdin.flush();
  }

  async end(): Promise<void> {
    kill(this.pid, "SIGKILL");
    await this.#proc.exited;
  }
}

export class Workload {
  readonly #board: Board;
  readonly #slot: number;
  readonly #words = new BigUint64Array(SLOT_BYTES / 8);

  constructor(board: Board, slot: number) {
    this.#board = board;
    this.#slot = slot;
  }

  /** Of the process itself; 0 before it has started. */
  get pid(): number {
    return this.pids()[0] ?? 0;
  }

  word(name: keyof typeof WORD): number {
    this.#read();
    return Number(this.#words[WORD[name]]);
  }

  /** CLOCK_BOOTTIME. */
  lastTouchMs(): number {
    return this.word("lastTouchNs") / 1e6;
  }

  /** Itself and every process that it forked. */
  pids(): number[] {
    const n = this.word("pids");
    // The count goes first: a place may be empty yet.
    return [...new Uint32Array(this.#words.buffer, PID_OFFSET, n)].filter((pid) => pid > 0);
  }

  isAlive(): boolean {
    return isAlive(this.pid);
  }

  /** Those of pids() that live. */
  living(): number[] {
    return this.pids().filter(isAlive);
  }

  async ready(boundMs = START_BOUND_MS): Promise<this> {
    const isReady = () => this.word("ready") === 1;
    await until("a workload to be ready", isReady, boundMs).catch((error) => {
      throw new Error(`${error.message}: ${this.pid || "unborn"} ${sleepOf(this.pid)}`);
    });
    return this;
  }

  go(): void {
    this.#order(GO_RUN);
  }

  /** Ends it and its tree: told, then killed. */
  async stop(): Promise<void> {
    this.#order(GO_STOP);
    for (const pid of this.pids().reverse()) kill(pid, "SIGKILL");
    await until("a workload's end", () => this.living().length === 0);
  }

  #order(go: bigint): void {
    writeSync(this.#board.fd, new BigUint64Array([go]), 0, 8, this.#slot * SLOT_BYTES);
  }

  #read(): void {
    const bytes = new Uint8Array(this.#words.buffer);
    readSync(this.#board.fd, bytes, 0, SLOT_BYTES, this.#slot * SLOT_BYTES);
  }
}

/** A zombie is dead: it holds no memory, its parent is only slow. */
export function isAlive(pid: number): boolean {
  try {
    return pid > 0 && !/^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

export function isStopped(pid: number): boolean {
  return /^\d+ \(.*\) T/s.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
}

/** Where it sleeps in the kernel; "dead" where it is gone. */
function sleepOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/wchan`, "utf8");
  } catch {
    return "dead";
  }
}
