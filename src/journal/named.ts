// SPDX-License-Identifier: MIT
/** Who is looked for by a part of a name. Pure; shared with the page. */

/** Each word of the text is a part of a name, or, with `*` for any characters in it, a whole one. Large and small letters are one. */
export function isNamed(names: readonly string[], text: string): boolean {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return true;
  const lower = names.map((name) => name.toLowerCase());
  return words.every((word) => lower.some((name) => matches(name, word)));
}

// --- internal ---

/** The word's pieces are in the name one behind the other, the first at its begin and the last at its end. In linear time. */
function matches(name: string, word: string): boolean {
  const [first = "", ...pieces] = word.split("*");
  const last = pieces.pop();
  if (last === undefined) return name.includes(word);
  if (!name.startsWith(first)) return false;
  let at = first.length;
  for (const piece of pieces) {
    const found = name.indexOf(piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return at <= name.length - last.length && name.endsWith(last);
}
