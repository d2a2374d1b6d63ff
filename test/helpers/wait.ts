// SPDX-License-Identifier: MIT
/** Waiting with a bound, and the clock that the fixtures and the kernel's log use. */
import { dlopen, FFIType, ptr } from "bun:ffi";

const CLOCK_MONOTONIC = 1;
const CLOCK_BOOTTIME = 7;
const libc = dlopen("libc.so.6", {
  clock_gettime: { args: [FFIType.i32, FFIType.ptr], returns: FFIType.i32 },
}).symbols;
const timespec = new BigInt64Array(2);

/** CLOCK_BOOTTIME in ms, with a fraction: comparable with a slot's times. */
export function bootMs(): number {
  return clockMs(CLOCK_BOOTTIME);
}

/** CLOCK_MONOTONIC in ms, with a fraction: comparable with a page's of the bench. */
export function monotonicMs(): number {
  return clockMs(CLOCK_MONOTONIC);
}

function clockMs(clock: number): number {
  libc.clock_gettime(clock, ptr(timespec));
  return Number(timespec[0]) * 1e3 + Number(timespec[1]) / 1e6;
}

/** For what is slow on a machine that stalls and is no promise of the product: a start. */
export const START_BOUND_MS = 20_000;

/** A wait may be longer than it has to by so much of itself: probes cost CPU time, in a VM most of all. */
const TICK_SHARE = 0.02;
/** Between two probes no more counts: then the machine stood still, and who is waited for had no CPU either. */
const COUNTED_MOST_MS = 250;

type Answer<T> = T | null | undefined | false;

/** Polls every ms, or less often, until the probe answers; a bound that passes is the test's failure. */
export async function until<T>(
  what: string,
  probe: () => Answer<T> | Promise<Answer<T>>,
  boundMs = 5000,
  tickMs = 1,
): Promise<T> {
  let waitedMs = 0;
  for (let lastMs = performance.now(); ; ) {
    const answer = await probe();
    if (answer !== null && answer !== undefined && answer !== false) return answer;
    if (waitedMs > boundMs) throw new Error(`Waited ${boundMs} ms in vain for ${what}`);
    await Bun.sleep(Math.max(tickMs, TICK_SHARE * waitedMs));
    const nowMs = performance.now();
    waitedMs += Math.min(nowMs - lastMs, COUNTED_MOST_MS);
    lastMs = nowMs;
  }
}
