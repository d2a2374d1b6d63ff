/* SPDX-License-Identifier: MIT */
/*
 * The role "handle": reprieve's own handler as the group's owner, without an agent and watchers of its own: those of
 * the reprieve at whose door it has designated itself judge it. It has a private region with one guard.
 *
 * It closes its incidents by itself, and says on stderr what it did when the OOM is over: in a full group a write may
 * fail.
 */
#include "handle.h"
#include "designate.h"
#include "handler.h"
#include "log.h"
#include "sys_socket.h"
#include "text.h"

enum {
	EXIT_NO_GUARD = 66,
	EXIT_HOST = 69,
	EXIT_INTERNAL = 70,
	EXIT_AGAIN = 75,
	EXIT_NOT_PERMITTED = 77,
	OVER_TURNS = 2, /* so many samples in a row without an OOM */
	FDS_BELOW = 64,
};

static int free_turns;

static void say(const char *what, const char *name, const char *then)
{
	char buf[PATH_BYTES + 2 * DESIGNATE_TEXT_BYTES];
	struct text line = text_on(buf, sizeof(buf));

	text_add(&line, "reprieve: ");
	text_add(&line, what);
	text_add_plain(&line, name);
	text_add_plain(&line, then);
	text_add(&line, "\n");
	sys_write(2, buf, line.len);
}

static int code_of(uint32_t refusal)
{
	switch (refusal) {
	case REFUSED_NO_GUARD:
		return EXIT_NO_GUARD;
	case REFUSED_NOT_OWNER:
		return EXIT_NOT_PERMITTED;
	case REFUSED_TAKEN:
	case REFUSED_TOO_SOON:
	case REFUSED_BUSY:
		return EXIT_AGAIN;
	default:
		return EXIT_HOST;
	}
}

/* Connects to the door, which may be slow: blocking. */
static int dial(const char *path)
{
	struct sockaddr_un at = { .sun_family = SYS_AF_UNIX };
	struct text t = text_on(at.sun_path, sizeof(at.sun_path));
	int fd = sys_socket_seqpacket(), err;

	text_add(&t, path);
	err = t.cut ? -ENAMETOOLONG : fd;
	if (err >= 0)
		err = sys_fcntl(fd, F_SETFL, 0);
	if (err >= 0)
		err = sys_connect(fd, &at);
	return err < 0 ? err : fd;
}

/* 0, or an exit code; a message has been printed. */
static int designate(int door, const char *guard, struct sys_two_fds *got)
{
	struct designate_request request = { .magic = DESIGNATE_MAGIC,
					     .version = DESIGNATE_VERSION,
					     .type = DESIGNATE_ME,
					     .tid = (uint32_t)sys_gettid() };
	struct designate_answer answer = { 0 };
	struct sys_iovec out = { &request, sizeof(request) }, in = { &answer, sizeof(answer) };
	struct sys_msghdr msg = {
		.iov = &in, .iovs = 1, .control = got, .control_len = sizeof(*got)
	};
	struct text name = text_on(request.guard, sizeof(request.guard));
	struct sys_pollfd ready = { door, SYS_POLLIN, 0 };

	text_add(&name, guard);
	sys_sendmsg(door, &(struct sys_msghdr){ .iov = &out, .iovs = 1 });
	sys_poll(&ready, 1, -1);
	if (sys_recvmsg(door, &msg) != sizeof(answer)) {
		say("no answer from the door for ", guard, "");
		return EXIT_HOST;
	}
	answer.text[sizeof(answer.text) - 1] = 0;
	if (answer.type == DESIGNATE_ACCEPTED && got->len == 16 + sizeof(got->fds))
		return 0;
	say("refused for ", guard, ": ");
	say("", answer.text, "");
	return code_of(answer.refusal);
}

/* Above what the roles find by number. */
static int lift(int fd)
{
	int high = sys_fcntl(fd, F_DUPFD_CLOEXEC, (void *)(uintptr_t)FDS_BELOW);

	sys_close(fd);
	return high;
}

/* Wakes go where nobody listens: only the handler's two threads are there to be woken. */
static int make_descriptors(void)
{
	int control = lift(sys_eventfd(0, SYS_EFD_NONBLOCK));
	int sink = lift(sys_eventfd(0, SYS_EFD_NONBLOCK));
	int responder = lift(sys_eventfd(0, SYS_EFD_NONBLOCK));
	int err = control < 0 ? control : sink < 0 ? sink : responder < 0 ? responder : 0;

	for (int fd = FD_AGENT; fd <= FD_DOOR && err >= 0; fd++)
		err = (int)SYS3(dup3, fd == FD_CONTROL || fd == FD_HANDLER ? control : sink, fd,
				SYS_CLOEXEC);
	if (err >= 0)
		err = (int)SYS3(dup3, responder, FD_RESPONDER, SYS_CLOEXEC);
	return err < 0 ? err : 0;
}

/* A region with one guard: always near its limit, so that it is sampled as often as that. */
static void make_region(const char *group, const struct designate_page *page)
{
	uint64_t records = sizeof(struct region) + sizeof(struct guard);
	uint64_t control = (records + log_bytes(1) + 4095) & ~4095ull;
	struct region *r = role_memory(control + sizeof(struct recorder));
	struct text path = text_on(r->guards[0].path, sizeof(r->guards[0].path));

	r->guards_max = r->guards_used = 1;
	r->control_bytes = r->recorder_offset = control;
	log_place(r, records);
	r->agent_pid = (uint32_t)sys_getpid();
	text_add(&path, group);
	r->guards[0].margin_bytes = UINT64_MAX;
	r->guards[0].delay_ms = page->delay_ms;
	r->guards[0].sample_far_ms = r->guards[0].sample_near_ms = SAMPLE_NEAR_MS;
	r->guards[0].flags = GUARD_ALLOW_KILL;
	r->guards[0].want = WANT_ARMED;
	handler.self.region = r;
	handler.self.recorder = (void *)((char *)r + control);
	handler.self.me = &r->helpers[ROLE_HANDLER];
	handler.self.log = &r->logs[ROLE_HANDLER];
}

int handle_run(const char *guard, const char *group, const char *socket)
{
	static char *no_groups[] = { NULL };
	struct designate_page *page;
	struct sys_two_fds got = { 0 };
	int door = dial(socket), code;

	if (door < 0) {
		role_complain("no reprieve answers at", socket, door);
		return EXIT_HOST;
	}
	door = lift(door);
	code = designate(door, guard, &got);
	if (code)
		return code;
	handler.designated_event = lift(got.fds[0]);
	page = sys_mmap(DESIGNATE_PAGE_BYTES, SYS_PROT_READ, SYS_MAP_SHARED, got.fds[1], 0);
	if (door < 0 || handler.designated_event < 0 || sys_is_error(page) || make_descriptors()) {
		role_complain("cannot get descriptors and memory for", guard, 0);
		return EXIT_INTERNAL;
	}
	handler.self.role = ROLE_HANDLER;
	handler.self.own_groups = no_groups;
	handler.self.agent = door; /* readable when it is closed, as a pidfd of the dead is */
	make_region(group, page);
	sys_munmap(page, DESIGNATE_PAGE_BYTES);
	say("answering for ", guard, "");
	handler_begin();
}

/* What the responder has done, when there is memory again to say so. */
static void tell(void)
{
	struct log *log = handler.self.log;

	for (; log->tail != shared_load(&log->head); shared_store(&log->tail, log->tail + 1)) {
		const struct log_record *r = &log_records(log)[log->tail & (log->size - 1)];
		char name[COMM_BYTES + 1] = { 0 }, number[24];
		struct text pid = text_on(number, sizeof(number));

		memcpy(name, r->comm, COMM_BYTES);
		text_add(&pid, " (");
		text_add_number(&pid, (uint64_t)r->pid);
		text_add(&pid, ")");
		if (r->step == STEP_KILL)
			say(r->result ? "not permitted to kill " : "killed ",
			    name[0] ? name : "a newborn", number);
	}
}

void handle_turn(struct guarded *g)
{
	uint32_t word = shared_load(&g->guard->incident);
	struct memcg_oom oom;

	if (!incident_is_open(word) || memcg_oom(&g->memcg, &oom) || oom.under_oom ||
	    shared_load(&g->guard->dying)) {
		free_turns = 0;
		return;
	}
	if (++free_turns < OVER_TURNS)
		return;
	free_turns = 0;
	incident_close(g->guard, word);
	tell();
}

_Noreturn void handle_end(void)
{
	tell();
	say("the door has closed the connection: this is no handler any more", "", "");
	sys_exit(EXIT_AGAIN);
}
