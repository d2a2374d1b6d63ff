// SPDX-License-Identifier: MIT
/** What the agent answers and sends: the schemas' types, under the page's names. */

import type * as v from "valibot";
import type { GuardDetails, Guards, GuardView } from "../http/schema.ts";
import type { IncidentSummary, Processes, Frame as RecordedFrame } from "../journal/incident.ts";

export type { Hook, IncidentStep, Message } from "../feed/protocol.ts";
export type { GuardView } from "../http/schema.ts";
export type { Incident, IncidentSummary, Processes, Victim } from "../journal/incident.ts";

export type State = GuardView["state"];
export type Outcome = IncidentSummary["outcome"];
export type Running = NonNullable<GuardView["incident"]>;
export type GuardsAnswer = v.InferOutput<typeof Guards>;
export type GuardAnswer = v.InferOutput<typeof GuardDetails>;
export type ProcessInfo = Processes[string];

/** Holds until the next one. */
export type Frame = Pick<RecordedFrame, "t_us" | "usage_bytes"> & {
  readonly processes: readonly (readonly [pid: number, anon_bytes: number])[];
};

/** Frames, and who is in them. */
export interface Recording {
  readonly frames: readonly Frame[];
  readonly processes: Processes;
}

interface LastIncident {
  readonly id: string | undefined;
  readonly outcome: Outcome;
  readonly t: number;
}

/** A guard in the table. */
export interface Row extends GuardView {
  readonly last: LastIncident | undefined;
}
