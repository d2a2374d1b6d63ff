// SPDX-License-Identifier: MIT
/** The feed of a run: opened before anything is changed, or, where its port may be the replaced one's, at last. */

import type { RunDir } from "../agent/run-dir.ts";
import { CliError, exit } from "../errors.ts";
import type { Message } from "../feed/protocol.ts";
import type { Feed } from "../feed/serve.ts";
import type { ListenAddress } from "./args.ts";
import { say } from "./output.ts";

const DEFAULT_LISTEN: ListenAddress = { hostname: "127.0.0.1", port: 7461 };
const TOKEN_BYTES = 32;

interface FeedOptions {
  readonly listen?: ListenAddress | "none";
  readonly token: boolean;
  readonly replace?: true;
}

export class LateFeed {
  /** Where it is to be found, for the person. */
  line: string | undefined;
  readonly #options: FeedOptions;
  readonly #runDir: RunDir;
  readonly #undo: AsyncDisposableStack;
  /** What came before it was open: seconds of it at most. */
  #early: Message[] | undefined = [];
  #feed: Feed | undefined;

  constructor(options: FeedOptions, runDir: RunDir, undo: AsyncDisposableStack) {
    this.#options = options;
    this.#runDir = runDir;
    this.#undo = undo;
  }

  send(message: Message): void {
    this.#early?.push(message);
    this.#feed?.send(message);
  }

  /** What is wrong is only said where nobody asked for that port, or groups were taken over: they stay guarded. */
  async open(): Promise<void> {
    const { listen, replace } = this.#options;
    try {
      if (listen !== "none") this.#feed = await this.#serve(listen ?? DEFAULT_LISTEN);
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      const isNobodys = listen === undefined && error.code === exit.inUse;
      if (!isNobodys && !replace) throw error;
      say(`no feed: ${error.message}`);
    }
    for (const message of this.#early ?? []) this.#feed?.send(message);
    this.#early = undefined;
  }

  // --- internal ---

  async #serve(address: ListenAddress): Promise<Feed> {
    const { demandResolved, serveFeed, feedUrl } = await import("../feed/serve.ts");
    await demandResolved(address);
    const random = crypto.getRandomValues(new Uint8Array(TOKEN_BYTES));
    const token = this.#options.token ? random.toHex() : undefined;
    const feed = serveFeed(address, token);
    this.#undo.defer(() => feed.stop());
    if (token !== undefined) this.#runDir.writeToken(token);
    const secret = token === undefined ? "" : `?token=${token}`;
    this.line = `feed ${feedUrl(address, feed.port)}${secret}`;
    return feed;
  }
}
