// SPDX-License-Identifier: MIT
/**
 * What Prometheus is told. Counted out of the messages; what stands is asked for at each scrape.
 *
 * No name of a process is a label. Those of guards are, of the first GUARDS_MOST that there are: the others are counted in
 * `reprieve_guards` and `reprieve_guards_without_series`, and have no series of their own.
 */

import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Vitals } from "../agent/vitals.ts";
import type { Hub } from "../feed/hub.ts";
import type { Present } from "../feed/present.ts";
import { HANDLERS, type Message, OUTCOMES, STATES } from "../feed/protocol.ts";
import type { JournalState } from "../journal/journal.ts";

/** 2,000 series: about 150 KB a scrape. */
const GUARDS_MOST = 500;
/** The promise is 0.1 s on v1 and 0.5 s on v2; a kill takes some ms. */
const RELIEF_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];
/** Of incidents that were given to the kernel. */
const HANDED: readonly string[] = ["handed-over", "unrelieved"];
const KILLERS = ["handler", "watchdog", "spare", "kernel", "system"] as const;

interface MetricsSetup {
  readonly version: string;
  readonly present: Present;
  readonly hub: Pick<Hub, "counts">;
  readonly journal: () => JournalState;
  readonly whyNotReady: () => string | undefined;
  /** undefined: no group is guarded yet, or only the host is. */
  readonly vitals: () => Vitals | undefined;
}

export class Metrics {
  readonly #setup: MetricsSetup;
  readonly #registry = new Registry();
  readonly #incidents = this.#counter("incidents_total", "Incidents that are over", ["outcome"]);
  readonly #guardIncidents = this.#counter("guard_incidents_total", "The same of one guard", [
    "guard",
  ]);
  readonly #kills = this.#counter("kills_total", "Processes killed, by whom", ["by"]);
  readonly #handOvers = this.#counter(
    "handovers_total",
    "Incidents that were given to the kernel, by the reason",
    ["reason"],
  );
  readonly #steps = this.#counter("steps_lost_total", "Steps that the agent read too late");
  readonly #messages = this.#counter("feed_messages_total", "Messages for the feed");
  readonly #relief = new Histogram({
    name: "reprieve_relief_seconds",
    help: "From the event of an incident that was relieved to the relief",
    buckets: RELIEF_S,
    registers: [this.#registry],
  });
  /** When the open incident of each guard was last relieved. */
  readonly #reliefs = new Map<string, number>();

  constructor(setup: MetricsSetup) {
    this.#setup = setup;
    // What has not happened is 0, not unknown: a rate needs a first value.
    for (const outcome of OUTCOMES) this.#incidents.inc({ outcome }, 0);
    for (const by of KILLERS) this.#kills.inc({ by }, 0);
    this.#addGuards();
    this.#addHelpers();
    this.#addOwn();
  }

  accept(message: Message): void {
    this.#messages.inc();
    switch (message.type) {
      case "incident.step":
        if (message.step === "kill" && message.result === "ok") this.#kills.inc({ by: message.by });
        if (message.step === "relief") this.#reliefs.set(message.guard, message.at_us);
        break;
      case "incident.closed":
        this.#close(message);
        break;
      case "system":
        if (message.event === "kill") this.#kills.inc({ by: "system" });
        break;
      case "released":
        this.#forget(message.guard);
        break;
      case "guard":
        if (message.state === "gone") this.#forget(message.guard);
        break;
      case "lost":
        this.#steps.inc(message.steps);
        break;
    }
  }

  async scrape(): Promise<{ readonly type: string; readonly text: string }> {
    return { type: this.#registry.contentType, text: await this.#registry.metrics() };
  }

  // --- internal ---

  #close(message: Extract<Message, { type: "incident.closed" }>): void {
    const { guard, outcome, kernel_killed: killed = [] } = message;
    const reliefUs = this.#reliefs.get(guard);
    this.#reliefs.delete(guard);
    this.#incidents.inc({ outcome });
    this.#kills.inc({ by: "kernel" }, killed.length);
    if (HANDED.includes(outcome)) this.#handOvers.inc({ reason: message.reason });
    if (this.#labelled().includes(guard)) this.#guardIncidents.inc({ guard });
    if (outcome === "relieved" && reliefUs !== undefined) this.#relief.observe(reliefUs / 1e6);
  }

  #forget(guard: string): void {
    this.#reliefs.delete(guard);
    this.#guardIncidents.remove({ guard });
  }

  #labelled(): string[] {
    return this.#setup.present.names.slice(0, GUARDS_MOST);
  }

  #addGuards(): void {
    const { present } = this.#setup;
    const all = () => present.names.flatMap((name) => present.guard(name) ?? []);
    const count = (
      one: Gauge,
      label: string,
      values: readonly string[],
      key: "state" | "handler",
    ) => {
      const counts = Map.groupBy(all(), (guard) => guard[key] ?? "own");
      for (const value of values)
        one.set({ [label]: value }, counts.get(value as never)?.length ?? 0);
    };
    this.#gauge("guards", "Guards by where they stand", ["state"], (one) =>
      count(one, "state", STATES, "state"),
    );
    this.#gauge("guards_by_handler", "Guards by who answers for them", ["handler"], (one) =>
      count(one, "handler", HANDLERS, "handler"),
    );
    this.#gauge("guards_without_series", "Guards beyond those that have series", [], (one) =>
      one.set(present.names.length - this.#labelled().length),
    );
    const each = (one: Gauge, value: (name: string) => number | null | undefined) => {
      one.reset();
      for (const guard of this.#labelled()) {
        const now = value(guard);
        if (now !== undefined && now !== null) one.set({ guard }, now);
      }
    };
    this.#gauge("guard_usage_bytes", "Memory charged to the group", ["guard"], (one) =>
      each(one, (name) => present.guard(name)?.usage_bytes),
    );
    this.#gauge("guard_limit_bytes", "Limit of the group", ["guard"], (one) =>
      each(one, (name) => present.guard(name)?.limit_bytes),
    );
    this.#gauge("guard_processes", "Processes of the group", ["guard"], (one) =>
      each(one, (name) => present.guard(name)?.procs),
    );
    this.#gauge("incidents_open", "Incidents that go on", [], (one) =>
      one.set(present.names.filter((name) => present.opened(name) !== undefined).length),
    );
  }

  #addHelpers(): void {
    const { vitals, whyNotReady } = this.#setup;
    this.#gauge("ready", "1: the guards are armed, and all helpers at work", [], (one) =>
      one.set(whyNotReady() === undefined ? 1 : 0),
    );
    this.#gauge("helper_up", "1: this helper is at work", ["role"], (one) => {
      for (const { role, isUp } of vitals()?.helpers ?? []) one.set({ role }, isUp ? 1 : 0);
    });
    this.#gauge("helper_locked_bytes", "Memory that it has locked", ["role"], (one) => {
      for (const { role, lockedBytes } of vitals()?.helpers ?? []) one.set({ role }, lockedBytes);
    });
    this.#gauge("recorder_lag_seconds", "Since the recorder was last seen at work", [], (one) =>
      one.set(vitals()?.recorderLagS ?? 0),
    );
    this.#read("recorder_scans_total", "Looks of the recorder", () => vitals()?.scans);
    this.#read("recorder_cpu_seconds_total", "CPU time of them", () => vitals()?.scanCpuS);
  }

  #addOwn(): void {
    const { version, hub, journal } = this.#setup;
    this.#gauge("build_info", "1; the version is a label", ["version"], (one) =>
      one.set({ version }, 1),
    );
    this.#gauge("feed_clients", "Clients of the feed", [], (one) => one.set(hub.counts.clients));
    this.#read("feed_clients_dropped_total", "Of them dropped, stuck", () => hub.counts.dropped);
    this.#gauge("journal_ok", "1: incidents are kept as they should be", [], (one) =>
      one.set(journal().ok ? 1 : 0),
    );
    this.#read("journal_written_total", "Incidents written", () => journal().written);
    this.#gauge("process_resident_memory_bytes", "Of the agent", [], (one) =>
      one.set(process.memoryUsage.rss()),
    );
    this.#read("process_cpu_seconds_total", "Of the agent", () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    });
  }

  #counter(name: string, help: string, labelNames: string[] = []): Counter {
    return new Counter({ name: `reprieve_${name}`, help, labelNames, registers: [this.#registry] });
  }

  /** A counter that somebody else counts. */
  #read(name: string, help: string, value: () => number | undefined): void {
    new Counter({
      name: `reprieve_${name}`,
      help,
      registers: [this.#registry],
      collect() {
        this.reset();
        this.inc(value() ?? 0);
      },
    });
  }

  #gauge(name: string, help: string, labelNames: string[], collect: (one: Gauge) => void): void {
    new Gauge({
      name: `reprieve_${name}`,
      help,
      labelNames,
      registers: [this.#registry],
      collect() {
        collect(this);
      },
    });
  }
}
