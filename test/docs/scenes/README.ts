// SPDX-License-Identifier: MIT
/** Two tenants. */
import { MB } from "../../helpers/group.ts";
import type { SetScene } from "../setting.ts";

export const set: SetScene = async (setting) => {
  const web = setting.group("/tenants/web", 64 * MB);
  const billing = setting.group("/tenants/billing", 64 * MB);
  await setting.process(web, "worker", { means: "steady", beforeKb: 24 * 1024 });
  await setting.process(billing, "database", { means: "steady", beforeKb: 32 * 1024 });
};
