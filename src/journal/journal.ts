// SPDX-License-Identifier: MIT
/** What is asked of a place that keeps incidents, whatever it is made of. */

import type { Message } from "../feed/protocol.ts";
import type { Incident, IncidentSummary, KEPT_OUTCOMES } from "./incident.ts";

export interface IncidentQuery {
  readonly guard?: string | undefined;
  /** Of guards that are so named (named.ts). */
  readonly name?: string | undefined;
  readonly outcome?: (typeof KEPT_OUTCOMES)[number] | undefined;
  /** Opened at this time or later, and before that one; wall clock, ms. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  readonly limit: number;
  /** Older than this incident. */
  readonly before?: string | undefined;
}

/** Newest first. */
export interface IncidentPage {
  readonly incidents: readonly IncidentSummary[];
  /** `before` of the page that follows; null: there is none. */
  readonly next: string | null;
  /** Why those that are only in its file are not among them, if so. */
  readonly unread?: string;
}

/** What is asked for may be in the journal's file, and that cannot be read now; the message says why. */
export class Unread extends Error {}

export interface JournalState {
  readonly ok: boolean;
  /** What is wrong, for a person. */
  readonly remark?: string;
  /** Incidents kept for good since the start. */
  readonly written: number;
  readonly kept_in_memory: number;
}

export interface Journal {
  /** Told of every message, in the order of the feed. */
  accept(message: Message): void;
  /** Both may throw Unread. */
  list(query: IncidentQuery): Promise<IncidentPage> | IncidentPage;
  get(id: string): Promise<Incident | undefined> | Incident | undefined;
  state(): JournalState;
}
