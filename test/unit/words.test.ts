// SPDX-License-Identifier: MIT
import { expect, test } from "bun:test";
import fc from "fast-check";
import { commandOf, wordsOf } from "../../src/native/words.ts";

test("wordsOf() reads what commandOf() has written, whatever is in the words", () => {
  const word = fc.string({ unit: fc.constantFrom(..." \"\\\n\u{1f600}'ab") });
  fc.assert(
    fc.property(fc.array(word), (words) => {
      expect(wordsOf(commandOf(words))).toEqual(words);
    }),
  );
});
