/* SPDX-License-Identifier: MIT */
/* Hop 3c: the victim, from the kill to its death; help where it frees nothing. */
#include "handler.h"
#include "log.h"
#include "sys.h"

void victim_remember(struct response *r, const struct choice *c, uint64_t now_ns)
{
	r->victim = VICTIM_DYING;
	r->victim_pidfd = c->pidfd;
	r->victim_pid = c->pid;
	r->victim_bytes = c->bytes;
	r->killed_ns = now_ns;
	r->progress_ns = now_ns;
	r->killed_by_kernel = 0;
	r->has_relieved = 0;
	r->is_helped = 0;
	r->tried[r->tries % KILLS_PER_INCIDENT_MAX] = c->pid;
	if (r->tries < KILLS_PER_INCIDENT_MAX)
		r->tries++;
}

/* The reaper has helped the victim to give its memory back, or came too late. */
static void tell_of_reaper(struct guarded *g)
{
	int result;

	if (reaper_result(g->response.victim_pid, &result) && result != -ESRCH)
		respond_tell(g, STEP_MRELEASE,
			     (struct log_record){ .pid = (int)g->response.victim_pid,
						  .result = result });
}

/* A victim that is frozen, or gets no CPU, frees nothing by itself. */
static void help_victim(struct guarded *g, uint64_t now_ns)
{
	struct response *r = &g->response;

	if (r->is_helped || !memcg_is_full(&g->room) ||
	    respond_ms_since(r->killed_ns, now_ns) < HELP_AFTER_MS)
		return;
	r->is_helped = 1;
	reaper_help(r->victim_pid, r->victim_pidfd);
}

static int is_dead(const struct response *r)
{
	return r->victim_pidfd >= 0 ? sys_pidfd_dead(r->victim_pidfd)
				    : sys_kill((int)r->victim_pid, 0) == -ESRCH;
}

void victim_look_after(struct guarded *g, uint64_t now_ns)
{
	struct response *r = &g->response;
	struct log_record dead = { .t_ns = now_ns, .pid = (int)r->victim_pid };

	if (r->victim != VICTIM_DYING && r->victim != VICTIM_ASKED)
		return;
	if (r->victim == VICTIM_DYING)
		help_victim(g, now_ns);
	else if (r->victim_pidfd < 0)
		r->victim_pidfd = reaper_held(g->index);
	tell_of_reaper(g);
	if (!is_dead(r))
		return;
	r->victim = VICTIM_DEAD;
	r->progress_ns = now_ns;
	reaper_name(g->index, dead.comm);
	respond_tell(g, STEP_VICTIM_DEAD, dead);
}
