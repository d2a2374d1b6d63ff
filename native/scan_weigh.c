/* SPDX-License-Identifier: MIT */
/* Hop 2b: what a process counts for by the rules of its guard (weigh.h). A name is what the process says it is. */
#include "procfs.h"
#include "scan.h"
#include "sys.h"
#include "text.h"
#include "tree.h"

/* Behind the path of the guard's group; "" in that itself. As they are now: either may have been renamed. */
static const char *path_below(uint32_t group, char *path, char *top)
{
	size_t n;

	if (!group)
		return "";
	tree_path_of(scan.g->dirs[group], path, PATH_BYTES);
	tree_path_of(scan.g->dirs[0], top, PATH_BYTES);
	n = text_len(top);
	return text_starts(path, top) && path[n] == '/' ? path + n + 1 : "";
}

uint32_t scan_weigh(const struct snapshot *s, int proc)
{
	const struct weighing *w = scan.weighing;
	char exe[PATH_BYTES] = "", path[PATH_BYTES], top[PATH_BYTES], name[COMM_BYTES + 1] = "";
	struct weighed p = { .name = name, .exe = exe, .cgroup = "", .uid = s->uid };

	if (!w)
		return WEIGH_EVEN;
	memcpy(name, s->comm, COMM_BYTES);
	if (weigh_wants_exe(w))
		procfs_read_exe(proc, exe, sizeof(exe));
	if (weigh_wants_cgroup(w))
		p.cgroup = path_below(s->group, path, top);
	return weigh_process(w, &p);
}
