// SPDX-License-Identifier: MIT
/**
 * The incidents that dead agents have left (agent/kept.ts): in their regions, where the helpers wrote to the end, and in their
 * spools. A region that one of its helpers still has is left for later.
 */

import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { History } from "../agent/history.ts";
import { Incidents } from "../agent/incidents.ts";
import { regionFile, removeKept, runsIn, spoolFile } from "../agent/kept.ts";
import { type Logged, loggedKills, pastKills } from "../agent/past-kills.ts";
import { isOursAlone, runBases } from "../agent/run-dir.ts";
import { armedOf, stamped } from "../agent/telling.ts";
import type { Armed, Hook, Message } from "../feed/protocol.ts";
import type { Core } from "../native/core.ts";
import { at, limit, size } from "../native/layout.ts";
import { type LogRecord, Region } from "../native/region.ts";
import { RegionView } from "../native/region-view.ts";
import { Assembler } from "./assemble.ts";
import type { Incident } from "./incident.ts";
import { placeOf, withMinute } from "./minute.ts";
import { type Line, linesOf } from "./spool.ts";

/** What one dead agent has left. */
export interface Left {
  readonly incidents: readonly Incident[];
  /** When they are kept. */
  remove(): void;
}

/** For the journal of that file; `say`: what cannot be read. */
export function leftBehind(core: Core, journal: string, say: (text: string) => void): Left[] {
  let logged: Logged[] | undefined;
  const kills = () => {
    logged ??= loggedKills(core); // once for all, and only where there are incidents
    return logged;
  };
  return runBases()
    .filter((base) => existsSync(base) && isOursAlone(base))
    .flatMap((dir) => runsIn(dir).map((run) => ({ dir, run })))
    .flatMap(({ dir, run }) => {
      try {
        return leftOf(core, kills, journal, dir, run) ?? [];
      } catch (error) {
        say(`cannot read ${regionFile(dir, run)}: ${(error as Error).message}`);
        return [];
      }
    });
}

// --- internal ---

/** undefined: it is another journal's, or one of its own lives. */
function leftOf(
  core: Core,
  kills: () => readonly Logged[],
  journal: string,
  dir: string,
  run: string,
): Left | undefined {
  const lines = spooledIn(core, spoolFile(dir, run));
  if (lines === "in use") return undefined;
  if (lines.some((line) => "journal" in line && line.journal !== journal)) return undefined;
  const file = regionFile(dir, run);
  const region = existsSync(file) ? regionIn(core, file) : undefined;
  if (region === "in use") return undefined;
  const seen = region === undefined ? undefined : new Seen(core, region);
  const incidents = withKernelKills(core, kills, incidentsIn(core, run, lines, seen));
  return { incidents, remove: () => removeKept(dir, run) };
}

function spooledIn(core: Core, file: string): Line[] | "in use" {
  if (!existsSync(file)) return [];
  const fd = openSync(file, "r");
  try {
    return core.isLocked(fd) ? "in use" : linesOf(file);
  } finally {
    closeSync(fd);
  }
}

/** A copy: a mapping would keep the file's memory from being freed. */
function regionIn(core: Core, file: string): ArrayBuffer | "in use" {
  const fd = openSync(file, "r");
  try {
    if (core.isLocked(fd)) return "in use";
    const bytes = new Uint8Array(readFileSync(fd)).buffer;
    if (!isOurVersion(bytes)) {
      throw new Error('it is of another version, whose own "reprieve incidents" reads it');
    }
    if (!isWhole(bytes)) throw new Error("it is damaged");
    return bytes;
  } finally {
    closeSync(fd);
  }
}

function isOurVersion(bytes: ArrayBuffer): boolean {
  if (bytes.byteLength < size.region) return false;
  return new DataView(bytes).getUint32(at.region_layout, true) === limit.REGION_LAYOUT;
}

function isWhole(bytes: ArrayBuffer): boolean {
  const sizeBytes = new DataView(bytes).getBigUint64(at.region_size_bytes, true);
  return sizeBytes === BigInt(bytes.byteLength);
}

/** Steps behind which the limit is another. */
const RAISES: ReadonlySet<string> = new Set(["raise", "room"]);

/** A dead agent's region. */
class Seen {
  readonly records: readonly LogRecord[];
  readonly #view: RegionView;
  readonly #history: History;
  readonly #core: Core;

  constructor(core: Core, buffer: ArrayBuffer) {
    this.#core = core;
    this.#history = new History(core, buffer);
    this.records = new Region(buffer).read().filter(({ incident }) => incident !== 0);
    this.#view = new RegionView(core, buffer);
  }

  armed(place: number): Armed {
    return armedOf(this.#view.standing(place));
  }

  /** What of an incident is in it: its place may be another guard's by now. */
  addTo(incident: Incident): Incident {
    if (incident.scope === "host") return incident;
    const { path, limitBytes, raisedFromBytes } = this.#view.standing(placeOf(incident));
    const isRaised = incident.steps.some(({ step, result }) => RAISES.has(step) && result === "ok");
    const before = isRaised ? raisedFromBytes : limitBytes;
    const isKnown = path === incident.cgroup && before !== undefined;
    return {
      ...withMinute(incident, this.#core, this.#history),
      ...(isKnown && { limit_bytes: before }),
    };
  }
}

/** As the agent would have told them, had it lived. */
function incidentsIn(
  core: Core,
  run: string,
  lines: readonly Line[],
  seen: Seen | undefined,
): Incident[] {
  const names: (string | undefined)[] = [];
  const incidents = new Incidents(names, { run, wallMs: core.wallMs });
  const assembler = new Assembler(run);
  const found: Incident[] = [];
  const hear = (message: Message) => {
    const incident = assembler.accept(message);
    if (incident !== undefined) found.push(incident);
  };
  const tell = (records: readonly LogRecord[]) => {
    const inOrder = [...records].sort((a, b) => a.tNs - b.tNs);
    for (const draft of incidents.accept(inOrder, Number.POSITIVE_INFINITY).drafts) {
      hear(stamped(draft));
    }
  };
  const begin = (place: number, armed: Armed) => {
    names[place] = armed.guard;
    assembler.accept(armed);
  };
  const batch: LogRecord[] = [];
  for (const line of lines) {
    if ("record" in line) batch.push(line.record);
    else if ("told" in line && line.told.type === "system") hear(line.told);
    else if ("place" in line) {
      tell(batch.splice(0));
      begin(line.place, line.armed);
    }
  }
  const spooled = new Set(lines.flatMap((line) => ("record" in line ? keyOf(line.record) : [])));
  const unread = (seen?.records ?? []).filter((record) => !spooled.has(keyOf(record)));
  for (const { guard } of unread) {
    if (seen !== undefined && names[guard] === undefined) begin(guard, seen.armed(guard));
  }
  tell([...batch, ...unread]);
  const hooks = lines.flatMap(hookIn);
  const all = [...found, ...assembler.unfinished()].map((one) => ({
    ...one,
    hooks: hooks.filter(({ id }) => id === one.id),
    recovered: true,
  }));
  return seen === undefined ? all : all.map((one) => seen.addTo(one));
}

/** What the agent had told. */
function hookIn(line: Line): Hook[] {
  return "told" in line && line.told.type === "hook" ? [line.told] : [];
}

function withKernelKills(
  core: Core,
  kills: () => readonly Logged[],
  incidents: readonly Incident[],
): Incident[] {
  if (incidents.length === 0) return [];
  const spans = incidents.map(({ guard, cause, opened_t, duration_us }) => {
    const openedMs = core.logNs(opened_t) / 1e6;
    return { group: guard, cause, openedMs, closedMs: openedMs + duration_us / 1000 };
  });
  const killed = pastKills(kills(), spans);
  return incidents.map((one, index) => {
    const { [index]: kernel_killed = [] } = killed;
    return kernel_killed.length === 0 ? one : { ...one, kernel_killed };
  });
}

function keyOf({ role, sequence }: LogRecord): string {
  return `${role} ${sequence}`;
}
