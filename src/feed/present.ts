// SPDX-License-Identifier: MIT
/**
 * What holds now, out of the messages alone: what a new client is told first, and what the API answers.
 *
 * Pure. Bounded by the guards there are: what is released or removed is forgotten.
 */

import type { Armed, Guard, JournalMessage, Message, System } from "./protocol.ts";

export interface Entry {
  /** Of the messages of this run, counted from 1. */
  readonly seq: number;
  readonly message: Message;
  /** As it is sent. */
  readonly line: string;
}

export type Opened = Extract<Message, { type: "incident.opened" }>;

export class Present {
  readonly #armed = new Map<string, Entry>();
  readonly #guards = new Map<string, Entry>();
  /** The open incident of each guard. */
  readonly #opened = new Map<string, Entry>();
  /** The first and the last of the system guard. */
  readonly #system = new Map<"armed" | "last", Entry>();
  #journal: Entry | undefined;
  /** Of the last message that is in it. */
  seq = 0;

  accept(entry: Entry): void {
    const { message } = entry;
    this.seq = entry.seq;
    switch (message.type) {
      case "armed":
        this.#armed.set(message.guard, entry);
        break;
      case "guard":
        if (message.state === "gone") this.#forget(message.guard);
        else this.#guards.set(message.guard, entry);
        break;
      case "released":
        this.#forget(message.guard);
        break;
      case "incident.opened":
        this.#opened.set(message.guard, entry);
        break;
      case "incident.closed":
        this.#opened.delete(message.guard);
        break;
      case "journal":
        this.#journal = entry;
        break;
      case "system":
        this.#system.set(message.event === "armed" ? "armed" : "last", entry);
        break;
    }
  }

  /** In the order in which they are to be told. */
  get guards(): Entry[] {
    return [...this.#armed.values(), ...this.#guards.values()];
  }

  get incidents(): Entry[] {
    const journal = this.#journal === undefined ? [] : [this.#journal];
    return [...journal, ...this.#system.values(), ...this.#opened.values()];
  }

  get names(): string[] {
    return [...this.#armed.keys()];
  }

  armed(guard: string): Armed | undefined {
    return this.#armed.get(guard)?.message as Armed | undefined;
  }

  guard(guard: string): Guard | undefined {
    return this.#guards.get(guard)?.message as Guard | undefined;
  }

  opened(guard: string): Opened | undefined {
    return this.#opened.get(guard)?.message as Opened | undefined;
  }

  /** What the system guard has said last. */
  get system(): System | undefined {
    const entry = this.#system.get("last") ?? this.#system.get("armed");
    return entry?.message as System | undefined;
  }

  /** What was said of the journal last. */
  get journal(): JournalMessage | undefined {
    return this.#journal?.message as JournalMessage | undefined;
  }

  // --- internal ---

  #forget(guard: string): void {
    for (const map of [this.#armed, this.#guards, this.#opened]) map.delete(guard);
  }
}
