/* SPDX-License-Identifier: MIT */
/*
 * The memory file of a designated handler: its own guard's counters and ranking, nothing of anybody else's.
 *
 * Read-only for good: mapped here before it is sealed against any later writing and resizing, closed to being opened
 * again by its mode, and handed out by a descriptor that was opened for reading.
 */
#include "door.h"
#include "log.h"
#include "sys.h"
#include "text.h"

enum {
	MEMFD_FLAGS = 1 | 2, /* MFD_CLOEXEC | MFD_ALLOW_SEALING */
	SEALS = F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL,
	MODE = 0400,
	COPY_TRIES = 100,
};

static int open_again(int fd)
{
	char path[32];
	struct text t = text_on(path, sizeof(path));

	text_add(&t, "/proc/self/fd/");
	text_add_number(&t, (uint64_t)fd);
	return sys_open(path, O_RDONLY);
}

int page_make(struct designate_page **page)
{
	int fd = sys_memfd_create("reprieve-handler", MEMFD_FLAGS), readable = -1, err;

	if (fd < 0)
		return fd;
	*page = NULL;
	err = sys_ftruncate(fd, DESIGNATE_PAGE_BYTES);
	if (!err) {
		*page = sys_mmap(DESIGNATE_PAGE_BYTES, SYS_PROT_RW, SYS_MAP_SHARED, fd, 0);
		err = sys_is_error(*page) ? (int)(intptr_t)*page : 0;
		if (err)
			*page = NULL;
	}
	if (!err)
		err = sys_fcntl(fd, F_ADD_SEALS, (void *)(uintptr_t)SEALS);
	if (!err)
		err = (int)SYS2(fchmod, fd, MODE);
	if (!err) {
		readable = open_again(fd);
		err = readable < 0 ? readable : 0;
	}
	sys_close(fd);
	if (err && *page)
		sys_munmap(*page, DESIGNATE_PAGE_BYTES);
	return err ? err : readable;
}

/* A ranking that the sampler does not write meanwhile; false: it does. */
static int copy_ranking(struct ranking *copy, const struct ranking *r)
{
	for (int i = 0; i < COPY_TRIES; i++) {
		uint32_t before = shared_load(&r->sequence);

		if (before & 1)
			continue;
		*copy = *r;
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (shared_load(&r->sequence) == before)
			return 1;
	}
	return 0;
}

void page_write(struct entry *e)
{
	struct designate_page *p = e->page;
	const struct guard *g = e->guard;
	uint32_t state = shared_load(&g->state);
	uint32_t incident = incident_number(shared_load(&g->incident));
	uint32_t sequence = shared_load(&door.rankings[e->index].sequence);
	struct ranking ranking;

	if (p->is_current && sequence == e->copied && p->state == state && p->incident == incident)
		return;
	if (!copy_ranking(&ranking, &door.rankings[e->index]))
		return; /* the sampler wakes us again when it has done */
	e->copied = ranking.sequence;
	__atomic_store_n(&p->sequence, p->sequence | 1, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_RELEASE); /* before all that follows */
	p->magic = DESIGNATE_MAGIC;
	p->version = DESIGNATE_VERSION;
	p->bytes = sizeof(*p);
	p->is_current = e->client != NULL;
	p->sampled_ms = ranking.sampled_ms;
	p->usage_bytes = shared_load(&g->usage_bytes);
	p->limit_bytes = shared_load(&g->limit_bytes);
	p->delay_ms = g->delay_ms;
	p->state = state;
	p->incident = incident;
	p->processes = ranking.processes < CANDIDATES_MAX ? ranking.processes : CANDIDATES_MAX;
	memcpy(p->process, ranking.process, sizeof(ranking.process));
	shared_store(&p->sequence, p->sequence + 1);
}

void page_end(struct designate_page *page)
{
	shared_store(&page->is_current, 0);
	sys_munmap(page, DESIGNATE_PAGE_BYTES);
}
