// SPDX-License-Identifier: MIT
/** A guarded group with a board, and what every test of one asks afterwards. */
import { expect } from "bun:test";
import { Group, MB } from "./group.ts";
import { isKillLogged } from "./kernel-log.ts";
import { memory } from "./memory.ts";
import { fixtures } from "./paths.ts";
import { sampled } from "./region.ts";
import { type Message, Reprieve, type StartOptions } from "./reprieve.ts";
import { until } from "./wait.ts";
import { Board, type Workload } from "./workload.ts";

export const LIMIT = 48 * MB;
/** More than the group can hold, in KiB. */
export const LEAK_KB = (LIMIT / 1024) * 1.5;
/** Less than the margin is left: the group is held, and yet nobody in it has to wait. */
export const NEAR_KB = (LIMIT / 1024) * 0.9;
/** It has a dozen turns while a leak lasts, and leaves the CPU to others in a VM, where it costs the most. */
const NEIGHBOUR_PAUSE_US = 2000;
/**
 * On v2 the default: who is over the mark reclaims in vain before he sleeps, and before he dies. On the one slow CPU of
 * test/vm a victim among five that do so took up to 115 ms.
 */
export const DELAY_MS = memory.version === 1 ? 100 : 500;

/** Flags: `sampled()` takes a tenth of the time. Not where it matters that a look is up to a second old. */
export const OFTEN = ["--config", `${fixtures}/often.toml`];

export class Scene {
  readonly group: Group;
  readonly board = new Board();
  reprieve: Reprieve;

  private constructor(group: Group, reprieve: Reprieve) {
    this.group = group;
    this.reprieve = reprieve;
  }

  static async set(args: readonly string[] = [], limit = LIMIT): Promise<Scene> {
    return Scene.around(new Group("scene", { limit }), args);
  }

  static async around(
    group: Group,
    args: readonly string[] = [],
    options: StartOptions = {},
  ): Promise<Scene> {
    const delay = ["--delay", `${DELAY_MS}ms`];
    return new Scene(group, await Reprieve.guard([group.path], [...delay, ...args], options));
  }

  /** What reprieve calls the group. */
  get guard(): string {
    return this.group.path.slice(memory.root.length + 1);
  }

  steps(step: string, from = 0): Message[] {
    const all = this.reprieve.messages.slice(from);
    return all.filter((m) => m.type === "incident.step" && m.step === step);
  }

  /** Pids that reprieve killed. */
  victims(from = 0): number[] {
    return this.steps("kill", from).map((kill) => Number(kill.pid));
  }

  /** Pids that the kernel killed, as incident.closed says; its log may have left one out. */
  expectKernelKilled({ kernel_killed: told = [] }: Message, pid: number): void {
    const pids = (told as { pid: number }[]).map((one) => one.pid);
    expect(pids).toEqual(isKillLogged(pid) ? [pid] : []);
  }

  closed(from = 0): Promise<Message> {
    return this.reprieve.message("incident.closed", { from });
  }

  /** Returns when the kernel's killer is on again, a second after arming and after an OOM. */
  async quiet(): Promise<void> {
    if (memory.armsLate) await until("the killer to be on", () => !this.group.oom().held);
  }

  /** Returns when what is there now has been looked at. */
  sampled(): Promise<void> {
    return sampled(this.reprieve);
  }

  /** A neighbour that is at work. */
  async neighbour(beforeKb = 1024): Promise<Workload> {
    const plan = { means: "steady", beforeKb, pauseUs: NEIGHBOUR_PAUSE_US } as const;
    const neighbour = await this.board.start(this.group, plan).ready();
    neighbour.go();
    return neighbour;
  }

  /** Leaks at full speed until it is dead; the incident that says so. */
  async leak(wrapper: readonly string[] = []): Promise<{ leaker: Workload; closed: Message }> {
    const from = this.reprieve.messages.length;
    const leaker = await this.board
      .start(this.group, { means: "touch", kb: LEAK_KB }, wrapper)
      .ready();
    leaker.go();
    await until("the leaker's death", () => !leaker.isAlive());
    return { leaker, closed: await this.closed(from) };
  }

  /** Ends reprieve; everything is as it was before, and nothing of ours is left. */
  async end(): Promise<void> {
    expect(await this.reprieve.stop()).toBe(0);
    await this.expectAsBefore();
  }

  async expectAsBefore(): Promise<void> {
    await this.reprieve.gone();
    expect(this.group.oom().held).toBe(false);
    expect(this.group.limit()).toBe(LIMIT);
    await this.strike();
  }

  /** Takes the group away. */
  async strike(): Promise<void> {
    await this.group.destroy();
    this.board.close();
  }
}
