// SPDX-License-Identifier: MIT
import { beforeEach, describe, expect, test } from "bun:test";
import { at, limit, role, size, want } from "../../src/native/layout.ts";
import { Region } from "../../src/native/region.ts";

const RECORDS = 64;
const LOGS_AT = at.region_guards + 2 * size.guard;
const BYTES = LOGS_AT + limit.ROLES * RECORDS * size.log_record;
let buffer: ArrayBuffer;
let view: DataView;
let region: Region;

beforeEach(() => {
  buffer = new ArrayBuffer(BYTES);
  view = new DataView(buffer);
  view.setUint32(at.region_layout, limit.REGION_LAYOUT, true);
  for (const number of Object.values(role)) {
    const base = at.region_logs + number * size.log;
    view.setUint32(base + at.log_size, RECORDS, true);
    view.setUint32(base + at.log_records_at, recordsOf(number) - base, true);
  }
  region = new Region(buffer);
});

function recordsOf(number: number): number {
  return LOGS_AT + number * RECORDS * size.log_record;
}

/** As a role would log it. */
function log(of: keyof typeof role, tNs: bigint, comm = ""): void {
  const base = at.region_logs + role[of] * size.log;
  const head = view.getBigUint64(base + at.log_head, true);
  const slot = recordsOf(role[of]) + (Number(head) % RECORDS) * size.log_record;
  view.setBigUint64(slot + at.log_record_t_ns, tNs, true);
  view.setInt32(slot + at.log_record_result, -3, true);
  const bytes = new Uint8Array(buffer, slot + at.log_record_comm, limit.COMM_BYTES);
  bytes.fill(0);
  bytes.set(new TextEncoder().encode(comm).subarray(0, limit.COMM_BYTES));
  view.setBigUint64(base + at.log_head, head + 1n, true);
}

const ORDERS = {
  allowKill: false,
  allowLimits: false,
  allowMove: false,
  allowHooks: false,
  owned: false,
  orders: [{ order: "KILL" }],
} as const;

describe("Region", () => {
  test("refuses a region of another layout", () => {
    view.setUint32(at.region_layout, limit.REGION_LAYOUT + 1, true);
    expect(() => new Region(buffer)).toThrow("another layout");
  });

  test("drain() merges the three logs by time and takes each record once", () => {
    log("WATCHDOG", 30n);
    log("HANDLER", 10n);
    log("SPARE", 20n);
    expect(region.drain().map((record) => record.role)).toEqual(["HANDLER", "SPARE", "WATCHDOG"]);
    expect(region.drain()).toEqual([]);
  });

  test("drain() goes round the end of a log", () => {
    for (let i = 0; i < RECORDS - 1; i++) log("HANDLER", BigInt(i));
    region.drain();
    for (let i = 0; i < 3; i++) log("HANDLER", BigInt(1000 + i));
    expect(region.drain().map((record) => record.tNs)).toEqual([1000, 1001, 1002]);
  });

  test("logsFill() from a share of one log's places on, until it is read", () => {
    for (let i = 0; i < RECORDS / limit.LOG_FILLS_SHARE - 1; i++) log("SPARE", BigInt(i));
    expect(region.logsFill()).toBe(false);
    log("SPARE", 99n);
    expect(region.logsFill()).toBe(true);
    region.drain();
    expect(region.logsFill()).toBe(false);
  });

  test("drain() reads a name that fills its field, and one that is not UTF-8", () => {
    log("HANDLER", 1n, "sixteen-chars-xx");
    log("HANDLER", 2n, "a");
    const second = recordsOf(role.HANDLER) + size.log_record + at.log_record_comm;
    view.setUint8(second + 1, 0xff);
    expect(region.drain().map((record) => record.comm)).toEqual(["sixteen-chars-xx", "a\u{fffd}"]);
  });

  test("setOrders() writes one guard and leaves its neighbour alone", () => {
    region.setOrders(
      0,
      {
        name: "g",
        path: "/g",
        inode: 42n,
        marginBytes: 5,
        delayMs: 7,
        ...ORDERS,
        allowKill: true,
        owned: true,
      },
      0,
    );
    expect(view.getUint32(at.region_guards_used, true)).toBe(1);
    expect(view.getBigUint64(at.region_guards + at.guard_inode, true)).toBe(42n);
    expect(view.getUint32(at.region_guards + at.guard_name_at, true)).toBe(1);
    region.setWant(0, want.ARMED);
    expect(view.getUint32(at.region_guards + at.guard_flags, true)).toBe(3);
    expect(view.getUint32(at.region_guards + at.guard_want, true)).toBe(want.ARMED);
    expect(view.getUint32(at.region_guards + size.guard + at.guard_want, true)).toBe(want.NOTHING);
  });

  test("setOrders() refuses a path that does not fit with its terminator", () => {
    const orders = { name: "x", inode: 42n, marginBytes: 0, delayMs: 0, ...ORDERS };
    const path = `/${"x".repeat(limit.PATH_BYTES - 1)}`;
    expect(() => region.setOrders(0, { path, ...orders }, 0)).toThrow("too long a path");
  });

  test("usage() knows a group without a limit", () => {
    view.setBigUint64(at.region_guards + at.guard_limit_bytes, 2n ** 64n - 1n, true);
    expect(region.usage(0).limitBytes).toBeNull();
  });
});
