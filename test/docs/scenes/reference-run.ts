// SPDX-License-Identifier: MIT
/** A group of an application's, with its database and its workers. */
import { MB } from "../../helpers/group.ts";
import type { SetScene } from "../setting.ts";

export const set: SetScene = async (setting) => {
  const app = setting.group("/app", 64 * MB);
  await setting.process(app, "postgres", { means: "steady", beforeKb: 24 * 1024 });
  const workers = setting.group("/app/workers/1");
  await setting.process(workers, "worker", { means: "steady", beforeKb: 12 * 1024 });
};
