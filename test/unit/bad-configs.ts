// SPDX-License-Identifier: MIT
/** Bad config files, one mistake each, and what exactly is said of it behind the file's name. */

/** A guard that is right; the mistake comes in line 4. */
export const GUARD = '[[guard]]\nname = "a"\ncgroup = "/a"\n';

export const BAD: readonly [name: string, toml: string, says: string][] = [
  [
    "an empty file",
    "",
    "1:1: guard: it is missing: there is no [[guard]], and no [system]: nothing would be guarded",
  ],
  [
    "a comment alone",
    "# nothing\n",
    "1:1: guard: it is missing: there is no [[guard]], and no [system]: nothing would be guarded",
  ],
  ["no TOML", "guard\n", "2:1: no TOML: a = is missing before this"],
  [
    "text without quotes",
    `${GUARD}delay = 100ms\n`,
    '4:12: no TOML: the line should end here; text stands in quotes, like delay = "100ms"',
  ],
  [
    "text with one quote",
    `${GUARD}delay = "100ms\n`,
    "4:15: no TOML: a quote is missing behind this text",
  ],
  ["a missing value", `${GUARD}delay =\n`, "5:1: no TOML: a value is missing"],
  ["a missing =", `${GUARD}delay "1s"\n`, "4:7: no TOML: a = is missing before this"],
  [
    "a key twice",
    `${GUARD}delay = "1s"\ndelay = "2s"\n`,
    "5:1: no TOML: this key is there already",
  ],
  ["a table twice", `${GUARD}[feed]\n[feed]\n`, "5:2: no TOML: this key is there already"],
  [
    "a table that was a value",
    `${GUARD}feed.token = true\n[guard.delay]\n[guard.delay.x]\n[guard.delay]\n`,
    "7:8: no TOML: this key is there already",
  ],
  ["a table without its bracket", `${GUARD}[feed\n`, "5:1: no TOML: a ] is missing"],
  [
    "an escape that is none",
    `${GUARD}[handler]\ncommand = "\\w"\n`,
    "5:13: no TOML: Invalid character in escape sequence",
  ],
  [
    "a control character",
    `${GUARD}[handler]\ncommand = "\u0001"\n`,
    "5:12: no TOML: Control characters (codes < 0x1f and 0x7f) are not allowed",
  ],
  [
    "a word for true",
    `${GUARD}[feed]\ntoken = True\n`,
    "5:9: no TOML: this character cannot stand here; text stands in quotes",
  ],
  [
    "a line break in an inline table",
    `${GUARD}feed = { token = true,\n}\n`,
    "5:1: no TOML: an inline table stands in one line; a } is missing here",
  ],
  [
    "a bracket that is not closed",
    '[[guard]]\nname = "a"\ncgroup = ["/a"\n',
    "4:1: no TOML: a ] is missing",
  ],
  [
    "brackets without end",
    `${GUARD}x = ${"[".repeat(10_000)}${"]".repeat(10_000)}\n`,
    "4:1: guard.0.x: there is no such key, but name, cgroup, except, delay, margin, when, orders, hook_bound, prefer, avoid, caps, sampling",
  ],
  [
    "a table with a typo",
    `${GUARD}[fede]\n`,
    "4:1: fede: there is no such key, did you mean feed?",
  ],
  [
    "guards with a typo",
    '[[guards]]\nname = "a"\ncgroup = "/a"\n',
    "1:1: guards: there is no such key, did you mean guard?",
  ],
  [
    "a table like none",
    `${GUARD}[telemetry]\nurl = "x"\n`,
    "4:1: telemetry: there is no such key, but guard, system, allow, deny, caps, sampling, feed, handler, journal, export, reload",
  ],
  [
    "a key at the top",
    `delay = "1s"\n${GUARD}`,
    "1:1: delay: there is no such key, but guard, system, allow, deny, caps, sampling, feed, handler, journal, export, reload",
  ],
  [
    "a key of a guard with a typo",
    `${GUARD}dealy = "1s"\n`,
    "4:1: guard.0.dealy: there is no such key, did you mean delay?",
  ],
  [
    "a key of a guard with another case",
    `${GUARD}Delay = "1s"\n`,
    "4:1: guard.0.Delay: there is no such key, did you mean delay?",
  ],
  [
    "a key that is to come",
    `${GUARD}escalate = true\n`,
    "4:1: guard.0.escalate: there is no such key, but name, cgroup, except, delay, margin, when, orders, hook_bound, prefer, avoid, caps, sampling",
  ],
  [
    "orders with a typo",
    `${GUARD}order = ["kill"]\n`,
    "4:1: guard.0.order: there is no such key, did you mean orders?",
  ],
  [
    "a rate for all places",
    `${GUARD}sampling = "1s"\n`,
    '4:1: guard.0.sampling = "1s": it has keys of its own and no value',
  ],
  [
    "a rate that takes too much CPU",
    `${GUARD}sampling = { near = "10ms" }\n`,
    '4:14: guard.0.sampling.near = "10ms": near is from 20ms to 1s',
  ],
  [
    "a rate that makes rankings stale",
    `${GUARD}sampling.far = "1m"\n`,
    '4:1: guard.0.sampling.far = "1m": far is from 20ms to 10s',
  ],
  [
    "a slower rate where it matters more",
    `${GUARD}sampling = { far = "50ms", near = "100ms" }\n`,
    '4:28: guard.0.sampling.near = "100ms": near its limit it is looked at at least as often as far from it',
  ],
  [
    "a rate with a typo",
    `${GUARD}sampling = { fra = "1s" }\n`,
    "4:14: guard.0.sampling.fra: there is no such key, did you mean far?",
  ],
  [
    "a source like none",
    `${GUARD}[sampling]\nsource = "event"\n`,
    '5:1: sampling.source = "event": a source is "scan", "events" or "both"',
  ],
  [
    "the rates of all guards",
    `${GUARD}[sampling]\nfar = "2s"\n`,
    "5:1: sampling.far: there is no such key, but source",
  ],
  [
    "a key of a feed with a typo",
    `${GUARD}[feed]\ntokne = true\n`,
    "5:1: feed.tokne: there is no such key, did you mean token?",
  ],
  [
    "a key of a handler with a typo",
    `${GUARD}[handler]\nsokcet = "/run/x.sock"\n`,
    "5:1: handler.sokcet: there is no such key, did you mean socket?",
  ],
  [
    "a power with a typo",
    `${GUARD}[allow]\nkil = true\n`,
    "5:1: allow.kil: there is no such key, did you mean kill?",
  ],
  [
    "a power over a program without its path",
    `${GUARD}[allow]\nhooks = "page-me"\n`,
    '5:1: allow.hooks = "page-me": a program is named by its path, which begins with /, or by a pattern: /usr/local/bin/*',
  ],
  [
    "a power over a number of programs",
    `${GUARD}[allow]\nhooks = 1\n`,
    '5:1: allow.hooks = 1: give true, false, or the programs it holds for: "/usr/local/bin/*"',
  ],
  [
    "a denied power with a typo",
    `${GUARD}[deny]\nkilll = true\n`,
    "5:1: deny.killl: there is no such key, did you mean kill?",
  ],
  [
    "__proto__",
    `${GUARD}[__proto__]\nx = 1\n`,
    "4:1: __proto__: there is no such key, but guard, system, allow, deny, caps, sampling, feed, handler, journal, export, reload",
  ],
  [
    "constructor in a guard",
    `${GUARD}constructor = 1\n`,
    "4:1: guard.0.constructor: there is no such key, but name, cgroup, except, delay, margin, when, orders, hook_bound, prefer, avoid, caps, sampling",
  ],
  [
    "a key with dots in it",
    `${GUARD}feed.tkoen = false\n`,
    "4:1: guard.0.feed: there is no such key, but name, cgroup, except, delay, margin, when, orders, hook_bound, prefer, avoid, caps, sampling",
  ],
  [
    "one guard instead of several",
    '[guard]\nname = "a"\ncgroup = "/a"\n',
    "1:1: guard: guards are tables, each under a line [[guard]]",
  ],
  [
    "a number for the guards",
    "guard = 3\n",
    "1:1: guard = 3: guards are tables, each under a line [[guard]]",
  ],
  [
    "an empty list of guards",
    "guard = []\n",
    "1:1: guard = []: there is no [[guard]], and no [system]: nothing would be guarded",
  ],
  [
    "a guard that is text",
    'guard = ["/a"]\n',
    '1:10: guard.0 = "/a": it has keys of its own and no value',
  ],
  [
    "a guard without a name",
    '[[guard]]\ncgroup = "/a"\n',
    "1:1: guard.0.name: it is missing: a name is 1 to 64 of the characters A-Z a-z 0-9 . _ -",
  ],
  [
    "a guard without groups",
    '[[guard]]\nname = "a"\n',
    '1:1: guard.0.cgroup: it is missing: give one path in quotes, or several: ["/a", "/b/*"]',
  ],
  [
    "a name with a slash",
    '[[guard]]\nname = "a/b"\ncgroup = "/a"\n',
    '2:1: guard.0.name = "a/b": a name is 1 to 64 of the characters A-Z a-z 0-9 . _ -',
  ],
  [
    "an empty name",
    '[[guard]]\nname = ""\ncgroup = "/a"\n',
    '2:1: guard.0.name = "": a name is 1 to 64 of the characters A-Z a-z 0-9 . _ -',
  ],
  [
    "a long name",
    `[[guard]]\nname = "${"n".repeat(65)}"\ncgroup = "/a"\n`,
    '2:1: guard.0.name = "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn": a name is 1 to 64 of the characters A-Z a-z 0-9 . _ -',
  ],
  [
    "a number for a name",
    '[[guard]]\nname = 1\ncgroup = "/a"\n',
    "2:1: guard.0.name = 1: a name is 1 to 64 of the characters A-Z a-z 0-9 . _ -",
  ],
  [
    "a name twice",
    `${GUARD}${GUARD}`,
    '5:1: guard.1.name = "a": there is a guard of that name already, in line 2',
  ],
  [
    "a group without its slash",
    '[[guard]]\nname = "a"\ncgroup = "tenants/*"\n',
    `3:1: guard.0.cgroup = "tenants/*": a group's path begins with /, as in /proc/PID/cgroup: /tenants/web, or /tenants/*`,
  ],
  [
    "a directory for a group",
    '[[guard]]\nname = "a"\ncgroup = "/sys/fs/cgroup/memory/a"\n',
    '3:1: guard.0.cgroup = "/sys/fs/cgroup/memory/a": the path below the memory hierarchy is wanted, as in /proc/PID/cgroup, not that of a directory',
  ],
  [
    "the root group",
    '[[guard]]\nname = "a"\ncgroup = "/"\n',
    '3:1: guard.0.cgroup = "/": the root group has no limit: name groups below it, or /**',
  ],
  [
    "a group with a / behind",
    '[[guard]]\nname = "a"\ncgroup = "/a/"\n',
    '3:1: guard.0.cgroup = "/a/": a level is empty: give one / between two names and none behind',
  ],
  [
    "a group with an empty level",
    '[[guard]]\nname = "a"\ncgroup = "/a//b"\n',
    '3:1: guard.0.cgroup = "/a//b": a level is empty: give one / between two names and none behind',
  ],
  [
    "a group that goes up",
    '[[guard]]\nname = "a"\ncgroup = "/a/../b"\n',
    `3:1: guard.0.cgroup = "/a/../b": a group's path has no level . or ..`,
  ],
  [
    "** within a name",
    '[[guard]]\nname = "a"\ncgroup = "/a/b**"\n',
    '3:1: guard.0.cgroup = "/a/b**": ** stands for whole levels, as in /a/**/b',
  ],
  [
    "***",
    '[[guard]]\nname = "a"\ncgroup = "/a/***"\n',
    '3:1: guard.0.cgroup = "/a/***": ** stands for whole levels, as in /a/**/b',
  ],
  [
    "an empty group",
    '[[guard]]\nname = "a"\ncgroup = ""\n',
    `3:1: guard.0.cgroup = "": a group's path begins with /, as in /proc/PID/cgroup: /tenants/web, or /tenants/*`,
  ],
  [
    "no group at all",
    '[[guard]]\nname = "a"\ncgroup = []\n',
    '3:1: guard.0.cgroup = []: give one path in quotes, or several: ["/a", "/b/*"]',
  ],
  [
    "a number for a group",
    '[[guard]]\nname = "a"\ncgroup = 7\n',
    '3:1: guard.0.cgroup = 7: give one path in quotes, or several: ["/a", "/b/*"]',
  ],
  [
    "a number among groups",
    '[[guard]]\nname = "a"\ncgroup = ["/a",\n  7]\n',
    `4:3: guard.0.cgroup.1 = 7: a group's path begins with /, as in /proc/PID/cgroup: /tenants/web, or /tenants/*`,
  ],
  [
    "one wrong group among several",
    '[[guard]]\nname = "a"\ncgroup = [\n  "/a",\n  "b",\n]\n',
    `5:3: guard.0.cgroup.1 = "b": a group's path begins with /, as in /proc/PID/cgroup: /tenants/web, or /tenants/*`,
  ],
  [
    "a table for groups",
    '[[guard]]\nname = "a"\ncgroup = { path = "/a" }\n',
    '3:1: guard.0.cgroup: give one path in quotes, or several: ["/a", "/b/*"]',
  ],
  [
    "a long group",
    `[[guard]]\nname = "a"\ncgroup = "/${"x".repeat(511)}"\n`,
    `3:1: guard.0.cgroup = "/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...: a group's path has at most 511 bytes`,
  ],
  [
    "a NUL in a group",
    '[[guard]]\nname = "a"\ncgroup = "/a\\u0000"\n',
    `3:1: guard.0.cgroup = "/a\\u0000": a group's path has no NUL`,
  ],
  [
    "a wrong exception",
    `${GUARD}except = "b"\n`,
    `4:1: guard.0.except = "b": a group's path begins with /, as in /proc/PID/cgroup: /tenants/web, or /tenants/*`,
  ],
  [
    "no exception",
    `${GUARD}except = []\n`,
    '4:1: guard.0.except = []: give one path in quotes, or several: ["/a", "/b/*"]',
  ],
  [
    "a delay that is a number",
    `${GUARD}delay = 100\n`,
    "4:1: guard.0.delay = 100: a duration is a number with ms, s or m, like 100ms or 2s",
  ],
  [
    "a delay without its unit",
    `${GUARD}delay = "100"\n`,
    '4:1: guard.0.delay = "100": a duration is a number with ms, s or m, like 100ms or 2s',
  ],
  [
    "a delay in hours",
    `${GUARD}delay = "1h"\n`,
    '4:1: guard.0.delay = "1h": a duration is a number with ms, s or m, like 100ms or 2s',
  ],
  [
    "a long delay",
    `${GUARD}delay = "11m"\n`,
    `4:1: guard.0.delay = "11m": a delay is at most 10m: the group's programs fail while it runs`,
  ],
  [
    "a short delay",
    `${GUARD}delay = "0.5ms"\n`,
    '4:1: guard.0.delay = "0.5ms": a delay is 0 or at least 1ms',
  ],
  [
    "a time for a delay",
    `${GUARD}delay = 00:00:01\n`,
    '4:1: guard.0.delay = "00:00:01": a duration is a number with ms, s or m, like 100ms or 2s',
  ],
  [
    "a margin that is a number",
    `${GUARD}margin = 1048576\n`,
    "4:1: guard.0.margin = 1048576: a size is a number with K, M, G or T (powers of 1024), like 64M or 1.5GiB",
  ],
  [
    "a margin with a unit of SI",
    `${GUARD}margin = "1MB"\n`,
    '4:1: guard.0.margin = "1MB": a size is a number with K, M, G or T (powers of 1024), like 64M or 1.5GiB',
  ],
  ["no margin", `${GUARD}margin = "0"\n`, '4:1: guard.0.margin = "0": a size is at least 1 byte'],
  [
    "a large margin",
    `${GUARD}margin = "2000T"\n`,
    '4:1: guard.0.margin = "2000T": no size is over 1024T',
  ],
  [
    "an order alone",
    `${GUARD}orders = "kill"\n`,
    '4:1: guard.0.orders = "kill": give them in their order, each in quotes: ["raise=64M:256M", "kill"]',
  ],
  [
    "no orders",
    `${GUARD}orders = []\n`,
    '4:1: guard.0.orders = []: give them in their order, each in quotes: ["raise=64M:256M", "kill"]',
  ],
  [
    "an order that is none",
    `${GUARD}orders = ["reclaim",\n  "kil"]\n`,
    '5:3: guard.0.orders.1 = "kil": an order is raise=SIZE or raise=SIZE:MOST, reclaim, freeze, move=GROUP, hook=PROGRAM, terminate or terminate=TIME, kill, kill=largest|newest|fastest|weight, kill-group, kill-group=all or hand-over',
  ],
  [
    "a table for an order",
    `${GUARD}orders = [{ raise = "64M" }]\n`,
    "4:11: guard.0.orders.0: an order is raise=SIZE or raise=SIZE:MOST, reclaim, freeze, move=GROUP, hook=PROGRAM, terminate or terminate=TIME, kill, kill=largest|newest|fastest|weight, kill-group, kill-group=all or hand-over",
  ],
  [
    "a raise by nothing",
    `${GUARD}orders = ["raise"]\n`,
    '4:11: guard.0.orders.0 = "raise": raise is by a size, and by at most another: raise=64M or raise=64M:256M',
  ],
  [
    "a raise by more than the most",
    `${GUARD}orders = ["raise=2M:1M"]\n`,
    '4:11: guard.0.orders.0 = "raise=2M:1M": the most that raise may add in all is no less than what it adds at once',
  ],
  [
    "a kill with a value",
    `${GUARD}orders = ["kill=java"]\n`,
    '4:11: guard.0.orders.0 = "kill=java": kill takes only =largest, =newest, =fastest or =weight',
  ],
  [
    "a kill of another group",
    `${GUARD}orders = ["kill-group=/b"]\n`,
    '4:11: guard.0.orders.0 = "kill-group=/b": kill-group takes only =all',
  ],
  [
    "a move to nowhere",
    `${GUARD}orders = ["move"]\n`,
    '4:11: guard.0.orders.0 = "move": move names a group: move=GROUP',
  ],
  [
    "a mark of the host without a unit",
    '[system]\nmemory = "x"\n',
    '2:1: system.memory = "x": give what is left as a share or a size, or two, of SIGTERM and of SIGKILL: "10%", or ["10%", "5%"]',
  ],
  [
    "a share over all",
    '[system]\nmemory = "101%"\n',
    '2:1: system.memory = "101%": a share is at most 100%',
  ],
  [
    "a second mark over the first",
    '[system]\nswap = ["5%", "10%"]\n',
    '2:1: system.swap = ["5%", "10%"]: the second, of SIGKILL, is no more than the first',
  ],
  [
    "three marks",
    '[system]\nmemory = ["3%", "2%", "1%"]\n',
    '2:1: system.memory = ["3%", "2%", "1%"]: give what is left as a share or a size, or two, of SIGTERM and of SIGKILL: "10%", or ["10%", "5%"]',
  ],
  [
    "pressure without a share",
    '[system]\npressure = { over = "60s" }\n',
    '2:1: system.pressure.at: it is missing: give a share of the time in percent, or two, of SIGTERM and of SIGKILL: ["40%", "70%"]',
  ],
  [
    "pressure over a time of one's own",
    '[system]\npressure = { at = "40%", over = "5s" }\n',
    '2:26: system.pressure.over = "5s": the kernel averages over 10s, 60s and 300s',
  ],
  [
    "a second share under the first",
    '[system]\npressure = { at = ["40%", "30%"] }\n',
    '2:14: system.pressure.at = ["40%", "30%"]: the second, of SIGKILL, is no less than the first',
  ],
  [
    "a group of the host",
    '[system]\nprefer = ["cgroup=a"]\n',
    `2:11: system.prefer.0 = "cgroup=a": cgroup= is for a guard's`,
  ],
  [
    "a power over the host by glob",
    `${GUARD}[allow]\nsystem = "/**"\n`,
    '5:1: allow.system = "/**": this is true or false, without quotes',
  ],
  [
    "a hook without a program",
    `${GUARD}orders = ["hook"]\n`,
    '4:11: guard.0.orders.0 = "hook": hook names a program by its path: hook=/usr/local/bin/free-caches',
  ],
  [
    "a hook of a shell's words",
    `${GUARD}orders = ["hook=page me"]\n`,
    '4:11: guard.0.orders.0 = "hook=page me": hook names a program by its path: hook=/usr/local/bin/free-caches',
  ],
  [
    "a hook that takes as long as the delay",
    `${GUARD}orders = ["hook=/bin/a", "kill"]\nhook_bound = "2s"\ndelay = "2s"\n`,
    '4:1: guard.0.orders = ["hook=/bin/a", "kill"]: the orders before the last may take 2 s on cgroup v1, and the delay is 2 s: give fewer orders or a longer delay',
  ],
  [
    "a bound of no hook",
    `${GUARD}hook_bound = "2s"\n`,
    '4:1: guard.0.hook_bound = "2s": it goes with an order hook=/PROGRAM',
  ],
  [
    "a bound of nothing",
    `${GUARD}orders = ["hook=/bin/a"]\nhook_bound = "0"\n`,
    '5:1: guard.0.hook_bound = "0": a bound is at least 1ms',
  ],
  [
    "a move to a group without its slash",
    `${GUARD}orders = ["move=spill"]\n`,
    '4:11: guard.0.orders.0 = "move=spill": move names one group by its path below the memory hierarchy: move=/tenants/spill',
  ],
  [
    "a move to a directory",
    `${GUARD}orders = ["move=/sys/fs/cgroup/spill"]\n`,
    '4:11: guard.0.orders.0 = "move=/sys/fs/cgroup/spill": move names one group by its path below the memory hierarchy: move=/tenants/spill',
  ],
  [
    "a move to several groups",
    `${GUARD}orders = ["move=/spill/*"]\n`,
    '4:11: guard.0.orders.0 = "move=/spill/*": move names one group by its path below the memory hierarchy: move=/tenants/spill',
  ],
  [
    "an order twice",
    `${GUARD}orders = ["raise=1M", "kill", "raise=2M"]\n`,
    '4:31: guard.0.orders.2 = "raise=2M": it is given twice',
  ],
  [
    "orders longer than their delay",
    `${GUARD}orders = ["raise=1M", "kill"]\ndelay = "10ms"\n`,
    '4:1: guard.0.orders = ["raise=1M", "kill"]: the orders before the last may take 10 ms on cgroup v1, and the delay is 10 ms: give fewer orders or a longer delay',
  ],
  [
    "orders of cgroup v2 longer than their delay",
    `${GUARD}orders = ["reclaim", "kill"]\ndelay = "100ms"\n`,
    '4:1: guard.0.orders = ["reclaim", "kill"]: the orders before the last may take 100 ms on cgroup v2, and the delay is 100 ms: give fewer orders or a longer delay',
  ],
  [
    "orders longer than any host's delay",
    `${GUARD}orders = ["raise=1M", "move=/b", "kill", "kill-group", "kill-group=all"]\n`,
    '4:1: guard.0.orders = ["raise=1M", "move=/b", "kill", "kill-group", "kill-group=all"]: the orders before the last may take 150 ms on cgroup v1, and the delay is 100 ms: give fewer orders or a longer delay',
  ],
  [
    "an order behind the hand-over",
    `${GUARD}orders = ["raise=1M", "hand-over", "kill"]\n`,
    '4:1: guard.0.orders = ["raise=1M", "hand-over", "kill"]: hand-over comes last: kill behind it would never be carried out',
  ],
  [
    "several orders without a delay",
    `${GUARD}orders = ["kill", "kill-group"]\ndelay = "0"\n`,
    '4:1: guard.0.orders = ["kill", "kill-group"]: the orders before the last may take 50 ms on cgroup v1, and the delay is 0 ms: give fewer orders or a longer delay',
  ],
  [
    "a handler that its own order would kill",
    `${GUARD}orders = ["kill-group=all"]\n[handler]\nwhere = "inside"\n`,
    '6:1: handler.where = "inside": kill-group=all of guard a would kill the handler',
  ],
  [
    "a number for the power over limits",
    `${GUARD}[allow]\nlimits = 1\n`,
    '5:1: allow.limits = 1: give true, false, or the groups it holds for: "/tenants/*"',
  ],
  [
    "a wrong group of a denied move",
    `${GUARD}[deny]\nmove = ["/a", "b"]\n`,
    `5:15: deny.move.1 = "b": a group's path begins with /, as in /proc/PID/cgroup: /tenants/web, or /tenants/*`,
  ],
  [
    "a number for a power",
    `${GUARD}[allow]\nkill = 1\n`,
    '5:1: allow.kill = 1: give true, false, or the groups it holds for: "/tenants/*"',
  ],
  [
    "a word for a power",
    `${GUARD}[allow]\nkill = "yes"\n`,
    `5:1: allow.kill = "yes": a group's path begins with /, as in /proc/PID/cgroup: /tenants/web, or /tenants/*`,
  ],
  [
    "a wrong group of a power",
    `${GUARD}[allow]\nkill = ["/a", "b"]\n`,
    `5:15: allow.kill.1 = "b": a group's path begins with /, as in /proc/PID/cgroup: /tenants/web, or /tenants/*`,
  ],
  [
    "a denied power that is text",
    `${GUARD}[deny]\nkill = "all"\n`,
    `5:1: deny.kill = "all": a group's path begins with /, as in /proc/PID/cgroup: /tenants/web, or /tenants/*`,
  ],
  [
    "a power that is no table",
    `allow = true\n${GUARD}`,
    "1:1: allow = true: it has keys of its own and no value",
  ],
  [
    "an address without its port",
    `${GUARD}[feed]\nlisten = "127.0.0.1"\n`,
    '5:1: feed.listen = "127.0.0.1": an address is HOST:PORT, like 127.0.0.1:7461 or [::1]:7461, unix:PATH[,MODE], or none',
  ],
  [
    "a port that is too high",
    `${GUARD}[feed]\nlisten = "127.0.0.1:70000"\n`,
    '5:1: feed.listen = "127.0.0.1:70000": a port is at most 65535',
  ],
  [
    "a port alone",
    `${GUARD}[feed]\nlisten = 7461\n`,
    "5:1: feed.listen = 7461: an address is HOST:PORT, like 127.0.0.1:7461 or [::1]:7461, unix:PATH[,MODE], or none",
  ],
  [
    "a token that is text",
    `${GUARD}[feed]\ntoken = "secret"\n`,
    '5:1: feed.token = "secret": this is true or false, without quotes',
  ],
  [
    "a watch that is text",
    `${GUARD}[reload]\nwatch = "yes"\n`,
    '5:1: reload.watch = "yes": this is true or false, without quotes',
  ],
  [
    "a handler somewhere else",
    `${GUARD}[handler]\nwhere = "above"\n`,
    '5:1: handler.where = "above": the handler runs outside or inside, or is designated',
  ],
  [
    "a handler that is text",
    `handler = "inside"\n${GUARD}`,
    '1:1: handler = "inside": it has keys of its own and no value',
  ],
  [
    "an empty command",
    `${GUARD}[allow]\nkill = true\n[handler]\ncommand = " "\n`,
    '7:1: handler.command = " ": a command names a program',
  ],
  [
    "a command that is a list",
    `${GUARD}[allow]\nkill = true\n[handler]\ncommand = ["a", "b"]\n`,
    '7:1: handler.command = ["a", "b"]: a command is text, in quotes',
  ],
  [
    "a command with a handler inside",
    `${GUARD}[allow]\nkill = true\n[handler]\nwhere = "inside"\ncommand = "h"\n`,
    '8:1: handler.command = "h": it does not go with where = "inside"',
  ],
  [
    "a socket for nobody",
    `${GUARD}[handler]\nsocket = "/run/x.sock"\n`,
    '5:1: handler.socket = "/run/x.sock": it goes with where = "designated", or with a command',
  ],
  [
    "a mode for nobody",
    `${GUARD}[handler]\nmode = "0600"\n`,
    '5:1: handler.mode = "0600": it goes with where = "designated", or with a command',
  ],
  [
    "a designated handler without power",
    `${GUARD}[handler]\nwhere = "designated"\n`,
    "4:1: handler: a designated handler goes with [allow] kill: who only observes holds no group",
  ],
  [
    "a command without power",
    `${GUARD}[handler]\ncommand = "h"\n`,
    "4:1: handler: a designated handler goes with [allow] kill: who only observes holds no group",
  ],
  [
    "a socket that is not absolute",
    `${GUARD}[allow]\nkill = true\n[handler]\nwhere = "designated"\nsocket = "x"\n`,
    `8:1: handler.socket = "x": a socket's path is absolute`,
  ],
  [
    "a long socket",
    `${GUARD}[allow]\nkill = true\n[handler]\nwhere = "designated"\nsocket = "/${"x".repeat(107)}"\n`,
    `8:1: handler.socket = "/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...: a socket's path has at most 107 bytes`,
  ],
  [
    "a mode that is a number",
    `${GUARD}[allow]\nkill = true\n[handler]\nwhere = "designated"\nmode = 0o660\n`,
    "8:1: handler.mode = 432: a mode is three octal digits, like 0660",
  ],
  [
    "a mode that is not octal",
    `${GUARD}[allow]\nkill = true\n[handler]\nwhere = "designated"\nmode = "0689"\n`,
    '8:1: handler.mode = "0689": a mode is three octal digits, like 0660',
  ],
  [
    "a name that would steer a terminal",
    '[[guard]]\nname = "\\u001b[2J"\ncgroup = "/a"\n',
    '2:1: guard.0.name = "\\u001b[2J": a name is 1 to 64 of the characters A-Z a-z 0-9 . _ -',
  ],
  [
    "a key that would steer a terminal",
    `${GUARD}"\\u001b[2J" = 1\n`,
    "4:1: guard.0.�[2J: there is no such key, but name, cgroup, except, delay, margin, when, orders, hook_bound, prefer, avoid, caps, sampling",
  ],
  [
    "a cap of nothing",
    `${GUARD}caps = { incident = 0 }\n`,
    "4:10: guard.0.caps.incident = 0: at least 1; without [allow] kill nobody is killed",
  ],
  [
    "a cap above the core's own",
    `${GUARD}caps = { incident = 33 }\n`,
    "4:10: guard.0.caps.incident = 33: at most 32",
  ],
  [
    "half a kill",
    `${GUARD}[caps]\nhour = 0.5\n`,
    "5:1: caps.hour = 0.5: a number of kills is whole",
  ],
  [
    "a cap in quotes",
    `${GUARD}[caps]\nhour = "5"\n`,
    '5:1: caps.hour = "5": this is a number of kills, without quotes',
  ],
  [
    "a cap of the host for an incident",
    `${GUARD}[caps]\nincident = 5\n`,
    "5:1: caps.incident: there is no such key, but hour",
  ],
  [
    "one who is preferred by nothing",
    `${GUARD}prefer = ["java"]\n`,
    '4:11: guard.0.prefer.0 = "java": who is meant is told by name=, exe=, cgroup= or uid=, several with commas between, and weight= behind: name=java*,uid=1000,weight=8',
  ],
  [
    "a rule that is no list",
    `${GUARD}prefer = "name=java"\n`,
    '4:1: guard.0.prefer = "name=java": give rules in quotes, in a list: ["name=java*", "uid=1000,weight=8"]',
  ],
  [
    "a rule as a table",
    `${GUARD}avoid = [{ name = "sshd" }]\n`,
    "4:10: guard.0.avoid.0: who is meant is told by name=, exe=, cgroup= or uid=, several with commas between, and weight= behind: name=java*,uid=1000,weight=8",
  ],
  [
    "a weight alone",
    `${GUARD}prefer = ["weight=8"]\n`,
    '4:11: guard.0.prefer.0 = "weight=8": who is meant is told by name=, exe=, cgroup= or uid=, several with commas between, and weight= behind: name=java*,uid=1000,weight=8',
  ],
  [
    "a preference that makes lighter",
    `${GUARD}prefer = ["name=java,weight=0.5"]\n`,
    '4:11: guard.0.prefer.0 = "name=java,weight=0.5": the weight of prefer is over 1, and at most 40',
  ],
  [
    "an avoidance that makes heavier",
    `${GUARD}avoid = ["name=java,weight=2"]\n`,
    '4:10: guard.0.avoid.0 = "name=java,weight=2": the weight of avoid is below 1; 0: last of all',
  ],
  [
    "a user by name",
    `${GUARD}avoid = ["uid=root"]\n`,
    `4:10: guard.0.avoid.0 = "uid=root": uid is a user's number`,
  ],
  [
    "a program by its name",
    `${GUARD}avoid = ["exe=sshd"]\n`,
    '4:10: guard.0.avoid.0 = "exe=sshd": exe is the path of the program: /usr/bin/java, or **/java',
  ],
  [
    "a name that no process can have",
    `${GUARD}avoid = ["name=systemd-journald"]\n`,
    `4:10: guard.0.avoid.0 = "name=systemd-journald": a process's name has at most 15 bytes: give its beginning and a *`,
  ],
  [
    "a child group with the path of a group",
    `${GUARD}avoid = ["cgroup=/a/b"]\n`,
    '4:10: guard.0.avoid.0 = "cgroup=/a/b": cgroup is a path below the guarded group, without a / first',
  ],
  [
    "a condition twice",
    `${GUARD}avoid = ["uid=1,uid=2"]\n`,
    '4:10: guard.0.avoid.0 = "uid=1,uid=2": uid= is given twice',
  ],
  [
    "stray stars in a rule",
    `${GUARD}avoid = ["name=java**"]\n`,
    '4:10: guard.0.avoid.0 = "name=java**": ** stands for whole levels, as in /a/**/b',
  ],
  [
    "too many rules",
    `${GUARD}prefer = [${'"name=a", '.repeat(9)}]\navoid = [${'"name=a",'.repeat(8)}]\n`,
    '4:1: guard.0.prefer = ["name=a", "name=a", "name=a", "name=a", "name=a", "name=a", "name=a", "name=a",...: prefer and avoid have at most 16 rules together',
  ],
  [
    "a time that is none",
    `${GUARD}orders = ["terminate=soon"]\n`,
    '4:11: guard.0.orders.0 = "terminate=soon": terminate takes the time from SIGTERM to SIGKILL: terminate=40ms',
  ],
  [
    "a SIGKILL that would come too late",
    `${GUARD}orders = ["terminate=2s"]\ndelay = "2s"\n`,
    '4:1: guard.0.orders = ["terminate=2s"]: the orders may take 2.05 s on cgroup v1, and the delay is 2 s: give fewer orders or a longer delay',
  ],
  [
    "a kill that is nobody's",
    `${GUARD}orders = ["kill=oldest"]\n`,
    '4:11: guard.0.orders.0 = "kill=oldest": kill takes only =largest, =newest, =fastest or =weight',
  ],
  [
    "another time",
    `${GUARD}when = "after"\n`,
    '4:1: guard.0.when = "after": when is at-oom, or before',
  ],
  [
    "before, without a delay",
    `${GUARD}when = "before"\ndelay = "0"\n`,
    '4:1: guard.0.when = "before": what is done before the limit takes a delay: give one, or when = "at-oom"',
  ],
  [
    "before, by somebody else",
    `${GUARD}when = "before"\n[allow]\nkill = true\n[handler]\nwhere = "designated"\n`,
    "7:1: handler: a designated handler answers at the OOM: before it only reprieve's own acts",
  ],
];
