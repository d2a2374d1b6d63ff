// SPDX-License-Identifier: MIT
/** A kernel with other pages than those that the core counts in is refused. */
import { expect, test } from "bun:test";
import { demandPages } from "../../src/native/page-size.ts";

/** AT_HWCAP, AT_PAGESZ, AT_NULL. */
const auxv = (pageBytes: bigint) =>
  new Uint8Array(new BigUint64Array([16n, 6n, 6n, pageBytes, 0n, 0n]).buffer);

test("pages of 4 KiB are taken, here too", () => {
  demandPages();
  demandPages(auxv(4096n));
});

test.each([16, 64])("pages of %d KiB are refused", (kib) => {
  expect(() => demandPages(auxv(BigInt(kib * 1024)))).toThrow(
    `this kernel's pages have ${kib} KiB`,
  );
});
