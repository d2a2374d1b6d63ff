// SPDX-License-Identifier: MIT
/** Whether a command still prints what a page shows: words and columns, not the numbers of that run. */

/**
 * Of an output and of a page alike: numbers with their units, ids, bars and columns are what differs from run to run.
 */
function normalised(line: string): string {
  return Bun.stripANSI(line)
    .replace(/[█░▁▂▃▄▅▆▇]+/g, "")
    .replace(/\b[0-9a-z]{10}-\d+-\d+\b/g, "ID")
    .replace(/\b[0-9a-f]{12,}\b/g, "ID")
    .replace(/\d+/g, "N")
    .replace(/N(?:[.,:]N| N(?= us))+/g, "N")
    .replace(/N (?:us|ms|s|min|h)\b/g, "TIME")
    .replace(/N (?:B|[KMGT]i?B)\b/g, "SIZE")
    .replace(/\s+/g, " ")
    .trim();
}

/**
 * The first line of the page that the output has not; undefined: it has all. There may be others between them, and steps
 * of one moment come in either order. In a line of the page `...` stands for anything.
 */
export function missing(shown: string, output: string): string | undefined {
  const told = output.split("\n").map(normalised);
  return shown.split("\n").find((line) => {
    const wanted = patternOf(line);
    return wanted !== undefined && !told.some((one) => wanted.test(one));
  });
}

// --- internal ---

function patternOf(line: string): RegExp | undefined {
  const parts = line.split("...").map(normalised);
  if (parts.every((part) => part === "")) return undefined;
  const escaped = parts.map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"));
  // Whom nobody had read before he was killed has no name.
  const named = escaped.map((part) => part.replace(/\S+ \\\(N\\\)/g, "(?:$&|process N)"));
  return new RegExp(`^${named.join("\\s?.*?\\s?")}$`);
}
