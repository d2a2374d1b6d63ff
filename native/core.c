/* SPDX-License-Identifier: MIT */
/*
 * The core: one small static program, its role given by argv. The agent starts it; by hand only
 * `release` makes sense.
 *
 *   core handler|watchdog|spare|door RUN_DIR|- AGENTS_GROUP [OWN_GROUP ...]
 *   core as UID GID PROGRAM ARGV0 ARGS ...
 *   core handle GUARD GROUP SOCKET
 *   core look
 *   core hook AGENT PROGRAM ARGV0 ARGS ...
 *   core system
 *   core release [--all] [--force] RUN_BASE ...
 *   core join AGENT GROUP ... -- PROGRAM CMD ARGS ...
 *   core probe PARENT touch BYTES|calls
 *   core version
 */
#include "as_user.h"
#include "door.h"
#include "handle.h"
#include "handler.h"
#include "hook.h"
#include "join.h"
#include "look.h"
#include "probe.h"
#include "release.h"
#include "sys.h"
#include "system.h"
#include "text.h"
#include "watcher.h"

enum { EXIT_USAGE = 64, PR_NAME = 15 };

static int usage(void)
{
	static const char line[] =
		"usage: core "
		"handler|watchdog|spare|door|handle|look|as|hook|system|release|join|probe|version "
		"...\n";

	sys_write(2, line, sizeof(line) - 1);
	return EXIT_USAGE;
}

static int version(void)
{
	static const char line[] = "reprieve-core " REPRIEVE_VERSION "\n";

	sys_write(1, line, sizeof(line) - 1);
	return 0;
}

static int release(char **args)
{
	int all = 0, force = 0;

	for (; *args && text_starts(*args, "--"); args++) {
		all |= text_equal(*args, "--all");
		force |= text_equal(*args, "--force");
	}
	return *args ? release_run(all, force, args) : usage();
}

static int long_lived(enum role role, char **args)
{
	const char *run_dir = *args && !text_equal(*args, "-") ? *args : 0;

	if (!args[0] || !args[1])
		return usage();
	if (role == ROLE_HANDLER)
		handler_run(run_dir, args + 1);
	if (role == ROLE_DOOR)
		door_run(run_dir, args + 1);
	watcher_run(role, run_dir, args + 1);
}

__attribute__((used)) _Noreturn void core_main(long *stack)
{
	long argc = stack[0];
	char **argv = (char **)(stack + 1), **env = argv + argc + 1;
	const char *role = argc > 1 ? argv[1] : "";
	int code;

	/* It is executed from a descriptor, whose number would be its name in ps and in the kernel's log. */
	if (argc && text_starts(argv[0], "reprieve-"))
		SYS2(prctl, PR_NAME, argv[0]);
	if (text_equal(role, "handler"))
		code = long_lived(ROLE_HANDLER, argv + 2);
	else if (text_equal(role, "watchdog"))
		code = long_lived(ROLE_WATCHDOG, argv + 2);
	else if (text_equal(role, "spare"))
		code = long_lived(ROLE_SPARE, argv + 2);
	else if (text_equal(role, "door"))
		code = long_lived(ROLE_DOOR, argv + 2);
	else if (text_equal(role, "as"))
		code = argc > 5 ? as_user_run(argv + 2, env) : usage();
	else if (text_equal(role, "handle"))
		code = argc == 5 ? handle_run(argv[2], argv[3], argv[4]) : usage();
	else if (text_equal(role, "look"))
		code = look_run();
	else if (text_equal(role, "hook"))
		code = argc > 4 ? hook_run(argv + 2, env) : usage();
	else if (text_equal(role, "system"))
		system_run();
	else if (text_equal(role, "release"))
		code = release(argv + 2);
	else if (text_equal(role, "join"))
		code = join_run(argv + 2, env);
	else if (text_equal(role, "probe"))
		code = probe_run(argv + 2);
	else if (text_equal(role, "version"))
		code = version();
	else
		code = usage();
	sys_exit(code);
}
