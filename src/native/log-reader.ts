// SPDX-License-Identifier: MIT
/** One log of native/log.h, as its one reader sees it. */

import { at, limit, size } from "./layout.ts";

/** One step, as it was logged. */
export interface Logged {
  /** Of its log, counted from the first. */
  readonly sequence: number;
  readonly tNs: number;
  /** Of CLOSED: when the incident opened. */
  readonly openedNs: number;
  readonly bytes: number;
  readonly guard: number;
  /** 0: none */
  readonly incident: number;
  readonly step: number;
  readonly arg: number;
  /** 0 or -errno */
  readonly result: number;
  readonly pid: number;
  /** Hostile text. */
  readonly comm: string;
  /** Of the system guard's: the memory that was left. */
  readonly availableBytes: number;
}

export class LogReader {
  #read: bigint | undefined;
  readonly #base: number;
  /** So many records, and where the first one is. */
  readonly #size: number;
  readonly #first: number;
  readonly #bytes: Uint8Array;
  readonly #data: DataView;
  readonly #u64: BigUint64Array;
  readonly #text = new TextDecoder();

  constructor(buffer: ArrayBuffer, base: number) {
    this.#base = base;
    this.#bytes = new Uint8Array(buffer);
    this.#data = new DataView(buffer);
    this.#u64 = new BigUint64Array(buffer);
    this.#size = this.#data.getUint32(base + at.log_size, true);
    this.#first = base + this.#data.getUint32(base + at.log_records_at, true);
  }

  /** So many were dropped so far because nobody read them in time. */
  get dropped(): number {
    return Number(Atomics.load(this.#u64, (this.#base + at.log_dropped) / 8));
  }

  /** A part of it is in use that few guards never need: what comes next may find no place. */
  get fills(): boolean {
    const head = Atomics.load(this.#u64, (this.#base + at.log_head) / 8);
    const tail = Atomics.load(this.#u64, (this.#base + at.log_tail) / 8);
    return Number(head - tail) >= this.#size / limit.LOG_FILLS_SHARE;
  }

  /** Takes what is new. */
  drain(): Logged[] {
    const records = this.read();
    this.taken();
    return records;
  }

  /** What is new; it stays in the log until taken(). */
  read(): Logged[] {
    const head = Atomics.load(this.#u64, (this.#base + at.log_head) / 8);
    const tail = Atomics.load(this.#u64, (this.#base + at.log_tail) / 8);
    this.#read = head;
    const count = Math.min(Number(head - tail), this.#size);
    return Array.from({ length: count }, (_, i) => this.#record(Number(tail) + i));
  }

  /** Release: the role reuses the slots of what was read once it sees this. */
  taken(): void {
    const tail = (this.#base + at.log_tail) / 8;
    if (this.#read !== undefined && this.#read !== Atomics.load(this.#u64, tail)) {
      Atomics.store(this.#u64, tail, this.#read);
    }
  }

  // --- internal ---

  #record(sequence: number): Logged {
    const base = this.#first + (sequence % this.#size) * size.log_record;
    const u32 = (field: number) => this.#data.getUint32(base + field, true);
    const i32 = (field: number) => this.#data.getInt32(base + field, true);
    const u64 = (field: number) => Number(this.#data.getBigUint64(base + field, true));
    const comm = this.#bytes.subarray(base + at.log_record_comm).subarray(0, limit.COMM_BYTES);
    const end = comm.indexOf(0);
    return {
      sequence,
      tNs: u64(at.log_record_t_ns),
      bytes: u64(at.log_record_bytes),
      openedNs: u64(at.log_record_start_time),
      guard: u32(at.log_record_guard),
      incident: u32(at.log_record_incident),
      step: u32(at.log_record_step),
      arg: u32(at.log_record_arg),
      result: i32(at.log_record_result),
      pid: i32(at.log_record_pid),
      comm: this.#text.decode(end < 0 ? comm : comm.subarray(0, end)),
      availableBytes: u64(at.log_record_reserved),
    };
  }
}
