// SPDX-License-Identifier: MIT
/** Clients of a feed in a process of their own (feed-clients.ts), and lines of JSON from a program. */
import { killQuietly } from "./group.ts";
import { ended, type Program, start } from "./programs.ts";

const READY_BOUND_MS = 60_000;
const STOP_BOUND_MS = 10_000;

export interface Line {
  readonly type?: string;
  readonly port?: number;
  readonly ready?: number;
  readonly received?: number;
  readonly bytes?: number;
  readonly open?: number;
  readonly openedMs?: number;
  readonly rssMb?: number;
  readonly anonMb?: number;
}

/** All that a program has said so far. */
export function linesOf(program: Program): readonly Line[] {
  const lines: Line[] = [];
  void (async () => {
    let rest = "";
    for await (const chunk of program.stdout) {
      const all = (rest + new TextDecoder().decode(chunk)).split("\n");
      rest = all.pop() ?? "";
      for (const line of all) lines.push(JSON.parse(line) as Line);
    }
  })();
  return lines;
}

export async function lineWhere<T>(
  lines: readonly Line[],
  find: (line: Line) => T | undefined,
  boundMs = READY_BOUND_MS,
): Promise<T> {
  for (let waited = 0; waited < boundMs; waited += 5) {
    const found = lines.map(find).findLast((one) => one !== undefined);
    if (found !== undefined) return found;
    await Bun.sleep(5);
  }
  throw new Error("Cannot go on as a program has not said what was awaited");
}

export class Clients {
  readonly lines: readonly Line[];
  readonly #program: Program;

  private constructor(program: Program) {
    this.#program = program;
    this.lines = linesOf(program);
  }

  /** Resolves when all have connected. */
  static async join(url: string, count: number, stuck = 0): Promise<Clients> {
    const script = new URL("../feed-clients.ts", import.meta.url).pathname;
    const args = [url, count, stuck].map(String);
    const clients = new Clients(start([process.execPath, script, ...args]));
    await lineWhere(clients.lines, ({ ready }) => ready);
    return clients;
  }

  /** As of the last second. */
  get received(): number {
    return this.lines.findLast(({ received }) => received !== undefined)?.received ?? 0;
  }

  get bytes(): number {
    return this.lines.findLast(({ bytes }) => bytes !== undefined)?.bytes ?? 0;
  }

  async stop(): Promise<void> {
    killQuietly(this.#program.pid);
    await ended(this.#program, STOP_BOUND_MS);
  }
}

/** A port that was free a moment ago. */
export function freePort(): number {
  const probe = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = probe;
  probe.stop(true);
  return port;
}

/** It answers there: it is loaded when the guards are armed. */
export async function untilServed(port: number): Promise<void> {
  for (let tries = 0; ; tries++) {
    const status = await fetch(`http://127.0.0.1:${port}/healthz`).then(
      (response) => response.status,
      () => 0,
    );
    if (status === 200) return;
    if (tries > 2000) throw new Error(`Cannot go on as nothing answers at port ${port}`);
    await Bun.sleep(1);
  }
}
