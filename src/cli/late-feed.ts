// SPDX-License-Identifier: MIT
/**
 * Feed, API and page of a run: opened before anything is changed, or, where the port may be the replaced one's, at last.
 * None of it is loaded where nothing is listened on.
 */

import type { Recorded } from "../agent/history.ts";
import type { RunDir } from "../agent/run-dir.ts";
import type { Vitals } from "../agent/vitals.ts";
import { CliError, exit } from "../errors.ts";
import type { Message } from "../feed/protocol.ts";
import type { Sample } from "../feed/samples.ts";
import type { Journal } from "../journal/journal.ts";
import type { ListenAddress } from "./args.ts";
import { say } from "./output.ts";

const DEFAULT_LISTEN: ListenAddress = { hostname: "127.0.0.1", port: 7461 };
const TOKEN_BYTES = 32;

interface FeedOptions {
  readonly listen?: ListenAddress | "none";
  readonly token: boolean;
  readonly openMetrics?: boolean;
  readonly replace?: true;
}

/** What only the agent can tell. */
export interface Inside {
  /** Why it does not guard, if it does not. */
  whyNotReady(): string | undefined;
  history(guard: string, sinceMs: number): Recorded;
  sample: Sample;
  vitals(): Vitals | undefined;
}

interface FeedSetup {
  readonly options: FeedOptions;
  readonly runDir: RunDir;
  readonly undo: AsyncDisposableStack;
  /** Of this run. */
  readonly run: string;
  /** undefined: there is none. */
  readonly journal: Journal | undefined;
}

export class LateFeed {
  /** Where it is to be found, for the person. */
  line: string | undefined;
  /** undefined: it is not there yet. */
  inside: Inside | undefined;
  readonly #setup: FeedSetup;
  /** What came before it was open: seconds of it at most. */
  #early: Message[] | undefined = [];
  #send: ((message: Message) => void) | undefined;

  constructor(setup: FeedSetup) {
    this.#setup = setup;
  }

  send(message: Message): void {
    this.#early?.push(message);
    this.#send?.(message);
  }

  /** What is wrong is only said where nobody asked for that port, or groups were taken over: they stay guarded. */
  async open(): Promise<void> {
    const { listen, replace } = this.#setup.options;
    try {
      if (listen !== "none") await this.#serve(listen ?? DEFAULT_LISTEN);
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      const isNobodys = listen === undefined && error.code === exit.inUse;
      if (!isNobodys && !replace) throw error;
      say(`no feed: ${error.message}`);
    }
    for (const message of this.#early ?? []) this.#send?.(message);
    this.#early = undefined;
  }

  // --- internal ---

  async #serve(address: ListenAddress): Promise<void> {
    const { options, runDir, undo, run, journal } = this.#setup;
    const { openHttp } = await import("../http/open.ts");
    const token = options.token ? newToken() : undefined;
    const { server, url, send } = await openHttp(address, {
      token,
      run,
      journal,
      whyNotReady: () => (this.inside ? this.inside.whyNotReady() : "it is starting"),
      history: (guard, sinceMs) =>
        this.inside?.history(guard, sinceMs) ?? { frames: [], processes: {} },
      sample: (guard) => this.inside?.sample(guard),
      vitals: () => this.inside?.vitals(),
      areMetricsOpen: options.openMetrics ?? false,
    });
    undo.defer(() => server.stop());
    runDir.write("address", url);
    if (token !== undefined) runDir.write("token", token);
    this.line = `page ${url}${token === undefined ? "" : `?token=${token}`}`;
    this.#send = send;
  }
}

// --- internal ---

function newToken(): string {
  return crypto.getRandomValues(new Uint8Array(TOKEN_BYTES)).toHex();
}
