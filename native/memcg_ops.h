/* SPDX-License-Identifier: MIT */
/* Hop 1: what each hierarchy brings (memcg.h says what it means), and what both use. */
#ifndef RPV_MEMCG_OPS_H
#define RPV_MEMCG_OPS_H

#include "memcg.h"

struct memcg_ops {
	int (*open)(struct memcg *m, int may_write);
	void (*open_counters)(struct memcg *m);
	int (*oom)(const struct memcg *m, struct memcg_oom *oom);
	int (*room)(const struct memcg *m, struct memcg_room *room);
	int (*hold)(const struct memcg *m);
	int (*hand_over)(const struct memcg *m);
	int (*wake)(const struct memcg *m);
	int (*watch_oom)(const struct memcg *m);
	void (*take_event)(int event);
	int (*watch_pressure)(const struct memcg *m, int is_cramped);
	int (*take_pressure)(int event);
	uint64_t (*swap_left)(const struct memcg *m); /* what may still be swapped out */
	int (*limit_hits)(const struct memcg *m, uint64_t *hits); /* v1 */
	const char *limit;					  /* files */
	const char *swap_limit;
	const char *anon; /* the keys in memory.stat, each behind a newline or at its start */
	const char *inactive_file;
	const char *active_file;
	uint32_t event_mask;
};

extern const struct memcg_ops memcg_v1, memcg_v2;

enum { MEMCG_SMALL_BYTES = 256, MEMCG_STAT_BYTES = 4096 };

/* memcg_before.c: of a guard that acts before its limit. */
int memcg_before_oom(const struct memcg *m, struct memcg_oom *oom);
int memcg_before_room(const struct memcg *m, struct memcg_room *room);
int memcg_before_hold(const struct memcg *m, uint32_t held);
/* Under the limits that are not ours, files and all. */
uint64_t memcg_before_left_bytes(const struct memcg *m);

/* memcg_parent.c: v1: the oom_control of the parent of a group's directory, shared by those below the same. */
int memcg_open_parent(int dir);
void memcg_close_parent(int fd);

/* Opens DIR/name and reads it once. */
int memcg_open_primed(int dir, const char *name, int flags);
/* The number behind `key`; 0 where it is not there. */
uint64_t memcg_number_after(const char *buf, const char *end, const char *key);
/* The number that a file is; "max" is MEMCG_NO_LIMIT. */
int memcg_read_number(int fd, uint64_t *value);
/* 0 or -errno. */
int memcg_write_number(int fd, uint64_t value);

#endif
