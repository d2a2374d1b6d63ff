/* SPDX-License-Identifier: MIT */
/* Hop 3b: who holds memory that those primed do not explain? */
#include "suspects.h"
#include "errand.h"
#include "log.h"
#include "pids.h"
#include "rank.h"
#include "sys.h"
#include "text.h"

struct suspect {
	uint32_t pid; /* 0: none */
	uint64_t measure;
};

/* A walk over the lists. */
struct search {
	struct guarded *g;
	struct view *view;
	int newborn_only;
	int err;
	struct suspect largest; /* in pages: read by the sampler after the view was made */
	struct suspect busiest[ASKED_MAX]; /* in CPU time since, most first */
	struct suspect changed[ASKED_MAX]; /* of those in the view, whose memory changed last */
	uint8_t in_view[PROCS_MAX / 8];	   /* all of them, by their slots in the table */
};

/* False: the table is being written. Somebody unknown has zeros. */
static int ask_table(const struct guarded *g, uint32_t pid, struct table_known *known)
{
	*known = (struct table_known){ 0 };
	return table_ask(&handler.table, g->index, pid, known) != -EAGAIN;
}

/* Keeps the ASKED_MAX with most. */
static void insert(struct suspect *most, uint32_t pid, uint64_t measure)
{
	uint32_t i = ASKED_MAX;

	while (i && most[i - 1].measure < measure)
		i--;
	for (uint32_t last = ASKED_MAX - 1; last > i; last--)
		most[last] = most[last - 1];
	if (i < ASKED_MAX)
		most[i] = (struct suspect){ pid, measure };
}

/* A thread that leads no process has no process clock: the leaders remain. */
static int consider(struct search *s, uint32_t pid)
{
	const struct candidate *c = view_find(s->view, pid);
	struct table_known known;
	uint64_t cpu_ns;

	if (pid <= 1 || region_is_ours(handler.self.region, pid) ||
	    response_has_tried(&s->g->response, pid) || (c && !c->base_pages))
		return 0;
	if (sys_cpu_of_process_ns((int)pid, &cpu_ns))
		return 0;
	if (!ask_table(s->g, pid, &known))
		return -EAGAIN;
	if (known.exempt || (s->newborn_only && known.in_view))
		return 0;
	if (!known.in_view && known.pages > s->largest.measure)
		s->largest = (struct suspect){ pid, known.pages };
	/* Behind what was known: its pid was used again. */
	insert(s->busiest, pid, cpu_ns - (known.cpu_ns <= cpu_ns ? known.cpu_ns : 0));
	return 0;
}

static int visit(uint32_t pid, void *arg)
{
	struct search *s = arg;
	struct table_known known;

	if (s->g->response.is_wide)
		return s->err = consider(s, pid);
	if (!ask_table(s->g, pid, &known))
		return s->err = -EAGAIN;
	if (!known.in_view)
		return s->err = consider(s, pid);
	s->in_view[known.slot / 8] |= (uint8_t)(1 << known.slot % 8);
	if (known.changed_ms > s->changed[ASKED_MAX - 1].measure && !view_find(s->view, pid))
		insert(s->changed, pid, known.changed_ms);
	return 0;
}

static void search_lists(struct search *s)
{
	for (uint32_t i = 0; i < s->view->groups && !s->err; i++)
		pids_each(s->view->tasks[i], handler.respond_pids, PIDS_BYTES, visit, s);
}

/*
 * The newborn, and of the others those who changed last: they are few, and mostly it is one of them. To read everybody's CPU
 * time takes 2 us each (measured): only where none of them has used any, or what they hold does not explain it (is_wide).
 */
static int search(struct search *s)
{
	search_lists(s);
	for (uint32_t i = 0; i < ASKED_MAX && s->changed[i].pid && !s->err; i++)
		s->err = consider(s, s->changed[i].pid);
	if (s->busiest[0].pid || s->largest.pid || s->g->response.is_wide)
		return s->err;
	s->g->response.is_wide = 1;
	for (uint32_t slot = 0; slot < PROCS_MAX && !s->err; slot++)
		if (s->in_view[slot / 8] & 1 << slot % 8)
			s->err = consider(s, shared_load(&handler.table.latest[slot].pid));
	return s->err;
}

/* Raises what others are to do, and wakes them: the watchers, which are never in a full group, and the sampler
 * should both be stopped. */
static void send_on_errand(uint32_t *wanted)
{
	shared_store(wanted, *wanted + 1);
	role_wake_watchers();
	role_wake(FD_HANDLER);
}

/* Those of v1 that are open may be a second old (pids.h). */
static int lists_are_fresh(struct guarded *g, uint64_t now_ns)
{
	struct response *r = &g->response;

	if (memcg_is_v2(&g->memcg))
		return 1;
	if (!r->lists_ns) {
		r->lists_ns = now_ns;
		send_on_errand(&g->guard->lists_wanted);
		return 0;
	}
	return shared_load(&g->guard->lists_read) == g->guard->lists_wanted ||
	       now_ns - r->lists_ns >= ERRAND_BOUND_MS * memcg_patience(&g->memcg) * 1000000ull;
}

/* Has the memory of the suspects read. */
static void ask(struct guarded *g, const struct search *s, uint64_t now_ns)
{
	uint32_t *pids = g->guard->asked_pids, n = 0;

	if (s->largest.pid)
		shared_store(&pids[n++], s->largest.pid);
	for (uint32_t i = 0; n < ASKED_MAX; i++)
		if (!s->busiest[i].pid || s->busiest[i].pid != s->largest.pid)
			shared_store(&pids[n++], s->busiest[i].pid);
	g->response.asked_ns = now_ns;
	send_on_errand(&g->guard->asked);
}

void suspects_name(const struct guarded *g, struct choice *choice)
{
	struct table_known known;

	ask_table(g, choice->pid, &known);
	memcpy(choice->comm, known.comm, COMM_BYTES);
}

static void describe(struct guarded *g, struct choice *choice)
{
	const struct candidate *c = view_find(view_now(g), choice->pid);
	struct table_known known;

	ask_table(g, choice->pid, &known);
	choice->pidfd = c ? c->pidfd : -1;
	choice->start_time = known.start_time;
	suspects_name(g, choice);
}

static int is_early(const struct guarded *g)
{
	return sys_now_ns() - g->response.progress_ns <
	       VICTIM_BOUND_MS * memcg_patience(&g->memcg) * 1000000ull;
}

/* Of one whom nobody has seen before it is known that it is new, and has weight 1. */
static struct rank_key key_of(const struct guarded *g, const struct table_known *known,
			      uint32_t pages)
{
	int is_known = known->start_time != 0;
	struct rank_facts facts = { .start_time = is_known ? known->start_time : UINT64_MAX,
				    .pages = pages,
				    .percent = is_known ? known->percent : WEIGH_EVEN };

	facts.grown = pages > known->past_pages ? pages - known->past_pages : 0;
	return rank_key((enum rank_by)g->views[view_current(g)].by, &facts);
}

/*
 * Can nobody who was not read come before it? Of those in the view none who was not primed held more than `unprimed_pages`, and
 * nobody has grown by more than `rest`: what those who were read do not explain.
 */
static int is_first(const struct guarded *g, const struct choice *choice, uint64_t rest)
{
	const struct view *view = &g->views[view_current(g)];
	uint64_t most_pages = rest / 4096 + view->unprimed_pages;

	return choice->bytes >= KILL_MIN_BYTES &&
	       !rank_is_before(choose_key_of_unread(view, most_pages), choice->key);
}

/*
 * Of the suspects that were read, the one most worth a kill; `unexplained`: so many bytes are. Where all could be
 * asked and leave more than the largest holds, it is somebody's who is not to be seen: on v1 a process whose leader is dead
 * is not in the list of tasks. -ENOENT: it may be somebody's whose CPU time was not read.
 */
static int choose_read(struct guarded *g, uint64_t unexplained, struct choice *choice)
{
	uint64_t usage_bytes = g->room.usage_bytes, sum = 0, rest = unexplained, before, grown;
	uint32_t i;

	*choice = (struct choice){ .evidence = EVIDENCE_UNEXPLAINED };
	for (i = 0; i < ASKED_MAX && g->guard->asked_pids[i]; i++) {
		uint32_t pid = g->guard->asked_pids[i];
		uint64_t answer = shared_load(&g->guard->answers[i]), bytes;
		uint32_t pages = errand_pages(answer);
		struct table_known known;
		struct rank_key key;

		if (answer != errand_answer(g->guard->asked, pid, pages) ||
		    !ask_table(g, pid, &known))
			return -EAGAIN;
		if (pages == ERRAND_EXITING && is_early(g))
			return -EAGAIN; /* nobody else need die */
		bytes = 4096ull * rank_charged(pages, known.base_pages);
		if (bytes > usage_bytes + KILL_MIN_BYTES)
			continue; /* more than the whole group: it grew elsewhere */
		sum += bytes;
		before = known.in_view ? 4096ull * known.pages : 0;
		grown = bytes > before ? bytes - before : 0;
		rest -= grown < rest ? grown : rest;
		key = key_of(g, &known, (uint32_t)(bytes / 4096));
		if (rank_is_before(key, choice->key)) {
			choice->pid = pid;
			choice->bytes = bytes;
			choice->key = key;
		}
	}
	if (!g->response.is_wide)
		return is_first(g, choice, rest) ? 0 : -ENOENT;
	if (choice->bytes >= KILL_MIN_BYTES &&
	    (i == ASKED_MAX || sum + choice->bytes >= unexplained))
		return 0;
	return unexplained && is_early(g) ? -EAGAIN : -ESRCH; /* it may be a dead one's still */
}

/* The suspects are named to who can read them. */
static int seek(struct search *s, uint64_t now_ns)
{
	int err = lists_are_fresh(s->g, now_ns) ? search(s) : -EAGAIN;

	if (!err)
		ask(s->g, s, now_ns);
	return err ? err : -EAGAIN;
}

/* Nobody answers: CPU time alone decides, and all of it passes for that one's. */
static int choose_busiest(struct search *s, uint64_t bytes, struct choice *choice)
{
	struct table_known known;
	int err;

	s->g->response.is_wide = 1;
	err = search(s);
	*choice = (struct choice){ .pid = s->busiest[0].pid,
				   .bytes = bytes,
				   .evidence = EVIDENCE_BUSIEST };
	if (err || !choice->pid)
		return err ? err : -ESRCH;
	if (!ask_table(s->g, choice->pid, &known))
		return -EAGAIN;
	choice->key = key_of(s->g, &known, (uint32_t)(bytes / 4096));
	return 0;
}

int suspects_choose(struct guarded *g, int newborn_only, uint64_t bytes, struct choice *choice)
{
	struct search s = { .g = g, .view = view_now(g), .newborn_only = newborn_only };
	struct response *r = &g->response;
	uint64_t now_ns = sys_now_ns();
	int err;

	if (!r->asked_ns)
		return seek(&s, now_ns);
	if (shared_load(&g->guard->answered) == g->guard->asked)
		err = choose_read(g, bytes, choice);
	else if (now_ns - r->asked_ns < ERRAND_BOUND_MS * memcg_patience(&g->memcg) * 1000000ull)
		return -EAGAIN;
	else
		err = bytes ? choose_busiest(&s, bytes, choice) : -ESRCH;
	if (err == -ENOENT) {
		r->is_wide = 1;
		return seek(&s, now_ns);
	}
	r->lists_ns = r->asked_ns = 0;
	r->is_wide = 0;
	if (!err)
		describe(g, choice);
	return err;
}
