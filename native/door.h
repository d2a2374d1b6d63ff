/* SPDX-License-Identifier: MIT */
/*
 * The door: lets in handlers that are not ours. Outside the path of an OOM: it serves a socket, and says in the region
 * who answers for a guard. dist/docs/handler-protocol.md is the protocol.
 *
 * Everything a client sends is hostile. One message of a client a turn, a bounded number of connections, of each user
 * and at all, and of new ones a tick; what does not fit is cut off.
 */
#ifndef RPV_DOOR_H
#define RPV_DOOR_H

#include "role.h"

/* Who is behind a connection, pinned when it was taken. */
struct peer {
	int pidfd;
	uint32_t pid;
	uint32_t uid;
	uint64_t start_time;
};

struct client {
	int fd; /* -1: free */
	uint32_t index;
	struct peer peer;
	struct entry *entry; /* the guard it is the handler of, or NULL */
	uint64_t due_ns;     /* it is cut off then, unless it has designated itself */
};

/* A guard, as the door sees it. */
struct entry {
	struct guard *guard;
	uint32_t index;
	int dir; /* of the group, held since arming: it follows a rename; -1: not attached */
	uint64_t due_ns;
	struct client *client;	     /* its handler's, or NULL */
	struct designate_page *page; /* what that one reads */
	uint32_t copied;	     /* the ranking that is in it */
	uint64_t resigned_ns;	     /* the last one */
};

struct door {
	struct role_self self;
	struct ranking *rankings;
	struct entry *entries; /* guards_max */
	struct client *clients;
	uint32_t guards;
	uint32_t clients_max;
	int epoll;
	int is_listening;
	uint32_t accepted; /* connections, in the tick that began then */
	uint64_t tick_ns;
};

extern struct door door;

_Noreturn void door_run(const char *run_dir, char **groups);

/* peer.c: pins who has connected. 0, or -errno: it is dead, or in another pid namespace. */
int peer_pin(struct peer *peer, int fd);
void peer_unpin(struct peer *peer);
int peer_has_thread(const struct peer *peer, uint32_t tid);
/* May it answer for the group of this directory? Its owner and root may. */
int peer_may(const struct peer *peer, int dir);

/* client.c: one connection. */
void client_accept(void);
/* Takes at most one message. */
void client_turn(struct client *c);
void client_close(struct client *c, enum reason reason);
void client_refuse(int fd, enum designate_refusal refusal);

/* closing.c: closes a connection without waiting for what a client has sent. */
void closing_prepare(void);
void closing_close(int fd);
/* Can no client send a descriptor? */
int closing_is_plain(void);

/* designation.c: begins and ends; 0 or why not. */
enum designate_refusal designation_begin(struct client *c, const struct designate_request *request);
void designation_end(struct entry *e, enum reason reason);

/* page.c: the memory file of one handler, mapped here and sealed: a read-only descriptor of it, or -errno. */
int page_make(struct designate_page **page);
void page_write(struct entry *e);
void page_end(struct designate_page *page);

#endif
