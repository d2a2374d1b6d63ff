// SPDX-License-Identifier: MIT
/** The journal of a run: its file, what is kept for it where an agent that is killed does not take it along, and what the dead left. */

import { keepingDir, LOST_WITH_US, removeKept, spoolFile } from "../agent/kept.ts";
import type { Keep } from "../agent/telling.ts";
import { type Message, PROTOCOL_VERSION } from "../feed/protocol.ts";
import type { Core } from "../native/core.ts";
import { KeptDisk } from "./disk.ts";
import type { Exporter } from "./exporter.ts";
import { leftBehind } from "./harvest.ts";
import type { Incident } from "./incident.ts";
import { type JournalSetup, KeptIncidents } from "./kept-incidents.ts";
import type { Minutes } from "./minute.ts";
import { Spool } from "./spool.ts";

/** At our end, for what waits. */
const EXPORT_BOUND_MS = 1000;

const OPEN_TRIES = 5;

export interface JournalingSetup extends Pick<JournalSetup, "path" | "keepDays" | "keepBytes"> {
  readonly core: Core;
  readonly run: string;
  readonly minutes: Minutes;
  readonly exporters: readonly Exporter[];
  readonly send: (message: Message) => void;
  readonly say: (text: string) => void;
}

export class Journaling {
  readonly journal: KeptIncidents;
  readonly #setup: JournalingSetup;
  readonly #disk: KeptDisk;
  /** undefined: there is no file system in memory. */
  readonly #dir: string | undefined;
  /** To our exporters: bits of PLACES (row.ts). */
  readonly #owed: number;
  readonly #exported = new Set<string>();
  /** The dead have left something that could not be written. */
  #isLeft = false;
  #isStopping = false;
  /** The journal is asked nothing more. */
  #isOver = false;
  readonly #spool: Spool | undefined;

  constructor(setup: JournalingSetup) {
    this.#setup = setup;
    const { dir, spool } = openSpool(setup);
    this.#dir = dir;
    this.#spool = spool;
    this.#owed = setup.exporters.reduce((all, { owed }) => all | owed, 0);
    this.#disk = new KeptDisk(setup.path);
    this.journal = new KeptIncidents(setup.run, {
      ...setup,
      disk: this.#disk,
      tell: (state) => {
        setup.send({ v: PROTOCOL_VERSION, t: Date.now(), type: "journal", ...state });
        if (state.ok && this.#isLeft) void this.harvest();
      },
      withMinute: (incident) => setup.minutes.of(incident),
      owed: this.#owed,
      closed: (incident) => void this.#export(incident, this.#owed),
      written: (ids) => this.#spool?.written(ids),
    });
  }

  /** For the agent. */
  get keeping(): { readonly keepIn: string | undefined; readonly keep: Keep | undefined } {
    return { keepIn: this.#dir, keep: this.#spool };
  }

  /** What dead agents have left is kept like our own. What of it cannot be read is said, and nobody's end. */
  async harvest(): Promise<void> {
    try {
      await this.#harvest();
    } catch (error) {
      this.#setup.say(
        `what is left of earlier incidents cannot be read: ${(error as Error).message}`,
      );
    }
  }

  /** When all is told: what could not be written stays where the next start finds it. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.journal.stop();
    this.#spool?.close();
    await Promise.all(this.#setup.exporters.map((one) => one.stop(EXPORT_BOUND_MS)));
    this.#isOver = true;
    await this.#disk.end();
    if (this.#dir === undefined) return;
    const left = this.#spool?.pending ?? 0;
    if (left === 0) removeKept(this.#dir, this.#setup.run);
    else this.#setup.say(`${countOf(left)} left in ${this.#dir} for the next start`);
  }

  // --- internal ---

  async #harvest(): Promise<void> {
    const { core, path, say } = this.#setup;
    this.#isLeft = false;
    for (const { incidents, remove } of leftBehind(core, path, say)) {
      if (this.#isStopping) return;
      if (incidents.length === 0 || (await this.journal.keepLeft(incidents))) {
        remove();
      } else this.#isLeft = true;
    }
    if (this.#owed !== 0) await this.#exportOwed();
  }

  /** What is in the journal, and did not get where it was to be exported to: of dead agents, and of those that could not. */
  async #exportOwed(): Promise<void> {
    while (!this.#isStopping) {
      const all = await this.journal.owed(this.#owed);
      // A journal that cannot be written has them all still.
      const some = all.filter(({ incident }) => !this.#exported.has(incident.id));
      if (some.length === 0) return;
      for (const { incident } of some) this.#exported.add(incident.id);
      await Promise.all(some.map(({ incident, owed }) => this.#export(incident, owed)));
    }
  }

  /** Resolves when it is where it is owed to. */
  async #export(incident: Incident, owed: number): Promise<void> {
    const places = this.#setup.exporters.filter((one) => (one.owed & owed) !== 0);
    const sent = places.map((one) => {
      return new Promise<void>((resolve) => {
        one.add(incident, () => {
          if (!this.#isOver) this.journal.settle(incident.id, one.owed);
          resolve();
        });
      });
    });
    await Promise.all(sent);
  }
}

// --- internal ---

function openSpool({ core, run, path, say }: JournalingSetup): { dir?: string; spool?: Spool } {
  for (let tries = 1; ; tries += 1) {
    const dir = keepingDir();
    if (dir === undefined) {
      say(`no tmpfs for the region: ${LOST_WITH_US}`);
      return {};
    }
    try {
      return {
        dir,
        spool: new Spool({ file: spoolFile(dir, run), run, journal: path, lock: core.lock, say }),
      };
    } catch (error) {
      // The directory goes with the last other agent that had files there.
      if ((error as NodeJS.ErrnoException).code === "ENOENT" && tries < OPEN_TRIES) continue;
      say(`${(error as Error).message}: ${LOST_WITH_US}`);
      return { dir };
    }
  }
}

function countOf(incidents: number): string {
  return incidents === 1 ? "1 incident is" : `${incidents} incidents are`;
}
