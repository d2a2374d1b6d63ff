// SPDX-License-Identifier: MIT
/** The agent's view of the system guard's page, native/system.h. */

import { at } from "./layout.ts";
import { LogReader } from "./log-reader.ts";
import { type WeighRule, weighingOf } from "./weighing.ts";

/** So much is left: one of the two; both 0: never. */
export interface Mark {
  readonly bytes: number;
  /** Of the total, in hundredths of a percent. */
  readonly perMyriad: number;
}

/** Two of each: of SIGTERM, and of SIGKILL. */
export interface SystemOrders {
  readonly memory: readonly [Mark, Mark];
  readonly swap: readonly [Mark, Mark];
  readonly pressure: {
    /** Percent, times 100; 0: none. */
    readonly at: readonly [number, number];
    readonly of: "full" | "some";
    readonly over: number;
  };
  readonly allowed: boolean;
  readonly handsOver: boolean;
  readonly incidentCap: number;
  /** 0: none */
  readonly hourCap: number;
  readonly weigh: readonly WeighRule[];
}

const MARK_BYTES = 16;

export class SystemPage {
  readonly log: LogReader;
  readonly #bytes: Uint8Array;
  readonly #data: DataView;
  readonly #u32: Uint32Array;

  constructor(buffer: ArrayBuffer) {
    this.#bytes = new Uint8Array(buffer);
    this.#data = new DataView(buffer);
    this.#u32 = new Uint32Array(buffer);
    this.log = new LogReader(buffer, at.system_page_log);
  }

  /** Before the role is started. */
  setOrders(orders: SystemOrders): void {
    const base = at.system_page_orders;
    const u32 = (field: number, value: number) => this.#data.setUint32(base + field, value, true);
    for (const kind of ["memory", "swap"] as const) {
      orders[kind].forEach(({ bytes, perMyriad }, index) => {
        const mark = base + at[`system_orders_${kind}`] + index * MARK_BYTES;
        this.#data.setBigUint64(mark, BigInt(bytes), true);
        this.#data.setBigUint64(mark + 8, BigInt(perMyriad), true);
      });
    }
    orders.pressure.at.forEach((one, index) => {
      u32(at.system_orders_pressure + 4 * index, one);
    });
    u32(at.system_orders_is_full, Number(orders.pressure.of === "full"));
    u32(at.system_orders_over_s, orders.pressure.over);
    u32(at.system_orders_allowed, Number(orders.allowed));
    u32(at.system_orders_hands_over, Number(orders.handsOver));
    u32(at.system_orders_incident_cap, orders.incidentCap);
    u32(at.system_orders_hour_cap, orders.hourCap);
    this.#bytes.set(weighingOf(orders.weigh), base + at.system_orders_weighing);
  }

  get isReady(): boolean {
    return Atomics.load(this.#u32, at.system_page_ready / 4) === 1;
  }

  /** Each 0 or -errno. */
  get results() {
    const result = (field: number) => this.#data.getInt32(field, true);
    return {
      lock: result(at.system_page_lock_result),
      sysrq: result(at.system_page_sysrq_result),
      pressure: result(at.system_page_pressure_result),
    };
  }

  get available(): { totalBytes: number; availableBytes: number } {
    const u64 = (field: number) =>
      Number(this.#data.getBigUint64(at.system_page_now + field, true));
    return { totalBytes: u64(0), availableBytes: u64(8) };
  }
}
