// SPDX-License-Identifier: MIT
/** What bun's report in JUnit's format says of each test. */

export interface Case {
  readonly name: string;
  readonly file: string;
  /** Why it failed; null where it did not. */
  readonly failure: string | null;
  readonly skipped: boolean;
}

export function casesOf(xml: string): Case[] {
  const found = xml.matchAll(/<testcase name="([^"]*)"([^>]*?)(?:\/>|>(.*?)<\/testcase>)/gs);
  return [...found].map(([, name, attributes = "", inside = ""]) => {
    const failure = /<failure\b(?:[^>]* message="([^"]*)")?/.exec(inside);
    return {
      name: plain(name),
      file: plain(/ file="([^"]*)"/.exec(attributes)?.[1]),
      failure: failure && plain(failure[1] ?? "no reason given").trim(),
      skipped: inside.includes("<skipped"),
    };
  });
}

/** Without the entities of XML. */
function plain(text = ""): string {
  const entities: Record<string, string> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };
  return text.replace(/&(?:#(\d+)|(\w+));/g, (whole, code, name) =>
    code === undefined ? (entities[name] ?? whole) : String.fromCodePoint(Number(code)),
  );
}
