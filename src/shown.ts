// SPDX-License-Identifier: MIT
/** Values in words for a person, and hostile text: what could steer a terminal is replaced. Pure. */

/** 67108864 -> "64.0 MiB". */
export function bytes(count: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  const rank = count < 1 ? 0 : Math.min(Math.floor(Math.log2(count) / 10), units.length - 1);
  const scaled = count / 2 ** (10 * rank);
  return `${rank === 0 ? scaled : scaled.toFixed(1)} ${units[rank]}`;
}

/** 100 -> "100 ms", 2000 -> "2 s". */
export function milliseconds(ms: number): string {
  return ms >= 1000 ? `${ms / 1000} s` : `${ms} ms`;
}

/** Replaces control, format and surrogate characters, line and paragraph separators. */
export function visible(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu, "\u{fffd}");
}
