// SPDX-License-Identifier: MIT
/** Designated handlers: who may answer for a group, what he gets, and that he does. dist/docs/handler-protocol.md says it. */
import { afterEach, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { exit } from "../../src/errors.ts";
import { UID } from "../helpers/as-user.ts";
import { cleanUp } from "../helpers/clean.ts";
import { AS_OWNER, Client, DoorScene, doorFolder, OTHER_UID } from "../helpers/door.ts";
import { Group, kill, MB } from "../helpers/group.ts";
import { Journal } from "../helpers/journal.ts";
import { memory } from "../helpers/memory.ts";
import { Reprieve } from "../helpers/reprieve.ts";
import { describeWith, kernelTest, onlyOnV1, program, renaming } from "../helpers/require.ts";
import { DELAY_MS, LEAK_KB, LIMIT, Scene } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";

const OVERFLOW_UID = 65_534;
/** As native/limits.h: DESIGNATE_AGAIN_MS, DOOR_SILENT_MS; and some. */
const AGAIN_MS = 150;
const SILENT_MS = 1500;
/** Far from its limit a group is looked at once a second. */
const SAMPLED_MS = 1500;

const strace = program("strace", "apt-get install strace");

const v1Counts = onlyOnV1("v2 counts nothing by which an OOM could be seen that is over");

afterEach(cleanUp);

describeWith("designate", kernelTest, () => {
  test("the group's owner is let in, and gets his guard's counters and ranking", async () => {
    const door = await DoorScene.set();
    const { scene } = door;
    const neighbour = await scene.neighbour(8192);
    const client = await door.designated();
    expect((await door.told("designated")).result).toBe("ok");
    await Bun.sleep(1200); // a sample
    const [current, state, incident, delay, usage, limit, ...ranking] = (
      await client.ask("page")
    ).split(" ");
    const held = memory.armsLate ? "1" : "2";
    expect([current, state, incident, delay]).toEqual(["1", held, "0", String(DELAY_MS)]);
    expect(Number(usage)).toBeGreaterThan(8 * MB);
    expect(Number(limit)).toBe(memory.limitFor(LIMIT));
    expect(ranking.map((entry) => Number(entry.split(":")[0]))).toEqual([neighbour.pid]);
    expect(Number(ranking[0]?.split(":")[1])).toBeGreaterThan(8 * MB);
    await client.expect("resign", "0");
    await client.expect("hear", "closed");
    await door.told("resigned");
    expect((await client.ask("page")).split(" ")[0]).toBe("0");
    await scene.end();
  });

  test("everybody else is refused, and told why", async () => {
    const door = await DoorScene.set();
    const { guard } = door;
    const refused = async (uid: number, name: string, why: RegExp) => {
      const client = door.client(uid);
      await client.expect("dial", "0");
      await client.expect(`name ${name}`, "0");
      expect(await client.ask("hear")).toMatch(why);
      await client.expect("hear", "closed");
      await client.end();
    };
    await refused(OTHER_UID, guard, /^4 7 only the owner/);
    await refused(UID, "no-such-guard", /^4 6 no armed guard/);
    await refused(UID, door.scene.group.path, /^4 6 no armed guard/);
    await refused(UID, `${guard} 1`, /^4 10 the essential thread/);
    chownSync(door.scene.group.path, OVERFLOW_UID, OVERFLOW_UID);
    await refused(OVERFLOW_UID, guard, /^4 7 only the owner/);
    await refused(UID, guard, /^4 7 only the owner/);
    await (await door.designated(0)).end();
    await door.scene.end();
  });

  test("a second is refused while the first lives, and let in when it has gone", async () => {
    const door = await DoorScene.set();
    const first = await door.designated();
    const second = door.client();
    await second.expect("dial", "0");
    await second.expect(`name ${door.guard}`, "0");
    expect(await second.ask("hear")).toMatch(/^4 8 another handler/);
    await first.end();
    await door.told("resigned");
    await second.expect("dial", "0");
    await second.expect(`name ${door.guard} ${second.pid}`, "0");
    expect(await second.ask("hear")).toMatch(/^4 9 the last handler has just gone/);
    await Bun.sleep(AGAIN_MS);
    await second.expect("dial", "0");
    await second.expect(`name ${door.guard} ${second.pid}`, "0");
    await second.expect("hear", "3 0 accepted");
    await door.scene.end();
  });

  for (const [language, inside] of [
    ["C", false],
    ["C", true],
    ["TypeScript", false],
  ] as const) {
    const where = inside ? "inside" : "outside";
    test(`the example in ${language} relieves, ${where} the group; reprieve's own leaves it alone`, async () => {
      const door = await DoorScene.set(["--delay", "8s"]);
      const { scene } = door;
      if (language === "C") door.example(inside);
      else door.exampleForBun();
      await door.told("designated");
      const neighbour = await scene.neighbour();
      for (let i = 0; i < 3; i += 1) {
        await door.leakToDeath();
        await Bun.sleep(AGAIN_MS);
      }
      expect(scene.group.oom().kills).toBe(0);
      expect(neighbour.isAlive()).toBe(true);
      expect(scene.steps("kill")).toEqual([]);
      expect(scene.steps("handed-over")).toEqual([]);
      await scene.end();
    });
  }

  test("its incident says who was woken, when there was relief, and who has ended", async () => {
    const journal = new Journal();
    const door = await DoorScene.set(["--delay", "8s", ...journal.flags]);
    const { scene } = door;
    const handler = await door.designated();
    const plan = { means: "touch", beforeKb: 36 * 1024, kb: LEAK_KB } as const;
    const leaker = await scene.board.start(scene.group, plan, AS_OWNER).ready();
    await Bun.sleep(SAMPLED_MS);
    leaker.go();
    await scene.reprieve.message("incident.opened");
    kill(leaker.pid, "SIGKILL"); // as the handler would
    const closed = await scene.reprieve.message("incident.closed");
    expect(closed.ended).toEqual([
      { pid: leaker.pid, comm: expect.stringMatching(/^workload/), rss_bytes: expect.any(Number) },
    ]);
    const by = expect.stringMatching(/^(watchdog|spare)$/);
    expect(scene.steps("left-to")).toMatchObject([{ pid: handler.pid, comm: "knock", by }]);
    expect(scene.steps("relief")).toMatchObject([{ by, usage_bytes: expect.any(Number) }]);
    await until("it to be written", () => journal.incidents().length === 1);
    const { out } = await Reprieve.ends(["incidents", "show", ...journal.flags]);
    expect(out).toMatch(/ us {2}left to {2}knock \(\d+\) {2}by the (watchdog|spare)\n/);
    expect(out).toMatch(new RegExp(`\\(designated\\), ended: \\S+ \\(${leaker.pid}\\) `));
    await scene.end();
  });

  v1Counts(
    "each OOM that it relieves is an incident, be the watchers stopped meanwhile",
    async () => {
      const OOMS = 16;
      const door = await DoorScene.set(["--delay", "8s", "--margin", "23M"]);
      const { group, board, reprieve } = door.scene;
      const watchers = [await reprieve.helper("watchdog"), await reprieve.helper("spare")];
      door.example(false);
      await door.told("designated");
      for (let i = 0; i < OOMS; i += 1) {
        board.clear();
        const plan = { means: "touch", beforeKb: 36 * 1024, kb: LEAK_KB } as const;
        const leaker = await board.start(group, plan, AS_OWNER).ready();
        await until("the killer to be off", () => group.oom().held);
        await Bun.sleep(AGAIN_MS); // sampled
        for (const pid of watchers) kill(pid, "SIGSTOP");
        leaker.go();
        await until("the leaker's death", () => !leaker.isAlive());
        kill(Number(watchers[i % 2]), "SIGCONT"); // the owner of the switch, or the one that takes over
        const all = () => reprieve.messages.filter((m) => m.type === "incident.closed");
        await until("an incident of its own", () => all().length > i);
        expect(`${all()[i]?.outcome} ${all()[i]?.reason}`).toBe("relieved designated");
        kill(Number(watchers[1 - (i % 2)]), "SIGCONT");
      }
      expect(group.oom().kills).toBe(0);
      expect(reprieve.messages.filter((m) => m.type === "incident.opened").length).toBe(OOMS);
      await door.scene.end();
    },
    60_000,
  );

  test("an ancestor's OOM is no incident of its group", async () => {
    const parent = new Group("parent", { limit: LIMIT });
    const child = parent.child("child", LIMIT - 8 * MB);
    const beside = memory.armsLate ? parent : parent.child("beside");
    const margin = memory.armsLate ? "23M" : "8M"; // near its limit, and not at it
    chownSync(child.path, UID, UID);
    const folder = doorFolder();
    const door = ["--handler", "designated", "--handler-socket", `${folder}/handler.sock`];
    const scene = await Scene.around(child, [...door, "--margin", margin]);
    const steady = { means: "steady", beforeKb: 20 * 1024, pauseUs: 1000 } as const;
    await scene.board.start(child, steady).ready();
    const client = new Client(`${folder}/handler.sock`, folder, UID);
    await client.expect("dial", "0");
    const { guard } = await scene.reprieve.message("armed");
    await client.expect(`name ${guard}`, "0");
    await client.expect("hear", "3 0 accepted");
    await until("the killer to be off", () => child.oom().held);
    await Bun.sleep(AGAIN_MS);
    for (let i = 0; i < 5; i += 1) {
      const leaker = await scene.board.start(beside, { means: "touch", kb: LEAK_KB }).ready();
      leaker.go();
      await until("the leaker's death", () => !leaker.isAlive());
      await Bun.sleep(AGAIN_MS);
    }
    expect(beside.oom().kills).toBe(5);
    await Bun.sleep(1200); // the agent's own timer
    expect(scene.reprieve.messages.filter((m) => m.type.startsWith("incident."))).toEqual([]);
    expect(await scene.reprieve.stop()).toBe(0);
    await scene.reprieve.gone();
    await parent.destroy();
    scene.board.close();
  });

  test("when it is dead, reprieve's own answers", async () => {
    const door = await DoorScene.set();
    const client = await door.designated();
    await client.end();
    await door.told("resigned");
    const { leaker, closed } = await door.leak();
    expect(closed.outcome).toBe("relieved");
    expect(door.scene.victims()).toEqual([leaker.pid]);
    await door.scene.end();
  });

  test("who says nothing is cut off", async () => {
    const door = await DoorScene.set();
    const client = door.client();
    await client.expect("dial", "0");
    await Bun.sleep(SILENT_MS);
    expect(await client.ask("hear")).toMatch(/^4 4 no message within/);
    await client.expect("hear", "closed");
    await door.scene.end();
  });

  test("a door that dies is started again: handlers come back, nobody is left as handler", async () => {
    const door = await DoorScene.set();
    const { reprieve } = door.scene;
    const client = await door.designated();
    const from = reprieve.messages.length;
    const dead = await reprieve.helper("door");
    kill(dead, "SIGKILL");
    await client.expect("hear", "closed");
    await door.told("resigned", from);
    await Bun.sleep(AGAIN_MS);
    expect(await reprieve.helper("door")).not.toBe(dead);
    await client.expect("dial", "0");
    await client.expect(`name ${door.guard}`, "0");
    await client.expect("hear", "3 0 accepted");
    await door.scene.end();
  });

  test("a door that is stopped is not left behind when the agent dies", async () => {
    const door = await DoorScene.set();
    const { reprieve } = door.scene;
    await door.designated();
    kill(await reprieve.helper("door"), "SIGSTOP");
    kill(reprieve.pid, "SIGKILL");
    await door.scene.expectAsBefore();
  });

  renaming(
    "a group that was renamed is designated by the guard's name, and told by its directory",
    async () => {
      const door = await DoorScene.set();
      const { group } = door.scene;
      const { guard } = door;
      const before = group.path;
      group.rename(`${before}-renamed`);
      mkdirSync(before);
      chownSync(before, OTHER_UID, OTHER_UID);
      const client = door.client(OTHER_UID);
      await client.expect("dial", "0");
      await client.expect(`name ${guard}`, "0");
      expect(await client.ask("hear")).toMatch(/^4 7 only the owner/);
      const owner = door.client();
      await owner.expect("dial", "0");
      await owner.expect(`name ${guard}`, "0");
      await owner.expect("hear", "3 0 accepted");
      expect(await door.scene.reprieve.stop()).toBe(0);
      Bun.spawnSync(["rmdir", before]);
      await door.scene.strike();
    },
  );
});

describeWith("designate on a kernel before 6.5", [...kernelTest, strace], () => {
  test("the peer is pinned by pid and start time", async () => {
    const door = await DoorScene.set();
    const pid = await door.scene.reprieve.helper("door");
    // SO_PEERPIDFD is the second of its calls for a connection.
    const inject = "getsockopt:error=ENOPROTOOPT:when=2+2";
    const tracer = Bun.spawn(["strace", "-f", "-qq", "-e", `inject=${inject}`, "-p", String(pid)], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    const isTraced = () => !/TracerPid:\t0/.test(statusOf(pid));
    await until("the door to be traced", isTraced);
    const client = await door.designated();
    kill(tracer.pid, "SIGTERM");
    await tracer.exited;
    expect(await new Response(tracer.stderr).text()).toContain("ENOPROTOOPT");
    await client.end();
    await door.told("resigned");
    await door.scene.end();
  });
});

describeWith("the door's socket", kernelTest, () => {
  test("in use by a living reprieve is refused, a dead one's is replaced, ours is removed", async () => {
    const folder = doorFolder();
    const flags = ["--handler", "designated", "--handler-socket", `${folder}/h.sock`];
    const first = await Scene.set(flags);
    const group = new Group("second", { limit: LIMIT });
    const args = ["run", "--cgroup", group.path, "--allow-kill", "--listen", "none", ...flags];
    const ended = await Reprieve.ends(args);
    expect(ended.code).toBe(exit.inUse);
    expect(ended.err).toMatch(/h\.sock: another reprieve does, give --handler-socket/);
    first.reprieve.killAll();
    expect(existsSync(`${folder}/h.sock`)).toBe(true);
    // At once: a service manager would start it again no later.
    const second = await Reprieve.guard([group.path], flags);
    expect(await second.stop()).toBe(0);
    expect(existsSync(`${folder}/h.sock`)).toBe(false);
    await Reprieve.ends(["release"]);
    await first.strike();
    await group.destroy();
  });

  test("with --replace the new reprieve takes the name over, and handlers come to it", async () => {
    const door = await DoorScene.set();
    const { scene, socket } = door;
    const old = scene.reprieve;
    const client = await door.designated();
    const flags = ["--handler", "designated", "--handler-socket", socket, "--replace"];
    scene.reprieve = await Reprieve.guard([scene.group.path], flags);
    expect((await old.ended()).code).toBe(0);
    await client.expect("hear", "closed");
    await until("the name", () => existsSync(socket));
    await client.expect("dial", "0");
    await client.expect(`name ${door.guard}`, "0");
    await client.expect("hear", "3 0 accepted");
    await door.told("designated");
    await scene.end();
    expect(readdirSync(door.folder).filter((name) => name.includes("sock"))).toEqual([]);
  });

  test.each([
    ["in a directory where others may write", 0o777, exit.unsafe, /others may write to/],
    ["where something else is", 0o711, exit.cannotCreate, /something that is no socket is there/],
  ])("%s is refused", async (_, mode, code, why) => {
    const folder = doorFolder();
    chmodSync(folder, mode);
    writeFileSync(`${folder}/h.sock`, "");
    const flags = ["--handler", "designated", "--handler-socket", `${folder}/h.sock`];
    const ended = await Reprieve.ends(["run", ...flags, "--listen", "none", "--", "true"]);
    expect(ended.code).toBe(code);
    expect(ended.err).toMatch(why);
  });

  test("is in the run base by default", async () => {
    const scene = await Scene.set(["--handler", "designated", "--handler-mode", "0600"]);
    const listed = Bun.spawnSync([
      "stat",
      "-c",
      "%a %F",
      "/run/reprieve",
      "/run/reprieve/handler.sock",
    ]);
    expect(listed.stdout.toString()).toBe("711 directory\n600 socket\n");
    await scene.end();
    expect(existsSync("/run/reprieve/handler.sock")).toBe(false);
  });
});

function statusOf(pid: number): string {
  return readFileSync(`/proc/${pid}/status`, "utf8");
}
