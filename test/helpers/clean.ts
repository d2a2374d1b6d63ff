// SPDX-License-Identifier: MIT
/**
 * For afterEach and afterAll: whatever a failed test left behind goes, so that the next one is
 * judged alone.
 */
import { removeBundles } from "./bundle.ts";
import { closeDoors } from "./door.ts";
import { thawAll } from "./freezer.ts";
import { destroyGroups } from "./group.ts";
import { letDisksGoOn, removeJournals } from "./journal.ts";
import { endPods } from "./pod.ts";
import { endReprieves } from "./reprieve.ts";
import { closeBoards } from "./workload.ts";

export async function cleanUp(): Promise<void> {
  letDisksGoOn();
  await thawAll();
  await closeDoors();
  await endPods();
  removeBundles();
  await endReprieves();
  await destroyGroups();
  closeBoards();
  removeJournals();
}
