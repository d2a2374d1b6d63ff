// SPDX-License-Identifier: MIT
/** A tenant. */
import { MB } from "../../helpers/group.ts";
import type { SetScene } from "../setting.ts";

export const set: SetScene = async (setting) => {
  const web = setting.group("/tenants/web", 64 * MB);
  await setting.process(web, "server", { means: "steady", beforeKb: 24 * 1024 });
};
