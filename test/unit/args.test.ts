// SPDX-License-Identifier: MIT
import { describe, expect, test } from "bun:test";
import {
  Duration,
  Handler,
  Limit,
  Listen,
  Mode,
  Moment,
  Name,
  parsed,
  Size,
  SocketPath,
} from "../../src/cli/args.ts";
import { Order } from "../../src/cli/order.ts";

describe("Size", () => {
  test.each([
    ["65536", 65536],
    ["64M", 64 * 2 ** 20],
    ["64m", 64 * 2 ** 20],
    ["64MiB", 64 * 2 ** 20],
    ["1.5GiB", 1.5 * 2 ** 30],
    ["1T", 2 ** 40],
  ])("accepts %s", (text, bytes) => {
    expect(parsed(Size)(text)).toBe(bytes);
  });

  test.each(["", "64MB", "M", "-1", "1e3", "0", "64 M", "0x10", "99999999T", "NaN", "1.M"])(
    "refuses %p",
    (text) => {
      expect(() => parsed(Size)(text)).toThrow(/size/);
    },
  );

  test("Limit refuses what no shell could start in", () => {
    expect(() => parsed(Limit)("512K")).toThrow("a limit is at least 1M");
  });
});

describe("Duration", () => {
  test.each([
    ["100ms", 100],
    ["2s", 2000],
    ["1.5s", 1500],
    ["10m", 600_000],
    ["0", 0],
    ["0ms", 0],
    ["1ms", 1],
  ])("accepts %s", (text, ms) => {
    expect(parsed(Duration)(text)).toBe(ms);
  });

  test.each(["", "5", "-1s", "1h", "s", "1 s", "601s", "11m", "0.5ms", "0.0009s"])(
    "refuses %p",
    (text) => {
      expect(() => parsed(Duration)(text)).toThrow(/duration|delay/);
    },
  );
});

describe("Moment", () => {
  const moment = parsed(Moment);
  const local = (...args: [number, number, number, number?, number?]) =>
    new Date(...args).getTime();

  test("is so long ago, or a time of this host: of a day, of today, or its begin", () => {
    expect(Math.abs(moment("2h") - (Date.now() - 7_200_000))).toBeLessThan(60_000);
    expect(moment("2026-11-30 12:05")).toBe(local(2026, 10, 30, 12, 5));
    expect(moment("2026-11-30")).toBe(local(2026, 10, 30));
    expect(moment("2026-11-30T12:05:00Z")).toBe(Date.UTC(2026, 10, 30, 12, 5));
    const today = new Date();
    expect(moment("0:00:01")).toBe(new Date(today).setHours(0, 0, 1, 0));
  });

  test.each(["", "yesterday", "25:00", "2h ago", "2026-13-01"])("refuses %p", (text) => {
    expect(() => moment(text)).toThrow(/a time is/);
  });
});

describe("Listen", () => {
  test("accepts an IPv4, an IPv6, a name and none", () => {
    const listen = parsed(Listen);
    expect(listen("127.0.0.1:7461")).toEqual({ hostname: "127.0.0.1", port: 7461 });
    expect(listen("[::1]:0")).toEqual({ hostname: "::1", port: 0 });
    expect(listen("localhost:80")).toEqual({ hostname: "localhost", port: 80 });
    expect(listen("none")).toBe("none");
  });

  test.each(["", "7461", ":7461", "::1:7461", "a b:1", "host:", "host:65536", "host:1/x"])(
    "refuses %p with what an address is",
    (text) => {
      expect(() => parsed(Listen)(text)).toThrow(/HOST:PORT|65535/);
    },
  );
});

test("Name refuses what could leave the directory", () => {
  expect(parsed(Name)("web-1.a_B")).toBe("web-1.a_B");
  for (const bad of ["", "a/b", "a b", "ä", "x".repeat(65)]) {
    expect(() => parsed(Name)(bad)).toThrow("a name is 1 to 64");
  }
  for (const ours of ["helpers-7", "doctor-7"]) {
    expect(() => parsed(Name)(ours)).toThrow("those are reprieve's");
  }
});

test("Mode is octal", () => {
  expect(parsed(Mode)("0660")).toBe(0o660);
  expect(parsed(Mode)("600")).toBe(0o600);
  for (const wrong of ["", "8", "0888", "rw", "01777"]) {
    expect(() => parsed(Mode)(wrong)).toThrow("three octal digits");
  }
});

test("SocketPath is absolute and fits into a socket's address", () => {
  expect(parsed(SocketPath)("/run/x.sock")).toBe("/run/x.sock");
  expect(() => parsed(SocketPath)("x.sock")).toThrow("absolute");
  expect(() => parsed(SocketPath)("/run/")).toThrow("absolute");
  expect(() => parsed(SocketPath)(`/${"x".repeat(107)}`)).toThrow("at most 107 bytes");
});

test("Handler knows two places, and others' handlers", () => {
  expect(parsed(Handler)("designated")).toBe("designated");
  expect(parsed(Handler)("inside")).toBe("inside");
  expect(() => parsed(Handler)("up")).toThrow("outside or inside, or is designated");
});

describe("Order", () => {
  const MB = 2 ** 20;

  test.each([
    ["raise=64M", { order: "RAISE", byBytes: 64 * MB, mostBytes: 64 * MB }],
    ["raise=1M:2M", { order: "RAISE", byBytes: MB, mostBytes: 2 * MB }],
    ["move=/a=b", { order: "MOVE", to: "/a=b" }],
    ["reclaim", { order: "RECLAIM" }],
    ["freeze", { order: "FREEZE" }],
    ["kill", { order: "KILL" }],
    ["kill=largest", { order: "KILL" }],
    ["kill=newest", { order: "KILL", by: "NEWEST" }],
    ["terminate", { order: "TERMINATE" }],
    ["terminate=2.5s", { order: "TERMINATE", graceMs: 2500 }],
    ["kill-group", { order: "KILL_GROUP" }],
    ["kill-group=all", { order: "KILL_GROUP_ALL" }],
    ["hand-over", { order: "HAND_OVER" }],
    ["hook=/bin/a", { order: "HOOK", argv: ["/bin/a"] }],
    ["hook= /bin/a  -x  y=z ", { order: "HOOK", argv: ["/bin/a", "-x", "y=z"] }],
    [
      'hook=/bin/a "two  words" "" "\\"q\\""',
      { order: "HOOK", argv: ["/bin/a", "two  words", "", '"q"'] },
    ],
    ["hook=/bin/a \\d '", { order: "HOOK", argv: ["/bin/a", "\\d", "'"] }],
  ] as const)("accepts %s", (text, order) => {
    expect(parsed(Order)(text)).toEqual(order);
  });

  test.each([
    ["", "an order is"],
    ["Kill", "an order is"],
    ["killx", "an order is"],
    ["hand-over=1s", "hand-over takes no value"],
    ["raise", "raise is by a size"],
    ["raise=", "an order is"],
    ["raise=1M:2M:3M", "raise is by a size"],
    ["raise=1M:x", "raise is by a size"],
    ["raise=2M:1M", "no less than"],
    ["move", "move names a group"],
    ["hook=bin/a", "hook names a program"],
    ["hook= ", "hook names a program"],
    ['hook=/bin/a "open', "in quotes"],
    ['hook=/bin/a "b"c', "in quotes"],
    ['hook=/bin/a b"c"', "in quotes"],
    ['hook=/bin/a "\\x"', "in quotes"],
    ['hook=/bin/a "\\u0000"', "in quotes"],
    [`hook=/${"x".repeat(511)}`, "at most 511 bytes"],
    ["terminate=0", "terminate takes the time from SIGTERM to SIGKILL"],
    ["terminate=5", "terminate takes the time from SIGTERM to SIGKILL"],
    ["kill=all", "kill takes only =largest, =newest, =fastest or =weight"],
    ["kill-group=child", "takes only =all"],
  ])("refuses %p", (text, why) => {
    expect(() => parsed(Order)(text)).toThrow(why);
  });
});
