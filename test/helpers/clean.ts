// SPDX-License-Identifier: MIT
/**
 * For afterEach and afterAll: whatever a failed test left behind goes, so that the next one is
 * judged alone.
 */
import { closeDoors } from "./door.ts";
import { thawAll } from "./freezer.ts";
import { destroyGroups } from "./group.ts";
import { removeJournals } from "./journal.ts";
import { endReprieves } from "./reprieve.ts";
import { closeBoards } from "./workload.ts";

export async function cleanUp(): Promise<void> {
  await thawAll();
  await closeDoors();
  await endReprieves();
  await destroyGroups();
  closeBoards();
  removeJournals();
}
