// SPDX-License-Identifier: MIT
/**
 * What `reprieve explain` says of a group, for the API: asked of a process of its own, so that nothing waits for it here,
 * however large the group is.
 */

import { CliError, exit } from "../errors.ts";

const AT_ONCE = 2;
const BOUND_MS = 10_000;
/** Of 5,000 processes it says less. */
const ANSWER_BYTES = 8 << 20;

export class Explainer {
  #running = 0;

  async explain(cgroup: string): Promise<object | "busy"> {
    if (this.#running >= AT_ONCE) return "busy";
    this.#running++;
    try {
      return await this.#ask(cgroup);
    } finally {
      this.#running--;
    }
  }

  // --- internal ---

  async #ask(cgroup: string): Promise<object> {
    // Not by its path: there may be another version by now.
    const child = Bun.spawn(["/proc/self/exe", "explain", "--json", "--", cgroup], {
      stdio: ["ignore", "pipe", "ignore"],
      timeout: BOUND_MS,
      maxBuffer: ANSWER_BYTES,
    });
    const text = await child.stdout.text();
    if ((await child.exited) === exit.ok) return JSON.parse(text) as object;
    throw new CliError(exit.host, `cannot explain ${cgroup}: ask reprieve explain why`);
  }
}
