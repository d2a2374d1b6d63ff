// SPDX-License-Identifier: MIT
/** The groups of the table at the begin of the page, and who lives in them. */
import type { Group } from "../../helpers/group.ts";
import { MB } from "../../helpers/group.ts";
import type { SetScene, Setting } from "../setting.ts";

export const set: SetScene = async (setting) => {
  const web = setting.group("/tenants/web", 64 * MB);
  await holds(setting, web, "server", 24);
  await holds(setting, web, "cache", 12);
  await holds(setting, setting.group("/tenants/shop", 64 * MB), "server", 30);
  setting.group("/ci", 96 * MB);
  await holds(setting, setting.group("/ci/runner", 96 * MB), "runner", 3);
  await holds(setting, setting.group("/ci/job-1", 96 * MB), "cc1plus", 36);
  await holds(setting, setting.group("/ci/job-2", 96 * MB), "ld", 20);
  const app = setting.group("/app", 96 * MB);
  await holds(setting, app, "postgres", 40);
  await holds(setting, setting.group("/app/workers"), "worker", 16);
  setting.group("/overflow", 96 * MB);
};

function holds(setting: Setting, group: Group, name: string, megabytes: number) {
  return setting.process(group, name, { means: "steady", beforeKb: megabytes * 1024 });
}
