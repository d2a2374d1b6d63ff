// SPDX-License-Identifier: MIT
/** The helpers of one region, the eventfds by which they and the agent wake each other, and the groups of their own. */

import { helperGroups, ownGroup, removeGroup } from "../cgroup/group.ts";
import type { Hierarchy } from "../cgroup/hierarchy.ts";
import { kindOf } from "../cgroup/kind.ts";
import type { Core } from "../native/core.ts";
import type { CoreImage } from "../native/embed.ts";
import type { Role } from "../native/region.ts";
import { makeHelperGroups } from "./attaching.ts";
import type { RunDir } from "./run-dir.ts";
import { Helpers } from "./supervise.ts";

interface CrewSetup {
  readonly core: Core;
  readonly image: CoreImage;
  readonly memory: Hierarchy;
  readonly runDir: RunDir;
  /** Those that are started. */
  readonly roles: readonly Role[];
  readonly regionFd: number;
  readonly ledger: number;
  /** The socket of the door, where handlers may be designated. */
  readonly listener: number | undefined;
  /** The guarded groups in which the handler is to live; undefined: with the others. */
  readonly inside: readonly string[] | undefined;
  readonly say: (text: string) => void;
}

export class Crew {
  readonly #setup: CrewSetup;
  readonly #event: number;
  readonly #control: Readonly<Record<Role, number>>;
  readonly #responderEvent: number;
  readonly #wakes: ReturnType<typeof wakesOf>;
  #helpers: Helpers | undefined;
  #groups: readonly string[] = [];

  /** Starts nobody yet. */
  constructor(setup: CrewSetup) {
    const { core } = setup;
    this.#setup = setup;
    this.#event = core.eventfd();
    this.#control = {
      HANDLER: core.eventfd(),
      WATCHDOG: core.eventfd(),
      SPARE: core.eventfd(),
      DOOR: core.eventfd(),
    };
    this.#responderEvent = core.eventfd();
    this.#wakes = wakesOf(this.#event);
  }

  start(): void {
    const { core, image, memory, runDir, say, roles, regionFd, ledger, listener } = this.#setup;
    const groups = helperGroups(runDir.name);
    const probes = groups.map((group) => kindOf(memory).probeGroup(group, memory));
    runDir.write("groups", [...new Set([...groups, ...probes])].join("\n"));
    this.#groups = makeHelperGroups(groups, say);
    this.#helpers = new Helpers({
      image,
      roles,
      runDir: runDir.path,
      region: regionFd,
      agentEvent: this.#event,
      control: this.#control,
      responderEvent: this.#responderEvent,
      ledger,
      listener,
      ownGroup: ownGroup(),
      groups: this.#groupsOfRoles(),
      wake: core.wake,
      say,
    });
  }

  /** Groups of the helpers' own. */
  get groups(): readonly string[] {
    return this.#groups;
  }

  pid(role: Role): number | undefined {
    return this.#helpers?.pid(role);
  }

  /** Has them look at what is wanted. */
  wake(): void {
    for (const role of this.#setup.roles) this.#setup.core.wake(this.#control[role]);
  }

  /** Calls back for each wake of ours, until hangUp(). */
  async listen(woken: () => void): Promise<void> {
    for (;;) {
      const { done } = await this.#wakes.read();
      if (done) return;
      woken();
    }
  }

  /** Waits for all to exit by themselves. False: some were dead already, or had to be killed. */
  async stopped(): Promise<boolean> {
    return (await this.#helpers?.stopped()) ?? true;
  }

  async hangUp(): Promise<void> {
    await this.#wakes.cancel();
  }

  async removeGroups(): Promise<void> {
    await Promise.all(this.#groups.map(removeGroup));
  }

  // --- internal ---

  #groupsOfRoles(): Record<Role, readonly string[]> {
    const outside = this.#groups;
    const handler = this.#setup.inside ?? outside;
    return { HANDLER: handler, WATCHDOG: outside, SPARE: outside, DOOR: outside };
  }
}

// --- internal ---

/** A chunk each time the eventfd was written to. */
export function wakesOf(eventfd: number) {
  return Bun.file(eventfd).stream().getReader();
}
