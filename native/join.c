/* SPDX-License-Identifier: MIT */
/*
 * The role "join": a command, started inside a group.
 *
 * Its arguments, environment and ignored signals are read from the kernel's record of the agent: Bun decodes
 * the first two, which need not be UTF-8, and gives a child none of the last.
 */
#include "join.h"
#include "limits.h"
#include "role.h"
#include "sys.h"
#include "text.h"
#include "tree.h"

enum {
	EXIT_NO_GROUP = 125,
	EXIT_NOT_EXECUTABLE = 126,
	EXIT_NOT_FOUND = 127,
	STRINGS_BYTES = 8 << 20, /* execve(2) allows 6 MiB; only what is filled is touched */
	O_PATH_ONLY = 010000000,
};

/* Ignored by Bun itself in the agent, and what would keep CMD from waiting for its children. */
#define NOT_INHERITED (1u << (SYS_SIGPIPE - 1) | 1u << (25 - 1) | 1u << (17 - 1))

/* Reads /proc/AGENT/FILE to its end. 0 bytes where it cannot be read, or the agent is no longer our parent. */
static size_t read_of_agent(const char *agent, const char *file, char *buf, size_t size)
{
	char path[64];
	struct text t = text_on(path, sizeof(path));
	const char *digits = agent;
	size_t len = 0;
	long n = 1;
	int fd;

	text_add(&t, "/proc/");
	text_add(&t, agent);
	text_add(&t, "/");
	text_add(&t, file);
	fd = sys_open(path, O_RDONLY);
	if (fd < 0)
		return 0;
	if (text_number(&digits, agent + text_len(agent)) == (uint64_t)sys_getppid())
		for (; n > 0 && len<size; len += n> 0 ? (size_t)n : 0)
			n = sys_read(fd, buf + len, size - len);
	sys_close(fd);
	return len < size ? len : 0;
}

static size_t count(char **strings)
{
	size_t n = 0;

	while (strings[n])
		n++;
	return n;
}

/* The last `n` of the strings in /proc/AGENT/FILE, each with its NUL; `given` where there are fewer. */
static char **last_strings(const char *agent, const char *file, size_t n, char **given)
{
	char *text = role_memory(STRINGS_BYTES);
	size_t len = read_of_agent(agent, file, text, STRINGS_BYTES), all = 0;
	char **strings;

	for (size_t i = 0; i < len; i++)
		all += !text[i];
	if (!all || all < n)
		return given;
	strings = role_memory((all + 1) * sizeof(*strings));
	for (size_t i = 0, at = 0; i < all; i++, at += text_len(text + at) + 1)
		strings[i] = text + at;
	return n ? strings + all - n : strings;
}

static uint64_t hex(const char *s)
{
	uint64_t n = 0;

	for (; (*s >= '0' && *s <= '9') || (*s >= 'a' && *s <= 'f'); s++)
		n = n << 4 | (uint64_t)(*s <= '9' ? *s - '0' : *s - 'a' + 10);
	return n;
}

/* What nohup(1) has set. */
static void ignore_signals_of(const char *agent)
{
	char status[2 * PROC_TEXT_BYTES] = { 0 };
	size_t len = read_of_agent(agent, "status", status, sizeof(status) - 1);
	const char *at = text_after(status, status + len, "SigIgn:\t");
	uint64_t ignored = at ? hex(at) & ~(uint64_t)NOT_INHERITED : 0;

	for (int signal = 1; signal <= 64; signal++)
		if (ignored >> (signal - 1) & 1)
			sys_ignore_signal(signal);
}

/* Says why, in words where there are some. An exit code. */
static int cannot_run(const char *program, int err)
{
	char buf[PATH_BYTES + 128];
	struct text line = text_on(buf, sizeof(buf));
	int file = sys_open(program, O_PATH_ONLY);
	const char *why = err == -ENOEXEC
				  ? "it is no program this kernel can run; a script begins with #!"
			  : err == -E2BIG  ? "its arguments and environment are too long"
			  : err != -ENOENT ? 0
			  : file >= 0	   ? "its interpreter is missing"
					   : "it is gone";

	text_add(&line, "reprieve: cannot run ");
	text_add_plain(&line, program);
	text_add(&line, ": ");
	text_add(&line, why ? why : "");
	text_add(&line, "\n");
	if (why)
		sys_write(2, buf, line.len);
	else
		role_complain("cannot run", program, err);
	return file < 0 ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
}

int join_run(char **args, char **env)
{
	const char *agent = *args;
	char **group = args + 1, **command = args;

	while (*command && !text_equal(*command, "--"))
		command++;
	if (!*command || command == args || !command[1] || !command[2])
		return EXIT_NOT_FOUND;
	ignore_signals_of(agent);
	args = last_strings(agent, "cmdline", count(command + 2), command + 2);
	env = last_strings(agent, "environ", 0, env);
	for (; group < command; group++) {
		int err = tree_join(*group);

		if (err) {
			role_complain("cannot join", *group, err);
			return EXIT_NO_GROUP;
		}
	}
	return cannot_run(command[1], (int)SYS3(execve, command[1], args, env));
}
