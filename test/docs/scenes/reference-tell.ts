// SPDX-License-Identifier: MIT
/** A tenant with a job in a group of its own, beside a quiet one. */
import { MB } from "../../helpers/group.ts";
import type { SetScene } from "../setting.ts";

export const set: SetScene = async (setting) => {
  const web = setting.group("/tenants/web", 64 * MB);
  await setting.process(web, "server", { means: "steady", beforeKb: 24 * 1024 });
  await setting.process(web, "logger", { means: "steady", beforeKb: 0 });
  const job = setting.group("/tenants/web/job");
  await setting.process(job, "resize", { means: "steady", beforeKb: 12 * 1024 });
  await setting.process(setting.group("/tenants/billing", 64 * MB), "database", {
    means: "steady",
    beforeKb: 20 * 1024,
  });
};
