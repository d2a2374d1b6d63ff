/* SPDX-License-Identifier: MIT */
/* The role "probe": doctor's victim. Drives its group to the limit and reports what the kernel
 * does there. */
#ifndef RPV_PROBE_H
#define RPV_PROBE_H

#include <stdint.h>

enum probe_call { PROBE_OPEN = 1, PROBE_PIPE = 2 };

/* What the probe found, in the memory file at FD_PROBE. Writer: the probe, but for `go`. */
struct probe {
	uint64_t touched_bytes; /* so far */
	uint32_t pid;
	uint32_t ready;	     /* it has joined and waits for `go` */
	uint32_t go;	     /* writer: doctor */
	uint32_t done;	     /* release */
	int32_t open_result; /* of open(2) in /proc in the full group: 0 or -errno */
	int32_t pipe_result; /* of a write of one page to a fresh pipe */
};

enum { FD_PROBE = 3 };

/*
 * "PARENT touch BYTES": waits for `go`, then touches so many bytes page by page: over the limit it sleeps
 * in the OOM. "PARENT calls": opens its files, waits for `go`, tries system calls that need memory, notes
 * the results. Then waits to be killed, and dies with its parent. An exit code only for wrong
 * use.
 */
int probe_run(char **args);

#endif
