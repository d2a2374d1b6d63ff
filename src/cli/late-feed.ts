// SPDX-License-Identifier: MIT
/**
 * Feed, API and page of a run. Their addresses are taken before anything is changed, or, where they may be the replaced one's, at
 * last; what answers there is loaded when the guards are armed, and not at all where nothing is listened on.
 */

import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { Recorded } from "../agent/history.ts";
import type { RunDir } from "../agent/run-dir.ts";
import type { Vitals } from "../agent/vitals.ts";
import { codeOf } from "../cgroup/files.ts";
import { CliError, exit } from "../errors.ts";
import type { Message } from "../feed/protocol.ts";
import type { Sample } from "../feed/samples.ts";
import type { Port } from "../http/listen.ts";
import type { OpenHttp } from "../http/open.ts";
import type { Journal } from "../journal/journal.ts";
import type { Minutes } from "../journal/minute.ts";
import type { ListenAddress } from "./args.ts";
import { isInJournal, say } from "./output.ts";

const DEFAULT_LISTEN: readonly ListenAddress[] = [{ hostname: "127.0.0.1", port: 7461 }];

interface FeedOptions {
  readonly listen?: readonly (ListenAddress | "none")[];
  readonly token: boolean;
  readonly tokenFile?: string;
  readonly openMetrics?: boolean;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly replace?: true | number;
}

/** What only the agent can tell. */
export interface Inside {
  /** Why it does not guard, if it does not. */
  whyNotReady(): string | undefined;
  history(guard: string, sinceMs: number): Recorded;
  sample: Sample;
  vitals(): Vitals | undefined;
  /** There are clients that look on, or none any more. */
  watched(isWatched: boolean): void;
}

interface FeedSetup {
  readonly options: FeedOptions;
  readonly runDir: RunDir;
  readonly undo: AsyncDisposableStack;
  /** Of this run. */
  readonly run: string;
  readonly minutes: Minutes;
  /** undefined: there is none. */
  readonly journal: Journal | undefined;
}

export class LateFeed {
  readonly #setup: FeedSetup;
  readonly #ports: Port[] = [];
  #token: string | undefined;
  /** What came before it is loaded: seconds of it at most. */
  #early: Message[] | undefined = [];
  #http: OpenHttp | undefined;

  constructor(setup: FeedSetup) {
    this.#setup = setup;
  }

  send(message: Message): void {
    this.#early?.push(message);
    this.#http?.send(message);
  }

  /** What is wrong is only said where nobody asked for that port, or groups were taken over: they stay guarded. */
  async open(): Promise<void> {
    const { listen, replace } = this.#setup.options;
    const addresses = (listen ?? DEFAULT_LISTEN).filter((one) => one !== "none");
    try {
      if (addresses.length > 0) await this.#listen(addresses);
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      const isNobodys = listen === undefined && error.code === exit.inUse;
      if (!isNobodys && !replace) throw error;
      say(`no feed: ${error.message}`);
    }
    if (this.#ports.length === 0) this.#early = undefined;
  }

  /** From now on it answers, and says where. */
  async serve(inside: Inside): Promise<void> {
    if (this.#ports.length === 0) return;
    const { options, run, minutes, journal } = this.#setup;
    const { openHttp } = await import("../http/open.ts");
    this.#http = openHttp(this.#ports, {
      token: this.#token,
      run,
      minutes,
      journal,
      areMetricsOpen: options.openMetrics ?? false,
      whyNotReady: () => inside.whyNotReady(),
      history: (guard, sinceMs) => inside.history(guard, sinceMs),
      sample: (guard) => inside.sample(guard),
      vitals: () => inside.vitals(),
      watched: (isWatched) => inside.watched(isWatched),
    });
    for (const message of this.#early ?? []) this.#http.send(message);
    this.#early = undefined;
    this.#sayWhere();
  }

  // --- internal ---

  async #listen(addresses: readonly ListenAddress[]): Promise<void> {
    const { options, runDir, undo } = this.#setup;
    const { listenOn } = await import("../http/listen.ts");
    const tls = tlsOf(options);
    undo.defer(() => this.#stop());
    for (const address of addresses) this.#ports.push(await listenOn(address, tls));
    if (options.token) this.#token = await tokenOf(options);
    if (this.#token !== undefined) runDir.write("token", this.#token);
    runDir.write("address", this.#ports.map(({ url }) => url).join("\n"));
  }

  #sayWhere(): void {
    const { options, runDir } = this.#setup;
    const file = tokenFileOf(options) ?? `${runDir.path}/token`;
    const secret = isInJournal() ? `, its token in ${file}` : `?token=${this.#token}`;
    for (const { url, address } of this.#ports) {
      const page = `page ${linkOf(url)}${this.#token === undefined ? "" : secret}`;
      say("path" in address ? `feed ${url}` : page, "info");
    }
  }

  async #stop(): Promise<void> {
    this.#http?.stop();
    await Promise.all(this.#ports.map((port) => port.stop()));
  }
}

// --- internal ---

/** All addresses are none that a browser could be sent to. */
function linkOf(url: string): string {
  return url.replace(/^(https?:\/\/)(0\.0\.0\.0|\[::\]):/, "$1localhost:");
}

/** Our own service has a directory for what outlives it; that of another, in which we run, is not ours. */
function tokenFileOf({ tokenFile }: FeedOptions): string | undefined {
  const state = process.env.STATE_DIRECTORY ?? "";
  return tokenFile ?? (basename(state) === "reprieve" ? join(state, "token") : undefined);
}

async function tokenOf(options: FeedOptions): Promise<string> {
  const tokenFile = tokenFileOf(options);
  const token = await import("../http/token.ts");
  return tokenFile === undefined ? token.newToken() : token.tokenOf(tokenFile);
}

/** PEM texts; undefined: no TLS. */
function tlsOf({ tlsCert, tlsKey }: FeedOptions) {
  if (tlsCert === undefined && tlsKey === undefined) return undefined;
  if (tlsCert === undefined || tlsKey === undefined) {
    throw new CliError(exit.usage, "--tls-cert and --tls-key go together");
  }
  const read = (path: string) => {
    try {
      return readFileSync(path, "utf8");
    } catch (error) {
      throw new CliError(exit.host, `cannot read ${path} (${codeOf(error)})`);
    }
  };
  return { cert: read(tlsCert), key: read(tlsKey) };
}
