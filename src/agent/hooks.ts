// SPDX-License-Identifier: MIT
/**
 * The programs of the order "hook": started when the responder asks for one, and looked after to its end.
 *
 * Nobody waits for us: a hook that is late, hangs or does not start costs its incident the order's bound and no more.
 * Output goes into a pipe that is read once, at the end: who writes more than that holds is stopped by it, and nothing
 * here has to keep up.
 */

import { closeSync, readSync } from "node:fs";
import { constants } from "node:os";
import { whyNotRun } from "../cgroup/trust.ts";
import type { Core } from "../native/core.ts";
import type { CoreImage } from "../native/embed.ts";
import type { GuardOrders, Hook } from "../native/guard-orders.ts";
import { limit } from "../native/layout.ts";
import type { AskedHook, Region } from "../native/region.ts";
import { visible } from "../shown.ts";
import { type Draft, hookResult, idOf } from "./incidents.ts";

/** Behind its bound, then it is killed: to tell somebody may take longer than an OOM may. */
const GRACE_MS = 5000;
/** A hundred groups may be in OOM at once, on a host that has little left. */
const AT_ONCE_MOST = 16;
const OUTPUT_MOST_BYTES = 4096;
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

interface HookSetup {
  readonly core: Core;
  readonly image: CoreImage;
  readonly region: Region;
  readonly send: (drafts: readonly Draft[]) => void;
  readonly say: (text: string) => void;
}

interface Hooked {
  readonly hook: Hook;
  readonly guard: GuardOrders;
}

/** What is told of one. */
interface About {
  readonly type: "hook";
  readonly guard: string;
  readonly incident: string;
  readonly id: string;
  readonly program: string;
}

interface Running {
  readonly asked: AskedHook;
  readonly about: About;
  readonly pid: number;
  readonly exited: Promise<number>;
  /** The pipe's end. */
  readonly output: number;
  readonly startedMs: number;
  readonly bound: Timer;
}

interface Refused {
  readonly errno: keyof typeof constants.errno;
  readonly why: string;
}

export class Hooks {
  readonly #setup: HookSetup;
  /** By guard. */
  readonly #hooks = new Map<number, Hooked>();
  readonly #running = new Map<number, Running>();
  #isStopped = false;

  constructor(setup: HookSetup) {
    this.#setup = setup;
  }

  /** From now on the place is that guard's. */
  begin(index: number, guard: GuardOrders): void {
    const hook = guard.orders.find((one) => one.order === "HOOK");
    if (hook !== undefined && guard.allowHooks) this.#hooks.set(index, { hook, guard });
  }

  /** One that is at work goes on to its bound. */
  end(index: number): void {
    this.#hooks.delete(index);
  }

  /** Starts what is asked for; after each wake. What is told of it comes back, for what is told of the incident goes first. */
  turn(): Draft[] {
    if (this.#isStopped) return [];
    return [...this.#hooks].flatMap(([index, hooked]) => {
      const asked = this.#setup.region.askedHook(index);
      return asked === undefined ? [] : [this.#start(index, hooked, asked)];
    });
  }

  /** Kills them. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    const all = [...this.#running.values()];
    for (const { pid } of all) killGroup(pid);
    await Promise.all(all.map(({ exited }) => exited));
  }

  // --- internal ---

  #start(guard: number, hooked: Hooked, asked: AskedHook): Draft {
    const { region, say } = this.#setup;
    const { hook } = hooked;
    const { name } = hooked.guard;
    const [program] = hook.argv;
    const incident = `${name}#${asked.incident}`;
    const id = idOf(region.run, guard, asked.incident);
    const about: About = { type: "hook", guard: name, incident, id, program };
    const refused = this.#whyNot(guard, program) ?? this.#run(guard, hooked, asked, about);
    const running = this.#running.get(guard);
    if (refused === undefined) {
      region.beginHook(guard, asked);
      return { ...about, event: "started", pid: running?.pid ?? 0, result: "ok" };
    }
    region.endHook(guard, asked, -constants.errno[refused.errno]);
    say(`${visible(name)}: cannot run ${visible(program)}: ${visible(refused.why)}`);
    return { ...about, event: "failed", result: refused.errno };
  }

  #whyNot(guard: number, program: string): Refused | undefined {
    if (this.#running.has(guard)) return { errno: "EBUSY", why: "it is still at work" };
    if (this.#running.size < AT_ONCE_MOST) return whyNotRun(program);
    return { errno: "EAGAIN", why: `${AT_ONCE_MOST} hooks are at work` };
  }

  #run(guard: number, hooked: Hooked, asked: AskedHook, about: About): Refused | undefined {
    const { core, image } = this.#setup;
    const { hook } = hooked;
    const words = [String(process.pid), hook.argv[0], ...hook.argv];
    const { read, write } = core.pipe();
    try {
      const { pid, exited } = Bun.spawn([image.path, "hook", ...words], {
        env: this.#environmentOf(guard, hooked, about),
        cwd: "/",
        detached: true,
        stdio: ["ignore", write, write],
        onExit: (_, code, signal) => this.#ended(guard, code, numberOf(signal)),
      });
      const bound = setTimeout(() => killGroup(pid), (hook.boundMs ?? 0) + GRACE_MS);
      const startedMs = performance.now();
      this.#running.set(guard, { asked, about, pid, exited, output: read, startedMs, bound });
      return undefined;
    } catch (error) {
      closeSync(read);
      const { code = "EIO", message } = error as NodeJS.ErrnoException;
      return { errno: code as Refused["errno"], why: message };
    } finally {
      closeSync(write);
    }
  }

  #environmentOf(index: number, { hook, guard }: Hooked, { guard: name, incident }: About) {
    const { usageBytes, limitBytes } = this.#setup.region.usage(index);
    return {
      PATH,
      REPRIEVE_GUARD: name,
      REPRIEVE_CGROUP: guard.path,
      REPRIEVE_INCIDENT: incident,
      REPRIEVE_USAGE_BYTES: String(usageBytes),
      ...(limitBytes !== null && { REPRIEVE_LIMIT_BYTES: String(limitBytes) }),
      REPRIEVE_BOUND_MS: String(hook.boundMs ?? 0),
    };
  }

  #ended(guard: number, code: number | null, signal: number | null): void {
    const { region, send, say } = this.#setup;
    const running = this.#running.get(guard);
    if (running === undefined) return;
    const { asked, about, pid, output, startedMs, bound } = running;
    this.#running.delete(guard);
    clearTimeout(bound);
    killGroup(pid); // what it has left behind
    const status = signal === null ? (code ?? 0) : limit.HOOK_SIGNAL + signal;
    region.endHook(guard, asked, status);
    const said = textIn(output);
    const result = hookResult({ arg: status, result: 0 });
    const durationMs = Math.round(performance.now() - startedMs);
    const how = signal === null ? { exit_code: status } : { signal: result };
    send([{ ...about, event: "ended", pid, ...how, duration_ms: durationMs, result }]);
    // It may hold secrets: to the person, and never to the feed.
    if (said !== "") say(`${visible(about.guard)}: its hook says: ${said}`);
  }
}

// --- internal ---

function numberOf(signal: number | NodeJS.Signals | null): number | null {
  return typeof signal === "string" ? constants.signals[signal] : signal;
}

/** Of processes: it leads one. */
function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // Nobody is left of it.
  }
}

/** The first of what was written, in one line; closes it. */
function textIn(pipe: number): string {
  const bytes = Buffer.alloc(OUTPUT_MOST_BYTES);
  let count = 0;
  try {
    count = readSync(pipe, bytes);
  } catch {
    // EAGAIN: nothing, and somebody who has left its group could still write.
  }
  closeSync(pipe);
  const lines = bytes
    .toString("utf8", 0, count)
    .split("\n")
    .map((line) => line.trim());
  return visible(lines.filter((line) => line !== "").join(" | "));
}
