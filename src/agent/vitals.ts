// SPDX-License-Identifier: MIT
/** How the helpers of a region are, in numbers. Only read. */

import { at, role, size } from "../native/layout.ts";
import type { Role } from "../native/region.ts";

interface HelperVitals {
  readonly role: Lowercase<Role>;
  readonly isUp: boolean;
  readonly lockedBytes: number;
}

export interface Vitals {
  readonly helpers: readonly HelperVitals[];
  /** Since the recorder was seen to have looked: a second or two far from all limits. */
  readonly recorderLagS: number;
  readonly scans: number;
  readonly scanCpuS: number;
}

export class VitalSigns {
  readonly #data: DataView;
  readonly #recorder: number;
  #last = { scans: 0, ms: 0 };

  constructor(region: ArrayBuffer) {
    this.#data = new DataView(region);
    this.#recorder = this.#u64(at.region_recorder_offset);
  }

  /** Now and then, so that it is known since when nothing moves. */
  look(nowMs: number): void {
    const scans = this.#u64(this.#recorder + at.recorder_snapshots);
    if (scans !== this.#last.scans) this.#last = { scans, ms: nowMs };
  }

  /** `pidOf`: as the agent knows it; undefined: it is dead. */
  read(roles: readonly Role[], pidOf: (role: Role) => number | undefined, nowMs: number): Vitals {
    this.look(nowMs);
    return {
      helpers: roles.map((one) => {
        const base = at.region_helpers + role[one] * size.helper;
        return {
          role: one.toLowerCase() as Lowercase<Role>,
          isUp:
            pidOf(one) !== undefined && this.#data.getUint32(base + at.helper_ready, true) === 1,
          lockedBytes: this.#u64(base + at.helper_locked_kb) * 1024,
        };
      }),
      recorderLagS: (nowMs - this.#last.ms) / 1000,
      scans: this.#last.scans,
      scanCpuS: this.#u64(this.#recorder + at.recorder_scan_cpu_ns) / 1e9,
    };
  }

  // --- internal ---

  #u64(offset: number): number {
    return Number(this.#data.getBigUint64(offset, true));
  }
}
