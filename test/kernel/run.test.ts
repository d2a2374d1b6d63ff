// SPDX-License-Identifier: MIT
/**
 * `reprieve run -- CMD` and observing: exit codes, signals, what is left, and every line on the
 * schemas.
 */
import { afterEach, expect, test } from "bun:test";
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import * as v from "valibot";
import { Message } from "../../src/feed/protocol.ts";
import { fixture } from "../helpers/build.ts";
import { cleanUp } from "../helpers/clean.ts";
import { Group, kill } from "../helpers/group.ts";
import { memory } from "../helpers/memory.ts";
import { binary, memoryRoot, runBase } from "../helpers/paths.ts";
import { type Ended, leftoversOf, Reprieve } from "../helpers/reprieve.ts";
import { describeWith, kernelTest, program } from "../helpers/require.ts";
import { LEAK_KB, LIMIT, Scene } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";
import { Board } from "../helpers/workload.ts";

const RUN = ["run", "--limit", "48M", "--listen", "none"];
const scratch = `/dev/shm/reprieve-test-run-${process.pid}`;

afterEach(async () => {
  rmSync(scratch, { force: true });
  await cleanUp();
});

/** Runs CMD to its end; nothing of it may be left. */
async function runs(more: readonly string[], ...cmd: readonly string[]): Promise<Ended> {
  const reprieve = Reprieve.start([...RUN, ...more, "--", ...cmd]);
  const ended = await reprieve.ended();
  expectNothingLeft(reprieve.pid);
  return ended;
}

function expectNothingLeft(pid: number): void {
  expect(leftoversOf(pid)).toEqual([]);
  const groups = readdirSync(memoryRoot ?? "").filter((name) => name === `reprieve-${pid}`);
  expect(groups).toEqual([]);
}

function isRunning(marker: string): boolean {
  return readdirSync("/proc").some((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(marker);
    } catch {
      return false; // no process, or gone
    }
  });
}

describeWith("run -- CMD", kernelTest, () => {
  test("--help ends with examples and the exit codes", async () => {
    const ended = await Reprieve.ends(["run", "--help"]);
    expect(ended.out).toMatch(/reprieve run --cgroup .* --allow-kill.*128 \+ n +CMD died/s);
    expect(ended.code).toBe(0);
  });

  for (const code of [0, 1, 3, 64, 125, 255]) {
    test(`exits with CMD's code ${code}`, async () => {
      expect((await runs([], "sh", "-c", `exit ${code}`)).code).toBe(code);
    });
  }

  for (const [signal, number] of [
    ["TERM", 15],
    ["KILL", 9],
    ["SEGV", 11],
  ] as const) {
    test(`exits with ${128 + number} when CMD dies of SIG${signal}`, async () => {
      expect((await runs([], "sh", "-c", `kill -${signal} $$`)).code).toBe(128 + number);
    });
  }

  test("127 for a CMD that is not there, 126 for one that cannot be run", async () => {
    const missing = await runs([], "no-such-program");
    expect(missing.code).toBe(127);
    expect(missing.err).toMatch(/no-such-program/);
    writeFileSync(scratch, "text");
    chmodSync(scratch, 0o644);
    const text = await runs([], scratch);
    expect(text.code).toBe(126);
    expect(text.err).toContain(scratch);
  });

  test("CMD gets its arguments, environment, stdin and stdout as they are", async () => {
    const script = 'printf "%s|%s|%s" "$1" "$2" "$MARK"';
    const reprieve = Reprieve.start([...RUN, "--", "sh", "-c", script, "sh", "a b", "--limit"], {
      env: { MARK: "kept" },
    });
    const ended = await reprieve.ended();
    expect(ended.out).toBe("a b|--limit|kept");
    expect(ended.code).toBe(0);
  });

  test("SIGTERM goes to CMD, whose code is ours", async () => {
    const script = 'trap "exit 42" TERM; echo on; while :; do sleep 0.05; done';
    const reprieve = Reprieve.start([...RUN, "--", "sh", "-c", script]);
    await until("CMD to run", () => reprieve.out.includes("on"));
    kill(reprieve.pid, "SIGTERM");
    expect((await reprieve.ended()).code).toBe(42);
    expectNothingLeft(reprieve.pid);
  });

  for (const signal of ["USR1", "USR2", "ALRM", "CONT", "WINCH", "HUP", "QUIT", "35"]) {
    test(`signal ${signal} goes to CMD, once, and ends nothing by itself`, async () => {
      const script = `trap "echo got" ${signal}; echo on; for i in 1 2 3 4 5; do sleep 0.05; done`;
      const reprieve = Reprieve.start([...RUN, "--", "sh", "-c", script]);
      await until("CMD to run", () => reprieve.out.includes("on"));
      Bun.spawnSync(["kill", `-${signal}`, String(reprieve.pid)]);
      const ended = await reprieve.ended();
      expect(ended.out).toBe("on\ngot\n");
      expect(ended.code).toBe(0);
    });
  }

  test("what nohup has set is kept: for CMD, and for us", async () => {
    const script = "grep SigIgn /proc/self/status; sleep 0.3; exit 7";
    const reprieve = Reprieve.start([...RUN, "--", "sh", "-c", script], {
      command: ["sh", "-c", 'trap "" HUP INT QUIT; exec "$@"', "sh", binary],
    });
    await until("CMD to run", () => reprieve.out.includes("SigIgn"));
    kill(reprieve.pid, "SIGHUP");
    kill(reprieve.pid, "SIGINT");
    const ended = await reprieve.ended();
    expect(ended.code).toBe(7);
    const ignored = (text: string) => BigInt(`0x${/SigIgn:\s*([0-9a-f]+)/.exec(text)?.[1] ?? 0}`);
    const ours = ignored(readFileSync("/proc/self/status", "utf8"));
    expect(ignored(ended.out) & ~ours).toBe(7n & ~ours);
  });

  test("CMD gets its arguments and environment byte by byte", async () => {
    const script = 'printf "%s|%s|%s" "$1" "$2" "$MARK" | od -An -tx1';
    const start = `MARK=$(printf 'm\\377'); export MARK; exec "$@" "$(printf 'a\\377b')" ''`;
    const reprieve = Reprieve.start([...RUN, "--", "sh", "-c", script, "sh"], {
      command: ["sh", "-c", start, "sh", binary],
    });
    expect((await reprieve.ended()).out.trim()).toBe("61 ff 62 7c 7c 6d ff");
  });

  test("CMD gets the descriptors that reprieve was started with, and no other", async () => {
    const script = 'cat /dev/fd/5 /dev/fd/63; ls /proc/self/fd | tr "\\n" " "';
    const open = 'exec 5<<A 63<<B "$@"\nfive\nA\nsixty-three\nB\n';
    const reprieve = Reprieve.start([...RUN, "--", "sh", "-c", script], {
      command: ["bash", "-c", open, "bash", binary],
    });
    // 3: of ls itself. What the harness leaks is in both.
    const leaked = Bun.spawnSync(["ls", "/proc/self/fd"]).stdout.toString().trim().split("\n");
    const ended = await reprieve.ended();
    const [five, sixtyThree, list = ""] = ended.out.split("\n");
    expect([five, sixtyThree]).toEqual(["five", "sixty-three"]);
    const expected = new Set([...leaked, "5", "63"]);
    expect(new Set(list.trim().split(" "))).toEqual(expected);
  });

  test("the other end sees CMD close what it was given", async () => {
    const reprieve = Reprieve.start([...RUN, "--", "sh", "-c", "exec 9>&-; sleep 2"], {
      command: ["sh", "-c", '(exec "$@" 9>&1 > /dev/null) | (cat; echo closed)', "sh", binary],
    });
    await until("the end of the pipe", () => reprieve.out.includes("closed"), 900);
    expect((await reprieve.ended()).code).toBe(0);
  });

  test("a CMD whose name is not UTF-8 is refused", async () => {
    const start = 'exec "$@" "$(printf "a\\\\377")"';
    const ended = await Reprieve.ends([...RUN, "--"], {
      command: ["sh", "-c", start, "sh", binary],
    });
    expect(ended.err).toContain("its name is not UTF-8");
    expect(ended.code).toBe(127);
  });

  test("a script without #!, and one whose interpreter is missing, are said in words", async () => {
    writeFileSync(scratch, "text", { mode: 0o755 });
    const script = await runs([], scratch);
    expect(script.code).toBe(126);
    expect(script.err).toContain(`cannot run ${scratch}: it is no program this kernel can run`);
    writeFileSync(scratch, "#!/no/such/interpreter\n");
    const interpreter = await runs([], scratch);
    expect(interpreter.code).toBe(126);
    expect(interpreter.err).toContain(`cannot run ${scratch}: its interpreter is missing`);
  });

  test("what is left of CMD's descendants dies with the group, in child groups too", async () => {
    const mark = `99.${process.pid}1`;
    const own = `sed -n 's,${memory.ownPattern},${memory.root},p' /proc/self/cgroup`;
    const script = `g=$(${own}); mkdir $g/below || exit 9; sleep ${mark} & setsid sleep ${mark} &
      (echo 0 > $g/below/cgroup.procs; exec setsid sleep ${mark}) & sleep 0.2`;
    expect((await runs([], "sh", "-c", script)).code).toBe(0);
    expect(isRunning(mark)).toBe(false);
  });

  test("--keep waits for them", async () => {
    rmSync(scratch, { force: true });
    const script = `(sleep 0.5; echo done > ${scratch}) & exit 7`;
    expect((await runs(["--keep"], "sh", "-c", script)).code).toBe(7);
    expect(existsSync(scratch)).toBe(true);
  });

  test("an OOM inside: the leaker is killed, 137, and the timeline says why", async () => {
    const board = new Board();
    const args = [board.file, "0", "-", "touch", "0", String(LEAK_KB), "4", "0", "1"];
    const reprieve = Reprieve.start([...RUN, "--", fixture("workload"), ...args]);
    await until("the leaker", () => board.first().word("ready") === 1);
    await Bun.sleep(1200); // sampled: it has a name
    board.first().go();
    const ended = await reprieve.ended();
    expect(ended.code).toBe(137);
    expect(ended.err).toMatch(/workload/);
    expect(ended.err).toMatch(/kill/);
    expectNothingLeft(reprieve.pid);
    board.close();
  });

  test("an OOM inside: every JSON line fits the schemas, in order", async () => {
    const board = new Board();
    const args = [board.file, "0", "-", "touch", "0", String(LEAK_KB), "4", "0", "1"];
    const reprieve = Reprieve.start([...RUN, "--json", "--", fixture("workload"), ...args]);
    await until("the leaker", () => board.first().word("ready") === 1);
    board.first().go();
    const ended = await reprieve.ended();
    for (const line of ended.out.trim().split("\n")) v.parse(Message, JSON.parse(line));
    const types = ended.messages.map((message) => message.type);
    const order = ["armed", "incident.opened", "incident.step", "incident.closed", "released"];
    expect([...new Set(types)].filter((type) => order.includes(type))).toEqual(order);
    const steps = ended.messages.filter((m) => m.type === "incident.step").map((m) => m.step);
    expect(steps).toEqual(expect.arrayContaining(["seen", "chose", "kill", "relief"]));
    board.close();
  });

  test("--name names the group, --limit is its limit", async () => {
    const name = `kernel-${process.pid}-named`;
    const script = `cat ${memoryRoot}/reprieve-${name}/${memory.limitFile}`;
    const ended = await runs(["--name", name], "sh", "-c", script);
    expect(ended.out.trim()).toBe(String(LIMIT));
    expect(existsSync(`${memoryRoot}/reprieve-${name}`)).toBe(false);
  });

  test("ps and the kernel's log have the helpers by their names", async () => {
    const reprieve = Reprieve.start([...RUN, "--", "sleep", "5"]);
    for (const role of ["handler", "watchdog", "spare"] as const) {
      const comm = readFileSync(`/proc/${await reprieve.helper(role)}/comm`, "utf8");
      expect(comm.trim()).toBe(`reprieve-${role}`.slice(0, 15));
    }
    await reprieve.stop();
  });

  test("SIGKILL of the agent: CMD lives on, with its end all goes", async () => {
    const mark = `98.${process.pid}1`;
    const reprieve = Reprieve.start([...RUN, "--json", "--", "sleep", mark]);
    await reprieve.armed();
    const path = String(reprieve.messages.find((m) => m.type === "armed")?.cgroup);
    const inside = () => readFileSync(`${path}/cgroup.procs`, "utf8").trim();
    await until("CMD to run", () => isRunning(mark) && inside() !== "");
    kill(reprieve.pid, "SIGKILL");
    await reprieve.ended();
    expect(isRunning(mark)).toBe(true);
    kill(Number(inside()), "SIGKILL");
    await reprieve.gone();
    await until("the group to go", () => !existsSync(path));
  });
});

describeWith("a stderr that nobody reads", kernelTest, () => {
  /** A pipe holds 64 KiB; `sleep` is the reader. */
  test("does not stop the agent", async () => {
    const full =
      '{ { head -c 65536 /dev/zero >&2; "$@"; echo code=$? >&3; } 2>&1 | sleep 3; } 3>&1';
    const reprieve = Reprieve.start([...RUN, "--", "sh", "-c", "exit 5"], {
      command: ["sh", "-c", full, "sh", binary],
    });
    await until("its end", () => reprieve.out.includes("code=5"), 2500);
    await reprieve.ended();
  });
});

describeWith("in a terminal", [...kernelTest, program("script", "util-linux")], () => {
  /** CMD counts its SIGINTs; whoever sends one finds out where by what it prints. */
  const cmd = `trap "echo got" INT; echo on; for i in 1 2 3 4 5 6; do sleep 0.05; done`;

  for (const input of ["the terminal", "/dev/null"]) {
    const from = input === "/dev/null" ? "< /dev/null" : "";
    const start = () => {
      const run = `${binary} ${RUN.join(" ")} -- sh -c '${cmd}' ${from}`;
      return Bun.spawn(
        ["script", "-qfec", `exec sh -c "echo pid=\\$\\$; exec $RUN"`, "/dev/null"],
        {
          stdio: ["pipe", "pipe", "inherit"],
          env: { ...process.env, RUN: run },
        },
      );
    };
    const countsOne = async (send: (pid: number, input: Bun.FileSink) => void) => {
      const terminal = start();
      let out = "";
      for await (const chunk of terminal.stdout) {
        const before = out;
        out += new TextDecoder().decode(chunk);
        const isOn = /^on\r$/m;
        const pid = Number(/pid=(\d+)/.exec(out)?.[1]);
        if (isOn.test(out) && !isOn.test(before)) send(pid, terminal.stdin);
      }
      expect(out.match(/got\r/g)).toHaveLength(1);
      expect(await terminal.exited).toBe(0);
    };

    test(`Ctrl-C reaches CMD once, stdin is ${input}`, async () => {
      await countsOne((_, keyboard) => {
        keyboard.write("\x03");
        keyboard.flush();
      });
    });

    test(`kill -INT of reprieve reaches CMD once, stdin is ${input}`, async () => {
      await countsOne((pid) => kill(pid, "SIGINT"));
    });
  }
});

describeWith("two of one process id", [...kernelTest, program("unshare", "util-linux")], () => {
  /** In a pid namespace of its own, so that both have the same number; /run is shared. */
  const start = (...more: readonly string[]) => {
    const script = '"$@"; exit $?'; // no exec: reprieve is to be process 2, not 1
    const command = ["unshare", "-pf", "--mount-proc", "sh", "-c", script, "sh", binary];
    return Reprieve.start([...RUN, "--json", ...more], { command });
  };
  const ledgers = () =>
    ["2", "2-2", "2-3"].filter((name) => existsSync(`${runBase}/${name}/ledger`));

  test("each has its own directory, ledger and groups", async () => {
    const first = start("--", "sleep", "2");
    await first.armed();
    const second = start("--", "sleep", "0.2");
    await second.armed();
    expect(ledgers()).toEqual(["2", "2-2"]);
    expect((await second.ended()).code).toBe(0);
    expect(ledgers()).toEqual(["2"]);
    expect((await first.ended()).code).toBe(0);
    expect(ledgers()).toEqual([]);
    const cgroups = [first, second].map((r) => r.messages.find((m) => m.type === "armed")?.cgroup);
    expect(new Set(cgroups).size).toBe(2);
    for (const cgroup of cgroups) expect(existsSync(String(cgroup))).toBe(false);
  });

  test("a start that fails leaves the other's directory alone", async () => {
    const name = `kernel-${process.pid}-same`;
    const first = start("--name", name, "--", "sleep", "2");
    await first.armed();
    expect((await start("--name", name, "--", "true").ended()).code).toBe(73);
    expect(ledgers()).toEqual(["2"]);
    expect((await first.ended()).code).toBe(0);
  });
});

describeWith("guarding", kernelTest, () => {
  test("it says whom it would kill, and never touches the switch", async () => {
    const group = new Group("observed", { limit: LIMIT });
    const board = new Board();
    const reprieve = Reprieve.start(["run", "--cgroup", group.path, "--listen", "none", "--json"]);
    await reprieve.armed();
    const leaker = await board.start(group, { means: "touch", kb: LEAK_KB }).ready();
    leaker.go();
    let touched = false;
    while (leaker.isAlive()) {
      touched ||= group.oom().held;
      Bun.sleepSync(0.5);
    }
    const closed = await reprieve.message("incident.closed");
    expect(closed.outcome).toBe("observed");
    const steps = reprieve.messages.filter((m) => m.type === "incident.step");
    expect(steps.some((m) => m.step === "would-kill" && m.pid === leaker.pid)).toBe(true);
    expect(steps.some((m) => m.step === "kill")).toBe(false);
    expect(touched).toBe(false);
    expect(group.oom().kills).toBe(1);
    expect(await reprieve.stop()).toBe(0);
    await reprieve.gone();
    await group.destroy();
    board.close();
  });

  test("signals that are a program's own change nothing", async () => {
    const scene = await Scene.set();
    for (const signal of ["SIGUSR1", "SIGUSR2", "SIGALRM", "SIGWINCH"] as const) {
      kill(scene.reprieve.pid, signal);
    }
    expect((await scene.leak()).closed.outcome).toBe("relieved");
    await scene.end();
  });
});
