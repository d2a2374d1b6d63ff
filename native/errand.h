/* SPDX-License-Identifier: MIT */
/*
 * What the responder cannot do in a full group, and has done by others: by the watcher that does not own the switch,
 * and by the sampler; whoever is first. Two words each in struct guard: what is wanted, and what was done.
 */
#ifndef RPV_ERRAND_H
#define RPV_ERRAND_H

#include "region.h"

/*
 * The answer about a suspect. It says what was asked: somebody who was interrupted may write his late, over that of the
 * next question. 16 bits of `asked`, 22 of the pid (PID_MAX_LIMIT, include/linux/threads.h), 26 of the pages.
 */
#define ERRAND_PAGES ((1u << 26) - 1)
#define ERRAND_EXITING ERRAND_PAGES /* instead of pages: it is about to give back what it holds */

static inline uint64_t errand_answer(uint32_t asked, uint32_t pid, uint32_t pages)
{
	return (uint64_t)(asked & 0xffff) << 48 | (uint64_t)(pid & 0x3fffff) << 26 |
	       (pages < ERRAND_PAGES ? pages : ERRAND_PAGES);
}
static inline uint32_t errand_pages(uint64_t answer) { return answer & ERRAND_PAGES; }

/* Does what is wanted for the guard; `dir`: its group's directory. Says whether there is an answer now that the responder
 * waits for. */
int errand_do(struct guard *guard, int dir);

#endif
