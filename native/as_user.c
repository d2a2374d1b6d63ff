/* SPDX-License-Identifier: MIT */
/*
 * The role "as": a program of --handler-command, with its user's rights and no others: no supplementary groups, no way
 * back, and no new ones by an exec. It is told to end when the agent dies.
 */
#include "as_user.h"
#include "role.h"
#include "sys.h"
#include "text.h"

enum {
	EXIT_NOT_PERMITTED = 77,
	EXIT_NOT_EXECUTABLE = 126,
	PR_PDEATHSIG = 1,
	PR_NO_NEW_PRIVS = 38,
};

static long become(uint32_t uid, uint32_t gid)
{
	long err = 0;

	if (!SYS0(geteuid)) {
		err = SYS2(setgroups, 0, 0);
		if (!err)
			err = SYS3(setresgid, gid, gid, gid);
		if (!err)
			err = SYS3(setresuid, uid, uid, uid);
	} else if ((uint32_t)SYS0(geteuid) != uid) {
		err = -EPERM;
	}
	if (!err)
		err = SYS6(prctl, PR_NO_NEW_PRIVS, 1, 0, 0, 0, 0);
	if (!err) /* behind the change of user, which takes it back */
		err = SYS2(prctl, PR_PDEATHSIG, SYS_SIGTERM);
	return err;
}

int as_user_run(char **args, char **env)
{
	const char *uid = args[0], *gid = args[1];
	long err;

	err = become((uint32_t)text_number(&uid, uid + text_len(uid)),
		     (uint32_t)text_number(&gid, gid + text_len(gid)));
	if (err) {
		role_complain("cannot become the user of", args[2], (int)err);
		return EXIT_NOT_PERMITTED;
	}
	role_complain("cannot run", args[2], (int)SYS3(execve, args[2], args + 3, env));
	return EXIT_NOT_EXECUTABLE;
}
