// SPDX-License-Identifier: MIT
/** The name of one run of an agent: no other run on any host has it. Safe in URLs and file names. */

const LETTERS = "abcdefghijklmnopqrstuvwxyz234567";
/** 5 bits each: among a million runs two of the same name have a chance of 1 in 2,000. */
const LENGTH = 10;

export function newRun(): string {
  const random = crypto.getRandomValues(new Uint8Array(LENGTH));
  return Array.from(random, (byte) => LETTERS[byte % LETTERS.length]).join("");
}
