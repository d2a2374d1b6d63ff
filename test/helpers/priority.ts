// SPDX-License-Identifier: MIT
/** Real-time priority of the harness's own, so that it can measure where everybody else wants the CPUs. */
import { dlopen, FFIType, ptr } from "bun:ffi";

const SCHED_OTHER = 0;
const SCHED_FIFO = 1;
/** Or a child that spins would take the machine away from everybody. */
const SCHED_RESET_ON_FORK = 0x4000_0000;
/** Above REAL_TIME_PRIORITY of native/limits.h. */
const PRIORITY = 60;
const libc = dlopen("libc.so.6", {
  sched_setscheduler: { args: [FFIType.i32, FFIType.i32, FFIType.ptr], returns: FFIType.i32 },
}).symbols;

/** The main thread runs before all of lower priority; without CAP_SYS_NICE it waits for its turn as before. */
export function hurry(): void {
  libc.sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, ptr(Int32Array.of(PRIORITY)));
}

export function relax(): void {
  libc.sched_setscheduler(0, SCHED_OTHER, ptr(Int32Array.of(0)));
}
