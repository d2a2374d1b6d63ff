// SPDX-License-Identifier: MIT
/** Where the VM's files are built, and where its console is kept. */
import { mkdirSync } from "node:fs";
import { repository } from "../helpers/paths.ts";

export const vmBuilt = `${repository}/dist/build/vm`;
mkdirSync(vmBuilt, { recursive: true });
