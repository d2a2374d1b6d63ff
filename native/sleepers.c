/* SPDX-License-Identifier: MIT */
/* Who sleeps in a guard's OOM, and for how long. */
#include "sleepers.h"
#include "log.h"
#include "pids.h"
#include "procfs.h"
#include "sys.h"
#include "text.h"
#include "tree.h"

enum {
	INCIDENTS = 4,	 /* at a time; the others' sleepers are not told of */
	TASKS_MAX = 256, /* of an incident */
	A_LOOK = 16,	 /* tasks; 0.2 ms (measured) */
	SLEEPERS_MAX = 32,
	TOLD_MAX = 16,	  /* of an incident: a log has other steps to tell */
	LOOKS_SHARE = 32, /* of the time that it lasts: looks are so far apart, or a tick */
};

struct sleeper {
	uint32_t tid; /* 0: free */
	uint32_t round;
	uint64_t since_ns; /* it was not seen to sleep before */
	char comm[COMM_BYTES];
};

/* What is known of an open incident. */
struct dormitory {
	uint32_t word; /* of the guard's; 0: free */
	uint32_t guard;
	uint32_t tasks, at, round, told;
	uint64_t looked_ns;
	uint64_t round_ns,
		before_ns; /* this round of looks at all tasks began, and the one before */
	uint32_t tid[TASKS_MAX];
	struct sleeper sleeper[SLEEPERS_MAX];
};

/* In the watchers only. */
static struct dormitory *dormitories; /* INCIDENTS */
static char *list;		      /* PIDS_BYTES */

void sleepers_start(void)
{
	dormitories = role_memory(INCIDENTS * sizeof(*dormitories));
	list = role_memory(PIDS_BYTES);
}

static struct dormitory *dormitory_of(uint32_t guard, uint32_t word)
{
	for (int i = 0; i < INCIDENTS; i++)
		if (dormitories[i].word == word && (!word || dormitories[i].guard == guard))
			return &dormitories[i];
	return NULL;
}

static void tell(struct dormitory *d, struct sleeper *s, uint64_t now_ns)
{
	struct log_record told = { .t_ns = now_ns,
				   .guard = d->guard,
				   .step = STEP_SLEPT,
				   .incident = incident_number(d->word),
				   .pid = (int)s->tid,
				   .bytes = (now_ns - s->since_ns) / 1000 };

	memcpy(told.comm, s->comm, COMM_BYTES);
	if (d->told++ < TOLD_MAX)
		log_put(watcher.self.log, told);
	s->tid = 0;
}

static int visit_task(uint32_t tid, void *arg)
{
	struct dormitory *d = arg;

	d->tid[d->tasks++] = tid;
	return d->tasks == TASKS_MAX;
}

static int visit_group(int dir, void *arg)
{
	struct dormitory *d = arg;

	/* On v2 the list of tasks is called otherwise. */
	if (pids_each_now(dir, "tasks", list, PIDS_BYTES, visit_task, d) == -ENOENT)
		pids_each_now(dir, "cgroup.threads", list, PIDS_BYTES, visit_task, d);
	return d->tasks == TASKS_MAX;
}

/* Who was not in the last list has ended. */
static void begin_round(struct dormitory *d, int dir, uint64_t now_ns)
{
	for (int i = 0; i < SLEEPERS_MAX; i++)
		if (d->sleeper[i].tid && d->sleeper[i].round != d->round)
			tell(d, &d->sleeper[i], now_ns);
	d->round++;
	d->before_ns = d->round_ns;
	d->round_ns = now_ns;
	d->tasks = d->at = 0;
	if (!visit_group(dir, d))
		tree_walk(dir, visit_group, d);
}

static int sleeps(uint32_t tid)
{
	static const char *const places[] = { "mem_cgroup_oom_synchronize",
					      "mem_cgroup_handle_over_high",
					      "__mem_cgroup_handle_over_high" };
	char now[SYMBOL_BYTES];
	int found;

	if (procfs_read_wchan(tid, now))
		return 0;
	found = text_equal(now, watcher.self.region->sleeps_in);
	for (int i = 0; i < 3 && !found; i++)
		found = text_equal(now, places[i]);
	return found;
}

static struct sleeper *sleeper_of(struct dormitory *d, uint32_t tid)
{
	for (int i = 0; i < SLEEPERS_MAX; i++)
		if (d->sleeper[i].tid == tid)
			return &d->sleeper[i];
	return NULL;
}

static void name(struct sleeper *s)
{
	struct procfs_stat stat = { 0 };
	int proc = procfs_open(s->tid);

	if (proc >= 0 && !procfs_read_stat(proc, &stat))
		memcpy(s->comm, stat.comm, COMM_BYTES);
	if (proc >= 0)
		sys_close(proc);
}

static void look_at(struct dormitory *d, uint32_t tid, uint64_t now_ns)
{
	struct sleeper *s = sleeper_of(d, tid);
	int is_asleep = sleeps(tid);

	if (s && !is_asleep)
		tell(d, s, now_ns);
	if (!is_asleep)
		return;
	if (!s) {
		s = sleeper_of(d, 0);
		if (!s)
			return;
		s->tid = tid;
		s->since_ns = d->before_ns;
		name(s);
	}
	s->round = d->round;
}

static void end(struct dormitory *d, uint64_t now_ns)
{
	for (int i = 0; i < SLEEPERS_MAX; i++)
		if (d->sleeper[i].tid)
			tell(d, &d->sleeper[i], now_ns);
	d->word = 0;
}

/* Nobody sleeps where there is relief, but who was seen to. */
static int is_wanted(const struct guard *g, struct dormitory *d)
{
	uint32_t state = shared_load(&g->state);

	for (int i = 0; d && i < SLEEPERS_MAX; i++)
		if (d->sleeper[i].tid)
			return 1;
	return state == GUARD_OOM || state == GUARD_HANDED || state == GUARD_ALARM;
}

static void see_to(const struct watched *w, uint64_t now_ns)
{
	uint32_t word = shared_load(&w->guard->incident);
	uint64_t opened_ns = shared_load(&w->guard->opened_ns), apart_ns;
	struct dormitory *d;

	if (!incident_is_open(word) || !opened_ns || opened_ns > now_ns)
		return;
	d = dormitory_of(w->index, word);
	apart_ns = (now_ns - opened_ns) / LOOKS_SHARE;
	/* What is told behind the end may come too late for it. */
	if (apart_ns < WATCH_TICK_MS * 1000000ull || shared_load(&w->guard->state) == GUARD_RELIEF)
		apart_ns = WATCH_TICK_MS * 1000000ull;
	if (now_ns - (d ? d->looked_ns : opened_ns) < apart_ns || !is_wanted(w->guard, d))
		return;
	if (!d) {
		d = dormitory_of(0, 0);
		if (!d)
			return;
		*d = (struct dormitory){ .word = word, .guard = w->index, .round_ns = opened_ns };
	}
	d->looked_ns = now_ns;
	if (d->at == d->tasks)
		begin_round(d, w->memcg.dir, now_ns);
	for (int i = 0; i < A_LOOK && d->at < d->tasks; i++)
		look_at(d, d->tid[d->at++], now_ns);
}

void sleepers_see_to_all(uint64_t now_ns)
{
	for (int i = 0; i < INCIDENTS; i++) {
		struct dormitory *d = &dormitories[i];

		if (d->word &&
		    shared_load(&watcher.self.region->guards[d->guard].incident) != d->word)
			end(d, now_ns);
	}
	for (uint32_t i = 0; watcher.is_any_open && i < watcher.guards; i++)
		if (watcher.watched[i].attached)
			see_to(&watcher.watched[i], now_ns);
}
