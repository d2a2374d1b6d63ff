// SPDX-License-Identifier: MIT
/**
 * Fills a group with small sleeping processes, forked inside it, so that it is charged for them.
 */
import type { Group } from "./group.ts";
import { Page } from "./page.ts";
import { built, start } from "./programs.ts";
import type { Prepare } from "./round.ts";

/** `count` processes, and a limit `room` bytes above what they hold. */
export function crowdedTo(count: number, room: number): Prepare {
  return async (group: Group) => {
    const page = new Page();
    const crowd = start([built("crowd"), page.path, String(count)]);
    await page.until("leakerPid");
    group.join(crowd.pid);
    process.kill(crowd.pid, "SIGUSR1");
    await page.until("ready", count);
    group.limit(group.usage() + room);
  };
}
