// SPDX-License-Identifier: MIT
/** Three quiet colours; none where nobody sees them or NO_COLOR asks for none (no-color.org). */
const on = process.stdout.isTTY && (process.env.NO_COLOR ?? "") === "";

function paint(code: number): (text: string) => string {
  return (text) => (on ? `\x1b[${code}m${text}\x1b[0m` : text);
}

export const bold = paint(1);
export const dim = paint(2);
export const good = paint(32);
