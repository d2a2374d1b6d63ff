// SPDX-License-Identifier: MIT
/**
 * A user without rights against root's reprieve, through the door: nothing gained, and nobody else disturbed. After each
 * attack the guard beside it still relieves an OOM, and the door is the one that it was.
 */
import { afterEach, expect, test } from "bun:test";
import { mkdirSync, readFileSync, renameSync, symlinkSync } from "node:fs";
import { UID } from "../helpers/as-user.ts";
import { fixture } from "../helpers/build.ts";
import { cleanUp } from "../helpers/clean.ts";
import { DoorScene, guardOf } from "../helpers/door.ts";
import { Group, kill } from "../helpers/group.ts";
import { binary, programOf } from "../helpers/paths.ts";
import { Random, seedFromEnv } from "../helpers/random.ts";
import type { Message, StartOptions } from "../helpers/reprieve.ts";
import { describeWith, kernelTest, onlyOnV1, onlyOnV2, program } from "../helpers/require.ts";
import { LEAK_KB, LIMIT } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";

const AGAIN_MS = 150;
const FUZZ_PACKETS = Number(process.env.FUZZ_PACKETS ?? 400);
const REQUEST_BYTES = 528;

const OFFERS = ["init", "file", "linger"];
const strace = program("strace", "apt-get install strace");
/** The option of the listener that lets no descriptor be sent. */
const WITHOUT_PASSRIGHTS = [
  ...["strace", "-D", "-f", "-qq", "--seccomp-bpf", "-o", "/dev/null"],
  ...["-e", "trace=setsockopt", "-e", "inject=setsockopt:error=ENOPROTOOPT"],
];

const v1 = onlyOnV1("v2 gives no eventfd");
const renaming = onlyOnV1("groups cannot be renamed on v2");
const v2 = onlyOnV2("v1 gives an eventfd");
afterEach(cleanUp);

/** The attacked guard is UID's, the one beside it root's. */
class Arena {
  readonly door: DoorScene;
  readonly beside: Group;
  readonly #pid: number;

  private constructor(door: DoorScene, beside: Group, pid: number) {
    this.door = door;
    this.beside = beside;
    this.#pid = pid;
  }

  static async set(options: StartOptions = {}): Promise<Arena> {
    const beside = new Group("beside", { limit: LIMIT });
    const door = await DoorScene.set(["--cgroup", beside.path], options);
    await door.scene.reprieve.armed(2);
    return new Arena(door, beside, await door.scene.reprieve.helper("door"));
  }

  /** Nobody else was disturbed. */
  async end(): Promise<void> {
    const { scene } = this.door;
    const from = scene.reprieve.messages.length;
    const leaker = await scene.board.start(this.beside, { means: "touch", kb: LEAK_KB }).ready();
    leaker.go();
    const where = (m: Message) => m.guard === guardOf(this.beside);
    const closed = await scene.reprieve.message("incident.closed", { from, where });
    expect(closed.outcome).toBe("relieved");
    const kills = scene
      .steps("kill", from)
      .filter(where)
      .map((kill) => kill.pid);
    expect(kills).toEqual([leaker.pid]);
    expect(await scene.reprieve.helper("door")).toBe(this.#pid);
    expect(await scene.reprieve.stop()).toBe(0);
    await scene.expectAsBefore();
    await this.beside.destroy();
  }
}

/** A pid that nobody has. */
function freePid(): number {
  const random = new Random(process.pid);
  for (;;) {
    const pid = random.whole(20_000, 32_000);
    if (!kill(pid, 0 as never)) return pid;
  }
}

describeWith("attacks on the door", kernelTest, () => {
  for (const uid of [UID, 0]) {
    test(`the memory file cannot be written or resized by uid ${uid}`, async () => {
      const arena = await Arena.set();
      const client = await arena.door.designated(uid);
      const before = await client.ask("page");
      const opened = Number(await client.ask("attack-memory"));
      const answers: number[] = [];
      while (answers.length < 6) answers.push(Number(await client.next()));
      // Root may open whatever it likes: the seals hold there.
      expect(opened < 0).toBe(uid !== 0);
      expect(answers.filter((answer) => answer >= 0)).toEqual([]);
      expect(await client.ask("page")).toBe(before);
      await arena.end();
    });
  }

  v1("an eventfd that is full and blocks harms nobody: its OOM ends with the delay", async () => {
    const arena = await Arena.set();
    const client = await arena.door.designated();
    await client.expect("attack-event", "0");
    const { closed } = await arena.door.leak();
    expect(closed.outcome).toBe("handed-over");
    expect(await client.ask("hear")).toBe("gone"); // who let the time pass is ended
    await arena.end();
  });

  v2("the event is a file that cannot be written; who ignores it harms nobody", async () => {
    const arena = await Arena.set();
    const client = await arena.door.designated();
    await client.expect("attack-file", "0");
    const { closed } = await arena.door.leak();
    expect(closed.outcome).toBe("handed-over");
    expect(await client.ask("hear")).toBe("gone"); // who let the time pass is ended
    await arena.end();
  });

  test("somebody else's guard: refused, by its name and by tricks with it", async () => {
    const arena = await Arena.set();
    const { door, beside } = arena;
    const own = door.scene.group.path;
    mkdirSync(`${own}/${guardOf(beside)}`);
    symlinkSync(beside.path, `${door.folder}/${door.guard}`);
    const refusals: [string, RegExp][] = [
      [guardOf(beside), /^4 7 /],
      [`${door.guard}/../${guardOf(beside)}`, /^4 6 /],
      [`${door.guard}/${guardOf(beside)}`, /^4 6 /],
      [`${door.folder}/${door.guard}`, /^4 6 /],
      [beside.path, /^4 6 /],
      ["/", /^4 6 /],
      [".", /^4 6 /],
    ];
    const client = door.client();
    for (const [name, why] of refusals) {
      await client.expect("dial", "0");
      await client.expect(`name ${name}`, "0");
      expect(await client.ask("hear")).toMatch(why);
    }
    Bun.spawnSync(["rmdir", `${own}/${guardOf(beside)}`]);
    await arena.end();
  });

  renaming("two groups that change names in the middle stay who they were", async () => {
    const arena = await Arena.set();
    const { door, beside } = arena;
    const { group } = door.scene;
    const [mine, theirs] = [group.path, beside.path];
    const member = await door.scene.neighbour(4096);
    renameSync(mine, `${mine}-away`);
    renameSync(theirs, mine);
    renameSync(`${mine}-away`, theirs);
    const client = await door.designated();
    await Bun.sleep(1200); // a sample
    expect(await client.ask("page")).toContain(` ${member.pid}:`);
    const other = door.client();
    await other.expect("dial", "0");
    await other.expect(`name ${guardOf(beside)}`, "0");
    expect(await other.ask("hear")).toMatch(/^4 7 /);
    renameSync(theirs, `${mine}-away`);
    renameSync(mine, theirs);
    renameSync(`${mine}-away`, mine);
    await arena.end();
  });

  test("who dies after he connected, and whose pid is another's then, gets nobody killed", async () => {
    for (const isStopped of [false, true]) {
      const arena = await Arena.set();
      const { door } = arena;
      const { scene } = door;
      const pid = freePid();
      const asPid = [fixture("as-pid"), String(pid)];
      const client = door.client(UID, asPid);
      await client.expect("dial", "0");
      await client.expect(`name ${door.guard}`, "0");
      await client.expect("hear", "3 0 accepted");
      await door.told("designated");
      const doorPid = await scene.reprieve.helper("door");
      if (isStopped) kill(doorPid, "SIGSTOP");
      const child = Number(await client.ask("leave-to-child"));
      await client.proc.exited;
      const stranger = Bun.spawn([...asPid, programOf("sleep"), "60"]);
      await until("the stranger", () => kill(pid, 0 as never));
      await door.leakToDeath();
      expect(kill(pid, 0 as never)).toBe(true);
      kill(doorPid, "SIGCONT");
      await door.told("resigned");
      kill(child, "SIGKILL");
      kill(stranger.pid, "SIGKILL");
      await stranger.exited;
      await arena.end();
    }
  });

  test("a connection that outlives who made it designates nobody", async () => {
    const arena = await Arena.set();
    const { door } = arena;
    const client = door.client();
    await client.expect("dial", "0");
    const child = Number(await client.ask("leave-to-child"));
    await client.proc.exited;
    kill(child, "SIGKILL");
    await Bun.sleep(AGAIN_MS);
    const { guard } = door;
    const isTold = (m: Message) => m.guard === guard && m.event === "designated";
    expect(door.scene.reprieve.messages.some(isTold)).toBe(false);
    await arena.end();
  });

  test("a flood of connections and of messages: another user still gets in", async () => {
    const arena = await Arena.set();
    const { door } = arena;
    const flooders = [1, 2, 3].map(() => door.client());
    const floods = [
      flooders[0]?.ask("flood 400 keep"),
      flooders[1]?.ask(`flood 400 drop ${door.guard}`),
      flooders[2]?.ask("flood 400 drop"),
    ];
    await Bun.sleep(100);
    const owner = door.client(0);
    await owner.expect("dial", "0");
    // A flooder may have been designated a moment ago: that is his right.
    for (let answer = "", i = 0; !answer.startsWith("3") && i < 50; i += 1) {
      await owner.expect(`name ${door.guard}`, "0");
      answer = await owner.ask("hear");
      if (!answer.startsWith("3")) {
        await Bun.sleep(20);
        await owner.expect("dial", "0");
      }
    }
    await Promise.all(floods);
    for (const flooder of flooders) await flooder.end();
    await arena.end();
  });

  for (const what of OFFERS) {
    test(`an offered descriptor (${what}) is not even sent`, async () => {
      const arena = await Arena.set();
      const { door } = arena;
      const client = door.client();
      await client.expect("dial", "0");
      const sent = await client.ask(`offer ${what} ${door.guard}`);
      if (sent !== "-1") expect(await client.ask("hear")).toMatch(/^4 1 /); // before Linux 6.16
      await door.designated();
      await arena.end();
    });
  }

  test("what is no message is cut off at once", async () => {
    const arena = await Arena.set();
    const { door } = arena;
    const client = door.client();
    for (const bytes of [1, 7, 8, 527, 529, 4096, 65_000]) {
      await client.expect("dial", "0");
      await client.expect(`bytes ${bytes}`, "0");
      expect(await client.ask("hear")).toMatch(/^4 1 /);
      await client.expect("hear", "closed");
    }
    await client.expect("dial", "0");
    await client.expect("bytes 0", "0");
    await client.expect("hear", "closed");
    await client.expect("dial", "0");
    await client.expect("resign", "0");
    expect(await client.ask("hear")).toMatch(/^4 1 /);
    await client.expect("dial", "0");
    await client.expect(`hex 72707276${"0200"}0100`, "0");
    expect(await client.ask("hear")).toMatch(/^4 2 /);
    await arena.end();
  });

  test("a handler that says more than it has to is cut off, and its guard is reprieve's own", async () => {
    const arena = await Arena.set();
    const client = await arena.door.designated();
    await client.expect(`name ${arena.door.guard}`, "0");
    expect(await client.ask("hear")).toMatch(/^4 1 /);
    await arena.door.told("resigned");
    const { closed } = await arena.door.leak();
    expect(closed.outcome).toBe("relieved");
    await arena.end();
  });

  test("fuzz: packets drawn from a printed seed", async () => {
    const seed = seedFromEnv();
    console.log(`SEED=${seed} FUZZ_PACKETS=${FUZZ_PACKETS}`);
    const arena = await Arena.set();
    const random = new Random(seed);
    const client = arena.door.client();
    for (let i = 0; i < FUZZ_PACKETS; i += 1) {
      await client.expect("dial", "0");
      await client.expect(`hex ${drawPacket(random, arena.door.guard)}`, "0");
      expect(await client.ask("hear")).toMatch(/^(4 \d+ |closed)/);
      await client.expect("close", "0");
    }
    await (await arena.door.designated()).end();
    await arena.end();
  }, 60_000);
});

describeWith("attacks on the door before Linux 6.16", [...kernelTest, strace], () => {
  for (const what of OFFERS) {
    test(`an offered descriptor (${what}) is not taken, and holds nobody up`, async () => {
      const arena = await Arena.set({ command: [...WITHOUT_PASSRIGHTS, binary] });
      const { door } = arena;
      const client = door.client();
      await client.expect("dial", "0");
      await client.expect(`offer ${what} ${door.guard}`, "0");
      // Closed with what is queued: the kernel may say that before it gives out the refusal.
      expect(await client.ask("hear")).toMatch(/^(4 1 |closed)/);
      const handler = await door.designated();
      await handler.ask(`offer ${what} ${door.guard}`);
      await handler.ask(`offer ${what} ${door.guard}`); // or it is closed by now
      await door.told("resigned");
      await Bun.sleep(AGAIN_MS);
      await door.designated();
      const pid = await door.scene.reprieve.helper("door");
      const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
      expect(children).toBe("");
      await arena.end();
    }, 60_000); // its own close of such a descriptor may linger for seconds
  }
});

/** A request with some bytes changed, cut or added; never a valid one. */
function drawPacket(random: Random, guard: string): string {
  const packet = Buffer.alloc(REQUEST_BYTES + random.whole(0, 64));
  packet.write("72707276010001000000000000000000", "hex");
  packet.write(guard, 16);
  const cut = random.chance(0.5) ? random.whole(1, packet.length) : REQUEST_BYTES;
  for (let i = random.whole(1, 8); i > 0; i -= 1) {
    packet[random.chance(0.5) ? random.whole(0, 16) : random.whole(0, cut - 1)] = random.whole(
      0,
      255,
    );
  }
  // One byte that is wrong for sure: in the name's rest, or in the magic.
  if (random.chance(0.5)) packet[REQUEST_BYTES - 1] = random.whole(1, 255);
  else packet[random.whole(0, 3)] = 0;
  return packet.subarray(0, cut).toString("hex");
}
