/* SPDX-License-Identifier: MIT */
/* The role "join": a command, started inside a group. */
#include "join.h"
#include "limits.h"
#include "role.h"
#include "sys.h"
#include "text.h"
#include "tree.h"

enum { EXIT_NO_GROUP = 125, EXIT_NOT_EXECUTABLE = 126, EXIT_NOT_FOUND = 127 };

int join_run(char **args, char **env)
{
	int err;

	for (; *args && !text_equal(*args, "--"); args++) {
		err = tree_join(*args);
		if (err) {
			role_complain("cannot join", *args, err);
			return EXIT_NO_GROUP;
		}
	}
	if (!*args || !args[1])
		return EXIT_NOT_FOUND;
	err = (int)SYS3(execve, args[1], args + 1, env);
	role_complain("cannot run", args[1], err);
	return err == -ENOENT || err == -ENOTDIR ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
}
