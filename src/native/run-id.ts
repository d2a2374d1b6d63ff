// SPDX-License-Identifier: MIT
/** The name of one run of an agent: no other run on any host has it. Safe in URLs and file names, and a number in the region. */

/** Among a million runs two of the same name have a chance of 1 in 2,000. */
const BITS = 50n;
const LETTERS = 10;

export function newRun(): string {
  const [random = 0n] = crypto.getRandomValues(new BigUint64Array(1));
  return runOf(random >> (64n - BITS));
}

export function runOf(number: bigint): string {
  return number.toString(32).padStart(LETTERS, "0");
}

export function numberOf(run: string): bigint {
  return BigInt(Number.parseInt(run, 32));
}
