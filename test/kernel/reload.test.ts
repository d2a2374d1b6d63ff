// SPDX-License-Identifier: MIT
/** Changes of the config file while reprieve runs: all of it is put into effect, or nothing; whose rules stay is not touched. */
import { expect, test } from "bun:test";
import { chownSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { UID } from "../helpers/as-user.ts";
import { type ConfigFile, FEED, guard, onStage, type Tenants } from "../helpers/config.ts";
import { Client, doorFolder } from "../helpers/door.ts";
import { type Group, kill } from "../helpers/group.ts";
import { type Ended, type Message, Reprieve } from "../helpers/reprieve.ts";
import { describeWith, kernelTest } from "../helpers/require.ts";
import { LEAK_KB, LIMIT } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";
import type { Board } from "../helpers/workload.ts";

let config: ConfigFile;
let tenants: Tenants;
let at: string;
let board: Board;
onStage((stage) => {
  ({ config, tenants, at, board } = stage);
});

const ALLOWED = "[allow]\nkill = true\n";

/** By the end of its name. */
function told({ messages }: Reprieve, end: string, type = "armed"): Message[] {
  return messages.filter((m) => m.type === type && String(m.guard).endsWith(end));
}

async function isArmed(reprieve: Reprieve, end: string, times: number): Promise<Message> {
  await until(`${end} armed ${times} times: ${reprieve.err}`, () => {
    return told(reprieve, end).length === times;
  });
  return told(reprieve, end).at(-1) as Message;
}

async function says(reprieve: Reprieve, text: string): Promise<void> {
  await until(`"${text}" in "${reprieve.err}"`, () => reprieve.err.includes(text));
}

async function expectRelief(reprieve: Reprieve, group: Group): Promise<void> {
  const from = reprieve.messages.length;
  const leaker = await board.start(group, { means: "touch", kb: LEAK_KB }).ready();
  leaker.go();
  const closed = await reprieve.message("incident.closed", { from });
  expect(closed).toMatchObject({ outcome: "relieved", reason: "killed" });
  await until("the leaker's death", () => !leaker.isAlive());
}

async function end(reprieve: Reprieve): Promise<void> {
  expect(await reprieve.stop()).toBe(0);
  await reprieve.gone();
}

describeWith("a config file that changes", kernelTest, () => {
  test("is put into effect by SIGHUP: whose rules stay is not touched", async () => {
    const [web, db, old] = ["web", "db", "old"].map((name) => tenants.child(name, LIMIT));
    config.write(
      FEED + ALLOWED + ["web", "db", "old"].map((name) => guard(name, `${at}/${name}`)).join(""),
    );
    const reprieve = await config.start(3);
    const fresh = tenants.child("new", LIMIT);
    config.write(
      `${FEED}${ALLOWED}[deny]\nkill = "${at}/db"\n${guard("web", `${at}/web`)}${guard("db", `${at}/db`)}` +
        guard("new", `${at}/n*`, 'delay = "70ms"\n'),
    );
    kill(reprieve.pid, "SIGHUP");
    expect(await isArmed(reprieve, "/new", 1)).toMatchObject({ delay_ms: 70 });
    expect(await isArmed(reprieve, "/db", 2)).toMatchObject({ allow_kill: false });
    await until("the old one to be let go", () => told(reprieve, "/old", "released").length === 1);
    expect(reprieve.err).toContain("is in effect: 2 groups of those that are guarded had other");
    expect(told(reprieve, "/web")).toHaveLength(1);
    expect(told(reprieve, "/web", "released")).toEqual([]);
    await expectRelief(reprieve, web as Group);
    await expectRelief(reprieve, fresh);
    await end(reprieve);
    for (const group of [web, db, old, fresh]) expect(group?.oom().held).toBe(false);
  });

  test("with mistakes changes nothing, and they are told", async () => {
    const web = tenants.child("web", LIMIT);
    config.write(FEED + ALLOWED + guard("web", `${at}/*`));
    const reprieve = await config.start(1);
    config.write(`${FEED + guard("web", `${at}/none`)}dealy = 1\n`);
    kill(reprieve.pid, "SIGHUP");
    await says(reprieve, "the rules stay as they are: ");
    expect(reprieve.err).toContain("did you mean delay");
    config.write(`${FEED}${ALLOWED}[handler]\nwhere = "designated"\n${guard("web", `${at}/none`)}`);
    kill(reprieve.pid, "SIGHUP");
    await says(reprieve, "change at a start only");
    expect(told(reprieve, "/web", "released")).toEqual([]);
    await expectRelief(reprieve, web);
    await end(reprieve);
  });

  test("in the middle of an incident changes its group's rules when that is closed", async () => {
    const web = tenants.child("web", LIMIT);
    chownSync(web.path, UID, UID);
    const folder = doorFolder();
    const socket = `${folder}/handler.sock`;
    const rules = (delay: string) =>
      `${FEED}${ALLOWED}[handler]\nwhere = "designated"\nsocket = "${socket}"\n` +
      guard("web", `${at}/*`, `delay = "${delay}"\n`);
    config.write(rules("5s"));
    const reprieve = await config.start(1);
    // One that answers for the group, and does nothing.
    const idle = new Client(socket, folder, UID);
    await idle.expect("dial", "0");
    await idle.expect(`name ${at.slice(1)}/web`, "0");
    await idle.expect("hear", "3 0 accepted");
    const leaker = await board.start(web, { means: "touch", kb: LEAK_KB }).ready();
    leaker.go();
    await reprieve.message("incident.opened");
    config.write(rules("6s"));
    kill(reprieve.pid, "SIGHUP");
    await says(reprieve, "1 group of those that are guarded had other rules");
    await Bun.sleep(200);
    expect(told(reprieve, "/web", "released")).toEqual([]);
    kill(leaker.pid, "SIGKILL");
    expect(await isArmed(reprieve, "/web", 2)).toMatchObject({ delay_ms: 6000 });
    const closed = await reprieve.message("incident.closed");
    expect(closed).toMatchObject({ outcome: "relieved", reason: "designated" });
    await end(reprieve);
  });

  test("is put into effect by itself where [reload] watch says so, drop-ins too", async () => {
    const web = tenants.child("web", LIMIT);
    const rules = (delay: string) =>
      `${FEED}${ALLOWED}[reload]\nwatch = true\n${guard("web", `${at}/*`, `delay = "${delay}"\n`)}`;
    config.write(rules("70ms"));
    const reprieve = await config.start(1);
    // As editors do.
    writeFileSync(`${config.path}.new`, rules("80ms"));
    renameSync(`${config.path}.new`, config.path);
    expect(await isArmed(reprieve, "/web", 2)).toMatchObject({ delay_ms: 80 });
    mkdirSync(join(config.dir, "reprieve.d"));
    writeFileSync(
      join(config.dir, "reprieve.d/1.toml"),
      guard("web", `${at}/*`, 'delay = "90ms"\n'),
    );
    expect(await isArmed(reprieve, "/web", 3)).toMatchObject({ delay_ms: 90 });
    await expectRelief(reprieve, web);
    await end(reprieve);
  });

  test("is read anew by `reprieve reload`, unless there are mistakes in it", async () => {
    tenants.child("web", LIMIT);
    config.write(FEED + ALLOWED + guard("web", `${at}/*`));
    const reprieve = await config.start(1);
    config.write(`${FEED + guard("web", `${at}/*`)}dealy = 1\n`);
    const refused = await Reprieve.ends(["reload"]);
    expect(refused.code).toBe(1);
    expect(refused.err).toContain("did you mean delay");
    expect(refused.err).toContain(`reprieve ${reprieve.pid}, of ${config.path}, is left as it is`);
    config.write(FEED + ALLOWED + guard("web", `${at}/*`, 'delay = "70ms"\n'));
    const { err } = await Reprieve.ends(["reload"]);
    expect(err).toContain(`reprieve ${reprieve.pid}, of ${config.path}, reads it anew`);
    expect(await isArmed(reprieve, "/web", 2)).toMatchObject({ delay_ms: 70 });

    const about = { v: 1, reprieve: reprieve.pid, config: config.path, files: [config.path] };
    // One line for each that runs; others may, here.
    const mine = ({ out }: Ended) =>
      out.split("\n").flatMap((line) => {
        const one = line === "" ? undefined : JSON.parse(line);
        return one?.reprieve === reprieve.pid ? [one] : [];
      });
    config.write(`${FEED + ALLOWED + guard("web", `${at}/*`, 'delay = "60ms"\n')}dealy = 1\n`);
    const wrong = await Reprieve.ends(["reload", "--json"]);
    expect(wrong.code).toBe(1);
    expect(mine(wrong)).toMatchObject([
      {
        ...{ ...about, reads: false, untrusted: [] },
        mistakes: [{ path: "guard.0.dealy", nearest: "delay" }],
      },
    ]);
    config.write(FEED + ALLOWED + guard("web", `${at}/*`, 'delay = "60ms"\n'));
    const right = await Reprieve.ends(["reload", "--json"]);
    expect(right.err).toBe("");
    expect(mine(right)).toEqual([{ ...about, reads: true, mistakes: [], untrusted: [] }]);
    expect(await isArmed(reprieve, "/web", 3)).toMatchObject({ delay_ms: 60 });
    await end(reprieve);
  });
});
