// SPDX-License-Identifier: MIT
/** A file with something that nobody else may know. */

import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import { CliError, exit } from "./errors.ts";

/** Refused where others could read or write it. Through one descriptor, so that what is judged is what is read. */
export function readSecret(path: string, cannot: string): string {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const { uid, mode } = fstatSync(fd);
    if (uid !== process.getuid?.() || (mode & 0o077) !== 0) {
      throw new CliError(exit.unsafe, `${cannot}: it is not yours alone, chmod it to 0600`);
    }
    return readFileSync(fd, "utf8");
  } finally {
    closeSync(fd);
  }
}
