// SPDX-License-Identifier: MIT
/**
 * The system guard: one native process (native/system.c) that needs nothing of us but to live; started again when it
 * dies. Here what it logs becomes messages.
 */

import { closeSync } from "node:fs";
import { type Message, SYSTEM, type System } from "../feed/protocol.ts";
import { type Core, errnoName } from "../native/core.ts";
import type { CoreImage } from "../native/embed.ts";
import { reason, system_cause, system_step } from "../native/layout.ts";
import type { Logged } from "../native/log-reader.ts";
import { type SystemOrders, SystemPage } from "../native/system-page.ts";
import { BackOff } from "./back-off.ts";
import { wakesOf } from "./crew.ts";
import { type Draft, idOf, nameOf } from "./incidents.ts";
import { type Keep, stamped } from "./telling.ts";

const READY_BOUND_MS = 5000;
const START_TICK_MS = 5;

type SystemDraft = Extract<Draft, { type: "system" }>;

export interface SystemGuardSetup {
  readonly core: Core;
  readonly image: CoreImage;
  readonly orders: SystemOrders;
  readonly run: string;
  readonly keep?: Keep | undefined;
  readonly send: (message: Message) => void;
  readonly say: (text: string) => void;
}

export class SystemGuard {
  readonly #setup: SystemGuardSetup;
  readonly #memfd: number;
  readonly #event: number;
  readonly #page: SystemPage;
  readonly #wakes: ReturnType<typeof wakesOf>;
  #program: Bun.Subprocess | undefined;
  #isStopping = false;
  /** Of the incident that is told. */
  #openedNs = 0;

  constructor(setup: SystemGuardSetup) {
    const { core, orders } = setup;
    this.#setup = setup;
    this.#memfd = core.createSystem(process.pid);
    this.#event = core.eventfd();
    this.#page = new SystemPage(core.mapSystem(this.#memfd));
    this.#page.setOrders(orders);
    this.#wakes = wakesOf(this.#event);
  }

  /** Returns when it watches. False: it does not. */
  async start(): Promise<boolean> {
    this.#start(new BackOff());
    const deadline = performance.now() + READY_BOUND_MS;
    while (!this.#page.isReady && performance.now() < deadline) await Bun.sleep(START_TICK_MS);
    const { availableBytes } = this.#page.available;
    if (!this.#page.isReady) return false;
    const armed = { event: "armed", available_bytes: availableBytes, result: "ok" } as const;
    this.#setup.send(stamped({ type: "system", ...armed }));
    this.#tell();
    void this.#listen();
    return true;
  }

  /** What the host does not allow it. */
  get lacks(): string[] {
    const { lock, sysrq, pressure } = this.#page.results;
    const lack = (result: number, text: string) =>
      result === 0 ? [] : [`the system guard ${text} (${errnoName(result)})`];
    return [
      ...lack(lock, "has memory that is not locked: raise ulimit -l"),
      ...lack(sysrq, "cannot hand over to the kernel: /proc/sysrq-trigger cannot be written"),
      ...lack(pressure, "does not see pressure: the kernel has no /proc/pressure/memory"),
    ];
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#program?.kill("SIGKILL"); // it holds nothing
    await this.#program?.exited;
    await this.#wakes.cancel();
    this.#tell();
    closeSync(this.#event);
    closeSync(this.#memfd);
  }

  // --- internal ---

  #start(backOff: BackOff): void {
    const { image, say } = this.#setup;
    const startedMs = performance.now();
    this.#program = Bun.spawn([image.path, "system"], {
      argv0: "reprieve-system",
      env: {},
      cwd: "/",
      detached: true,
      stdio: ["ignore", "ignore", "inherit", this.#memfd, this.#event],
      onExit: () => {
        if (this.#isStopping) return;
        const waitMs = backOff.next(performance.now() - startedMs);
        say(`the system guard has ended: starting it again in ${waitMs} ms`);
        setTimeout(() => {
          if (!this.#isStopping) this.#start(backOff);
        }, waitMs);
      },
    });
  }

  async #listen(): Promise<void> {
    for (;;) {
      const { done } = await this.#wakes.read();
      if (done) return;
      this.#tell();
    }
  }

  #tell(): void {
    const messages = this.#page.log.read().map((record) => this.#messageOf(record));
    if (messages.length > 0) this.#setup.keep?.addTold(messages);
    this.#page.log.taken();
    messages.forEach(this.#setup.send);
  }

  #messageOf(record: Logged): System {
    const { core, run, orders } = this.#setup;
    const isFirst = record.step === system_step.LOW;
    if (isFirst) this.#openedNs = record.tNs;
    return stamped({
      ...draftOf(record),
      id: idOf(run, SYSTEM, record.incident),
      ...(isFirst && {
        opened_t: core.wallMs(record.tNs),
        powers: orders.allowed ? [SYSTEM] : [],
      }),
      at_us: Math.round((record.tNs - this.#openedNs) / 1000),
    }) as System;
  }
}

/** One step -> its message. */
function draftOf(record: Logged): SystemDraft {
  const { step, arg, bytes, pid, comm, result } = record;
  const has = (...steps: number[]) => steps.includes(step);
  const { LOW, WOULD, TERMINATE, KILL, DEAD, HAND_OVER } = system_step;
  const would = arg === 1 ? "would-kill" : "would-terminate";
  return {
    type: "system",
    event: (step === WOULD ? would : nameOf(system_step, step)) as SystemDraft["event"],
    incident: `${SYSTEM}#${record.incident}`,
    available_bytes: record.availableBytes,
    ...(step === LOW && { cause: nameOf(system_cause, arg), swap_free_bytes: bytes }),
    ...(has(WOULD, TERMINATE, KILL, DEAD) && { pid, comm, rss_bytes: bytes }),
    ...(step === HAND_OVER && { reason: nameOf(reason, arg) }),
    result: result === 0 ? "ok" : errnoName(result),
  };
}
