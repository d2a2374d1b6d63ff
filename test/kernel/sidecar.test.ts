// SPDX-License-Identifier: MIT
/**
 * The image in containers, as dist/docs/sidecar.md has it: process 1 around an app, or beside one, as a user with next to no
 * capabilities, in its own memory limit.
 */
import { afterEach, expect, test } from "bun:test";
import { chmodSync, existsSync, readFileSync, statSync } from "node:fs";
import { constants } from "node:os";
import { cleanUp } from "../helpers/clean.ts";
import {
  bind,
  CAPABILITIES,
  Container,
  OWN_GROUPS,
  type Place,
  UNHURRIED,
} from "../helpers/container.ts";
import { kill } from "../helpers/group.ts";
import { memory } from "../helpers/memory.ts";
import { Pod } from "../helpers/pod.ts";
import type { Ended } from "../helpers/reprieve.ts";
import { describeWith, kernelTest, onlyOnV1, program } from "../helpers/require.ts";
import { LEAK_KB } from "../helpers/scene.ts";
import { START_BOUND_MS, until } from "../helpers/wait.ts";
import { Board } from "../helpers/workload.ts";

const needs = [
  ...kernelTest,
  program("runc", "apt-get install runc"),
  program("readelf", "binutils"),
  program("prlimit", "util-linux"),
];
const QUIET = ["--journal", "none", "--listen", "none"];
const USER = 65532;
const SIGNALS = [
  "SIGTERM",
  "SIGINT",
  "SIGHUP",
  "SIGQUIT",
  "SIGUSR1",
  "SIGUSR2",
  "SIGWINCH",
] as const;

afterEach(cleanUp);

describeWith("as process 1 of the app's container", needs, () => {
  const place: Place = { hierarchy: OWN_GROUPS, limitMb: 192 };

  async function around(app: readonly string[], more: Place = {}): Promise<Ended> {
    const container = new Container(["run", "--limit", "64M", ...QUIET, "--", ...app], {
      ...place,
      ...more,
    });
    return container.start().ended();
  }

  test("the app's exit code is the container's", async () => {
    expect((await around(["/app", "exit", "0"])).code).toBe(0);
    expect((await around(["/app", "exit", "42"])).code).toBe(42);
    expect((await around(["/app", "die", "15"])).code).toBe(128 + 15);
    expect((await around(["/none"])).code).toBe(127);
  });

  test("with less than 80 MiB for both it refuses", async () => {
    const ended = await around(["/app", "exit", "0"], { limitMb: 79 });
    expect(ended.code).toBe(69);
    expect(ended.err).toMatch(/has a limit of 79.0 MiB, and below 80.0 MiB/);
  });

  test("each signal comes to the app, once", async () => {
    const args = ["run", "--limit", "64M", ...QUIET, "--", "/app", "count", String(SIGNALS.length)];
    const container = new Container(args, place);
    const reprieve = container.start();
    await until("the app", () => reprieve.out.includes("ready"));
    for (const [i, signal] of SIGNALS.entries()) {
      Bun.spawnSync(["runc", "kill", container.name, signal]);
      await until(signal, () => reprieve.out.trim().split("\n").length === i + 2);
    }
    const ended = await reprieve.ended();
    const numbers = SIGNALS.map((signal) => String(constants.signals[signal]));
    expect(ended.out.trim().split("\n")).toEqual(["ready", ...numbers]);
    expect(ended.code).toBe(7);
  });

  test("orphans do not stay zombies", async () => {
    const ended = await around(["/app", "orphans", "20"]);
    const out = expect.stringMatching(/^\d+ zombies, then 0\n$/);
    expect(ended).toMatchObject({ out, code: 0 });
  });

  test.each([
    ["root without any capability", 0, []],
    ["a user with CAP_DAC_OVERRIDE", USER, ["CAP_DAC_OVERRIDE"]],
  ] as const)(
    "as %s the app's OOM is resolved, within the container's own group",
    async (_, uid, capabilities) => {
      const board = new Board();
      chmodSync(board.file, 0o666);
      const leak = ["/dev/shm/board", "0", "-", "touch", "0", String(LEAK_KB), "4", "0", "1"];
      const flags = ["--limit", "48M", "--json", ...UNHURRIED, ...QUIET];
      const container = new Container(["run", ...flags, "--", "/workload", ...leak], {
        ...place,
        uid,
        capabilities,
        mounts: [bind(board.file, "/dev/shm/board", ["rw"])],
      });
      const reprieve = container.start();
      await reprieve.armed();
      const guarded = String(reprieve.messages.find(({ type }) => type === "armed")?.guard);
      expect(existsSync(`${container.group}/${guarded}`)).toBe(true);
      await until("the leaker", () => board.first().word("ready") === 1);
      board.first().go();
      const closed = await reprieve.message("incident.closed");
      expect(closed.outcome).toBe("relieved");
      expect((await reprieve.ended()).code).toBe(128 + 9);
    },
  );
});

describeWith("beside the app, in its pod", needs, () => {
  const LEAST = ["CAP_DAC_OVERRIDE", "CAP_KILL"];
  const place: Place = { uid: USER, capabilities: LEAST, limitMb: 128 };

  /** An OOM of the app's, while it is guarded from there. */
  async function resolved(pod: Pod, { reprieve }: ReturnType<Pod["sidecar"]>) {
    await reprieve.armed();
    const leaker = await pod.leaker();
    await leaker.leak();
    const closed = await reprieve.message("incident.closed");
    const kills = reprieve.messages.filter(({ step }) => step === "kill");
    return { outcome: closed.outcome, kills, reason: closed.reason };
  }

  /** Ends it as its runtime does, and with it all that it has changed. */
  async function stopped({ container, reprieve }: ReturnType<Pod["sidecar"]>): Promise<Ended> {
    Bun.spawnSync(["runc", "kill", container.name, "SIGTERM"]);
    return reprieve.ended();
  }

  test.each([
    ["of another user, with 96 MiB", USER, 0, LEAST, 96],
    ["of its own user, without CAP_KILL", USER, USER, ["CAP_DAC_OVERRIDE"], 128],
    ["of another user, by root with CAP_KILL alone", 0, USER, ["CAP_KILL"], 128],
  ] as const)(
    "a leaker %s is killed, and the app lives on",
    async (_, uid, appUid, capabilities, limitMb) => {
      const pod = await Pod.set(appUid);
      const sidecar = pod.sidecar({ ...place, uid, capabilities, limitMb });
      const { outcome, kills } = await resolved(pod, sidecar);
      expect(outcome).toBe("relieved");
      expect(kills).toMatchObject([{ result: "ok" }]);
      expect(pod.app.procs().length).toBe(1);
      expect((await stopped(sidecar)).code).toBe(0);
      expect(pod.app.oom().held).toBe(false);
      expect(sidecar.reprieve.err).not.toContain("not locked");
    },
  );

  test("without CAP_KILL a leaker of another user is the kernel's, which is said at the start", async () => {
    const pod = await Pod.set();
    const sidecar = pod.sidecar({ ...place, capabilities: ["CAP_DAC_OVERRIDE"] });
    const { outcome, kills } = await resolved(pod, sidecar);
    expect(sidecar.reprieve.err).toMatch(/process \d+ in .* cannot be killed.* give CAP_KILL/);
    expect(kills).toMatchObject([{ result: "EPERM" }]);
    expect(outcome).toBe("handed-over");
    await stopped(sidecar);
  });

  test("without CAP_DAC_OVERRIDE it refuses, and has changed nothing", async () => {
    const pod = await Pod.set();
    const { reprieve } = pod.sidecar({ ...place, capabilities: ["CAP_KILL"] });
    const ended = await reprieve.ended();
    expect(ended.code).toBe(77);
    expect(ended.err).toContain("cannot guard");
    expect(ended.err).toContain("(EACCES): run as root, or in a group that is yours");
    expect(pod.app.oom().held).toBe(false);
  });

  test("where it may lock next to nothing that is said, and the OOM is resolved", async () => {
    const pod = await Pod.set();
    const sidecar = pod.sidecar(place, ["prlimit", "--memlock=65536:65536"]);
    const { outcome } = await resolved(pod, sidecar);
    expect(sidecar.reprieve.err).toContain("the helpers' memory is not locked (ENOMEM)");
    expect(outcome).toBe("relieved");
    await stopped(sidecar);
  });

  test("with less than 80 MiB it refuses, and says what to give", async () => {
    const pod = await Pod.set();
    const { reprieve } = pod.sidecar({ ...place, limitMb: 79 });
    const ended = await reprieve.ended();
    expect(ended.code).toBe(69);
    expect(ended.err).toMatch(/has a limit of 79.0 MiB, and below 80.0 MiB .*: give it 128 MiB/);
  });

  // Its runtime kills who is left within milliseconds; watchers that have no CPU until then are too late: dist/docs/sidecar.md.
  test("after its own OOM the kernel's killer is back, when its watchers get a CPU before its runtime has killed them", async () => {
    const pod = await Pod.set();
    const { container, reprieve } = pod.sidecar(place);
    await reprieve.armed();
    await pod.leaker();
    expect(pod.app.oom().held).toBe(true);
    await pod.starve(container, () => kill(reprieve.pid, "SIGSTOP"));
    await until("the killer to be back", () => !pod.app.oom().held);
    kill(reprieve.pid, "SIGCONT");
    expect((await reprieve.ended()).code).toBe(128 + 9);
  });

  test("killed whole it leaves the app's group held on v1, until its next start; on v2 the watchers put back", async () => {
    const pod = await Pod.set();
    const first = pod.sidecar(place);
    await first.reprieve.armed();
    await pod.leaker();
    Bun.spawnSync(["runc", "kill", "--all", first.container.name, "SIGKILL"]);
    await first.reprieve.ended();
    if (memory.version === 1) expect(pod.app.oom().held).toBe(true);
    else await until("the watchers to have put back", () => !pod.app.oom().held);
    const second = pod.sidecar(place);
    await second.reprieve.armed();
    expect((await stopped(second)).code).toBe(0);
    expect(pod.app.oom().held).toBe(false);
  });

  const caching = onlyOnV1("what says what is cached is not in the VM");

  caching("the pages of its file, which would be charged to it, go back", async () => {
    const pod = await Pod.set();
    const sidecar = pod.sidecar(place);
    const file = `${sidecar.container.bundle.root}/usr/bin/reprieve`;
    readFileSync(file); // all of it is cached
    const { size } = statSync(file);
    const cached = () => Number(Bun.spawnSync(["fincore", "-nb", "-o", "RES", file]).stdout);
    expect(cached()).toBeGreaterThan(0.95 * size);
    await until("most of it to go", () => cached() < 0.8 * size, START_BOUND_MS);
    await stopped(sidecar);
  });

  test("process 1 of the pid namespace that it shares is left to the kernel", async () => {
    const { pod, leaker } = await Pod.ofLeaker();
    const { reprieve } = pod.sidecar({ capabilities: CAPABILITIES });
    await reprieve.armed();
    pod.leak();
    expect((await leaker.ended()).code).toBe(128 + 9);
    await reprieve.ended();
    expect(reprieve.messages.filter(({ step }) => step === "kill")).toEqual([]);
  });
});
