// SPDX-License-Identifier: MIT
/** Follows the feeds of all reprieves that run, those that are started meanwhile too. */

import { type Agent, type AgentOptions, agentsNow } from "./agents.ts";
import { type Ear, FeedClient } from "./feed-client.ts";

const LOOK_MS = 2000;
/** So long one that is gone is shown beside others. */
const GONE_MS = 60_000;

export type End = PromiseWithResolvers<void>;

/** What one reprieve tells, and where it is asked: behind a restart it may have another token. */
export interface Followed extends Ear {
  agent: Agent;
}

/** Where it is shown. */
export interface Show<One extends Followed = Followed> {
  /** Undefined: every message is. */
  readonly maxHz: number | undefined;
  add(agent: Agent): One;
  remove(one: One): void;
  close(): Promise<void>;
}

export class Follower<One extends Followed> {
  readonly #options: AgentOptions;
  readonly #show: Show<One>;
  readonly #samplesOf: string | undefined;
  readonly #all = new Map<string, { readonly one: One; readonly client: FeedClient }>();
  readonly #timer: Timer;

  constructor(options: AgentOptions, show: Show<One>, samplesOf: string | undefined) {
    this.#options = options;
    this.#show = show;
    this.#samplesOf = samplesOf;
    this.#look();
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
    for (const { client } of this.#all.values()) client.stop();
  }

  // --- internal ---

  #look(): void {
    const found = agentsNow(this.#options);
    for (const agent of found) {
      const known = this.#all.get(agent.url);
      if (known === undefined) this.#follow(agent);
      else known.one.agent = agent;
    }
    for (const url of this.#all.keys()) {
      if (found.length > 0 && !found.some((one) => one.url === url)) this.#forget(url);
    }
  }

  #follow(agent: Agent): void {
    const { maxHz } = this.#show;
    const one = this.#show.add(agent);
    const where = () => one.agent;
    const client = new FeedClient({ where, ear: one, samplesOf: this.#samplesOf, maxHz });
    this.#all.set(agent.url, { one, client });
  }

  #forget(url: string): void {
    const { one, client } = this.#all.get(url) ?? {};
    if (one === undefined || client === undefined || client.goneMs() < GONE_MS) return;
    client.stop();
    this.#show.remove(one);
    this.#all.delete(url);
  }
}
