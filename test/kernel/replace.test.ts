// SPDX-License-Identifier: MIT
/** One reprieve takes groups over from another: nobody hangs, no group stays switched off, nothing is misread. */
import { afterEach, expect, test } from "bun:test";
import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { cleanUp } from "../helpers/clean.ts";
import { Group, kill } from "../helpers/group.ts";
import { memory } from "../helpers/memory.ts";
import { binary, repository, runBase } from "../helpers/paths.ts";
import { type Ended, type Message, Reprieve } from "../helpers/reprieve.ts";
import { describeWith, kernelTest, program } from "../helpers/require.ts";
import { DELAY_MS, LEAK_KB, LIMIT, NEAR_KB, Scene } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";
import { Board } from "../helpers/workload.ts";

const NEAR = { means: "touch", beforeKb: NEAR_KB } as const;
const ROUNDS = 10;
/** Some hosts refuse it to root too. */
const NO_PRIORITY = /^reprieve: the helpers have no real-time priority .*\n/m;
/** STOP_BOUND_MS and PUT_BACK_BOUND_MS of src/cli/replace.ts, and a start. */
const STUCK_BOUND_MS = 12_000;

afterEach(cleanUp);

function starts(group: Group, more: readonly string[] = []): Reprieve {
  const args = ["--allow-kill", "--json", "--listen", "none", "--delay", `${DELAY_MS}ms`];
  return Reprieve.start(["run", "--cgroup", group.path, "--replace", ...args, ...more]);
}

function refused(group: Group): Promise<Ended> {
  return starts(group).ended();
}

/** The scene is the new one's from now on. Returns how the old one ended. */
async function replace(scene: Scene): Promise<Ended> {
  const old = scene.reprieve;
  scene.reprieve = starts(scene.group);
  await scene.reprieve.armed();
  return old.ended();
}

/** Its handler has opened what it needs to answer for the group. */
async function attached(reprieve: Reprieve, group: Group): Promise<void> {
  const dir = `/proc/${await reprieve.helper("handler")}/fd`;
  const opened = () =>
    readdirSync(dir).map((fd) => readIfThere(() => readlinkSync(`${dir}/${fd}`)));
  await until("the handler to attach", () =>
    opened().includes(`${group.path}/${memory.switchFile}`),
  );
  await Bun.sleep(100);
}

function readIfThere(read: () => string): string {
  try {
    return read();
  } catch {
    return "";
  }
}

function outcomesOf(messages: readonly Message[]): string[] {
  return messages.filter((m) => m.type === "incident.closed").map((m) => String(m.outcome));
}

describeWith("replace", [...kernelTest, program("setpriv", "util-linux")], () => {
  test("near its limit: the old one ends well, the new one holds the group and answers", async () => {
    const scene = await Scene.set();
    const old = scene.reprieve;
    const filler = await scene.board.start(scene.group, NEAR).ready();
    await until("the killer to be off", () => scene.group.oom().held);
    const { code, messages } = await replace(scene);
    expect({ code, last: messages.at(-1)?.type }).toEqual({ code: 0, last: "released" });
    await until("the killer to be off again", () => scene.group.oom().held);
    expect(old.leftovers()).toEqual([]);
    await filler.stop();
    expect((await scene.leak()).closed.outcome).toBe("relieved");
    await scene.end();
  });

  test(`replaced ${ROUNDS} times in a stream of OOMs: all are relieved or the kernel's`, async () => {
    const scene = await Scene.set();
    const told: Message[] = [];
    const board = new Board();
    let isOn = true;
    let leaks = 0;
    const stream = (async () => {
      for (; isOn; leaks += 1) {
        const leaker = await board.start(scene.group, { means: "touch", kb: LEAK_KB }).ready();
        leaker.go();
        await until("the leaker's death", () => !leaker.isAlive());
        board.clear();
      }
    })();
    for (let i = 0; i < ROUNDS; i += 1) {
      const { code, err, messages } = await replace(scene);
      expect({ code, err: err.replace(NO_PRIORITY, "") }).toEqual({ code: 0, err: "" });
      told.push(...messages);
      const before = leaks;
      await until("two more OOMs", () => leaks >= before + 2, 15_000);
    }
    isOn = false;
    await stream;
    await Bun.sleep(200);
    const kernels = scene.group.oom().kills;
    await scene.end();
    told.push(...scene.reprieve.messages);
    const outcomes = outcomesOf(told);
    const count = (outcome: string) => outcomes.filter((one) => one === outcome).length;
    console.log(
      `${leaks} OOMs in ${ROUNDS} replacements: ${count("relieved")} relieved, ` +
        `${count("kernel-first")} kernel-first, ${kernels} killed by the kernel`,
    );
    // Neither ever writes the switch while the other holds the group.
    expect(told.filter((m) => m.event === "disarmed-by-other" || m.event === "mended")).toEqual([]);
    expect(count("unrelieved")).toBe(0);
    expect(count("relieved")).toBeGreaterThan(leaks / 2);
    board.close();
  }, 60_000);

  test("a stopped one is killed after a bound; its helpers answer till then, the new one's keep still", async () => {
    const scene = await Scene.set();
    const old = scene.reprieve;
    kill(old.pid, "SIGSTOP");
    const successor = starts(scene.group);
    await attached(successor, scene.group);
    const leaker = await scene.board.start(scene.group, { means: "touch", kb: LEAK_KB }).ready();
    leaker.go();
    await until("the leaker's death", () => !leaker.isAlive());
    await until("armed", () => successor.messages.some((m) => m.type === "armed"), STUCK_BOUND_MS);
    expect(scene.group.oom().kills).toBe(0);
    expect((await old.ended()).code).toBe(128);
    scene.reprieve = successor;
    await old.gone();
    expect(outcomesOf(successor.messages)).toEqual([]);
    expect((await scene.leak()).closed.outcome).toBe("relieved");
    await scene.end();
  });

  test("one whose watchers are stopped near the limit: the switch is put back, then ours", async () => {
    const scene = await Scene.set();
    const filler = await scene.board.start(scene.group, NEAR).ready();
    await until("the killer to be off", () => scene.group.oom().held);
    for (const role of ["watchdog", "spare"] as const) {
      kill(await scene.reprieve.helper(role), "SIGSTOP");
    }
    await replace(scene);
    await filler.stop();
    expect((await scene.leak()).closed.outcome).toBe("relieved");
    await scene.end();
  });

  test("one that is stopped with all its helpers is told of, with what to do about it", async () => {
    const scene = await Scene.set();
    const old = scene.reprieve;
    const roles = ["handler", "watchdog", "spare"] as const;
    const helpers = await Promise.all(roles.map((role) => old.helper(role)));
    for (const pid of [old.pid, ...helpers]) kill(pid, "SIGSTOP");
    const { code, err } = await starts(scene.group).ended();
    expect(code).toBe(75);
    const pids = /kill -CONT ([\d ]+), and they put back/.exec(err)?.[1]?.split(" ").map(Number);
    expect(pids?.sort()).toEqual([...helpers].sort());
    for (const pid of helpers) kill(pid, "SIGCONT");
    await old.gone();
    expect(scene.group.oom().held).toBe(false);
    scene.reprieve = starts(scene.group);
    await scene.reprieve.armed();
    expect((await scene.leak()).closed.outcome).toBe("relieved");
    await scene.end();
  }, 30_000);

  test("two want it at once: one gets it, the other says so", async () => {
    const scene = await Scene.set();
    const both = [starts(scene.group), starts(scene.group)];
    const old = await scene.reprieve.ended();
    expect(old.code).toBe(0);
    const isArmed = (one: Reprieve) => one.messages.some((m) => m.type === "armed");
    // The slower one may find the faster one at work, and replace that.
    await until("one to be armed", () => both.some(isArmed));
    const first = await Promise.race(both.map((one) => one.proc.exited.then(() => one)));
    const { code, err } = await first.ended();
    if (code !== 0)
      expect({ code, err }).toMatchObject({
        code: 75,
        err: expect.stringMatching(/another reprieve/),
      });
    const [winner] = both.filter((one) => one !== first);
    if (winner === undefined) throw new Error("Nobody is left");
    await winner.armed();
    scene.reprieve = winner;
    expect((await scene.leak()).closed.outcome).toBe("relieved");
    await scene.end();
  });

  test("with nobody there it only starts", async () => {
    const group = new Group("alone", { limit: LIMIT });
    const reprieve = starts(group);
    await reprieve.armed();
    expect(await reprieve.stop()).toBe(0);
    await group.destroy();
  });

  test("takes the feed's port over too", async () => {
    const group = new Group("port", { limit: LIMIT });
    const probe = Bun.serve({ port: 0, fetch: () => new Response() });
    const { port } = probe;
    await probe.stop(true);
    const listen = ["--listen", `127.0.0.1:${port}`, "--no-token"];
    const old = await Reprieve.guard([group.path], listen);
    const successor = await Reprieve.guard([group.path], [...listen, "--replace"]);
    await until("the feed", () => successor.err.includes("page http"));
    expect((await old.ended()).code).toBe(0);
    const greeted = new Promise<string>((resolve) => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/feed`);
      socket.onmessage = ({ data }) => {
        socket.close();
        resolve(String(data));
      };
    });
    expect(JSON.parse(await greeted)).toMatchObject({ type: "hello" });
    expect(await successor.stop()).toBe(0);
    await group.destroy();
  });

  test("one that made the group for its CMD is refused, and goes on", async () => {
    const args = ["run", "--limit", "48M", "--listen", "none", "--json", "--", "sleep", "60"];
    const old = Reprieve.start(args);
    await old.armed();
    const path = String(old.messages.find((m) => m.type === "armed")?.cgroup);
    const flags = ["--replace", "--listen", "none"];
    const { code, err } = await Reprieve.ends(["run", "--cgroup", path, ...flags]);
    expect({ code, err }).toMatchObject({
      code: 75,
      err: expect.stringMatching(/it made for its CMD/),
    });
    expect(old.proc.exitCode).toBe(null);
    expect(await old.stop()).toBe(143);
  });

  test("one that guards a group that would be left is refused, and goes on", async () => {
    const [one, two] = [new Group("one", { limit: LIMIT }), new Group("two", { limit: LIMIT })];
    const old = await Reprieve.guard([one.path, two.path]);
    const { code, err } = await refused(one);
    expect({ code, err }).toMatchObject({
      code: 75,
      err: expect.stringMatching(/guards .*two too/),
    });
    expect(old.proc.exitCode).toBe(null);
    expect(await old.stop()).toBe(0);
    for (const group of [one, two]) await group.destroy();
  });

  test("one whose ledger is of another version is refused, and goes on", async () => {
    const scene = await Scene.set();
    const path = `${runBase}/${scene.reprieve.pid}/ledger`;
    const before = readFileSync(path);
    const layoutAt = 8;
    const ledger = openSync(path, "r+");
    writeSync(ledger, Uint8Array.of((before[layoutAt] ?? 0) + 1), 0, 1, layoutAt);
    const { code, err } = await refused(scene.group);
    writeSync(ledger, before, layoutAt, 1, layoutAt);
    closeSync(ledger);
    expect({ code, err }).toMatchObject({
      code: 75,
      err: expect.stringMatching(/ledger is of another version/),
    });
    expect((await scene.leak()).closed.outcome).toBe("relieved");
    await scene.end();
  });

  test("a core refuses a region of another layout", async () => {
    const file = `/dev/shm/reprieve-test-${process.pid}-region`;
    const head = new BigUint64Array(512);
    head.set([0x6576656972706572n, (1n << 32n) | 6n]);
    writeFileSync(file, head);
    const region = openSync(file, "r+");
    const core = `${repository}/dist/build/core`;
    const helper = Bun.spawn([core, "watchdog", "-", memory.root], {
      stdio: ["ignore", "ignore", "pipe", region],
    });
    const said = await new Response(helper.stderr).text();
    closeSync(region);
    await Bun.file(file).delete();
    expect({ code: await helper.exited, said }).toEqual({
      code: 70,
      said: "reprieve: cannot map the region: errno 71\n",
    });
  });

  test("it goes with --cgroup only", async () => {
    const { code, err } = await Reprieve.ends(["run", "--replace", "--", "true"]);
    expect({ code, err }).toMatchObject({
      code: 64,
      err: expect.stringMatching(/--replace goes with --cgroup/),
    });
  });
});

describeWith("real-time priority", [...kernelTest, program("setpriv", "util-linux")], () => {
  const command = ["setpriv", "--bounding-set=-sys_nice", "--inh-caps=-sys_nice"];

  test("where it is refused that is said once, and the guard works", async () => {
    const group = new Group("nice", { limit: LIMIT });
    const args = ["run", "--cgroup", group.path, "--allow-kill", "--json", "--listen", "none"];
    const reprieve = Reprieve.start(args, { command: [...command, binary] });
    await reprieve.armed();
    expect(await reprieve.stop()).toBe(0);
    expect(reprieve.err.match(/no real-time priority \(EPERM\)/g)).toHaveLength(1);
    await group.destroy();
  });

  test("doctor has a line for it", async () => {
    const found = async (more: readonly string[]) => {
      const { out } = await Reprieve.ends(["doctor", "--json"], { command: [...more, binary] });
      const { host } = JSON.parse(out) as { host: { name: string; status: string }[] };
      return host.find(({ name }) => name === "real-time priority")?.status;
    };
    expect(["ok", "note"]).toContain(String(await found([])));
    expect(await found(command)).toBe("note");
  });
});
