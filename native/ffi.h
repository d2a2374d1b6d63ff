/* SPDX-License-Identifier: MIT */
/*
 * What the agent may call through bun:ffi (ffi.c, ffi_region.c, ffi_ledger.c), by its name in src/native/core.ts.
 * Every function returns >= 0 or -errno unless it says otherwise.
 */
#ifndef RPV_FFI_H
#define RPV_FFI_H

#define EXPORT __attribute__((visibility("default")))

#endif
