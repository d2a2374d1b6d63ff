/* SPDX-License-Identifier: MIT */
/* Where the cgroup hierarchies are mounted. Opens files: for calm times. */
#ifndef RPV_HIERARCHY_H
#define RPV_HIERARCHY_H

#include <stddef.h>

/* The mount point of the v1 hierarchy of `controller`, in `found`; where none is mounted that of cgroup v2; else the usual
 * place, so that a message names something. */
void hierarchy_find(const char *controller, char *found, size_t size);

#endif
