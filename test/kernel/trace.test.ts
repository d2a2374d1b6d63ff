// SPDX-License-Identifier: MIT
/** The system calls of the event path, traced through a real OOM, against an allow-list. */
import { afterEach, expect, test } from "bun:test";
import { readFileSync, rmSync } from "node:fs";
import { cleanUp } from "../helpers/clean.ts";
import { kill } from "../helpers/group.ts";
import { memory } from "../helpers/memory.ts";
import type { Role } from "../helpers/reprieve.ts";
import { describeWith, kernelTest, program } from "../helpers/require.ts";
import { Scene } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";

const BOUND_MS = 20_000;
/**
 * None of these allocates in a full group when its descriptor was opened, and read once, before.
 */
const READS = [
  ...["clock_gettime", "epoll_wait", "epoll_pwait", "poll", "ppoll", "pread64", "read"],
  // On v2 an event is asked for again once it was read, and how much swap is left is asked.
  ...(memory.version === 1 ? [] : ["epoll_ctl", "sysinfo"]),
];
const RESPONDER = [
  ...READS,
  "write",
  "getrusage",
  "kill",
  "pidfd_send_signal",
  "process_mrelease",
  "restart_syscall",
];
const TRIES = 5;
const WATCHER = [
  ...READS,
  "write",
  "pwrite64",
  "kill",
  "pidfd_send_signal",
  "restart_syscall",
  "close", // of the pidfd of a handler that died
  ...(memory.version === 1 ? ["statx"] : []), // with the counters: which group is its parent
];
/** Before the group is held, its counters are opened; once it is the kernel's, children are looked for. */
const OPENS = ["openat", "getdents64"];
/** On v2 he who leaks may sleep on for 2 s: by then there is another handler. */
const FOLLOWS = memory.version === 1 ? [] : ["pidfd_open"];

interface Call {
  readonly thread: number;
  readonly name: string;
  readonly args: string;
}

afterEach(cleanUp);

/** "PID name(args..." and "PID <... name resumed>"; the second form is the same call's end. */
function parse(text: string): Call[] {
  return [...text.matchAll(/^(\d+) +(\w+)\((.*)$/gm)].map(([, thread, name = "", args = ""]) => ({
    thread: Number(thread),
    name,
    args,
  }));
}

/** Traces one process through the body. */
async function traced(pid: number, body: () => Promise<unknown>): Promise<Call[]> {
  const file = `/dev/shm/reprieve-test-trace-${process.pid}-${pid}`;
  const strace = Bun.spawn(["strace", "-f", "-y", "-qq", "-o", file, "-p", String(pid)], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  try {
    await until("the tracer to be there", () =>
      /^TracerPid:\t[1-9]/m.test(readFileSync(`/proc/${pid}/status`, "utf8")),
    );
    await body();
  } finally {
    kill(strace.pid, "SIGINT");
    await strace.exited;
  }
  const calls = parse(readFileSync(file, "utf8"));
  rmSync(file);
  return calls;
}

/** On v2 the ledger knows what memory.high was before it is set. */
const switchWrite = new RegExp(`^\\d+<[^>]*/(${memory.switchFile}|ledger)>`);
/** A watcher is never in a full group. */
const counterOpened = /^\d+<[^>]*\/reprieve-kernel-[^>]*>, "memory\./;

function expectOnly(calls: readonly Call[], allowed: readonly string[]): void {
  const others = calls.filter((call) => !allowed.includes(call.name));
  expect(others).toEqual([]);
  for (const { name, args } of calls) {
    // A pipe or a socket would take memory of the full group.
    if (name === "write") expect(args).toMatch(/^\d+<anon_inode:\[eventfd\]>/);
    if (name === "pwrite64") expect(args).toMatch(switchWrite);
    if (name === "openat" && !allowed.includes("getdents64")) expect(args).toMatch(counterOpened);
    if (name !== "epoll_ctl" || allowed.includes("pidfd_open")) continue;
    expect(args).toMatch(/ EPOLL_CTL_MOD, \d+<[^>]*\/memory\.events(\.local)?>/);
  }
}

describeWith("the event path", [...kernelTest, program("strace", "apt-get install strace")], () => {
  for (const place of ["outside", "inside"]) {
    test(
      `the responder ${place} makes no call that is not on the list`,
      async () => {
        const scene = await Scene.set(["--handler", place]);
        let calls: Call[] = [];
        let killer: Call | undefined;
        // A tracer makes it slow: the kernel may be first, and a handler that was too slow is another by then.
        for (let tries = 0; killer === undefined && tries < TRIES; tries += 1) {
          const pid = await scene.reprieve.helper("handler");
          calls = await traced(pid, () => scene.leak());
          killer = calls.find(({ name }) => name === "pidfd_send_signal" || name === "kill");
          await Bun.sleep(300); // until it has attached the guard again
        }
        expect(killer).toBeDefined();
        // The sampler is the other thread: it runs while there is memory, and may open files.
        const responder = calls.filter((call) => call.thread === killer?.thread);
        expectOnly(responder, RESPONDER);
        await scene.end();
      },
      BOUND_MS,
    );
  }

  for (const role of ["watchdog", "spare"] as const satisfies readonly Role[]) {
    test(
      `the ${role} makes no call that is not on the list until the hand-over`,
      async () => {
        const scene = await Scene.set();
        await scene.reprieve.settled(role);
        kill(await scene.reprieve.helper("handler"), "SIGSTOP");
        const pid = await scene.reprieve.helper(role);
        // Its other threads sleep until there is a threshold to be set.
        const all = await traced(pid, () => scene.leak());
        const calls = all.filter(({ thread }) => thread === pid);
        const written = (text: string) =>
          calls.findIndex(({ name, args }) => name === "pwrite64" && args.includes(`"${text}"`));
        const handOver = written(memory.letGo);
        expect(handOver >= 0).toBe(role === "watchdog"); // the spare acts only where it did not
        // The spare walks the children for the owner, as soon as the group is the kernel's.
        // The counters are opened when the group comes near, and before it is held: on v2, where it always is, at the event.
        const before = calls.slice(Math.max(0, written("1")), handOver + 1);
        expect(calls.length).toBeGreaterThan(0);
        expectOnly(before, memory.armsLate ? WATCHER : [...WATCHER, "openat"]);
        expectOnly(calls, [...WATCHER, ...OPENS, ...FOLLOWS]);
        await scene.end();
      },
      BOUND_MS,
    );
  }
});
