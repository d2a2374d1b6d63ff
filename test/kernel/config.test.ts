// SPDX-License-Identifier: MIT
/** A config file guards groups of the real hierarchy: which, how, and with which power. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cleanUp } from "../helpers/clean.ts";
import { armed, ConfigFile, FEED, guard, Tenants } from "../helpers/config.ts";
import { MB } from "../helpers/group.ts";
import { binary } from "../helpers/paths.ts";
import { Reprieve } from "../helpers/reprieve.ts";
import { describeWith, kernelTest, program } from "../helpers/require.ts";
import { LEAK_KB, LIMIT } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";
import { Board } from "../helpers/workload.ts";

const exit = { badConfig: 1, usage: 64, noGroup: 66, inUse: 75, unsafe: 78 } as const;

let config: ConfigFile;
let dir: string;
let file: string;
beforeEach(() => {
  config = new ConfigFile();
  dir = config.dir;
  file = config.path;
});
afterEach(async () => {
  config.remove();
  await cleanUp();
});

function write(toml: string, mode?: number): void {
  config.write(toml, mode);
}

describeWith("a config file", [...kernelTest, program("unshare", "util-linux")], () => {
  let tenants: Tenants;
  let at: string;
  beforeEach(() => {
    tenants = new Tenants();
    at = tenants.at;
  });
  afterEach(() => tenants.destroy());

  test("finds groups by glob, each guarded as the most specific guard says", async () => {
    for (const name of ["web", "db", "test-1"]) tenants.child(name, LIMIT);
    tenants.child("web").child("inner", LIMIT);
    write(
      `${FEED}[allow]\nkill = "${at}/*"\n[deny]\nkill = "${at}/d?"\n` +
        guard("all", `${at}/*`, `except = "${at}/test-*"\ndelay = "70ms"\n`) +
        guard("web", `${at}/web`, 'margin = "3M"\n'),
    );
    const reprieve = await config.start(2);
    const { web, db, ...others } = armed(reprieve);
    expect(others).toEqual({});
    expect(web).toMatchObject({ margin_bytes: 3 * MB, allow_kill: true });
    expect(db).toMatchObject({ delay_ms: 70, allow_kill: false });
    expect(web?.delay_ms).not.toBe(70);
    expect(await reprieve.stop()).toBe(0);
    await reprieve.gone();
  });

  test("kills where it is allowed to, and observes beside", async () => {
    const [may, mayNot] = [tenants.child("may", LIMIT), tenants.child("may-not", LIMIT)];
    write(`${FEED}[allow]\nkill = "${at}/may"\n${guard("all", `${at}/**`)}`);
    const reprieve = await config.start(2);
    const board = new Board();
    for (const [group, outcome] of [
      [may, "relieved"],
      [mayNot, "observed"],
    ] as const) {
      const from = reprieve.messages.length;
      const leaker = await board.start(group, { means: "touch", kb: LEAK_KB }).ready();
      leaker.go();
      expect((await reprieve.message("incident.closed", { from })).outcome).toBe(outcome);
    }
    board.close();
    expect(await reprieve.stop()).toBe(0);
    await reprieve.gone();
  });

  test("yields to flags; [deny] wins over --allow-kill", async () => {
    for (const name of ["a", "b"]) tenants.child(name, LIMIT);
    write(
      `${FEED}[deny]\nkill = "${at}/b"\n${guard("all", `${at}/*`, 'delay = "70ms"\nmargin = "3M"\n')}`,
    );
    const reprieve = await config.start(2, "--delay", "60ms", "--allow-kill");
    const { a, b } = armed(reprieve);
    expect(a).toMatchObject({ delay_ms: 60, margin_bytes: 3 * MB, allow_kill: true });
    expect(b).toMatchObject({ delay_ms: 60, margin_bytes: 3 * MB, allow_kill: false });
    expect(await reprieve.stop()).toBe(0);
  });

  test("with --cgroup guards that one alone, as it says of it", async () => {
    for (const name of ["a", "b"]) tenants.child(name, LIMIT);
    write(`${FEED}${guard("all", `${at}/*`, 'delay = "70ms"\n')}`);
    const reprieve = await config.start(1, "--cgroup", `${tenants.path}/b`);
    expect(Object.keys(armed(reprieve))).toEqual(["b"]);
    expect(armed(reprieve).b).toMatchObject({ delay_ms: 70 });
    expect(await reprieve.stop()).toBe(0);
  });

  test("leaves out what a glob finds and cannot be guarded, and says so without steering a terminal", async () => {
    tenants.child("good", LIMIT);
    tenants.child("no \u001b[2J limit");
    tenants.child("none either");
    tenants.child("small", 2 * MB);
    const more = 'margin = "4M"\n';
    write(`${FEED}${guard("all", `${at}/*`, more)}${guard("odd", `${at}/no ?*`)}`);
    const reprieve = await config.start(1);
    expect(Object.keys(armed(reprieve))).toEqual(["good"]);
    await until("the last line", () => reprieve.err.includes("guard odd"));
    expect(reprieve.err).toMatch(/guard all leaves out: .*limit.*\(and 1 more\)/);
    expect(reprieve.err).toMatch(/guard odd leaves out: .*no \u{fffd}\[2J limit/u);
    expect(reprieve.err).not.toContain("\u001b");
    expect(await reprieve.stop()).toBe(0);
  });

  test("leaves out what another reprieve guards; that one goes on", async () => {
    const [theirs] = ["theirs", "ours"].map((name) => tenants.child(name, LIMIT));
    const first = await Reprieve.guard([theirs?.path ?? ""]);
    write(`${FEED}${guard("all", `${at}/*`)}`);
    const second = await config.start(1);
    expect(Object.keys(armed(second))).toEqual(["ours"]);
    expect(second.err).toContain("another reprieve guards it already");
    expect(await second.stop()).toBe(0);
    expect(await first.stop()).toBe(0);
  });

  /** Nothing on stdout, nothing left behind. */
  async function refused(code: number, says: RegExp, args: readonly string[] = []): Promise<void> {
    const ended = await Reprieve.ends(["run", "--config", file, ...args]);
    expect(ended.err).toMatch(says);
    expect(ended.code).toBe(code);
    expect(ended.out).toBe("");
  }

  test("refuses to start without a group that it calls by its path", async () => {
    write(`${FEED}${guard("gone", `${at}/gone`)}`);
    await refused(exit.noGroup, /cannot guard .*gone: no such cgroup/);
  });

  test("waits where a glob finds none that could be guarded", async () => {
    tenants.child("no-limit");
    write(`${FEED}${guard("none", `${at}/*`)}`);
    const reprieve = Reprieve.start(["run", "--config", file]);
    await until("that it waits", () => reprieve.err.includes("waiting for the first"));
    expect(reprieve.err).toMatch(/leaves out: .*limit/);
    expect(await reprieve.stop()).toBe(0);
    await reprieve.gone();
  });

  test("refuses a handler inside where a glob may find more groups than one", async () => {
    tenants.child("one", LIMIT);
    write(`${FEED}[handler]\nwhere = "inside"\n${guard("all", `${at}/*`)}`);
    await refused(exit.usage, /--handler inside goes with one group only/);
  });

  test("refuses to start with mistakes, and tells them all", async () => {
    write(`${guard("a", "a")}dealy = 1\n`);
    await refused(exit.badConfig, /toml:3:1: guard.0.cgroup.*toml:4:1: .*did you mean delay/s);
  });

  test("is refused where others may write to it", async () => {
    tenants.child("a", LIMIT);
    write(`${FEED}${guard("all", `${at}/*`)}`, 0o644);
    mkdirSync(join(dir, "reprieve.d"), { mode: 0o700 });
    writeFileSync(join(dir, "reprieve.d/1.toml"), "[allow]\nkill = true\n");
    await Bun.$`chmod 666 ${join(dir, "reprieve.d/1.toml")}`;
    await refused(exit.unsafe, /refusing the config: others may write to .*1.toml: chmod go-w/);
  });

  test("does not go with CMD, nor its flags with it", async () => {
    write(`${FEED}${guard("all", `${at}/*`)}`);
    await refused(exit.usage, /--config FILE or -- CMD/, ["--", "true"]);
    await refused(exit.usage, /--limit goes with -- CMD/, ["--limit", "1G"]);
  });

  test("with a designated handler wants the power in every group", async () => {
    for (const name of ["a", "b"]) tenants.child(name, LIMIT);
    write(
      `${FEED}[allow]\nkill = "${at}/a"\n[handler]\nwhere = "designated"\n${guard("all", `${at}/*`)}`,
    );
    await refused(exit.usage, /designated handler goes with --allow-kill/);
  });

  test("is the one in /etc/reprieve where nothing else is asked for", async () => {
    tenants.child("a", LIMIT);
    write(`${FEED}${guard("all", `${at}/*`)}`);
    const place =
      'mount -t tmpfs none /etc && mkdir /etc/reprieve && cp "$0" /etc/reprieve/ && exec "$@"';
    const command = ["unshare", "-m", "sh", "-c", place, file, binary];
    const reprieve = Reprieve.start(["run", "--json"], { command });
    await reprieve.armed(1);
    expect(Object.keys(armed(reprieve))).toEqual(["a"]);
    expect(await reprieve.stop()).toBe(0);
    const ended = await Reprieve.ends(["check"], { command });
    expect(ended.out).toContain("no mistake, 1 guard in /etc/reprieve/reprieve.toml");
  });
});

describe("reprieve check", () => {
  const good = '[[guard]]\nname = "a"\ncgroup = "/a"\n';

  test("ends with 0 or 1, and tells on stdout", async () => {
    write(good);
    const fine = await Reprieve.ends(["check", file]);
    expect(fine).toMatchObject({ code: 0, out: `no mistake, 1 guard in ${file}\n`, err: "" });
    write(`${good}dealy = 1\n[feed]\nlisten = 2\n`);
    const bad = await Reprieve.ends(["check", file]);
    expect(bad).toMatchObject({ code: exit.badConfig, err: "" });
    expect(bad.out.trimEnd().split("\n")).toEqual([
      `${file}:4:1: guard.0.dealy: there is no such key, did you mean delay?`,
      `${file}:6:1: feed.listen = 2: an address is HOST:PORT, like 127.0.0.1:7461 or [::1]:7461, unix:PATH[,MODE], or none`,
    ]);
    const missing = await Reprieve.ends(["check", `${file}-not`]);
    expect(missing).toMatchObject({ code: 1, out: `${file}-not: there is no such file\n` });
  });

  test("--effective prints what is in effect, as a file that is right", async () => {
    write(`${good}[feed]\ntoken = false\n`);
    const { code, out } = await Reprieve.ends(["check", file, "--effective"]);
    expect(code).toBe(0);
    expect(out).toContain('[handler]\nwhere = "outside"\n');
    writeFileSync(file, out);
    expect((await Reprieve.ends(["check", file, "--effective"])).out).toBe(out);
  });

  test("--json tells the same to programs", async () => {
    write(`${good}dealy = 1\n`);
    const bad = await Reprieve.ends(["check", file, "--json"]);
    expect(JSON.parse(bad.out)).toEqual({
      v: 1,
      ok: false,
      files: [file],
      mistakes: [
        {
          file,
          line: 4,
          column: 1,
          path: "guard.0.dealy",
          expected: "there is no such key",
          nearest: "delay",
        },
      ],
    });
    write(good);
    const fine = JSON.parse((await Reprieve.ends(["check", file, "--json", "--effective"])).out);
    expect(fine).toMatchObject({
      v: 1,
      ok: true,
      mistakes: [],
      effective: { feed: { token: true } },
    });
  });

  test("says what run would refuse, and colours nothing", async () => {
    write(good);
    await Bun.$`chmod 666 ${file}`;
    const env = { FORCE_COLOR: "1", CLICOLOR_FORCE: "1" };
    const { code, out, err } = await Reprieve.ends(["check", file], { env });
    expect(code).toBe(0);
    expect(err).toContain(`run would refuse this: others may write to ${file}: chmod go-w it`);
    expect(out + err).not.toContain("\u001b");
  });

  test("a reader that is gone is no success", async () => {
    write(good);
    const command = ["sh", "-c", '"$@" >/dev/full', "sh", binary];
    expect((await Reprieve.ends(["check", file], { command })).code).toBe(69);
  });
});
