// SPDX-License-Identifier: MIT
/** What the HTTP API takes and answers: the only definition. Fields may be added; none is renamed or removed. */

import * as v from "valibot";
import { HANDLERS, JournalMessage, Pressure, STATES, System } from "../feed/protocol.ts";
import { Frame, IncidentSummary, KEPT_OUTCOMES, Processes } from "../journal/incident.ts";

const count = v.pipe(v.number(), v.integer(), v.minValue(0));

const INCIDENTS_DEFAULT = 50;
const INCIDENTS_MOST = 500;

export const GuardView = v.object({
  guard: v.string(),
  cgroup: v.string(),
  hierarchy: v.picklist(["v1", "v2"]),
  state: v.picklist(STATES),
  usage_bytes: count,
  /** null: it has none. */
  limit_bytes: v.nullable(count),
  procs: count,
  delay_ms: count,
  margin_bytes: count,
  when: v.string(),
  orders: v.array(v.string()),
  powers: v.array(v.string()),
  handler: v.picklist(HANDLERS),
  /** null: the kernel does not tell it of this group. */
  pressure: v.nullable(Pressure),
  /** The one that is open; the kernel decides at `deadline_t`. Wall clock, ms. */
  incident: v.nullable(
    v.object({
      incident: v.string(),
      id: v.optional(v.string()),
      opened_t: v.number(),
      deadline_t: v.number(),
    }),
  ),
});

/** What concerns no guard, as it was told last; absent: nothing was. */
const beside = { system: v.optional(System), journal: v.optional(JournalMessage) };

export const Guards = v.object({
  t: v.number(),
  /** What has come since tells /feed?since=SEQ&run=RUN. */
  run: v.optional(v.string()),
  seq: v.optional(count),
  guards: v.array(GuardView),
  ...beside,
});

/** Of incidents: why those that are only in the journal's file are not among them, if so. */
const unread = v.optional(v.string());

export const GuardDetails = v.object({
  /** Of this answer, wall clock, ms: the times of its frames are relative to it. */
  t: v.number(),
  ...GuardView.entries,
  history: v.object({ frames: v.array(Frame), processes: Processes }),
  /** The last ones. */
  incidents: v.array(IncidentSummary),
  unread,
  ...beside,
});

export const IncidentList = v.object({
  incidents: v.array(IncidentSummary),
  /** `before` of the next page; null: this is the last. */
  next: v.nullable(v.string()),
  unread,
});

export const Failure = v.object({ error: v.string() });
export const Health = v.object({ status: v.literal("ok") });
export const Readiness = v.object({ ready: v.boolean(), reason: v.optional(v.string()) });

const A_TIME = "from and to are times in ms since 1970";
const time = v.pipe(v.string(), v.regex(/^\d{1,15}$/, A_TIME), v.transform(Number));

const A_LIMIT = `limit is a number from 1 to ${INCIDENTS_MOST}`;
const limit = v.pipe(
  v.string(),
  v.regex(/^\d{1,3}$/, A_LIMIT),
  v.transform(Number),
  v.minValue(1, A_LIMIT),
  v.maxValue(INCIDENTS_MOST, A_LIMIT),
);

/** The flight recorder has an hour. */
const LAST_MOST_S = 3600;
const LAST_DEFAULT_S = 180;
const A_LAST = `last_s is a number of seconds from 1 to ${LAST_MOST_S}`;

/** The query of /api/guards/NAME: how much of its history, in at most some hundred frames, of each part the one with the most memory. */
export const GuardQuery = v.strictObject({
  last_s: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^\d{1,4}$/, A_LAST),
      v.transform(Number),
      v.minValue(1, A_LAST),
      v.maxValue(LAST_MOST_S, A_LAST),
    ),
    String(LAST_DEFAULT_S),
  ),
});

const AN_OUTCOME = `outcome is one of ${KEPT_OUTCOMES.join(", ")}`;

const A_SEQ = "since is the seq of a message";

/** The query of /feed. */
export const FeedQuery = v.strictObject({
  token: v.optional(v.string()),
  since: v.optional(v.pipe(v.string(), v.regex(/^\d{1,15}$/, A_SEQ), v.transform(Number))),
  run: v.optional(v.pipe(v.string(), v.maxLength(64, "run is too long"))),
});

/** The query of /api/incidents. */
export const IncidentFilter = v.strictObject({
  guard: v.optional(v.pipe(v.string(), v.maxLength(4096, "guard is too long"))),
  /** Words of which each is a part of the guard's name, or, with `*` in it, all of it. */
  name: v.optional(v.pipe(v.string(), v.maxLength(4096, "name is too long"))),
  outcome: v.optional(v.picklist(KEPT_OUTCOMES, AN_OUTCOME)),
  from: v.optional(time),
  to: v.optional(time),
  limit: v.optional(limit, String(INCIDENTS_DEFAULT)),
  before: v.optional(
    v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{1,64}$/, "before is the id of an incident")),
  ),
});

export type GuardView = v.InferOutput<typeof GuardView>;
