// SPDX-License-Identifier: MIT
/** The one error a person is meant to read, and the one table of exit codes. */

/** Codes of sysexits(3), but for 1; from 125 on those of a shell. */
export const exit = {
  ok: 0,
  badConfig: 1,
  usage: 64,
  noGroup: 66,
  host: 69,
  internal: 70,
  cannotCreate: 73,
  inUse: 75,
  notPermitted: 77,
  unsafe: 78,
  notJoined: 125,
  notExecutable: 126,
  notFound: 127,
  signal: 128,
} as const;

/** One sentence that names the thing and the remedy, and the exit code that goes with it. */
export class CliError extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.name = "CliError";
    this.code = code;
  }
}
