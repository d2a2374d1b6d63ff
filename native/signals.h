/* SPDX-License-Identifier: MIT */
/* Of the FFI library: the signals that the agent gets, as a stream of records. */
#ifndef RPV_SIGNALS_H
#define RPV_SIGNALS_H

#include <stdint.h>

struct signal_record {
	int32_t signal;
	int32_t code; /* si_code: above 0, the kernel sent it */
};

/* Catches those in `which` (signal n is bit n-1) and the real-time ones, but for what is ignored: that stays
 * so. The reading end of a pipe of records, or -errno. */
int signals_catch(uint64_t which);

#endif
