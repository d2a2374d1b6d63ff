// SPDX-License-Identifier: MIT
/** A group with a limit, of the user who is to answer for it. */
import { chownSync } from "node:fs";
import { UID } from "../../helpers/as-user.ts";
import { MB } from "../../helpers/group.ts";
import type { Setting } from "../setting.ts";

export async function set(setting: Setting): Promise<void> {
  const web = setting.group("/tenants/web", 64 * MB);
  chownSync(web.path, UID, UID);
}
