// SPDX-License-Identifier: MIT
/** A reprieve as `watch` knows it: out of its feed's messages and, for the last incidents, its API. */

import { Present } from "../feed/present.ts";
import type { Hello, Message, Samples } from "../feed/protocol.ts";
import { viewOf } from "../http/guard-view.ts";
import { IncidentList } from "../http/schema.ts";
import type { IncidentSummary } from "../journal/incident.ts";
import type { Agent } from "./agents.ts";
import { askApi } from "./api.ts";
import type { Followed } from "./follow.ts";
import type { AgentSeen, GuardSeen, ProcessSeen } from "./status-text.ts";

/** Behind these there may be an incident more; the host's end with what the system guard says. */
const ENDING: ReadonlySet<Message["type"]> = new Set(["incident.closed", "system", "lost"]);

export class Watched implements Followed {
  /** Its newest address and token. */
  agent: Agent;
  readonly #changed: () => void;
  readonly #guard: string | undefined;
  #present = new Present();
  #processes: readonly ProcessSeen[] = [];
  #incidents: readonly IncidentSummary[] = [];
  #areIncidentsOld = false;
  #isAsking = false;
  /** Of its clock, ahead of ours. */
  #aheadMs = 0;
  #gone: AgentSeen["gone"] = { since: Date.now(), why: "it has not answered yet" };

  /** `guard`: of which one the processes are watched. */
  constructor(agent: Agent, guard: string | undefined, changed: () => void) {
    this.agent = agent;
    this.#guard = guard;
    this.#changed = changed;
  }

  /** What changes without a message: what is left of a delay. */
  get isCounting(): boolean {
    return this.#present.names.some((name) => this.#present.opened(name) !== undefined);
  }

  seen(): AgentSeen {
    const present = this.#present;
    return {
      ...this.agent,
      now: Date.now() + this.#aheadMs,
      gone: this.#gone,
      guards: present.names.flatMap((name) => viewOf(present, name) ?? []),
      incidents: this.#incidents,
      system: present.system,
      journal: present.journal,
    };
  }

  guardSeen(name: string): GuardSeen {
    const guard = viewOf(this.#present, name);
    return { agent: this.seen(), guard, processes: this.#processes };
  }

  greeted({ t, resumed }: Hello): void {
    this.#aheadMs = t - Date.now();
    if (!resumed) this.#present = new Present();
    this.#areIncidentsOld = true;
    this.#changed();
  }

  hear(message: Message): void {
    this.#present.accept({ seq: 0, message, line: "" });
    if (ENDING.has(message.type)) this.#areIncidentsOld = true;
    this.#changed();
  }

  sampled({ frame }: Samples): void {
    this.#processes = frame.processes;
    this.#changed();
  }

  gone(since: number, why: string): void {
    this.#gone = { since, why };
    this.#changed();
  }

  back(): void {
    this.#gone = undefined;
    this.#changed();
  }

  /** The feed tells only of those that it sees. */
  async askIncidents(): Promise<void> {
    if (!this.#areIncidentsOld || this.#isAsking || this.#gone !== undefined) return;
    this.#areIncidentsOld = false;
    this.#isAsking = true;
    const of = this.#guard === undefined ? "" : `&guard=${encodeURIComponent(this.#guard)}`;
    try {
      const answer = await askApi(this.agent, `/api/incidents?limit=5${of}`, IncidentList);
      this.#incidents = answer?.incidents ?? [];
      this.#changed();
    } catch {
      this.#areIncidentsOld = true; // the feed says why
    }
    this.#isAsking = false;
  }
}
