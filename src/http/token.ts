// SPDX-License-Identifier: MIT
/** The token: a new one, or that of a file, which outlives a restart. */

import { closeSync, openSync, writeSync } from "node:fs";
import { CliError, exit } from "../errors.ts";
import { readSecret } from "../secret.ts";

const TOKEN_BYTES = 32;
/** Of a file that somebody else has written: long enough that nobody guesses it, and it fits into a header. */
const TOKEN = /^[A-Za-z0-9_-]{32,256}$/;

export function newToken(): string {
  return crypto.getRandomValues(new Uint8Array(TOKEN_BYTES)).toHex();
}

/** Made where it is not there. Refused where others could read or write it. */
export function tokenOf(path: string): string {
  const cannot = `cannot use the token file ${path}`;
  try {
    const fd = openSync(path, "wx", 0o600);
    try {
      const token = newToken();
      writeSync(fd, `${token}\n`);
      return token;
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "EEXIST") throw new CliError(exit.host, `${cannot} (${code})`);
    return readToken(path, cannot);
  }
}

// --- internal ---

function readToken(path: string, cannot: string): string {
  const token = readSecret(path, cannot).trim();
  if (TOKEN.test(token)) return token;
  const what = "a token is 32 to 256 of the characters A-Z a-z 0-9 _ -";
  throw new CliError(exit.usage, `${cannot}: ${what}; remove it, and it is made anew`);
}
