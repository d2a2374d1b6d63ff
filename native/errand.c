/* SPDX-License-Identifier: MIT */
/* What the responder cannot do in a full group. */
#include "errand.h"
#include "log.h"
#include "pids.h"
#include "procfs.h"
#include "sys.h"

/* The lists of processes, as they are now (pids.h). In a full group it fails: another has to. */
static int read_lists(struct guard *guard, int dir)
{
	uint32_t wanted = shared_load(&guard->lists_wanted);

	if (wanted == shared_load(&guard->lists_read) || pids_refresh(dir))
		return 0;
	shared_store(&guard->lists_read, wanted);
	return 1;
}

/* The anonymous memory of suspects; of one that is gone: none. */
static int read_memory(struct guard *guard)
{
	uint32_t wanted = shared_load(&guard->asked);

	if (wanted == shared_load(&guard->answered))
		return 0;
	for (uint32_t i = 0; i < ASKED_MAX; i++) {
		uint32_t pid = shared_load(&guard->asked_pids[i]), pages = 0;
		int thread, err = pid ? procfs_anon_pages_of(pid, &pages, &thread) : 0;

		if (err && err != -ENOENT && err != -ESRCH)
			return 0; /* in a full group: another has to */
		if (err)
			pages = err == -ESRCH ? ERRAND_EXITING : 0;
		shared_store(&guard->answers[i], errand_answer(wanted, pid, pages));
	}
	shared_store(&guard->answered, wanted);
	return 1;
}

int errand_do(struct guard *guard, int dir)
{
	int has_read = read_lists(guard, dir);

	return read_memory(guard) || has_read;
}
