// SPDX-License-Identifier: MIT
/**
 * What the page knows now: made from the feed's messages and, where those do not say it, from /api/guards.
 *
 * Rows are replaced and never changed, so that a view sees by identity which are new. Whoever listens is told a few times
 * a second at most, however many messages come, and not at all while the page is hidden.
 */

import type { Frame, GuardsAnswer, IncidentSummary, Message, ProcessInfo, Row } from "./types.ts";
import { OUTCOMES } from "./words.ts";

/** Figures, as often as a person can read them; what has happened is told sooner. */
const SEEN_EVERY_MS = 500;
const HAPPENED_EVERY_MS = 50;
/** Two a second: more than come until the recorder is asked again. */
const LIVE_FRAMES_MOST = 300;

export interface Connection {
  /** "silent": there is somebody, and does not answer; "unknown": the agent does not know who we are. */
  readonly state: "connecting" | "live" | "silent" | "lost" | "unknown";
  readonly since: number;
}

type SystemMessage = Extract<Message, { type: "system" }>;
type JournalMessage = Extract<Message, { type: "journal" }>;

export interface Sample {
  readonly t: number;
  readonly usage_bytes: number;
  readonly processes: readonly (ProcessInfo & { pid: number; anon_bytes: number })[];
}

export class Store {
  readonly rows = new Map<string, Row>();
  connection: Connection = { state: "connecting", since: Date.now() };
  version = "";
  /** Of the agent's clock, ahead of ours. */
  aheadMs = 0;
  /** By the agent's clock. */
  readonly now = () => Date.now() + this.aheadMs;
  /** The present state is known. */
  isFilled = false;
  /** Of the host; undefined: nothing is said of it. */
  host: SystemMessage | undefined;
  /** For who cannot see the rows change. */
  said = "";
  /** So many steps the agent was too slow to read. */
  lostSteps = 0;
  /** Grows with every incident that has closed, and where some may have been missed. */
  incidentsChanged = 0;
  /** Grows when a guard's state is another. */
  statesChanged = 0;
  /** Of the guard whose view is open, as they come. */
  live:
    | { readonly guard: string; frames: Frame[]; processes: Map<string, ProcessInfo> }
    | undefined;
  #journal: JournalMessage | undefined;
  readonly #paint: (draw: () => void) => void;
  #listeners = new Set<() => void>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #lastToldMs = Number.NEGATIVE_INFINITY;
  #dueMs = Number.POSITIVE_INFINITY;

  /** `paint`: calls when the browser draws next. */
  constructor(paint: (draw: () => void) => void) {
    this.#paint = paint;
  }

  /** Why incidents may not be kept; undefined: they are. */
  get journalRemark(): string | undefined {
    const { ok, remark = "it cannot be written" } = this.#journal ?? { ok: true };
    return ok ? undefined : remark;
  }

  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  accept(message: Message): void {
    const before = this.statesChanged;
    switch (message.type) {
      case "armed": {
        const { cgroup, hierarchy, delay_ms, margin_bytes, powers, orders } = message;
        const fixed = { cgroup, hierarchy, delay_ms, margin_bytes, powers, orders };
        this.#change(message.guard, { ...fixed, when: message.when ?? "at-oom" });
        break;
      }
      case "guard":
        this.#guard(message);
        break;
      case "incident.opened":
        this.#opened(message);
        break;
      case "incident.closed":
        this.#closed(message);
        break;
      case "released":
        this.rows.delete(message.guard);
        this.statesChanged += 1;
        break;
      case "system":
        this.host = message;
        break;
      case "journal":
        this.#journal = message;
        break;
      case "lost":
        this.lostSteps += message.steps;
        this.incidentsChanged += 1;
        break;
      default:
    }
    this.tell(this.statesChanged === before ? SEEN_EVERY_MS : HAPPENED_EVERY_MS);
  }

  /** What /api/guards says; of what the feed has told since it was asked the feed knows better. */
  fill(
    { t, guards: views, system, journal }: GuardsAnswer,
    askedAt: ReadonlyMap<string, Row>,
  ): void {
    this.host = newer(this.host, system, t);
    this.#journal = newer(this.#journal, journal, t);
    for (const view of views) {
      const row = this.rows.get(view.guard);
      const isNewer = row !== undefined && row !== askedAt.get(view.guard);
      const { usage_bytes, limit_bytes, procs, state, incident } = isNewer ? row : view;
      this.rows.set(view.guard, {
        ...view,
        ...{ usage_bytes, limit_bytes, procs, state, incident },
        last: row?.last,
      });
    }
    const named = new Set(views.map(({ guard }) => guard));
    for (const [guard, row] of this.rows) {
      if (!named.has(guard) && row === askedAt.get(guard)) this.rows.delete(guard);
    }
    this.isFilled = true;
    this.statesChanged += 1;
    this.tell();
  }

  fillLast(incidents: readonly IncidentSummary[]): void {
    for (const { guard, id, outcome, opened_t, duration_us } of incidents) {
      const row = this.rows.get(guard);
      const t = opened_t + duration_us / 1000;
      if (row !== undefined && (row.last?.t ?? 0) < t) {
        this.rows.set(guard, { ...row, last: { id, outcome, t } });
      }
    }
    this.tell();
  }

  sample(guard: string, { t, usage_bytes, processes }: Sample): void {
    if (this.live?.guard !== guard) return;
    const { frames, processes: table } = this.live;
    for (const process of processes) table.set(String(process.pid), process);
    frames.push({
      t_us: t * 1000,
      usage_bytes,
      processes: processes.map(({ pid, anon_bytes }) => [pid, anon_bytes]),
    });
    if (frames.length > LIVE_FRAMES_MOST) frames.splice(0, frames.length - LIVE_FRAMES_MOST);
    this.tell();
  }

  setConnection(connection: Connection): void {
    // Who stops answering and then ends is gone since the first of the two.
    const isGoneStill = isGone(this.connection) && isGone(connection);
    this.connection = isGoneStill ? { ...connection, since: this.connection.since } : connection;
    this.tell(HAPPENED_EVERY_MS);
  }

  /** Soon, and once for all that has changed until then. */
  tell(everyMs: number = SEEN_EVERY_MS): void {
    const dueMs = this.#lastToldMs + everyMs;
    if (this.#dueMs <= dueMs) return;
    clearTimeout(this.#timer);
    this.#dueMs = dueMs;
    this.#timer = setTimeout(
      () => this.#paint(() => this.#tellNow()),
      Math.max(0, dueMs - performance.now()),
    );
  }

  // --- internal ---

  #tellNow(): void {
    this.#dueMs = Number.POSITIVE_INFINITY;
    this.#lastToldMs = performance.now();
    for (const listener of this.#listeners) listener();
  }

  #change(guard: string, fields: Partial<Row>): void {
    const before = this.rows.get(guard) ?? { ...UNKNOWN, guard };
    const row = { ...before, ...fields };
    if (row.state !== before.state || !this.rows.has(guard)) this.statesChanged += 1;
    this.rows.set(guard, row);
  }

  #guard(message: Extract<Message, { type: "guard" }>): void {
    const { guard, usage_bytes, limit_bytes, procs, state, handler, pressure } = message;
    this.#change(guard, {
      ...{ usage_bytes, limit_bytes, procs, state },
      ...(handler !== undefined && { handler }),
      ...(pressure !== undefined && { pressure }),
    });
    if (state === "gone") this.rows.delete(guard);
  }

  #opened(message: Extract<Message, { type: "incident.opened" }>): void {
    const { guard, incident, id, t, opened_t = t } = message;
    const delayMs = this.rows.get(guard)?.delay_ms ?? 0;
    this.#change(guard, {
      incident: {
        incident,
        opened_t,
        deadline_t: opened_t + delayMs,
        ...(id !== undefined && { id }),
      },
    });
    this.statesChanged += 1;
    this.said = `${guard}: out of memory`;
  }

  #closed({ guard, outcome, id, t }: Extract<Message, { type: "incident.closed" }>): void {
    this.#change(guard, { incident: null, last: { id, outcome, t } });
    this.incidentsChanged += 1;
    this.statesChanged += 1;
    this.said = `${guard}: ${OUTCOMES[outcome].word}`;
  }
}

/** What the feed has told, if that was behind what an answer has, or behind an answer that has none. */
function newer<M extends { t: number }>(told: M | undefined, answered: M | undefined, t: number) {
  return told !== undefined && told.t > (answered?.t ?? t) ? told : answered;
}

function isGone({ state }: Connection): boolean {
  return state === "silent" || state === "lost";
}

/** Until it is said. */
const UNKNOWN: Omit<Row, "guard"> = {
  cgroup: "",
  hierarchy: "v1",
  state: "none",
  usage_bytes: 0,
  limit_bytes: null,
  procs: 0,
  delay_ms: 0,
  margin_bytes: 0,
  when: "at-oom",
  orders: [],
  powers: [],
  handler: "own",
  pressure: null,
  incident: null,
  last: undefined,
};
