// SPDX-License-Identifier: MIT
/** A real Prometheus (Debian's package) of a test's own, and its tool. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { freePort } from "./feed.ts";
import { makeFolder, removeFolder } from "./folder.ts";
import { repository } from "./paths.ts";
import { until } from "./wait.ts";

export const SHIPPED = `${repository}/dist/prometheus`;
/** It has to start, and to scrape some times. */
export const SCRAPED_BOUND_MS = 30_000;

export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}

export class Prometheus {
  readonly pid: number;
  readonly address: string;
  readonly #dir = makeFolder("prometheus");
  readonly #proc: Bun.Subprocess;

  /** `files` stand beside its config file, and all that ships; they may be others of the same name. */
  constructor(
    config: string,
    files: Readonly<Record<string, string>> = {},
    mode: "server" | "agent" = "server",
  ) {
    cpSync(SHIPPED, this.#dir, { recursive: true });
    for (const [name, text] of Object.entries({ ...files, "prometheus.yml": config })) {
      mkdirSync(dirname(this.file(name)), { recursive: true });
      writeFileSync(this.file(name), text, { mode: 0o600 });
    }
    this.address = `127.0.0.1:${freePort()}`;
    const data = this.file("data");
    const flags = {
      server: [`--storage.tsdb.path=${data}`, "--web.enable-remote-write-receiver"],
      agent: [`--storage.agent.path=${data}`, "--enable-feature=agent"],
    }[mode];
    const args = [`--config.file=${this.file("prometheus.yml")}`, ...flags];
    this.#proc = Bun.spawn(["prometheus", ...args, `--web.listen-address=${this.address}`], {
      stdio: ["ignore", "ignore", Bun.file(this.file("log"))],
    });
    this.pid = this.#proc.pid;
  }

  /** Beside its config file. */
  file(name: string): string {
    return join(this.#dir, name);
  }

  async query(query: string): Promise<readonly Sample[]> {
    const { data, error } = await this.#ask(`query?query=${encodeURIComponent(query)}`);
    if (error !== undefined) throw new Error(`${query}: ${error}`);
    return (data as { result: Sample[] } | undefined)?.result ?? [];
  }

  /** Its only value, when it is that one. */
  async value(query: string, wanted: number): Promise<void> {
    let told = "";
    const isThere = async () => {
      told = JSON.stringify(await this.query(query));
      const [sample] = JSON.parse(told) as Sample[];
      return sample !== undefined && Number(sample.value[1]) === wanted;
    };
    await until(`${query} to be ${wanted}`, isThere, SCRAPED_BOUND_MS, 100).catch((error) => {
      throw new Error(`${error.message}: ${told} ${this.log}`);
    });
  }

  get log(): string {
    return readFileSync(this.file("log"), "utf8");
  }

  /** What it says of itself: the sum of a metric's series that begin so. */
  async own(series: string): Promise<number> {
    const text = await (await fetch(`http://${this.address}/metrics`)).text();
    const of = text.split("\n").filter((line) => line.startsWith(series));
    return of.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
  }

  async alert(name: string, state: "firing" | "pending"): Promise<void> {
    const isThere = async () => {
      const { data } = await this.#ask("alerts");
      const { alerts = [] } = (data ?? {}) as {
        alerts?: { labels: { alertname: string }; state: string }[];
      };
      return alerts.some((one) => one.labels.alertname === name && one.state === state);
    };
    await until(`${name} to be ${state}`, isThere, SCRAPED_BOUND_MS, 100);
  }

  async alerts(): Promise<string[]> {
    const { data } = await this.#ask("alerts");
    return (data as { alerts: { labels: { alertname: string } }[] }).alerts.map(
      ({ labels }) => labels.alertname,
    );
  }

  /** Whatever it said of targets that were not there yet is over. */
  async noAlert(): Promise<void> {
    await until("no alert", async () => (await this.alerts()).length === 0, SCRAPED_BOUND_MS, 100);
  }

  async stop(): Promise<void> {
    this.#proc.kill("SIGKILL");
    await this.#proc.exited;
    removeFolder(this.#dir);
  }

  // --- internal ---

  async #ask(path: string): Promise<{ data?: unknown; error?: string }> {
    try {
      return (await (await fetch(`http://${this.address}/api/v1/${path}`)).json()) as {
        data?: unknown;
      };
    } catch {
      if (this.#proc.exitCode !== null) throw new Error(`Prometheus has ended: ${this.log}`);
      return {}; // it is starting
    }
  }
}

export async function promtool(
  args: readonly string[],
  input = "",
): Promise<{ readonly code: number; readonly out: string }> {
  const stdin = new TextEncoder().encode(input);
  const proc = Bun.spawn(["promtool", ...args], { stdin, stdout: "pipe", stderr: "pipe" });
  const [out, err, code] = await Promise.all([proc.stdout.text(), proc.stderr.text(), proc.exited]);
  return { code, out: `${out}${err}` };
}
