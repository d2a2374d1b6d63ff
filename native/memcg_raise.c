/* SPDX-License-Identifier: MIT */
/* Hop 1: raises limits, and gives that back. */
#include "memcg_ops.h"
#include "sys.h"

static int write_limit(const struct memcg *m, const char *name, uint64_t bytes)
{
	int fd, err;

	if (!name || bytes == MEMCG_NO_LIMIT)
		return 0;
	fd = sys_openat(m->dir, name, O_WRONLY, 0);
	err = fd < 0 ? fd : memcg_write_number(fd, bytes);
	if (fd >= 0)
		sys_close(fd);
	return err;
}

static uint64_t plus(uint64_t limit_bytes, const struct memcg_raise *raise)
{
	return limit_bytes == MEMCG_NO_LIMIT ? limit_bytes : limit_bytes + raise->added_bytes;
}

/* Memory + swap is never below memory. */
int memcg_raise(const struct memcg *m, const struct memcg_raise *raise)
{
	int err = write_limit(m, m->ops->swap_limit, plus(raise->swap_limit_bytes, raise));

	return err ? err : write_limit(m, m->ops->limit, plus(raise->limit_bytes, raise));
}

static int fits(uint64_t usage_bytes, uint64_t limit_bytes, const struct memcg_raise *raise)
{
	return limit_bytes == MEMCG_NO_LIMIT || usage_bytes + raise->margin_bytes <= limit_bytes;
}

/* Neither is what we made it, nor, where the other could not be given back, what it was. */
static int is_strange(uint64_t now_bytes, uint64_t limit_bytes, const struct memcg_raise *raise)
{
	return now_bytes != limit_bytes && now_bytes != plus(limit_bytes, raise);
}

int memcg_is_strange(const struct memcg *m, const struct memcg_room *room,
		     const struct memcg_raise *raise)
{
	return is_strange(room->limit_bytes, raise->limit_bytes, raise) ||
	       (m->ops->swap_limit &&
		is_strange(room->swap_limit_bytes, raise->swap_limit_bytes, raise));
}

int memcg_give_back(const struct memcg *m, const struct memcg_raise *raise)
{
	struct memcg_room room;
	int err = memcg_limits(m, &room);

	if (err)
		return err;
	if (memcg_is_strange(m, &room, raise))
		return 1;
	if (!fits(room.usage_bytes, raise->limit_bytes, raise) ||
	    !fits(room.swap_usage_bytes, raise->swap_limit_bytes, raise))
		return 0;
	err = write_limit(m, m->ops->limit, raise->limit_bytes);
	if (!err)
		err = write_limit(m, m->ops->swap_limit, raise->swap_limit_bytes);
	return !err ? 1 : err == -EBUSY || err == -EINTR ? 0 : err;
}
