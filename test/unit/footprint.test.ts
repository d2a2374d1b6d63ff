// SPDX-License-Identifier: MIT
import { expect, test } from "bun:test";
import { textOf } from "../../src/agent/footprint.ts";

test("textOf() takes the read-only mappings of that very file to which nobody has written", () => {
  const mapping = (line: string, anonymousKb = 0) =>
    `${line}\nRss:  420 kB\nAnonymous:  ${anonymousKb} kB\nVmFlags: rd mr\n`;
  const smaps = [
    mapping("00200000-01a39000 r--p 00000000 fe:00 7   /opt/reprieve"),
    mapping("01a40000-0684a000 r-xp 01838000 fe:00 7   /opt/reprieve"),
    mapping("0684a000-0685f000 r--p 06641000 fe:00 7   /opt/reprieve", 12),
    mapping("0685f000-06867000 rw-p 06656000 fe:00 7   /opt/reprieve"),
    mapping("7f0000000000-7f0000001000 r-xp 00000000 fe:00 8   /opt/not/reprieve"),
    mapping("7f0000002000-7f0000003000 r-xp 00000000 00:00 0"),
  ].join("");
  expect(textOf("/opt/reprieve", smaps)).toEqual([
    { from: 0x200000n, to: 0x1a39000n },
    { from: 0x1a40000n, to: 0x684a000n },
  ]);
});
