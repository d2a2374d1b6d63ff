// SPDX-License-Identifier: MIT
/** Numbers and times as the page shows them. Pure. */

/** Three digits, so that a column of them is even: 67108864 -> "64.0 MiB". */
export function size(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  const rank = bytes < 1 ? 0 : Math.min(Math.floor(Math.log2(bytes) / 10), units.length - 1);
  const scaled = bytes / 2 ** (10 * rank);
  return `${rank === 0 ? scaled : threeDigits(scaled)} ${units[rank]}`;
}

/** 118 -> "118 µs", 2443 -> "2.44 ms", 61000000 -> "61.0 s". */
export function duration(us: number): string {
  if (us < 1000) return `${Math.round(us)} µs`;
  if (us < 1e6) return `${threeDigits(us / 1e3)} ms`;
  return us < 120e6 ? `${threeDigits(us / 1e6)} s` : `${Math.round(us / 60e6)} min`;
}

export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Grouped by thousands with a thin space, for a column: 23269 -> "23 269". */
export function micros(us: number): string {
  return String(Math.round(us)).replace(/\B(?=(\d{3})+$)/g, "\u{2009}");
}

/** Of the limit; undefined: there is none. */
export function shareOf(used: number, limit: number | null): number | undefined {
  return limit === null || limit <= 0 ? undefined : Math.min(used / limit, 1);
}

export function percent(share: number): string {
  return `${Math.floor(share * 100)} %`;
}

/** Made when it is needed: the first one takes some ms. Two nights a day are one too many for who is called in one. */
let time: Intl.DateTimeFormat | undefined;
let day: Intl.DateTimeFormat | undefined;

/** In the reader's zone. */
export function timeOf(ms: number): string {
  time ??= new Intl.DateTimeFormat(undefined, { timeStyle: "medium", hourCycle: "h23" });
  return time.format(ms);
}

/** The day is said where it is not today. */
export function momentOf(ms: number, now: number): string {
  day ??= new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
  const that = day.format(ms);
  return that === day.format(now) ? timeOf(ms) : `${that}, ${timeOf(ms)}`;
}

/** As a field for a time of the reader's zone has it, to the minute: 2026-11-30T15:40. */
export function localOf(ms: number): string {
  const offsetMs = new Date(ms).getTimezoneOffset() * 60_000;
  return new Date(ms - offsetMs).toISOString().slice(0, 16);
}

/** "12 s", "4 min", "3 h", "2 d": how long ago, or for how long. */
export function span(ms: number): string {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 90) return `${s} s`;
  if (s < 90 * 60) return `${Math.round(s / 60)} min`;
  return s < 36 * 3600 ? `${Math.round(s / 3600)} h` : `${Math.round(s / 86_400)} d`;
}

// --- internal ---

function threeDigits(value: number): string {
  return value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0);
}
