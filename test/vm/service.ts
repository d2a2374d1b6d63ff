// SPDX-License-Identifier: MIT
/** Services of systemd, written to /run: a guarded one that bears workloads, and reprieve's. */
import { expect } from "bun:test";
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { fixture } from "../helpers/build.ts";
import { MB } from "../helpers/group.ts";
import { memory } from "../helpers/memory.ts";
import { binary } from "../helpers/paths.ts";
import type { Message } from "../helpers/reprieve.ts";
import { until } from "../helpers/wait.ts";
import { Board, isAlive } from "../helpers/workload.ts";
import { run } from "./packages.ts";

/** Of a guarded one. */
export const LIMIT_MB = 64;
/** reprieve's default: a quarter of the limit. */
export const MARGIN_MB = 16;
export const highOf = (marginMb: number) => String((LIMIT_MB - marginMb) * MB);
export const HIGH = highOf(MARGIN_MB);

const UNITS = "/run/systemd/system";
const BOUND_MS = 20_000;
/** A VM that has nothing to do is quicker by our clock: its own runs on by itself. */
const TICK_MS = 20;

export function systemctl(...args: string[]): string {
  return run(["systemctl", ...args], "/").trim();
}

export function untilSoon<T>(what: string, probe: () => T | undefined | false): Promise<T> {
  return until(what, probe, BOUND_MS, TICK_MS);
}

export function shown(unit: string, property: string): string {
  return systemctl("show", "--value", "--property", property, unit);
}

/** Until the leaker, a child of the service's main process, is dead. */
export async function leak(service: Guarded): Promise<void> {
  const board = new Board();
  const leaker = await board.bear(service, { means: "touch", kb: LIMIT_MB * 1536 }).ready();
  leaker.go();
  await untilSoon("the leaker's death", () => !leaker.isAlive());
  board.close();
}

/** The same main process as before in a service that is as well, and no kill of the kernel's. */
export function expectUnharmed(service: Guarded, mainPid: number): void {
  expect(isAlive(mainPid)).toBe(true);
  expect(service.mainPid).toBe(mainPid);
  expect(service.shows("ActiveState")).toBe("active");
  expect(memory.oom(service.group).kills).toBe(0);
}

/** Lines of a unit, by section. */
export interface Lines {
  readonly unit?: readonly string[];
  readonly service?: readonly string[];
}

class Service {
  readonly unit: string;
  readonly group: string;

  constructor(name: string, { unit = [], service = [] }: Lines) {
    this.unit = `${name}.service`;
    this.group = groupOf(name);
    mkdirSync(UNITS, { recursive: true });
    const lines = ["[Unit]", ...unit, "[Service]", ...service, ""];
    writeFileSync(`${UNITS}/${this.unit}`, lines.join("\n"));
    systemctl("daemon-reload");
    systemctl("start", this.unit);
  }

  /** 0: it has none. */
  get mainPid(): number {
    return Number(this.shows("MainPID"));
  }

  shows(property: string): string {
    return shown(this.unit, property);
  }

  read(file: string): string {
    return readFileSync(`${this.group}/${file}`, "utf8").trim();
  }
}

/** Its main process forks a workload for each line that it is told, and lives. */
export class Guarded extends Service {
  readonly #fifo: string;
  readonly #orders: number;

  constructor(name: string, lines: readonly string[]) {
    const fifo = `/run/${name}.orders`;
    run(["mkfifo", fifo], "/");
    // Open at both ends: neither side waits for the other, and the service never reads an end.
    const orders = openSync(fifo, "r+");
    const start = `ExecStart=${fixture("workload")} nursery ${groupOf(name)}`;
    super(name, { service: [start, `StandardInput=file:${fifo}`, ...lines] });
    this.#fifo = fifo;
    this.#orders = orders;
  }

  bear(args: readonly string[]): void {
    writeSync(this.#orders, `${args.join(" ")}\n`);
  }

  highIs(text: string): Promise<true> {
    return untilSoon(`memory.high of ${text}`, () => this.read("memory.high") === text);
  }

  end(): void {
    systemctl("stop", this.unit);
    closeSync(this.#orders);
    rmSync(this.#fifo);
  }
}

/** reprieve as a service that guards another one. */
export class Guarding extends Service {
  readonly #name: string;

  constructor({ group }: Guarded, name: string, { unit, service = [] }: Lines = {}) {
    for (const end of ["out", "err"]) writeFileSync(`/run/${name}.${end}`, "");
    const own = [
      `ExecStart=${binary} run --cgroup ${group} --allow-kill --json --listen none --journal none`,
      `ExecStopPost=${binary} release`,
      `StandardOutput=append:/run/${name}.out`,
      `StandardError=append:/run/${name}.err`,
    ];
    super(name, { unit: unit ?? [], service: [...own, ...service] });
    this.#name = name;
  }

  get err(): string {
    return readFileSync(`/run/${this.#name}.err`, "utf8");
  }

  /** Of all agents that the service has had. */
  get messages(): Message[] {
    const lines = readFileSync(`/run/${this.#name}.out`, "utf8").split("\n").slice(0, -1);
    return lines.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line) as Message);
  }

  /** The first from `from` on. */
  message(type: string, from = 0, event?: string): Promise<Message> {
    const fits = (m: Message) => m.type === type && (event === undefined || m.event === event);
    return untilSoon(`${type} ${event ?? ""}`, () => this.messages.slice(from).find(fits));
  }
}

// --- internal ---

function groupOf(name: string): string {
  return `${memory.root}/system.slice/${name}.service`;
}
