// SPDX-License-Identifier: MIT
/** Services of systemd, written to /run: a guarded one that bears workloads, and reprieve's. */
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { fixture } from "../helpers/build.ts";
import { memory } from "../helpers/memory.ts";
import { binary } from "../helpers/paths.ts";
import type { Message } from "../helpers/reprieve.ts";
import { until } from "../helpers/wait.ts";
import { run } from "./packages.ts";

const UNITS = "/run/systemd/system";

export function systemctl(...args: string[]): string {
  return run(["systemctl", ...args], "/").trim();
}

class Service {
  readonly unit: string;
  readonly group: string;

  constructor(unit: string, lines: readonly string[]) {
    this.unit = unit;
    this.group = `${memory.root}/system.slice/${unit}`;
    mkdirSync(UNITS, { recursive: true });
    writeFileSync(`${UNITS}/${unit}`, ["[Service]", ...lines, ""].join("\n"));
    systemctl("daemon-reload");
    systemctl("start", unit);
  }

  get mainPid(): number {
    return Number(this.shows("MainPID"));
  }

  shows(property: string): string {
    return systemctl("show", "--value", "--property", property, this.unit);
  }

  read(file: string): string {
    return readFileSync(`${this.group}/${file}`, "utf8").trim();
  }
}

/** Its main process forks a workload for each line that it is told, and lives. */
export class Guarded extends Service {
  readonly #orders: number;

  constructor(name: string, lines: readonly string[]) {
    const unit = `${name}.service`;
    const fifo = `/run/${name}.orders`;
    run(["mkfifo", fifo], "/");
    // For both: so neither waits for the other, and the service never reads an end.
    const orders = openSync(fifo, "r+");
    const group = `${memory.root}/system.slice/${unit}`;
    const start = `ExecStart=${fixture("workload")} nursery ${group}`;
    super(unit, [start, `StandardInput=file:${fifo}`, ...lines]);
    this.#orders = orders;
  }

  bear(args: readonly string[]): void {
    writeSync(this.#orders, `${args.join(" ")}\n`);
  }

  async highIs(text: string): Promise<void> {
    await until(`memory.high of ${text}`, () => this.read("memory.high") === text, 20_000);
  }

  end(): void {
    systemctl("stop", this.unit);
    closeSync(this.#orders);
  }
}

/** reprieve as a service that guards another one; its JSON lines. */
export class Guarding extends Service {
  readonly #name: string;

  constructor({ group }: Guarded, name: string, lines: readonly string[] = []) {
    for (const end of ["out", "err"]) writeFileSync(`/run/${name}.${end}`, "");
    super(`${name}.service`, [
      `ExecStart=${binary} run --cgroup ${group} --allow-kill --json --listen none`,
      `ExecStopPost=${binary} release`,
      `StandardOutput=append:/run/${name}.out`,
      `StandardError=append:/run/${name}.err`,
      ...lines,
    ]);
    this.#name = name;
  }

  get err(): string {
    return readFileSync(`/run/${this.#name}.err`, "utf8");
  }

  get messages(): Message[] {
    const lines = readFileSync(`/run/${this.#name}.out`, "utf8").split("\n").slice(0, -1);
    return lines.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line) as Message);
  }

  /** The first from `from` on. */
  async message(type: string, from: number, event?: string): Promise<Message> {
    const fits = (m: Message) => m.type === type && (event === undefined || m.event === event);
    return until(`${type} ${event ?? ""}`, () => this.messages.slice(from).find(fits), 20_000);
  }
}
