// SPDX-License-Identifier: MIT
/** The few macros of man(7) that the man pages need. groff and mandoc read them over in test/unit/man.test.ts. */

import { version } from "../../package.json" with { type: "json" };

/** `source` is what a person changes instead. */
export function manPage(name: string, section: number, source: string, body: string): string {
  return `.\\" Made by make docs from ${source}.
.TH ${name.toUpperCase()} ${section} "" "reprieve ${version}"
${body}
`;
}

/** Plain text, where `this` is bold. A line must not begin with a request, a backslash is no escape. */
export function roff(text: string): string {
  return text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replaceAll("~", "\\(ti")
    .replaceAll("^", "\\(ha")
    .replace(/`([^`]*)`/g, "\\fB$1\\fR")
    .replace(/^[.']/gm, "\\&$&");
}

/** Lines as they are. */
export function verbatim(text: string): string {
  return `.EX\n${roff(text)}\n.EE`;
}

/** What is told, and what of it. */
export function item(term: string, text: string): string {
  return `.TP\n${roff(term)}\n${roff(text)}`;
}
