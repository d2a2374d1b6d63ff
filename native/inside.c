/* SPDX-License-Identifier: MIT */
/*
 * Hop 2a: a handler that lives in the guarded group does not keep it: it goes when nobody else has been left in there for a
 * time, so that the group can be removed, and is back with the next who comes.
 */
#include "handler.h"
#include "log.h"
#include "sys.h"
#include "text.h"
#include "tree.h"

static struct {
	uint64_t alone_ms; /* nobody else is in there since; 0: somebody is */
	_Bool is_expected; /* nobody else has been in there yet */
	_Bool is_out;
} inside;

int inside_lives_in(const struct guarded *g)
{
	const char *home = handler.self.own_groups[0];

	return home && text_equal(home, g->guard->path);
}

void inside_begin(void) { inside.is_expected = !role_is_armed(&handler.self); }

void inside_look(const struct guarded *g, uint64_t now_ms)
{
	struct role_self *self = &handler.self;
	uint32_t procs = shared_load(&g->guard->procs), ours = !inside.is_out;

	/* One that reprieve made goes with it. */
	if (!inside_lives_in(g) || g->guard->flags & GUARD_OWNED || !self->me->settled)
		return;
	if (procs > ours) {
		inside.alone_ms = inside.is_expected = 0;
		if (inside.is_out)
			role_settle(self);
		inside.is_out = inside.is_out && !self->me->settled;
	} else if (!inside.alone_ms) {
		inside.alone_ms = now_ms;
	} else if (!inside.is_expected && !inside.is_out &&
		   now_ms - inside.alone_ms >= INSIDE_ALONE_MS) {
		inside.is_out = !tree_join(self->agents_group);
	}
}
