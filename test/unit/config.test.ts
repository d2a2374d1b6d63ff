// SPDX-License-Identifier: MIT
/** The config file: every mistake with its exact words, drop-ins, what is in effect, who is trusted. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { load } from "../../src/config/load.ts";
import { lineOf, nearestTo } from "../../src/config/mistakes.ts";
import { makeFolder, removeFolder } from "../helpers/folder.ts";
import { BAD, GUARD } from "./bad-configs.ts";

const MB = 2 ** 20;

let dir: string;
let file: string;
beforeEach(() => {
  dir = makeFolder("config");
  file = join(dir, "reprieve.toml");
});
afterEach(() => removeFolder(dir));

function write(toml: string | Uint8Array): void {
  writeFileSync(file, toml, { mode: 0o644 });
}

function dropIn(name: string, toml: string): void {
  mkdirSync(join(dir, "reprieve.d"), { recursive: true, mode: 0o755 });
  writeFileSync(join(dir, "reprieve.d", name), toml, { mode: 0o644 });
}

/** Without the directory's name. */
function said(): string[] {
  return load(file).mistakes.map((one) => lineOf(one).replaceAll(`${dir}/`, ""));
}

describe("one mistake", () => {
  test.each(BAD)("%s", (_, toml, says) => {
    write(toml);
    expect(said()).toEqual([`reprieve.toml:${says}`]);
    expect(load(file).config).toBeUndefined();
  });

  test("there are enough of them, each of its own", () => {
    expect(BAD.length).toBeGreaterThan(110);
    expect(new Set(BAD.map(([, toml]) => toml)).size).toBe(BAD.length);
  });
});

describe("all mistakes at once", () => {
  test("in the order of the lines, and of the files", () => {
    write(`${GUARD}dealy = "1s"\nmargin = 5\n[feed]\nlisten = 1\ntoken = 2\n[[guard]]\n`);
    dropIn("2.toml", "[feed]\nx = 1\n");
    dropIn("10.toml", '[[guard]]\nname = "a"\ndelay = 1\n');
    dropIn("3.toml", "[feed\n");
    const at = said().map((line) => /^\S+ [\w.]+/.exec(line)?.[0]);
    expect(at).toEqual([
      "reprieve.toml:4:1: guard.0.dealy",
      "reprieve.toml:5:1: guard.0.margin",
      "reprieve.toml:7:1: feed.listen",
      "reprieve.toml:8:1: feed.token",
      "reprieve.d/10.toml:3:1: guard.0.delay",
      "reprieve.d/2.toml:2:1: feed.x",
      // The second guard lacks two keys: they may be in the file that cannot be read.
      "reprieve.d/3.toml:2:1: no",
    ]);
  });

  test("a file that is missing, no file, too large, not UTF-8, nested without end", () => {
    expect(said()).toEqual(["reprieve.toml: there is no such file"]);
    mkdirSync(file);
    expect(said()).toEqual(["reprieve.toml: it is no regular file"]);
    rmSync(file, { recursive: true });
    write("#".repeat(2 ** 20 + 1));
    expect(said()).toEqual(["reprieve.toml: it has over 1 MiB"]);
    write(new Uint8Array([0x23, 0xff]));
    expect(said()).toEqual(["reprieve.toml: it is not UTF-8"]);
    for (const deep of [
      `x = ${"[".repeat(300_000)}${"]".repeat(300_000)}`,
      `${"a.".repeat(200_000)}b = 1`,
    ]) {
      write(deep);
      expect(said()).toEqual(["reprieve.toml: it is nested too deeply"]);
    }
  });
});

describe("what is right", () => {
  test("becomes one value, with numbers and defaults", () => {
    write(
      `${GUARD}delay = "2s"\nmargin = "1.5M"\nexcept = ["/a/b"]\norders = ["raise=1M:2M", "move=/b", "kill"]\ncaps.hour = 9\n[caps]\nhour = 65535\n` +
        '[allow]\nkill = "/a"\nlimits = true\n[deny]\nmove = ["/a"]\n' +
        '[handler]\ncommand = "h x"\nsocket = "/run/h.sock"\nmode = "0600"\n[feed]\nlisten = "[::1]:80"\n',
    );
    expect(load(file)).toEqual({
      files: [file],
      mistakes: [],
      untrusted: [],
      config: {
        guard: [
          {
            name: "a",
            cgroup: "/a",
            except: ["/a/b"],
            delay: 2000,
            margin: 1.5 * MB,
            orders: [
              { order: "RAISE", byBytes: MB, mostBytes: 2 * MB },
              { order: "MOVE", to: "/b" },
              { order: "KILL" },
            ],
            caps: { hour: 9 },
          },
        ],
        caps: { hour: 65_535 },
        allow: { kill: "/a", limits: true, move: false, hooks: false, system: false },
        deny: { kill: false, limits: false, move: ["/a"], hooks: false, system: false },
        sampling: { source: "SCAN" },
        feed: { listen: { hostname: "::1", port: 80 }, token: true, open_metrics: false },
        handler: { where: "outside", command: "h x", socket: "/run/h.sock", mode: 0o600 },
        journal: { keep_days: 30, keep_size: 64 * MB },
        reload: { watch: false },
      },
      effective: {
        allow: { kill: "/a", limits: true, move: false, hooks: false, system: false },
        deny: { kill: false, limits: false, move: ["/a"], hooks: false, system: false },
        caps: { hour: 65_535 },
        sampling: { source: "scan" },
        feed: { token: true, open_metrics: false, listen: "[::1]:80" },
        handler: { where: "outside", command: "h x", socket: "/run/h.sock", mode: "0600" },
        journal: { keep_days: 30, keep_size: "64M" },
        reload: { watch: false },
        guard: [
          {
            name: "a",
            cgroup: "/a",
            delay: "2s",
            margin: "1.5M",
            except: ["/a/b"],
            orders: ["raise=1M:2M", "move=/b", "kill"],
            caps: { hour: 9 },
          },
        ],
      },
    });
  });

  test("of the host as a whole, without a guard", () => {
    write(
      '[system]\nmemory = "10%"\nswap = ["1G", "5%"]\npressure = { at = "40%", over = "60s" }\n',
    );
    const { config, effective } = load(file);
    expect(config?.guard).toEqual([]);
    expect(config?.system).toMatchObject({
      memory: [
        { bytes: 0, perMyriad: 1000 },
        { bytes: 0, perMyriad: 500 },
      ],
      swap: [
        { bytes: 1024 * MB, perMyriad: 0 },
        { bytes: 0, perMyriad: 500 },
      ],
      pressure: { at: [4000, 0], of: "full", over: 60 },
      hand_over: true,
    });
    expect(effective).toMatchObject({ system: { memory: "10%", hand_over: true }, guard: [] });
    write(GUARD);
    expect(load(file).effective).not.toHaveProperty("system");
  });

  test("without orders a guard kills", () => {
    write(GUARD);
    const { config, effective } = load(file);
    expect(config?.guard[0]?.orders).toEqual([{ order: "KILL" }]);
    expect(effective).toMatchObject({ guard: [{ orders: ["kill"] }] });
  });

  test.each([
    ['{ far = "5s" }', { far: 5000, near: 100 }],
    ['{ near = "20ms" }', { far: 1000, near: 20 }],
    // Near the limit no slower than far from it.
    ['{ far = "50ms" }', { far: 50, near: 50 }],
  ])("sampling = %s", (rates, sampling) => {
    write(`${GUARD}sampling = ${rates}\n`);
    expect(load(file).config?.guard[0]?.sampling).toEqual(sampling);
  });

  test.each([
    // Each has the time on one of the two: the bounds are 4 times as long on v2, the default delay is 5 times as long.
    ['["raise=1M", "move=/b", "kill", "kill-group"]\ndelay = "101ms"', true],
    ['["raise=1M", "move=/b", "kill", "kill-group"]\ndelay = "100ms"', false],
    ['["raise=1M", "move=/b", "kill", "kill-group"]', true],
    ['["reclaim", "kill"]\ndelay = "101ms"', true],
    ['["kill"]\ndelay = "0"', true],
  ])("orders = %s: has the time on some host: %p", (orders, isGood) => {
    write(`${GUARD}orders = ${orders}\n`);
    expect(load(file).config !== undefined).toBe(isGood);
  });

  test("a BOM, CRLF, inline tables and dotted keys", () => {
    write(
      `\ufeffguard = [{ name = "a", cgroup = ["/a"] }]\r\nfeed.token = false\r\nallow = { kill = true }\r\n`,
    );
    expect(load(file).config).toMatchObject({
      feed: { token: false, open_metrics: false },
      allow: { kill: true },
    });
  });

  test("what is in effect is, written out, in effect", () => {
    write(`${GUARD}[allow]\nkill = ["/a", "/b/**"]\n`);
    dropIn("1.toml", '[[guard]]\nname = "b"\ncgroup = "/a\\\\x2d/*"\n');
    const { config, effective } = load(file);
    rmSync(join(dir, "reprieve.d"), { recursive: true });
    write(Bun.TOML.stringify(effective ?? {}));
    expect(load(file).config).toEqual(config);
  });
});

describe("drop-ins", () => {
  test("change a guard by its name, add others, and win key by key, by the bytes of their names", () => {
    write(`${GUARD}delay = "1s"\n[feed]\nlisten = "none"\n`);
    dropIn("20.toml", '[[guard]]\nname = "b"\ncgroup = "/b"\n[feed]\ntoken = false\n');
    dropIn("3.toml", '[[guard]]\nname = "a"\nmargin = "1M"\ndelay = "3s"\n');
    dropIn("10.toml", '[[guard]]\nname = "a"\ndelay = "2s"\n');
    dropIn("note.txt", "no TOML");
    const { config, files } = load(file);
    expect(files.slice(1).map((path) => path.split("/").at(-1))).toEqual([
      "10.toml",
      "20.toml",
      "3.toml",
    ]);
    const orders = [{ order: "KILL" as const }];
    expect(config?.guard).toEqual([
      { name: "a", cgroup: "/a", delay: 3000, margin: MB, orders },
      { name: "b", cgroup: "/b", orders },
    ]);
    expect(config?.feed).toEqual({ listen: "none", token: false, open_metrics: false });
  });

  test("replace the orders of a guard, all of them, and grant power by power", () => {
    write(`${GUARD}orders = ["raise=1M", "kill"]\n[allow]\nkill = "/a"\nlimits = true\n`);
    dropIn("1.toml", '[[guard]]\nname = "a"\norders = ["kill-group"]\n[allow]\nlimits = false\n');
    const { config } = load(file);
    expect(config?.guard[0]?.orders).toEqual([{ order: "KILL_GROUP" }]);
    expect(config?.allow).toEqual({
      kill: "/a",
      limits: false,
      move: false,
      hooks: false,
      system: false,
    });
    dropIn("2.toml", '[[guard]]\nname = "a"\norders = ["kill", "kill-group"]\n');
    dropIn("3.toml", '\n[[guard]]\nname = "a"\ndelay = "50ms"\n');
    expect(said()).toEqual([
      'reprieve.d/2.toml:3:1: guard.0.orders = ["kill", "kill-group"]: the orders before the last may take 50 ms ' +
        "on cgroup v1, and the delay is 50 ms: give fewer orders or a longer delay",
    ]);
  });

  test("may mend a value that is wrong, and one of theirs is told with its own file and line", () => {
    write(`${GUARD}delay = "soon"\n`);
    dropIn("1.toml", '\n[[guard]]\nname = "a"\ndelay = "1s"\n');
    expect(said()).toEqual([]);
    dropIn("2.toml", '\n\n[[guard]]\nname = "a"\ndelay = "later"\n');
    expect(said()).toEqual([
      'reprieve.d/2.toml:5:1: guard.0.delay = "later": a duration is a number with ms, s or m, like 100ms or 2s',
    ]);
  });

  test("a directory that is a file is told", () => {
    write(GUARD);
    writeFileSync(join(dir, "reprieve.d"), "");
    expect(said()).toEqual(["reprieve.d: it cannot be read (ENOTDIR)"]);
  });
});

test("what others may write to is not trusted", () => {
  write(GUARD);
  dropIn("1.toml", "[feed]\ntoken = true\n");
  expect(load(file).untrusted).toEqual([]);
  chmodSync(file, 0o664);
  chmodSync(join(dir, "reprieve.d"), 0o777);
  chmodSync(join(dir, "reprieve.d/1.toml"), 0o602);
  expect(load(file).untrusted.map((why) => why.replaceAll(`${dir}/`, ""))).toEqual([
    "others may write to reprieve.d: chmod go-w it",
    "others may write to reprieve.toml: chmod go-w it",
    "others may write to reprieve.d/1.toml: chmod go-w it",
  ]);
});

test("the nearest key", () => {
  const keys = ["delay", "margin", "cgroup"];
  expect(nearestTo("dealy", keys)).toBe("delay");
  expect(nearestTo("delays", keys)).toBe("delay");
  expect(nearestTo("cgruop", keys)).toBe("cgroup");
  expect(nearestTo("handler", keys)).toBeUndefined();
  expect(nearestTo("x".repeat(1_000_000), keys)).toBeUndefined();
});
