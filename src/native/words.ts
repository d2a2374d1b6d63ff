// SPDX-License-Identifier: MIT
/** The words of a command: split at spaces; one with spaces or quotes in it is written in quotes, as in JSON. Pure. */

export const QUOTES =
  'a word with spaces or quotes in it is written in quotes: /bin/a "two words" "\\"q\\""';

/** Undefined: the quotes do not go together. */
export function wordsOf(command: string): string[] | undefined {
  const text = command.replace(/^ +/, "");
  const words = [...text.matchAll(/("(?:[^"\\]|\\.)*"|[^ "]+)(?: +|$)/gsy)];
  if (words.reduce((length, [all]) => length + all.length, 0) < text.length) return undefined;
  try {
    return words.map(([, word = ""]) => (word.startsWith('"') ? plain(word) : word));
  } catch {
    return undefined;
  }
}

/** As wordsOf() reads it. */
export function commandOf(words: readonly string[]): string {
  return words.map((word) => (/^$|[ "]/.test(word) ? JSON.stringify(word) : word)).join(" ");
}

// --- internal ---

function plain(word: string): string {
  const text: string = JSON.parse(word);
  if (text.includes("\0")) throw new SyntaxError("no word has a NUL in it");
  return text;
}
