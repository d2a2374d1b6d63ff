// SPDX-License-Identifier: MIT
/** `reprieve install --root DIR`: which files, that none of a person's is lost; and what systemd says of the units. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { exit } from "../../src/errors.ts";
import { makeFolder, removeFolder } from "../helpers/folder.ts";
import { binary, repository } from "../helpers/paths.ts";
import { Reprieve } from "../helpers/reprieve.ts";
import { built, describeWith, root as isRoot, program } from "../helpers/require.ts";

const SHIPPED = `${repository}/dist/systemd`;
const CONFIG = "etc/reprieve/reprieve.toml";
const UNITS = "usr/lib/systemd/system";
const MANUALS = ["usr/share/man/man1/reprieve.1", "usr/share/man/man5/reprieve.toml.5"];
/** What `systemd-analyze security` gave at the last look, and dist/docs/host.md says: less is better. */
const EXPOSURE = { "reprieve.service": 4.2, "reprieve-helpers.service": 2.4 };

const GIVEN = '[[guard]]\nname = "given"\ncgroup = "/given"\n';

let root: string;

beforeEach(() => {
  root = makeFolder("install");
});

afterEach(() => removeFolder(root));

const installs = (...more: string[]) => Reprieve.ends(["install", "--root", root, ...more]);
const read = (path: string) => readFileSync(join(root, path), "utf8");

describeWith("install --root", [built], () => {
  test("writes what dist/systemd has, the program and a config file, and says so; then nothing", async () => {
    const first = await installs();
    expect([first.code, first.out]).toEqual([exit.ok, ""]);
    const files = [
      "usr/bin/reprieve",
      ...["reprieve.service", "reprieve-helpers.service", "reprieve.slice"].map(
        (name) => `${UNITS}/${name}`,
      ),
      ...MANUALS,
      CONFIG,
    ];
    const line = (what: string) => (path: string) => `reprieve: ${join(root, path)} ${what}`;
    expect(first.err.trim().split("\n")).toEqual(files.map(line("written")));
    const found = readdirSync(root, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1));
    expect(found.sort()).toEqual([...files].sort());
    for (const name of readdirSync(join(root, UNITS))) {
      expect(read(`${UNITS}/${name}`)).toBe(readFileSync(`${SHIPPED}/${name}`, "utf8"));
    }
    for (const path of MANUALS) {
      expect(read(path)).toBe(readFileSync(`${repository}/dist/man/${basename(path)}`, "utf8"));
    }
    expect(statSync(join(root, "usr/bin/reprieve")).mode & 0o777).toBe(0o755);
    expect(statSync(join(root, CONFIG)).mode & 0o777).toBe(0o644);
    expect(readFileSync(join(root, "usr/bin/reprieve")).equals(readFileSync(binary))).toBe(true);
    const again = await installs();
    expect(again.err.trim().split("\n")).toEqual(files.map(line("is there already")));
  });

  test("a man page that a package has brought is not there twice", async () => {
    for (const path of MANUALS) {
      mkdirSync(join(root, dirname(path)), { recursive: true });
      writeFileSync(join(root, `${path}.gz`), "");
    }
    expect((await installs()).code).toBe(exit.ok);
    for (const path of MANUALS) expect(existsSync(join(root, path))).toBe(false);
  });

  test("the config file is one that only observes", async () => {
    await installs();
    const { code, out } = await Reprieve.ends([
      "check",
      join(root, CONFIG),
      "--effective",
      "--json",
    ]);
    expect(code).toBe(exit.ok);
    const { allow } = (JSON.parse(out) as { effective: { allow: object } }).effective;
    expect(Object.values(allow).every((power) => power === false)).toBe(true);
  });

  test("a config file that is there stays, and --config is no way round that", async () => {
    const own = "[allow]\nkill = true\n";
    await installs();
    writeFileSync(join(root, CONFIG), own);
    expect((await installs()).code).toBe(exit.ok);
    expect(read(CONFIG)).toBe(own);
    const given = join(root, "given.toml");
    writeFileSync(given, GIVEN);
    const refused = await installs("--config", given);
    expect(refused.code).toBe(exit.cannotCreate);
    expect(refused.err).toContain("is there already and another than");
    expect(read(CONFIG)).toBe(own);
    rmSync(join(root, CONFIG));
    expect((await installs("--config", given)).code).toBe(exit.ok);
    expect(read(CONFIG)).toBe(GIVEN);
  });

  test("with mistakes in --config nothing is written", async () => {
    const given = join(root, "given.toml");
    writeFileSync(given, "[allow]\nkil = true\n");
    const refused = await installs("--config", given);
    expect(refused.code).toBe(exit.badConfig);
    expect(refused.err).toContain("kil");
    expect(readdirSync(root)).toEqual(["given.toml"]);
  });

  test("what cannot be written is told", async () => {
    writeFileSync(join(root, "usr"), "");
    chmodSync(join(root, "usr"), 0o600);
    const refused = await installs();
    expect(refused.code).toBe(exit.cannotCreate);
    expect(refused.err).toContain(`cannot write ${root}/usr/bin/reprieve: `);
  });
});

describeWith(
  "install --root on a full disk",
  [built, isRoot, program("unshare", "util-linux")],
  () => {
    test("where there is no room nothing half-written is left", () => {
      const dir = join(root, "usr/bin");
      mkdirSync(dir, { recursive: true });
      const script =
        'mount -t tmpfs -o size=1M none "$1" && ! "$2" install --root "$3" && ls -A "$1"';
      const ran = Bun.spawnSync(["unshare", "-m", "sh", "-c", script, "sh", dir, binary, root]);
      expect(ran.stderr.toString()).toContain("ENOSPC");
      expect([ran.exitCode, ran.stdout.toString()]).toEqual([0, ""]);
    });
  },
);

describeWith("systemd", [program("systemd-analyze", "apt install systemd")], () => {
  test.each(Object.entries(EXPOSURE))("exposure of %s is no more than %f", (unit, most) => {
    const analyzed = Bun.spawnSync(
      ["systemd-analyze", "security", "--offline=yes", "--no-pager", `${SHIPPED}/${unit}`],
      { env: { ...process.env, LC_ALL: "C.UTF-8" } },
    );
    const [, exposure] = /exposure level for \S+: ([\d.]+)/.exec(analyzed.stdout.toString()) ?? [];
    expect(Number(exposure)).toBeLessThanOrEqual(most);
    const page = readFileSync(`${repository}/dist/docs/host.md`, "utf8");
    expect(page).toContain(`| \`${unit}\` | ${exposure} |`);
  });

  test.each(readdirSync(SHIPPED).filter((name) => !name.endsWith(".toml")))(
    "has no complaint about %s",
    (unit) => {
      const { stderr } = Bun.spawnSync([
        ...["systemd-analyze", "verify", "--man=no", "--recursive-errors=no"],
        `${SHIPPED}/${unit}`,
      ]);
      const said = stderr.toString().split("\n");
      // Of this unit, and not that its program is not installed here.
      const about = said.filter((one) => one.includes(unit) && !one.includes("is not executable"));
      expect(about).toEqual([]);
    },
  );
});
