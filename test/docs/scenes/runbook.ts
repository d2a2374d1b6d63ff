// SPDX-License-Identifier: MIT
/** A web server far from its limit, and a database that is near its own, so that its group is held. */
import { MB } from "../../helpers/group.ts";
import { memory } from "../../helpers/memory.ts";
import type { Setting } from "../setting.ts";

export async function set(setting: Setting): Promise<void> {
  const web = setting.group("/tenants/web", 64 * MB);
  const db = setting.group("/tenants/db", 64 * MB);
  await setting.process(web, "httpd", { means: "steady", beforeKb: 4 * 1024 });
  // Within the margin of where the group is full, which on v2 is a margin below its limit.
  const heldMb = memory.version === 1 ? 54 : 44;
  await setting.process(db, "postgres", { means: "steady", beforeKb: heldMb * 1024 });
}
