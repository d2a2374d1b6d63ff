// SPDX-License-Identifier: MIT
/** The minute before an incident, and its own time, as the flight recorder has it: kept with the incident. */

import type { Recorded } from "../agent/history.ts";
import type { Core } from "../native/core.ts";
import type { Frame, Incident } from "./incident.ts";

const BEFORE_MS = 60_000;
/** Pairs of pid and memory: 300 KB of JSON, 30 KB on disk. Beyond that frames are left out, evenly. */
const PAIRS_MOST = 20_000;

interface Flight {
  /** What is recorded of a place in the region, from so long before a moment (as the logs have it) on. */
  frames(place: number, sinceMs: number, atNs: number): Recorded;
}

/** Of a run: the recorder is there from the agent's start on. */
export class Minutes {
  recorder: Flight | undefined;
  readonly #core: Core;

  constructor(core: Core) {
    this.#core = core;
  }

  of(incident: Incident): Incident {
    const { recorder } = this;
    return recorder === undefined ? incident : withMinute(incident, this.#core, recorder);
  }
}

export function withMinute(incident: Incident, core: Core, flight: Flight): Incident {
  if (incident.scope === "host") return incident; // it has no recorder
  const recorded = flight.frames(placeOf(incident), BEFORE_MS, core.logNs(incident.opened_t));
  return { ...incident, frames: thinned(recorded.frames), processes: recorded.processes };
}

/** In the region (agent/incidents.ts: idOf()). */
export function placeOf({ id }: Incident): number {
  return Number(id.split("-")[1]);
}

/** The newest stays. */
export function thinned(frames: readonly Frame[], most = PAIRS_MOST): Frame[] {
  const pairs = frames.reduce((sum, { processes }) => sum + processes.length, 0);
  const every = Math.ceil(pairs / most);
  return frames.filter((_, index) => every < 2 || (frames.length - 1 - index) % every === 0);
}
