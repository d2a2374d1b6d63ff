// SPDX-License-Identifier: MIT
/** Rows -> lines of a terminal, as wide as it is. Pure. What is wide, or no width at all, is counted as the terminal does. */

import { visible } from "../shown.ts";

export interface Paper {
  /** In columns and lines; Infinity: no terminal. */
  readonly width: number;
  readonly height: number;
  readonly isColoured: boolean;
}

export type Colour = "red" | "yellow" | "bold";

export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => string;
  readonly isRight?: true;
  /** Where there is no room the highest goes first; without one it stays. */
  readonly dispensable?: number;
  readonly colour?: (row: Row) => Colour | undefined;
}

const GAP = "  ";
/** Of the first column: names end with what tells them apart. */
const NAME_LEAST = 12;
const SGR: Readonly<Record<Colour, readonly [number, number]>> = {
  red: [31, 39],
  yellow: [33, 39],
  bold: [1, 22],
};

/** With its titles; a column without anything in it is left out. */
export function table<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  paper: Paper,
): string[] {
  const filled = columns.map((column) => filledColumn(column, rows));
  const shown = fit(
    filled.filter(({ widest }, index) => index === 0 || widest > 0),
    paper.width,
  );
  const line = (row: number) =>
    shown.map(({ column, cells, width }) => {
      const text = padded(cells[row] ?? "", width, column);
      const of = rows[row];
      return painted(text, of === undefined ? undefined : column.colour?.(of), paper);
    });
  const titles = shown.map(({ column, width }) => padded(column.title, width, column));
  return [titles, ...rows.map((_, index) => line(index))].map((one) =>
    cut(one.join(GAP).trimEnd(), paper.width),
  );
}

/** No wider than that. */
export function cut(text: string, width: number): string {
  return Bun.stringWidth(text) <= width ? text : Bun.sliceAnsi(text, 0, width, "…");
}

/** No wider, without its begin. */
export function endOf(text: string, width: number): string {
  return Bun.stringWidth(text) <= width ? text : Bun.sliceAnsi(text, -width, undefined, "…");
}

export function painted(text: string, colour: Colour | undefined, { isColoured }: Paper): string {
  if (colour === undefined || !isColoured) return text;
  const [on, off] = SGR[colour];
  return `\u001b[${on}m${text}\u001b[${off}m`;
}

// --- internal ---

interface Filled<Row> {
  readonly column: Column<Row>;
  readonly cells: readonly string[];
  readonly widest: number;
  readonly width: number;
}

function filledColumn<Row>(column: Column<Row>, rows: readonly Row[]): Filled<Row> {
  const cells = rows.map((row) => visible(column.cell(row)));
  const widest = Math.max(0, ...cells.map((cell) => Bun.stringWidth(cell)));
  return { column, cells, widest, width: Math.max(widest, column.title.length) };
}

/** What can be done without goes, then the first column is as wide as there is room for. */
function fit<Row>(all: readonly Filled<Row>[], room: number): Filled<Row>[] {
  const [first, ...others] = all;
  if (first === undefined) return [];
  const needed = others.reduce((sum, { width }) => sum + GAP.length + width, 0);
  const [least] = others
    .filter(({ column }) => column.dispensable !== undefined)
    .sort((a, b) => (b.column.dispensable ?? 0) - (a.column.dispensable ?? 0));
  if (needed + Math.min(first.width, NAME_LEAST) > room && least !== undefined) {
    return fit(
      all.filter((one) => one !== least),
      room,
    );
  }
  const width = Math.min(first.width, Math.max(NAME_LEAST, room - needed));
  return [{ ...first, width, cells: first.cells.map((cell) => endOf(cell, width)) }, ...others];
}

function padded(text: string, width: number, { isRight }: { readonly isRight?: true }): string {
  const space = " ".repeat(Math.max(0, width - Bun.stringWidth(text)));
  return isRight ? space + text : text + space;
}
