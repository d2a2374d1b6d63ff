// SPDX-License-Identifier: MIT
/** What a service of systemd's does, but for systemd (test/vm/host-*.ts): sd_notify, its directory, its journal. */
import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { exit } from "../../src/errors.ts";
import { type ConfigFile, FEED, guard, type Tenants } from "../helpers/config.ts";
import { kill } from "../helpers/group.ts";
import { NotifySocket } from "../helpers/notified.ts";
import { binary } from "../helpers/paths.ts";
import { Reprieve } from "../helpers/reprieve.ts";
import { describeWith, kernelTest } from "../helpers/require.ts";
import { LIMIT } from "../helpers/scene.ts";
import { ALLOWED, onServiceStage } from "../helpers/service.ts";
import { monotonicMs, until } from "../helpers/wait.ts";

let config: ConfigFile;
let tenants: Tenants;
let at: string;
let systemd: NotifySocket;
let folder: string;
let service: (more?: readonly string[], env?: Record<string, string>) => Reprieve;
onServiceStage((stage) => {
  ({ config, tenants, at, systemd, folder } = stage);
  service = (more, env) => stage.service(more, env);
});

describeWith("sd_notify", kernelTest, () => {
  test("ready when the guards are armed; how many they are, and when it ends", async () => {
    const group = tenants.child("a", LIMIT);
    config.write(ALLOWED + guard("g", `${at}/*`));
    const reprieve = service(["--json"]);
    expect(await systemd.hears("READY=1")).toBe("READY=1\nSTATUS=guarding 1 group");
    await reprieve.message("armed"); // by another way than READY=1
    const other = tenants.child("b", LIMIT);
    await systemd.hears("STATUS=guarding 2 groups");
    await group.destroy();
    await other.destroy();
    await systemd.hears("STATUS=guarding 0 groups");
    expect(await reprieve.stop()).toBe(exit.ok);
    await systemd.hears("STOPPING=1");
    expect(systemd.heard.filter((text) => /WATCHDOG|RELOADING/.test(text))).toEqual([]);
  });

  test("where nothing is there yet, and of the host as a whole alone", async () => {
    config.write(ALLOWED + guard("g", `${at}/*`));
    const first = service();
    expect(await systemd.hears("READY=1")).toContain("STATUS=guarding 0 groups");
    await first.stop();
    config.write(`${FEED}[system]\nmemory = "1M"\n`);
    const second = service();
    expect(await systemd.hears("STATUS=guarding the host as a whole")).toStartWith("READY=1");
    await second.stop();
  });

  test("not before: a start that fails is never ready", async () => {
    config.write(`${ALLOWED}[[guard]]\nname = "g"\n`);
    expect((await service().ended()).code).toBe(exit.badConfig);
    expect(await systemd.all()).toEqual([]);
  });

  test("its token is in systemd's directory for it, unless the config file names another place", async () => {
    const listen = '[feed]\nlisten = "127.0.0.1:0"\n';
    const others = join(folder, "others");
    const state = join(others, "reprieve");
    mkdirSync(state, { recursive: true });
    const kept = join(state, "token");
    const of = (pid: number) => readFileSync(`/run/reprieve/${pid}/token`, "utf8");
    config.write(`${listen}${guard("g", `${at}/*`)}`);
    const first = service([], { STATE_DIRECTORY: state });
    await systemd.hears("READY=1");
    expect(readFileSync(kept, "utf8")).toBe(of(first.pid));
    await first.stop();
    rmSync(kept);
    const given = join(folder, "given");
    config.write(`${listen}token_file = "${given}"\n${guard("g", `${at}/*`)}`);
    const from = systemd.heard.length;
    const second = service([], { STATE_DIRECTORY: state });
    await systemd.hears("READY=1", from);
    expect(readFileSync(given, "utf8")).toBe(of(second.pid));
    expect(existsSync(kept)).toBe(false);
    await second.stop();
    // A service in which reprieve only runs has secrets of its own there.
    config.write(`${listen}${guard("g", `${at}/*`)}`);
    const last = systemd.heard.length;
    const third = service([], { STATE_DIRECTORY: others });
    await systemd.hears("READY=1", last);
    expect(readdirSync(others)).toEqual(["reprieve"]);
    await third.stop();
  });

  test("alive as often as it is wanted, and not when it is stopped", async () => {
    tenants.child("a", LIMIT);
    config.write(ALLOWED + guard("g", `${at}/*`));
    const reprieve = service([], { WATCHDOG_USEC: "300000" });
    await systemd.hears("READY=1");
    expect(await systemd.hears("WATCHDOG=1")).toBe("WATCHDOG=1");
    kill(reprieve.pid, "SIGSTOP");
    await Bun.sleep(300);
    await systemd.hears("WATCHDOG=1");
    const from = systemd.heard.length;
    await Bun.sleep(600);
    kill(reprieve.pid, "SIGCONT");
    await systemd.hears("WATCHDOG=1", from);
    expect(systemd.heard.length - from).toBeLessThanOrEqual(2);
    await reprieve.stop();
  });

  test("around a reload, with the time that systemd 253 compares; through an abstract socket too", async () => {
    tenants.child("a", LIMIT);
    config.write(ALLOWED + guard("g", `${at}/*`));
    const abstract = new NotifySocket({ isAbstract: true });
    const reprieve = service([], { NOTIFY_SOCKET: abstract.name });
    await abstract.hears("READY=1");
    const from = abstract.heard.length;
    const askedUs = monotonicMs() * 1000;
    kill(reprieve.pid, "SIGHUP");
    const reloading = await abstract.hears("RELOADING=1");
    const us = Number(/MONOTONIC_USEC=(\d+)/.exec(reloading)?.[1]);
    expect(us).toBeGreaterThanOrEqual(Math.floor(askedUs));
    expect(us).toBeLessThanOrEqual(monotonicMs() * 1000);
    await abstract.hears("READY=1", from);
    await reprieve.stop();
    abstract.close();
  });

  test("CMD of run -- CMD is told of it, and nobody speaks for CMD", async () => {
    const script = `test "$NOTIFY_SOCKET" = ${systemd.name} && sleep 0.2`;
    const env = { NOTIFY_SOCKET: systemd.name };
    const args = ["run", "--listen", "none", "--limit", "64M", "--", "sh", "-c", script];
    expect((await Reprieve.ends(args, { env })).code).toBe(exit.ok);
    expect(await systemd.all()).toEqual([]);
  });
});

describeWith("stderr that is systemd's journal", kernelTest, () => {
  test("has its priority before each line, nobody's name, and no token", async () => {
    tenants.child("a", LIMIT);
    config.write(
      `[feed]\nlisten = "127.0.0.1:0"\n[allow]\nkill = "${at}/b"\n${guard("g", `${at}/*`, 'margin = "4M"\n')}`,
    );
    const file = join(folder, "stderr");
    const script = `exec 2>${file}; JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) exec "$0" "$@"`;
    const reprieve = Reprieve.start(["run", "--config", config.path], {
      command: ["sh", "-c", script, binary],
    });
    const said = () => (existsSync(file) ? readFileSync(file, "utf8") : "");
    await until("the page", () => said().includes("page "));
    tenants.child("small", 2_000_000);
    await until("who is left out", () => said().includes("leaves out"));
    await reprieve.stop();
    const lines = said().trim().split("\n");
    expect(lines.filter((line) => !/^<[346]>(?!reprieve: )/.test(line))).toEqual([]);
    expect(lines.find((line) => line.includes("page "))).toMatch(
      /^<6>page http:\S+\/, its token in \/run\/reprieve\/\d+\/token$/,
    );
    expect(lines.find((line) => line.includes("observe"))).toStartWith("<4>");
    const wrong = await Reprieve.ends(["run", "--config", join(folder, "none.toml")], {
      command: ["sh", "-c", script, binary],
    });
    expect(wrong.code).toBe(exit.badConfig);
    expect(said()).toStartWith("<3>");
  });
});
