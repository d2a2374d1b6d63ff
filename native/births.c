/* SPDX-License-Identifier: MIT */
/*
 * Hop 2b, between two scans: a fork in a guarded group adds to the table, an exec renames, an exit removes.
 *
 * A newborn is where its parent is known to be; whether it is still there is asked when it is read, and at its exec. One
 * that moves later is in the table until the next scan, as everybody else who leaves. Events come in turns, so that who was
 * born and died between two costs nothing but the events, and so much is read in one that a storm of forks is left to the
 * scans. Where events were lost, a scan comes early.
 */
#include "births.h"
#include "log.h"
#include "proc_events.h"
#include "procfs.h"
#include "rank.h"
#include "scan.h"
#include "sys.h"
#include "text.h"

/* To be read, or looked after. */
struct birth {
	uint32_t pid;
	uint32_t parent;
	uint32_t inherited; /* pages of its parent's, as last sampled */
	uint16_t slot;
	uint16_t what; /* enum proc_told; a newborn that has had its exec: PROC_EXEC */
};

static struct {
	int fd;
	uint32_t first, pending; /* of birth[], a ring */
	uint64_t lost_ms;	 /* events were lost last */
	uint64_t next_ms;	 /* of the next turn; 0: when something is told */
	uint32_t *where; /* by guard and group: procfs_group() of those in it; 0: not known yet */
	struct birth birth[BIRTHS_PENDING_MAX];
} births = { .fd = -1 };

void births_open(void)
{
	struct region *r = handler.self.region;

	if (r->sampling_source == SOURCE_SCAN)
		return;
	births.fd = proc_events_open();
	births.where = role_memory(r->guards_max * GROUPS_MAX * sizeof(*births.where));
	handler.self.me->events_result = births.fd < 0 ? births.fd : 0;
}

int births_fd(uint64_t now_ms) { return births.next_ms > now_ms ? -1 : births.fd; }

uint64_t births_due_ms(void) { return births.next_ms ? births.next_ms : UINT64_MAX; }

static struct birth *birth_at(uint32_t i)
{
	return &births.birth[(births.first + i) % BIRTHS_PENDING_MAX];
}

static uint32_t *where_of(const struct guarded *g, uint16_t slot)
{
	return &births.where[g->index * GROUPS_MAX + handler.table.latest[slot].group];
}

void births_begin_scan(const struct guarded *g)
{
	if (births.fd >= 0)
		memset(&births.where[g->index * GROUPS_MAX], 0, GROUPS_MAX * sizeof(*births.where));
}

int births_were_lost(const struct guarded *g) { return g->looked_ms <= births.lost_ms; }

int births_are_told(const struct guarded *g)
{
	return births.fd >= 0 && handler.self.region->sampling_source == SOURCE_EVENTS &&
	       !births_were_lost(g);
}

static void remember(uint16_t slot, uint32_t inherited, const struct proc_event_told *told)
{
	if (births.pending < BIRTHS_PENDING_MAX)
		*birth_at(births.pending++) = (struct birth){ told->pid, told->parent, inherited,
							      slot, (uint16_t)told->what };
}

static struct guarded *guarded_of(uint16_t slot)
{
	return &handler.guarded[handler.table.latest[slot].guard];
}

/* Of a slot that may be told of no more: its pid was used again, or it is gone. */
static void drop(uint16_t slot)
{
	scan_begin(guarded_of(slot));
	scan_forget_one(slot);
	scan.g->between_pages += scan.grown_pages;
}

static void heed_birth(const struct proc_event_told *told)
{
	struct table *t = &handler.table;
	uint16_t slot;

	while ((slot = table_next_of(t, told->pid, TABLE_NONE)) != TABLE_NONE)
		drop(slot);
	for (slot = table_next_of(t, told->parent, TABLE_NONE); slot != TABLE_NONE;
	     slot = table_next_of(t, told->parent, slot)) {
		const struct guarded *g = guarded_of(slot);
		uint16_t child;

		if (t->extra[slot].elsewhere || !shared_load(&g->active))
			continue;
		child = table_add(t, g->index, told->pid);
		if (child == TABLE_NONE)
			return;
		t->latest[child].group = t->latest[slot].group;
		t->extra[child].scan = g->scans;
		remember(child, t->latest[slot].anon_pages, told);
	}
}

/* Of one that was not read yet it is known when it is. */
static void heed_exec(uint16_t slot, const struct proc_event_told *told)
{
	if (handler.table.latest[slot].start_time) {
		remember(slot, 0, told);
		return;
	}
	for (uint32_t i = births.pending; i--;)
		if (birth_at(i)->slot == slot && birth_at(i)->pid == told->pid)
			birth_at(i)->what = PROC_EXEC;
}

static void heed(const struct proc_event_told *told)
{
	struct table *t = &handler.table;
	uint16_t slot, next;

	if (told->what == PROC_BORN)
		heed_birth(told);
	if (told->what != PROC_EXEC && told->what != PROC_EXITED)
		return;
	for (slot = table_next_of(t, told->pid, TABLE_NONE); slot != TABLE_NONE; slot = next) {
		next = table_next_of(t, told->pid, slot);
		if (told->what == PROC_EXEC)
			heed_exec(slot, told);
		else if (t->latest[slot].start_time)
			remember(slot, 0, told); /* threads of it may live on */
		else
			table_remove(t, slot);
	}
}

/* Scans come early, and no faster than near the limit. */
static void heed_loss(void)
{
	struct recorder *r = handler.self.recorder;

	births.lost_ms = sys_now_ns() / 1000000;
	shared_store(&r->events_lost, r->events_lost + 1);
	for (uint32_t i = 0; i < handler_guards(); i++) {
		struct guarded *g = &handler.guarded[i];
		uint64_t early_ms = g->looked_ms + g->guard->sample_near_ms;

		if (shared_load(&g->active) && g->due_ms > early_ms)
			g->due_ms = early_ms;
	}
}

/* Is it in the group in which its parent is, of whom a scan has said so? */
static int is_here(const struct guarded *g, const struct birth *b)
{
	uint32_t *where = where_of(g, b->slot), own, parents;
	int is_v2 = memcg_is_v2(&g->memcg);

	if (procfs_group(b->pid, is_v2, handler.sample_pids, PIDS_BYTES, &own))
		return 0;
	if (own == *where)
		return 1;
	if (!b->parent ||
	    procfs_group(b->parent, is_v2, handler.sample_pids, PIDS_BYTES, &parents) ||
	    own != parents)
		return 0;
	*where = own;
	return 1;
}

static void admit(struct guarded *g, const struct birth *b)
{
	struct table *t = &handler.table;
	uint16_t parent = table_find(t, g->index, b->parent);
	uint32_t base =
		parent == TABLE_NONE || b->what == PROC_EXEC ? 0 : t->extra[parent].base_pages;

	if (!is_here(g, b) || scan_admit_born(b->slot, base)) {
		table_remove(t, b->slot);
		return;
	}
	t->extra[b->slot].leader_scan = g->scans;
	if (!t->extra[b->slot].exempt)
		view_add(g, b->slot, b->what == PROC_EXEC ? 0 : b->inherited);
}

static void look_after(const struct birth *b)
{
	struct table *t = &handler.table;
	struct guarded *g = guarded_of(b->slot);

	if (t->latest[b->slot].pid != b->pid || !shared_load(&g->active))
		return;
	scan_begin(g);
	if (scan_is_cut_short())
		return; /* the next scan finds it as it is then */
	if (!t->latest[b->slot].start_time) {
		admit(g, b);
	} else if (b->what == PROC_EXEC && !is_here(g, b)) {
		view_drop(g, b->pid);
		scan_forget_one(b->slot);
	} else if (b->what == PROC_EXEC ? scan_reread(b->slot) : scan_is_dead(b->pid)) {
		scan_forget_one(b->slot);
	} else if (b->what == PROC_EXEC) {
		view_disinherit(g, b->pid);
	}
	g->between_pages += scan.grown_pages;
}

/* Says whether there was anything. */
static int hear(void)
{
	int heard = 0;

	for (int i = 0; i < PROC_EVENTS_A_TURN; i++) {
		struct proc_event_told told;
		int err = proc_events_next(births.fd, &told);

		if (err && err != -ENOBUFS)
			break;
		heard = 1;
		if (err)
			heed_loss();
		else
			heed(&told);
	}
	return heard;
}

void births_turn(uint64_t now_ms, int told)
{
	if (births.next_ms ? births.next_ms > now_ms : !told)
		return;
	births.next_ms = hear() || births.pending ? now_ms + BIRTHS_TURN_MS : 0;
	for (int i = 0; i < BIRTHS_A_TURN && births.pending; i++) {
		look_after(birth_at(0));
		births.first++;
		births.pending--;
	}
}
