// SPDX-License-Identifier: MIT
/** The order "hook": its program relieves an OOM, or whatever is wrong with it, the next order comes in its time. */
import { afterEach, expect, test } from "bun:test";
import { chmodSync, chownSync, rmSync } from "node:fs";
import { exit } from "../../src/errors.ts";
import { cleanUp } from "../helpers/clean.ts";
import { ConfigFile, FEED, guard } from "../helpers/config.ts";
import { Group, kill, MB } from "../helpers/group.ts";
import { HookFile, removeHooks } from "../helpers/hook.ts";
import { memory } from "../helpers/memory.ts";
import { ordered, words } from "../helpers/orders.ts";
import { binary } from "../helpers/paths.ts";
import { type Message, Reprieve } from "../helpers/reprieve.ts";
import { describeWith, kernelTest } from "../helpers/require.ts";
import { LEAK_KB, LIMIT, Scene } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";
import { isAlive } from "../helpers/workload.ts";

const TEST_MS = 60_000;
/** Its bound, the 5 s that it has behind that, and a slow machine. */
const KILLED_WITHIN_MS = 10_000;
/** What a pipe holds, and more. */
const FLOOD =
  'while :; do echo "0123456789012345678901234567890123456789012345678901234567890"; done';
const HANG = "echo $$ > $0.pid; exec sleep 1000";

afterEach(async () => {
  await cleanUp();
  removeHooks();
});

function withHook(hook: HookFile, ...more: readonly string[]): Promise<Scene> {
  return Scene.set([...ordered(`hook=${hook.path}`, "kill"), "--allow-hooks", ...more]);
}

function hooks({ reprieve }: Scene, event: string): Message[] {
  return reprieve.messages.filter((m) => m.type === "hook" && m.event === event);
}

function ended({ reprieve }: Scene): Promise<Message> {
  const where = ({ event }: Message) => event === "ended";
  return reprieve.message("hook", { where, boundMs: KILLED_WITHIN_MS });
}

/** The hook's result, as the responder saw it; whom it killed after that. */
async function leakPast(scene: Scene): Promise<unknown> {
  const { leaker, closed } = await scene.leak();
  expect(words(closed)).toBe("relieved killed");
  expect(scene.victims()).toEqual([leaker.pid]);
  expect(scene.group.oom().kills).toBe(0);
  const [step, ...more] = scene.steps("hook");
  expect(more).toEqual([]);
  return step?.result;
}

describeWith("a hook", kernelTest, () => {
  test(
    "relieves the group, outside of it, and knows whose OOM it is and nothing else",
    async () => {
      const hook = new HookFile(
        "env > $0.env; cat /proc/self/cgroup > $0.cgroup",
        "for pid in $(cat $REPRIEVE_CGROUP/cgroup.procs); do kill -9 $pid; done",
        'for one; do echo "<$one>"; done > $0.args',
      );
      const scene = await Scene.set([
        ...ordered(`hook=${hook.path} one  "two  three" ""`, "kill"),
        "--allow-hooks",
        ...["--hook-bound", "4s", "--delay", "5s"],
      ]);
      const { closed } = await scene.leak();
      expect(words(closed)).toBe("relieved hook");
      expect(scene.victims()).toEqual([]);
      expect(await ended(scene)).toMatchObject({ exit_code: 0, result: "ok", program: hook.path });
      expect(await hook.note("args")).toBe("<one>\n<two  three>\n<>");
      const { guard: name, incident } = closed;
      const lines = (await hook.note("env")).split("\n");
      const env = Object.fromEntries(lines.map((line) => line.split("=")));
      expect(env).toMatchObject({
        REPRIEVE_GUARD: name,
        REPRIEVE_CGROUP: scene.group.path,
        REPRIEVE_INCIDENT: incident,
        REPRIEVE_BOUND_MS: "4000",
      });
      const shells = ["PWD", "OLDPWD", "SHLVL", "_"];
      const given = Object.keys(env).filter((key) => !shells.includes(key) && key !== "PATH");
      expect(given.every((key) => key.startsWith("REPRIEVE_"))).toBe(true);
      expect(await hook.note("cgroup")).not.toContain(scene.group.path.split("/").at(-1) ?? "");
      await scene.end();
    },
    TEST_MS,
  );

  test(
    "that hangs is left at its bound, and killed 5 s behind it",
    async () => {
      const hook = new HookFile(HANG);
      const scene = await withHook(hook);
      expect(await leakPast(scene)).toBe("ETIMEDOUT");
      const pid = await hook.pid("pid");
      expect(isAlive(pid)).toBe(true);
      expect(await ended(scene)).toMatchObject({ signal: "SIGKILL", pid });
      expect(isAlive(pid)).toBe(false);
      await scene.end();
    },
    TEST_MS,
  );

  test(
    "that floods its output is stopped by that, and the first of it is told to the person only",
    async () => {
      const hook = new HookFile("printf '\\033[31m'", FLOOD);
      const scene = await withHook(hook);
      expect(await leakPast(scene)).toBe("ETIMEDOUT");
      await ended(scene);
      const said = await until(
        "its output",
        () => /its hook says: .*/.exec(scene.reprieve.err)?.[0],
      );
      expect(said).toContain("\u{fffd}[31m0123456789");
      expect(said.length).toBeLessThan(5000);
      expect(scene.reprieve.out).not.toContain("0123456789");
      await scene.end();
    },
    TEST_MS,
  );

  test(
    "that ends with 1 has the next order follow at once",
    async () => {
      const hook = new HookFile("exit 1");
      const scene = await withHook(hook, "--delay", "60s", "--hook-bound", "50s");
      expect(await leakPast(scene)).toBe("exit-1");
      expect(await ended(scene)).toMatchObject({ exit_code: 1, result: "exit-1" });
      await scene.end();
    },
    TEST_MS,
  );

  test(
    "that forks and leaves has ended; what it leaves behind is killed",
    async () => {
      const hook = new HookFile("sleep 1000 & echo $! > $0.child; exit 3");
      const scene = await withHook(hook, "--delay", "60s", "--hook-bound", "50s");
      expect(await leakPast(scene)).toBe("exit-3");
      const child = await hook.pid("child");
      await until("the end of what it left", () => !isAlive(child));
      await scene.end();
    },
    TEST_MS,
  );

  const spoiled: Record<string, readonly [(hook: HookFile) => void, string, string]> = {
    "is gone": [({ path }) => rmSync(path), "ENOENT", "there is no such program"],
    "is not executable": [({ path }) => chmodSync(path, 0o644), "EACCES", "it is not executable"],
    "others may write": [({ path }) => chmodSync(path, 0o777), "EACCES", "others may write to"],
    "is another user's": [({ path }) => chownSync(path, 12345, 0), "EACCES", "another user's"],
    "lies where others may write": [
      ({ dir }) => chmodSync(dir, 0o777),
      "EACCES",
      "others may write",
    ],
  };
  for (const [what, [spoil, errno, why]] of Object.entries(spoiled)) {
    test(
      `that ${what} by now is not started, which is said, and the next order follows`,
      async () => {
        const hook = new HookFile("touch $0.ran");
        const scene = await withHook(hook);
        spoil(hook);
        expect(await leakPast(scene)).toBe(errno);
        expect(scene.reprieve.err).toContain(why);
        expect(hooks(scene, "failed").map(({ result }) => result)).toEqual([errno]);
        expect(hooks(scene, "started")).toEqual([]);
        await scene.end();
      },
      TEST_MS,
    );
  }

  test(
    "is not started twice at a time: the next order follows",
    async () => {
      const hook = new HookFile(HANG);
      const scene = await withHook(hook);
      await leakPast(scene);
      await scene.quiet();
      const from = scene.reprieve.messages.length;
      const { closed } = await scene.leak();
      expect(words(closed)).toBe("relieved killed");
      expect(scene.steps("hook", from).map(({ result }) => result)).toEqual(["EBUSY"]);
      const pid = await hook.pid("pid");
      await scene.end();
      expect(isAlive(pid)).toBe(false);
    },
    TEST_MS,
  );

  test(
    "that nobody starts, for the agent is stopped, costs its bound",
    async () => {
      const hook = new HookFile("touch $0.ran");
      const scene = await withHook(hook);
      kill(scene.reprieve.pid, "SIGSTOP");
      const leaker = await scene.board.start(scene.group, { means: "touch", kb: LEAK_KB }).ready();
      leaker.go();
      await until("the leaker's death", () => !leaker.isAlive());
      expect(scene.group.oom().kills).toBe(0);
      kill(scene.reprieve.pid, "SIGCONT");
      expect(words(await scene.closed())).toBe("relieved killed");
      expect(scene.steps("hook").map(({ result }) => result)).toEqual(["ETIMEDOUT"]);
      expect(hooks(scene, "started")).toEqual([]);
      await scene.end();
    },
    TEST_MS,
  );

  test(
    "dies with the agent",
    async () => {
      const hook = new HookFile(HANG);
      const scene = await withHook(hook);
      await leakPast(scene);
      const pid = await hook.pid("pid");
      kill(scene.reprieve.pid, "SIGKILL");
      await until("its end", () => !isAlive(pid));
      await scene.expectAsBefore();
    },
    TEST_MS,
  );
});

describeWith("the power to run a hook", kernelTest, () => {
  test(
    "that lacks: it is observed, the kill is made",
    async () => {
      const hook = new HookFile("touch $0.ran");
      const scene = await Scene.set(ordered(`hook=${hook.path}`, "kill"));
      expect(scene.reprieve.err).toContain(
        "--order hook is only observed: --allow-hooks lets it act",
      );
      await scene.leak();
      expect(scene.steps("would").map(({ order }) => order)).toEqual(["hook"]);
      expect(hooks(scene, "started")).toEqual([]);
      await scene.end();
    },
    TEST_MS,
  );

  test(
    "for programs of a place: that one and no other",
    async () => {
      const hook = new HookFile("exit 1");
      const other = new HookFile("exit 1");
      for (const [place, result] of [
        [`${hook.dir}/*`, "exit-1"],
        [`${other.dir}/*`, undefined],
      ] as const) {
        const scene = await Scene.set([
          ...ordered(`hook=${hook.path}`, "kill"),
          `--allow-hooks=${place}`,
        ]);
        expect(await leakPast(scene)).toBe(result);
        await scene.end();
      }
    },
    TEST_MS,
  );

  test("by a file is one over the programs, and [deny] wins over a flag", async () => {
    const hook = new HookFile("exit 1");
    const config = new ConfigFile();
    const group = new Group("file", { limit: LIMIT });
    const at = group.path.slice(memory.root.length);
    const policy = `${FEED}[allow]\nkill = true\nhooks = "${hook.dir}/*"\n`;
    const orders = `orders = ["hook=${hook.path} --urgent", "kill"]\nhook_bound = "20ms"\n`;
    const powers = async (toml: string, ...flags: string[]) => {
      config.write(`${toml}${guard("a", at, orders)}`);
      const reprieve = await config.start(1, ...flags);
      const [message] = reprieve.messages.filter(({ type }) => type === "armed");
      expect(await reprieve.stop()).toBe(0);
      return message?.powers;
    };
    expect(await powers(policy)).toEqual(["kill", "hooks"]);
    expect(await powers(policy.replace("/*", "-not/*"))).toEqual(["kill"]);
    expect(await powers(`${policy}[deny]\nhooks = "${hook.path}"\n`)).toEqual(["kill"]);
    expect(await powers(`${FEED}[deny]\nhooks = "/**"\n`, "--allow-hooks")).toEqual([]);
    config.remove();
    await group.destroy();
  });
});

describeWith("a hook that could not be run", kernelTest, () => {
  test("is refused at the start, with why", async () => {
    const group = new Group("refused", { limit: LIMIT });
    const open = new HookFile("exit 0");
    chmodSync(open.dir, 0o777);
    const wrong: readonly (readonly [readonly string[], string])[] = [
      [ordered("hook"), "hook names a program by its path"],
      [ordered("hook=true"), "hook names a program by its path"],
      [ordered("hook=/none/such"), "cannot run /none/such: there is no such program"],
      [ordered("hook=/proc/self/exe"), "there is a link in its path: give "],
      [ordered("hook=/etc"), "it is no regular file"],
      [ordered("hook=/etc/passwd"), "it is not executable"],
      [ordered(`hook=${open.path}`), `others may write to ${open.dir}`],
      [["--hook-bound", "5ms"], "--hook-bound goes with --order hook=PROGRAM"],
      [["--allow-hooks=bin/x"], "a program is named by its path"],
    ];
    for (const [args, why] of wrong) {
      const { code, err } = await Reprieve.ends(["run", "--cgroup", group.path, ...args]);
      expect(`${code} ${err}`).toContain(`${exit.usage} `);
      expect(err).toContain(why);
    }
    await group.destroy();
  });

  test("where reprieve itself is in the group: refused", async () => {
    const hook = new HookFile("exit 0");
    const group = new Group("refused", { limit: 96 * MB }); // enough for reprieve to start in
    const enter = `echo $$ > ${group.path}/cgroup.procs; exec "$@"`;
    const args = ["run", "--cgroup", group.path, ...ordered(`hook=${hook.path}`)];
    const command = ["sh", "-c", enter, "sh", binary];
    const { code, err } = await Reprieve.ends(args, { command });
    expect(err).toContain("reprieve itself is in there");
    expect(code).toBe(exit.unsafe);
    await group.destroy();
  });
});
