// SPDX-License-Identifier: MIT
/** `watch` in a real terminal: what it shows, in which size, and that it gives the terminal back, for a while too. */
import { afterEach, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { cleanUp } from "../helpers/clean.ts";
import { guard, Stage } from "../helpers/config.ts";
import { type Feed, freePort, serve, served } from "../helpers/feed.ts";
import { kill } from "../helpers/group.ts";
import { Journal } from "../helpers/journal.ts";
import { binary } from "../helpers/paths.ts";
import { Reprieve } from "../helpers/reprieve.ts";
import { describeWith, kernelTest } from "../helpers/require.ts";
import { LIMIT, type Scene } from "../helpers/scene.ts";
import { closeTerminals, Terminal, tmux } from "../helpers/terminal.ts";
import { until } from "../helpers/wait.ts";

afterEach(async () => {
  closeTerminals();
  await cleanUp();
});

const nameOf = ({ group }: Scene) => group.path.split("/").at(-1) ?? "";

/** Of that reprieve alone: others may run on the host. */
const at = ({ address, token }: Feed) => ["--url", `http://${address}/`, "--token", token];

describeWith("watch in a terminal", [...kernelTest, tmux], () => {
  const command = (feed: Feed, ...more: string[]) =>
    [binary, "watch", ...more, ...at(feed)].join(" ");

  test("shows what happens, in the size that it has, and gives the terminal back", async () => {
    const feed = await serve();
    const { scene } = feed;
    const name = nameOf(scene);
    const terminal = await Terminal.open(100, 24);
    terminal.type(`${command(feed)}; echo "code $?"`);
    await terminal.shows(`${name}  `);
    expect(terminal.isOther).toBe(true);
    const { leaker } = await scene.leak();
    await terminal.shows("LAST OF");
    await terminal.shows(new RegExp(`relieved .*\\b${leaker.pid}\\b`));
    terminal.resize(40, 10);
    await terminal.shows(/^GUARD +STATE +USAGE +LIMIT$/m);
    terminal.resize(160, 30);
    await terminal.shows(/PROCS .*HANDLER$/m);
    terminal.press("q");
    await terminal.shows("code 0");
    expect(terminal.isOther).toBe(false);
    expect(terminal.screen()).not.toContain("HANDLER");
    await scene.end();
  });

  test.each(["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"] as const)(
    "%s gives it back too",
    async (signal) => {
      const feed = await serve();
      const terminal = await Terminal.open();
      terminal.type(`${command(feed, nameOf(feed.scene))}; echo "code $?"; stty -a`);
      await terminal.shows("orders    kill");
      kill(watcherOf(feed), signal);
      await terminal.shows("code 0");
      await terminal.shows(" icanon ");
      expect(terminal.screen()).toContain(" echo ");
      expect(terminal.isOther).toBe(false);
      await feed.scene.end();
    },
  );

  test("Ctrl-Z gives it back until it is continued, in front", async () => {
    const feed = await serve();
    const terminal = await Terminal.open();
    const begun = /^reprieve +1 guard /m;
    terminal.type(`${command(feed)}; echo "code $?"`);
    await terminal.shows(begun);
    terminal.press("C-z");
    await terminal.shows("Stopped");
    expect([terminal.isOther, terminal.hasCursor]).toEqual([false, true]);
    terminal.type("stty -a");
    await terminal.shows(" icanon ");
    expect(terminal.screen()).toContain(" echo ");
    terminal.type("clear; bg; sleep 0.5; jobs");
    await terminal.shows(/Stopped.*tty output/);
    expect(terminal.isOther).toBe(false);
    terminal.type("fg");
    await terminal.shows(begun);
    expect([terminal.isOther, terminal.hasCursor]).toEqual([true, false]);
    terminal.press("q");
    await terminal.lacks(begun);
    expect(terminal.isOther).toBe(false);
    await feed.scene.end();
  });

  test("SIGTSTP gives it back too; behind SIGSTOP it is taken anew", async () => {
    const feed = await serve();
    const terminal = await Terminal.open();
    const begun = /^reprieve +1 guard /m;
    terminal.type("exec bash --norc"); // sets modes of its own
    terminal.type(command(feed));
    await terminal.shows(begun);
    const pid = watcherOf(feed);
    kill(pid, "SIGTSTP");
    await terminal.shows("Stopped");
    expect(terminal.isOther).toBe(false);
    terminal.type("fg");
    await terminal.shows(begun);
    kill(pid, "SIGSTOP");
    await terminal.shows("Stopped");
    terminal.type("clear");
    await terminal.lacks(begun);
    terminal.type("fg");
    await terminal.shows(begun);
    terminal.press("q"); // is taken at once: its modes are there again
    await terminal.lacks(begun);
    await feed.scene.end();
  });

  test("more guards than rows: keys show the others, and which part is seen is said", async () => {
    const stage = new Stage();
    const names = Array.from({ length: 30 }, (_, n) => `g${n + 10}`);
    for (const name of names) stage.tenants.child(name, LIMIT);
    const address = `127.0.0.1:${freePort()}`;
    // Observed only: the host is always short of memory to it.
    const system = '[system]\nmemory = ["100%", "0%"]\nswap = "100%"\n';
    const feed = `[feed]\nlisten = "${address}"\ntoken = false\n`;
    stage.config.write(`${feed}${system}${guard("all", `${stage.at}/*`)}`);
    const reprieve = await stage.config.start(names.length, "--journal", "none");
    await served(reprieve);
    const terminal = await Terminal.open(80, 24);
    terminal.type(`${binary} watch --url http://${address}/`);
    await terminal.shows("guards 1 to 19 of 30: arrows, PgUp, PgDn, Home, End");
    await terminal.shows(/^\d{4}-\S+ \S+ {2}(the host: low memory|would terminate) /m);
    expect(terminal.screen()).not.toContain("g30 ");
    const pressed = [
      ["Down", 2],
      ["NPage", 12],
      ["Up", 11],
      ["PPage", 1],
      ["End", 12],
      ["Home", 1],
    ] as const;
    for (const [key, from] of pressed) {
      terminal.press(key);
      await terminal.shows(`guards ${from} to ${from + 18} of 30`);
      expect(terminal.screen()).toMatch(new RegExp(`^\\S*g${from + 9} `, "m"));
    }
    terminal.resize(80, 40);
    await terminal.lacks("guards 1 to");
    expect(await reprieve.stop()).toBe(0);
    await stage.end();
  });

  test("says that the journal cannot be written, as status does, until it can", async () => {
    const journal = new Journal();
    journal.mount("size=4m");
    const feed = await serve(...journal.flags);
    journal.remount("ro"); // nobody has it open yet
    const remark = `cannot write the journal ${journal.file}: it is read-only`;
    const terminal = await Terminal.open(132);
    terminal.type(command(feed));
    await feed.scene.leak();
    await terminal.shows(remark, 20_000);
    for (const what of [[], [nameOf(feed.scene)]]) {
      // On a busy machine it is "stuck" now and then.
      await until(`${remark} by status`, async () => {
        const { out } = await Reprieve.ends(["status", ...what, ...at(feed)]);
        return out.split("\n")[1] === remark;
      });
    }
    journal.remount("rw");
    await terminal.lacks(remark, 20_000);
    await feed.scene.end();
  });

  test("of one guard it shows the processes, as they come", async () => {
    const feed = await serve();
    const terminal = await Terminal.open();
    terminal.type(command(feed, nameOf(feed.scene)));
    await terminal.shows("orders    kill");
    const { pid } = await feed.scene.neighbour(4096);
    await terminal.shows(new RegExp(`^workload +${pid} `, "m"));
    await feed.scene.end();
  });

  test("says since when a stopped or ended agent is gone", async () => {
    const feed = await serve();
    const terminal = await Terminal.open(120);
    terminal.type(command(feed));
    await terminal.shows("1 guard");
    kill(feed.scene.reprieve.pid, "SIGSTOP");
    await terminal.shows("GONE since", 20_000);
    kill(feed.scene.reprieve.pid, "SIGCONT");
    await terminal.lacks("GONE");
    await feed.scene.end();
    await terminal.shows("GONE since");
    terminal.press("C-c");
    await terminal.lacks("GONE");
    expect(terminal.isOther).toBe(false);
  });

  test.each([
    ["", true],
    ["1", false],
  ])("NO_COLOR=%p", async (noColour, isColoured) => {
    const feed = await serve();
    const terminal = await Terminal.open(100, 24, { NO_COLOR: noColour });
    terminal.type(command(feed));
    await terminal.shows("1 guard");
    await feed.scene.end();
    await terminal.shows("GONE since");
    expect(terminal.screen("-e").includes("\u001b[31m")).toBe(isColoured);
  });
});

/** The watch whose command line has that address. */
function watcherOf({ address }: Feed): number {
  const lineOf = (pid: string) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    } catch {
      return []; // it is gone, or none
    }
  };
  const pid = readdirSync("/proc").find((one) => {
    const [, what, ...args] = lineOf(one);
    return what === "watch" && args.includes(`http://${address}/`);
  });
  return Number(pid);
}
