// SPDX-License-Identifier: MIT
/** Names by a part of them, or by `*`. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { isNamed } from "../../src/journal/named.ts";

test.each([
  ["tenants/web-1", "web", true],
  ["tenants/web-1", "WEB tenants", true],
  ["tenants/web-1", "web db", false],
  ["tenants/web-1", "", true],
  ["tenants/web-1", "  ", true],
  ["tenants/web-1", "web*", false],
  ["tenants/web-1", "*web*", true],
  ["tenants/web-1", "tenants*1", true],
  ["tenants/web-1", "*", true],
  ["tenants/web-1", "*/web-?", false],
  ["aba", "ab*ba", false],
  ["abba", "ab*ba", true],
  ["a.b[c]", "[c]", true],
])("%j by %j: %j", (name, text, is) => {
  expect(isNamed([name], text)).toBe(is);
});

test("each word may be in another name", () => {
  expect(isNamed(["web", "quiet"], "web quiet")).toBe(true);
  expect(isNamed(["web", "quiet"], "webquiet")).toBe(false);
});

test("whatever was replaced by * is found", () => {
  const aPiece = fc.string({ unit: fc.constantFrom("a", "b", "/") });
  fc.assert(
    fc.property(fc.array(fc.tuple(aPiece, aPiece), { minLength: 1 }), (pieces) => {
      const name = pieces.map(([kept, hidden]) => kept + hidden).join("");
      expect(isNamed([name], pieces.map(([kept]) => `${kept}*`).join(""))).toBe(true);
    }),
  );
});
