// SPDX-License-Identifier: MIT
/** systemd's real journal, in a mount namespace of its own: beside it no systemd is needed. */
import { existsSync } from "node:fs";
import type { Need } from "./require.ts";
import { until } from "./wait.ts";

const PROGRAM = "/lib/systemd/systemd-journald";
const SOCKET = "/run/systemd/journal/socket";
const SCRIPT = `mkdir -p /run/systemd /run/log &&
  mount -t tmpfs none /run/systemd && mkdir /run/systemd/journal &&
  mount -t tmpfs none /run/log && mkdir /run/log/journal && exec ${PROGRAM}`;

export const journald: Need = () => {
  const missing = [PROGRAM, "/etc/machine-id"].find((path) => !existsSync(path));
  if (missing !== undefined) return `${missing} is not there (systemd)`;
  return Bun.which("journalctl") === null ? "journalctl is not installed (systemd)" : null;
};

const running = new Set<Journald>();

/** For afterEach. */
export async function endJournalds(): Promise<void> {
  for (const one of running) await one.end();
}

export class Journald {
  readonly #proc = Bun.spawn(["unshare", "--mount", "sh", "-c", SCRIPT], {
    stdio: ["ignore", "ignore", "ignore"],
  });

  constructor() {
    running.add(this);
  }

  /** Before a command that is to run where it listens. */
  get enter(): readonly string[] {
    return ["nsenter", "--mount", "--target", String(this.#proc.pid)];
  }

  async ready(): Promise<this> {
    await until("journald", () => {
      if (this.#proc.exitCode !== null) throw new Error("journald has ended");
      const isThere = Bun.spawnSync([...this.enter, "test", "-S", SOCKET]).success;
      return isThere && Bun.spawnSync([...this.enter, "pidof", "systemd-journald"]).success;
    });
    return this;
  }

  /** With this field. */
  entries(match: string): Record<string, unknown>[] {
    const command = [...this.enter, "journalctl", "--output=json", "--no-pager", match];
    const lines = Bun.spawnSync(command).stdout.toString().split("\n");
    return lines.filter(Boolean).map((line) => JSON.parse(line));
  }

  async end(): Promise<void> {
    running.delete(this);
    this.#proc.kill();
    await this.#proc.exited;
  }
}
