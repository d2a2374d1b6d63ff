/* SPDX-License-Identifier: MIT */
/*
 * The role "system": looks at the memory of the host, more often when less is left, and has the largest process end where it
 * falls below a mark: SIGTERM at the first, SIGKILL at the second. At last the kernel is told to kill, by sysrq f.
 *
 * What it reads was opened before, and all of it is locked; only to choose whom it opens files.
 */
#include "system.h"
#include "log.h"
#include "role.h"
#include "sys.h"
#include "text.h"

enum { EXIT_SOFTWARE = 70 };

static struct {
	struct system_page *page;
	int agent; /* pidfd */
	int meminfo;
	int pressure; /* -errno: it is not watched, or cannot be */
	int sysrq;
	/* this incident */
	uint32_t kills;
	_Bool is_told;
	_Bool is_nobody; /* is worth a kill */
	_Bool is_helped; /* the victim, to die */
	struct system_tried tried;
	enum system_victim victim;
	struct system_choice chosen;
	uint64_t victim_ns;
	uint64_t low_ns;    /* when last below a mark */
	uint64_t handed_ns; /* 0: never */
	uint64_t deaf_ns;   /* to pressure until then */
} self;

static uint32_t ms_since(uint64_t then_ns, uint64_t now_ns)
{
	return now_ns > then_ns ? (uint32_t)((now_ns - then_ns) / 1000000) : 0;
}

static void tell(enum system_step step, struct log_record r)
{
	r.step = step;
	r.incident = (self.page->incident + 1) / 2;
	r.reserved = self.page->now.available_bytes;
	log_put(&self.page->log, r);
	role_wake(FD_AGENT);
}

static struct log_record about_victim(int result)
{
	struct log_record r = { .pid = (int)self.chosen.pid,
				.bytes = self.chosen.bytes,
				.start_time = self.chosen.start_time,
				.result = result };

	memcpy(r.comm, self.chosen.comm, COMM_BYTES);
	return r;
}

static int look(void)
{
	struct system_page *page = self.page;
	const struct system_orders *o = &page->orders;
	static char buf[PROC_TEXT_BYTES];
	struct system_now now = { 0 };
	long n = sys_pread(self.meminfo, buf, sizeof(buf), 0);
	int err = n < 0 ? (int)n : system_parse_meminfo(buf, buf + n, &now);

	if (err)
		return err;
	n = self.pressure < 0 ? -1 : sys_pread(self.pressure, buf, sizeof(buf), 0);
	if (n > 0)
		now.pressure = system_parse_pressure(buf, buf + n, (int)o->is_full, o->over_s);
	page->now = now;
	return 0;
}

static void leave_victim(void)
{
	if (self.victim == SYSTEM_ASKED || self.victim == SYSTEM_KILLED)
		sys_close(self.chosen.pidfd);
	self.victim = SYSTEM_NOBODY;
}

/* Who is frozen, or gets no CPU, does not give its memory back by itself. */
static void look_after_victim(uint64_t now_ns)
{
	if (self.victim != SYSTEM_ASKED && self.victim != SYSTEM_KILLED)
		return;
	if (sys_pidfd_dead(self.chosen.pidfd)) {
		sys_close(self.chosen.pidfd);
		self.victim = SYSTEM_GONE;
		self.victim_ns = now_ns;
		/* An average of the past goes on saying what was before. */
		self.deaf_ns = now_ns + self.page->orders.over_s * 1000000000ull;
		tell(SYSTEM_DEAD, about_victim(0));
	} else if (self.victim == SYSTEM_KILLED && !self.is_helped &&
		   ms_since(self.victim_ns, now_ns) >= SYSTEM_HELP_MS) {
		self.is_helped = 1; /* once: it may wait for a lock of the victim's */
		sys_mrelease(self.chosen.pidfd);
	}
}

static enum reason why_stuck(uint64_t now_ns)
{
	const struct system_orders *o = &self.page->orders;

	if (self.kills >= o->incident_cap)
		return REASON_KILL_CAP;
	if (o->hour_cap && caps_kills(&self.page->hour, now_ns) >= o->hour_cap)
		return REASON_HOUR_CAP;
	return self.is_nobody ? REASON_NO_CANDIDATE : REASON_NONE;
}

static void signal_victim(enum system_level level, uint64_t now_ns)
{
	int is_kill = level == SYSTEM_SECOND;
	int err = sys_pidfd_signal(self.chosen.pidfd, is_kill ? SYS_SIGKILL : SYS_SIGTERM);

	self.victim = is_kill ? SYSTEM_KILLED : SYSTEM_ASKED;
	self.victim_ns = now_ns;
	self.is_helped = 0;
	tell(is_kill ? SYSTEM_KILL : SYSTEM_TERMINATE, about_victim(err));
	if (err)
		leave_victim();
}

static void begin(enum system_level level, uint64_t now_ns)
{
	int err;

	leave_victim();
	err = system_choose(self.page, &self.tried, &self.chosen);
	if (err == -EAGAIN)
		return;
	if (err) {
		self.is_nobody = 1;
		return;
	}
	if (self.tried.n < KILLS_PER_INCIDENT_MAX)
		self.tried.pids[self.tried.n++] = self.chosen.pid;
	self.kills++;
	caps_count(&self.page->hour, now_ns); /* also of who goes by himself */
	signal_victim(level, now_ns);
}

static void observe(enum system_level level)
{
	struct log_record r;
	int err = system_choose(self.page, &self.tried, &self.chosen);

	if (err == -EAGAIN)
		return;
	self.is_told = 1;
	if (err)
		return;
	r = about_victim(0);
	r.arg = level == SYSTEM_SECOND;
	sys_close(self.chosen.pidfd);
	tell(SYSTEM_WOULD, r);
}

static void give_up(uint64_t now_ns)
{
	long n = self.sysrq < 0 ? self.sysrq : sys_write(self.sysrq, "f", 1);

	self.handed_ns = now_ns;
	tell(SYSTEM_HAND_OVER,
	     (struct log_record){ .arg = why_stuck(now_ns), .result = n < 0 ? (int32_t)n : 0 });
	self.is_nobody = 0;
}

static void open_incident(enum system_cause cause)
{
	self.page->incident++;
	self.kills = self.tried.n = 0;
	self.is_told = self.is_nobody = 0;
	tell(SYSTEM_LOW,
	     (struct log_record){ .arg = cause, .bytes = self.page->now.swap_free_bytes });
}

static void act(enum system_next next, enum system_level level, uint64_t now_ns)
{
	switch (next) {
	case SYSTEM_WAIT:
		break;
	case SYSTEM_BEGIN:
		begin(level, now_ns);
		break;
	case SYSTEM_FINISH:
		signal_victim(SYSTEM_SECOND, now_ns);
		break;
	case SYSTEM_OBSERVE:
		observe(level);
		break;
	case SYSTEM_GIVE_UP:
		give_up(now_ns);
		break;
	case SYSTEM_END:
		tell(SYSTEM_RELIEVED, (struct log_record){ 0 });
		leave_victim();
		self.page->incident++;
		break;
	}
}

/* One turn; returns when to look again. */
static uint32_t turn(uint64_t now_ns)
{
	const struct system_orders *o = &self.page->orders;
	enum system_cause cause;
	enum system_level level;
	struct system_sight sight;

	if (look())
		return SYSTEM_TICK_MIN_MS;
	look_after_victim(now_ns);
	level = system_level(o, &self.page->now, now_ns >= self.deaf_ns, &cause);
	if (level != SYSTEM_CALM)
		self.low_ns = now_ns;
	if (level != SYSTEM_CALM && !(self.page->incident & 1))
		open_incident(cause);
	sight = (struct system_sight){
		.level = level,
		.is_open = (int)(self.page->incident & 1),
		.calm_ms = ms_since(self.low_ns, now_ns),
		.is_allowed = (int)o->allowed,
		.is_told = self.is_told,
		.victim = self.victim,
		.victim_ms = ms_since(self.victim_ns, now_ns),
		.is_stuck = why_stuck(now_ns) != REASON_NONE,
		.handed_ms = self.handed_ns ? ms_since(self.handed_ns, now_ns) : UINT32_MAX,
	};
	act(system_next(&sight), level, now_ns);
	return self.page->incident & 1 ? SYSTEM_TICK_OPEN_MS : system_wait_ms(o, &self.page->now);
}

static int open_files(void)
{
	const struct system_orders *o = &self.page->orders;
	struct system_choice nobody;
	int wants_sysrq = o->allowed && o->hands_over;

	self.meminfo = sys_open("/proc/meminfo", O_RDONLY);
	self.pressure = o->pressure[0] ? sys_open("/proc/pressure/memory", O_RDONLY) : -ENOENT;
	self.page->pressure_result = o->pressure[0] && self.pressure < 0 ? self.pressure : 0;
	self.sysrq = wants_sysrq ? sys_open("/proc/sysrq-trigger", O_WRONLY) : -EPERM;
	self.page->sysrq_result = wants_sysrq && self.sysrq < 0 ? self.sysrq : 0;
	self.agent = sys_pidfd_open((int)self.page->head.agent_pid);
	if (self.meminfo < 0 || self.agent < 0 || sys_getppid() != (int)self.page->head.agent_pid)
		return -ESRCH;
	/* Once through all that it may do, for the stack. */
	if (!system_choose(self.page, &self.tried, &nobody))
		sys_close(nobody.pidfd);
	return look();
}

_Noreturn void system_run(void)
{
	struct system_page *page =
		sys_mmap(sizeof(*page), SYS_PROT_RW, SYS_MAP_SHARED, FD_REGION, 0);
	int err = sys_is_error(page) ? (int)(intptr_t)page
		  : page->head.magic != SYSTEM_MAGIC || page->head.layout != SYSTEM_LAYOUT ? -EPROTO
											   : 0;

	self.page = page;
	if (!err)
		err = open_files();
	if (err) {
		role_complain("cannot watch", "the host's memory", err);
		sys_exit(EXIT_SOFTWARE);
	}
	page->lock_result = sys_mlockall(SYS_MCL_ALL);
	SYS3(setpriority, 0, 0, -20);
	shared_store(&page->ready, 1);
	role_wake(FD_AGENT);
	while (!sys_pidfd_dead(self.agent)) {
		struct sys_pollfd agent = { self.agent, SYS_POLLIN, 0 };

		sys_poll(&agent, 1, (int)turn(sys_now_ns()));
	}
	sys_exit(0);
}
