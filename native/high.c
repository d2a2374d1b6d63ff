/* SPDX-License-Identifier: MIT */
/* Hop 4c, cgroup v2: memory.high of the guards. */
#include "high.h"
#include "ledger.h"
#include "log.h"
#include "sys.h"
#include "text.h"

enum { IN_MODIFY = 2, EVENTS_BYTES = 4096, EVENT_HEAD_BYTES = 16 };

static int events = -1;

/* Ours, as it would be now; 0: the group has neither memory.max nor memory.high. */
static uint64_t target_of(const struct watched *w, uint64_t before_bytes, uint64_t limit_bytes)
{
	uint64_t margin = w->guard->margin_bytes;
	uint64_t target = limit_bytes == MEMCG_NO_LIMIT ? MEMCG_NO_LIMIT
			  : limit_bytes > margin	? (limit_bytes - margin) & ~4095ull
							: 0;

	target = before_bytes < target ? before_bytes : target;
	return target == MEMCG_NO_LIMIT ? 0 : target;
}

int high_may_hold(struct watched *w, const struct memcg_oom *oom, const struct memcg_room *room)
{
	struct memcg_high *high = &w->guard->high;
	uint64_t before = high->before_bytes, target, file, excess = 0, wanted = 0;

	/* Whatever is there, and not by us, is the owner's. */
	if (!oom->held && memcg_read_switch(&w->memcg, &before))
		return 0;
	target = target_of(w, before, room->limit_bytes);
	if (!target)
		return 0;
	/* A mark that goes up, or stays, blocks nobody, however much is above it; nor does the owner's, which is there. */
	if (room->usage_bytes > target && target != before &&
	    !(oom->held && target >= high->ours_bytes))
		excess = room->usage_bytes - target;
	/* Other memory may have come where that was: then the write takes it. */
	if (excess && shared_load(&w->guard->room_made) && !memcg_reclaimable(&w->memcg, &file) &&
	    file > excess + RECLAIMABLE_IS_NONE_BYTES)
		excess = 0;
	w->is_over_high = excess != 0;
	if (excess && (w->state == GUARD_QUIET || w->state == GUARD_NEAR) &&
	    memcg_spare_bytes(&w->memcg, target))
		wanted = excess + w->guard->margin_bytes / 4;
	if (wanted != shared_load(&w->guard->room_wanted)) {
		shared_store(&w->guard->room_wanted, wanted);
		watcher_wake_other();
	}
	if (excess)
		return 0;
	w->high_before = before;
	w->high_target = target;
	return 1;
}

int high_record(struct watched *w)
{
	struct memcg_high *high = &w->guard->high;

	shared_store(&high->before_bytes, w->high_before);
	shared_store(&high->ours_bytes, w->high_target);
	shared_store(&w->guard->room_made, 0);
	return ledger_set_high(FD_LEDGER, w->index, high);
}

int high_wants_room(const struct watched *w)
{
	uint64_t wanted = shared_load(&w->guard->room_wanted);

	return wanted && wanted != shared_load(&w->guard->room_made) && w->attached &&
	       memcg_has_mark(&w->memcg) && !watcher_owns();
}

/* Where nothing can be told to reclaim, the write of memory.high does. */
void high_make_room(struct watched *w)
{
	uint64_t wanted = shared_load(&w->guard->room_wanted);

	memcg_reclaim(&w->memcg, wanted);
	shared_store(&w->guard->room_made, wanted);
	role_ask_for_look(w->guard);
}

static int add_watch(const struct watched *w, const char *name)
{
	char buf[64];
	struct text path = text_on(buf, sizeof(buf));

	text_add(&path, "/proc/self/fd/");
	text_add_number(&path, (uint64_t)w->memcg.dir);
	text_add(&path, name);
	return (int)SYS3(inotify_add_watch, high_events(), buf, IN_MODIFY);
}

void high_watch(struct watched *w)
{
	w->high_watch[0] = add_watch(w, "/memory.high");
	w->high_watch[1] = add_watch(w, "/memory.max");
}

void high_unwatch(struct watched *w)
{
	for (int i = 0; i < 2; i++) {
		if (w->high_watch[i] > 0)
			SYS2(inotify_rm_watch, high_events(), w->high_watch[i]);
		w->high_watch[i] = 0;
	}
}

int high_events(void)
{
	if (events < 0)
		events = (int)SYS1(inotify_init1, SYS_EFD_NONBLOCK | SYS_CLOEXEC);
	return events;
}

static void mark(int watch)
{
	for (uint32_t i = 0; i < watcher.guards; i++) {
		struct watched *w = &watcher.watched[i];

		if (w->attached && (w->high_watch[0] == watch || w->high_watch[1] == watch))
			w->has_come_near = 1;
	}
}

/* struct inotify_event: watch, mask, cookie, length of the name, which a file has none of. */
void high_take_events(void)
{
	_Alignas(8) char buf[EVENTS_BYTES];
	long n = sys_read(high_events(), buf, sizeof(buf));

	for (long at = 0; at + EVENT_HEAD_BYTES <= n;) {
		uint32_t head[4];

		memcpy(head, buf + at, sizeof(head));
		mark((int)head[0]);
		at += EVENT_HEAD_BYTES + (long)head[3];
	}
}
