/* SPDX-License-Identifier: MIT */
/*
 * The protocol of designated handlers, for any program: dist/docs/handler-protocol.md says how it goes. Fixed sizes, little-endian,
 * one message a packet of a unix SOCK_SEQPACKET socket.
 */
#ifndef RPV_DESIGNATE_H
#define RPV_DESIGNATE_H

#include <stdint.h>

enum {
	DESIGNATE_VERSION = 1,
	DESIGNATE_NAME_BYTES = 512,
	DESIGNATE_TEXT_BYTES = 240,
	DESIGNATE_PROCESSES = 32,
	DESIGNATE_PAGE_BYTES = 4096,
};
#define DESIGNATE_MAGIC 0x76727072u /* "rprv" */

enum designate_type {
	DESIGNATE_ME = 1, /* request */
	DESIGNATE_RESIGN = 2,
	DESIGNATE_ACCEPTED = 3, /* answer; comes with two descriptors: eventfd, memory file */
	DESIGNATE_REFUSED = 4,	/* the connection is closed */
};

enum designate_refusal {
	REFUSED_MALFORMED = 1,	  /* not a message of this protocol */
	REFUSED_VERSION = 2,	  /* of another version: the answer's head has ours */
	REFUSED_BUSY = 3,	  /* too many connections: of this user, or at all */
	REFUSED_SLOW = 4,	  /* no message within a second */
	REFUSED_UNKNOWN_PEER = 5, /* who you are cannot be known from here */
	REFUSED_NO_GUARD = 6,	  /* no armed guard of that name */
	REFUSED_NOT_OWNER = 7,	  /* neither the group's owner nor root */
	REFUSED_TAKEN = 8,	  /* another handler lives */
	REFUSED_TOO_SOON = 9,	  /* the last one has just gone: try again in 100 ms */
	REFUSED_NO_THREAD = 10,	  /* tid is no thread of the process that connected */
	REFUSED_NO_RESOURCES =
		11, /* the group cannot be watched: no memory, no descriptors, or it is gone */
};

struct designate_request {
	uint32_t magic;
	uint16_t version;
	uint16_t type;
	uint32_t
		tid; /* your essential thread, 0: any; where it sleeps in the group's OOM, the kernel decides at once */
	uint32_t reserved;		  /* 0 */
	char guard[DESIGNATE_NAME_BYTES]; /* the guard's name, as the feed has it; the rest 0 */
};

struct designate_answer {
	uint32_t magic;
	uint16_t version;
	uint16_t type;
	uint32_t refusal; /* enum designate_refusal; 0: accepted */
	uint32_t reserved;
	char text[DESIGNATE_TEXT_BYTES]; /* one sentence, terminated */
};

struct designate_process {
	uint64_t start_time; /* clock ticks since boot (proc(5), stat field 22) */
	uint64_t anon_bytes; /* charged to the group, when last looked at */
	uint32_t pid;	     /* as reprieve's pid namespace numbers it */
	uint32_t uid;
	char comm[16]; /* hostile bytes, not terminated when full */
};

/* The memory file: one page, read-only. While `sequence` is odd, or another one than before, a copy is torn. */
struct designate_page {
	uint32_t magic;
	uint16_t version;
	uint16_t bytes; /* of this struct */
	uint32_t sequence;
	uint32_t is_current;  /* 0: you are not this guard's handler any more */
	uint64_t sampled_ms;  /* when the processes were looked at; CLOCK_BOOTTIME */
	uint64_t usage_bytes; /* of the same moment */
	uint64_t limit_bytes; /* 2^64-1: none */
	uint32_t delay_ms;
	uint32_t state;	   /* enum guard_state, region.h: 1 quiet, 2 near, 3 at OOM ... */
	uint32_t incident; /* number of the last one; 0: none so far */
	uint32_t processes;
	struct designate_process process[DESIGNATE_PROCESSES]; /* largest first */
};

_Static_assert(sizeof(struct designate_request) == 528, "fixed");
_Static_assert(sizeof(struct designate_answer) == 256, "fixed");
_Static_assert(sizeof(struct designate_process) == 40, "fixed");
_Static_assert(sizeof(struct designate_page) <= DESIGNATE_PAGE_BYTES, "one page");

#endif
