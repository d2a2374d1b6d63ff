/* SPDX-License-Identifier: MIT */
/* The role "hook": the program of an order. It dies with the agent, which alone looks after it. */
#include "hook.h"
#include "role.h"
#include "sys.h"
#include "text.h"

enum { EXIT_NOT_EXECUTABLE = 126, PR_PDEATHSIG = 1 };

int hook_run(char **args, char **env)
{
	const char *agent = args[0];

	SYS2(prctl, PR_PDEATHSIG, SYS_SIGKILL);
	if (text_number(&agent, agent + text_len(agent)) != (uint64_t)sys_getppid())
		return EXIT_NOT_EXECUTABLE; /* it died before we said so */
	role_complain("cannot run", args[1], (int)SYS3(execve, args[1], args + 2, env));
	return EXIT_NOT_EXECUTABLE;
}
