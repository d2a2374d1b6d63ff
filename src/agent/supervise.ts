// SPDX-License-Identifier: MIT
/**
 * Starts the native helpers, watches them and starts a dead one again.
 *
 * A helper attaches to every guard of the region by itself, so a new one needs nothing but its descriptors.
 */

import type { CoreImage } from "../native/embed.ts";
import type { Role } from "../native/region.ts";
import { BackOff } from "./back-off.ts";

/** The watchers put back in under a millisecond each; then they are killed and the ledger is used. */
const EXIT_BOUND_MS = 2000;

interface HelperSetup {
  readonly image: CoreImage;
  readonly roles: readonly Role[];
  /** "-" when there is none. */
  readonly runDir: string;
  /** In the order of native/region.h: 3 and up. The third one is the role's own control eventfd. */
  readonly region: number;
  readonly agentEvent: number;
  readonly control: Readonly<Record<Role, number>>;
  readonly responderEvent: number;
  readonly ledger: number;
  /** The door's socket. */
  readonly listener: number | undefined;
  /** The memory group of this process, to which a helper goes back at its end. */
  readonly ownGroup: string;
  /** The cgroup directories a role joins. */
  readonly groups: Readonly<Record<Role, readonly string[]>>;
  /** Signals a control eventfd. */
  readonly wake: (eventfd: number) => void;
  /** Said to the person, and never more often than the back-off. */
  readonly say: (text: string) => void;
}

type Helper = Bun.Subprocess<"ignore", "ignore", "inherit">;

export class Helpers {
  readonly #setup: HelperSetup;
  readonly #running = new Map<Role, Helper>();
  #stopping = false;

  constructor(setup: HelperSetup) {
    this.#setup = setup;
    for (const role of setup.roles) this.#start(role, new BackOff());
  }

  pid(role: Role): number | undefined {
    return this.#running.get(role)?.pid;
  }

  /** Waits for all to exit by themselves. False: some were dead already, or had to be killed. */
  async stopped(): Promise<boolean> {
    this.#stopping = true;
    const helpers = [...this.#running.values()];
    const areAll = helpers.length === this.#setup.roles.length;
    const exits = Promise.all(helpers.map((helper) => helper.exited));
    const inTime = await Promise.race([
      exits.then(() => true),
      Bun.sleep(EXIT_BOUND_MS).then(() => false),
    ]);
    if (inTime) return areAll && helpers.every((helper) => helper.exitCode === 0);
    for (const helper of helpers) helper.kill("SIGKILL");
    await exits;
    return false;
  }

  // --- internal ---

  #start(role: Role, backOff: BackOff): void {
    const { image, runDir, region, agentEvent, control, responderEvent, ledger, listener } =
      this.#setup;
    const groups = [this.#setup.ownGroup, ...this.#setup.groups[role]];
    const own = role === "DOOR" && listener !== undefined ? [listener] : [];
    const startedMs = performance.now();
    const helper = Bun.spawn([image.path, role.toLowerCase(), runDir, ...groups], {
      argv0: `reprieve-${role.toLowerCase()}`,
      env: {},
      cwd: "/",
      detached: true,
      stdio: [
        "ignore",
        "ignore",
        "inherit",
        region,
        agentEvent,
        control[role],
        control.HANDLER,
        control.WATCHDOG,
        control.SPARE,
        control.DOOR,
        ledger,
        responderEvent,
        ...own,
      ],
      onExit: (_, code, signal) => {
        this.#running.delete(role);
        const how = signal === null ? `ended with code ${code}` : `was killed by signal ${signal}`;
        this.#again(role, backOff, performance.now() - startedMs, how);
      },
    });
    this.#running.set(role, helper as Helper);
    // The count stays until the new helper reads it: its first turn looks at what is wanted.
    this.#setup.wake(control[role]);
  }

  #again(role: Role, backOff: BackOff, livedMs: number, how: string): void {
    if (this.#stopping) return;
    const waitMs = backOff.next(livedMs);
    this.#setup.say(`the ${role.toLowerCase()} ${how}: starting it again in ${waitMs} ms`);
    setTimeout(() => {
      if (!this.#stopping) this.#start(role, backOff);
    }, waitMs);
  }
}
