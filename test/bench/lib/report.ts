// SPDX-License-Identifier: MIT
/**
 * Prints a figure: a table for people, or, with JSON=1, one line.
 *
 * A missed target is printed as such and fails nothing: times on a shared machine are no test.
 */
import { cpus, release } from "node:os";
import { type Spread, spread } from "./stats.ts";

export interface Row {
  readonly label: string;
  readonly values: readonly number[];
  /** Most that the table of numbers allows. */
  readonly target?: Partial<Spread>;
}

/** So many of so many; most: 0 is the target "none". */
export interface Count {
  readonly label: string;
  readonly count: number;
  readonly of: number;
  readonly most?: number;
}

export interface Section {
  readonly title: string;
  readonly rows: readonly Row[];
  readonly counts?: readonly Count[];
}

const COLUMNS = ["min", "median", "p99", "max"] as const;

export function report(figure: string, title: string, sections: readonly Section[]): void {
  const text = process.env.JSON === "1" ? line(figure, sections) : table(title, sections);
  process.stdout.write(`${text}\n`);
}

/** Pairs a figure is measured in; 30 unless PAIRS says otherwise. */
export const PAIRS = Math.max(1, Number(process.env.PAIRS ?? 30));

export function say(text: string): void {
  if (process.env.VERBOSE !== undefined) process.stderr.write(`${text}\n`);
  else if (process.stderr.isTTY) process.stderr.write(`\r\x1b[2K${text}`);
}

function table(title: string, sections: readonly Section[]): string {
  say("");
  const lines = [title, `${machine()}; ${new Date().toISOString().slice(0, 10)}`];
  for (const section of sections) {
    lines.push("", sectionHead(section));
    for (const row of section.rows) lines.push(rowText(row));
    for (const count of section.counts ?? []) lines.push(countText(count));
  }
  return `${lines.join("\n")}\n`;
}

function sectionHead({ title, rows }: Section): string {
  if (rows.length === 0) return `  ${title}`;
  const head = COLUMNS.map((name) => name.padStart(9)).join("");
  return `  ${title.padEnd(34)}${head}    n`;
}

function rowText(row: Row): string {
  const found = spread(row.values);
  const numbers = COLUMNS.map((name) => number(found[name]).padStart(9)).join("");
  const targets = verdicts(row, found).map(
    ({ which, most, met }) => `${which} <= ${most}: ${met ? "met" : "MISSED"}`,
  );
  const text = `    ${row.label.padEnd(32)}${numbers} ${String(row.values.length).padStart(4)}`;
  return targets.length === 0 ? text : `${text}\n${" ".repeat(36)}${targets.join(", ")}`;
}

function countText({ label, count, of, most }: Count): string {
  const target = most === undefined ? "" : `  target ${most}: ${count <= most ? "met" : "MISSED"}`;
  return `    ${label.padEnd(32)}${String(count).padStart(9)} of ${of}${target}`;
}

function verdicts(row: Row, found: Spread) {
  const { target = {} } = row;
  return COLUMNS.flatMap((which) => {
    const most = target[which];
    return most === undefined ? [] : [{ which, most, met: found[which] <= most }];
  });
}

function line(figure: string, sections: readonly Section[]): string {
  const counts = sections.flatMap(({ counts = [] }) => counts);
  const rows = sections.flatMap(({ title, rows }) =>
    rows.map((row) => {
      const found = spread(row.values);
      const targets = verdicts(row, found);
      return { section: title, label: row.label, n: row.values.length, ...found, targets };
    }),
  );
  return JSON.stringify({
    figure,
    date: new Date().toISOString(),
    machine: machine(),
    rows,
    counts,
  });
}

/** Three significant digits; whole numbers as they are. */
function number(value: number): string {
  if (Number.isInteger(value)) return String(value);
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

function machine(): string {
  return `Linux ${release()} ${process.arch}, ${cpus().length} CPUs`;
}
