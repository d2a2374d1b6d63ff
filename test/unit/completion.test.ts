// SPDX-License-Identifier: MIT
/** `completion` in the shells themselves: what each offers behind a part of a line. One that is not installed is skipped. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeFolder, removeFolder } from "../helpers/folder.ts";
import { binary } from "../helpers/paths.ts";
import { built, describeWith, program } from "../helpers/require.ts";
import { until } from "../helpers/wait.ts";

let folder: string;
beforeAll(() => {
  folder = makeFolder("completion");
  writeFileSync(join(folder, "a.toml"), "");
});
afterAll(() => removeFolder(folder));

/** stdout; in a folder with a file a.toml. */
function shell(command: readonly string[]): string {
  const run = Bun.spawnSync([...command], { cwd: folder });
  expect(run.stderr.toString()).toBe("");
  return run.stdout.toString();
}

const script = (name: string) => shell([binary, "completion", name]);

/** What is behind the cursor, what is offered, and what is not. */
const LINES: readonly (readonly [string, readonly string[], readonly string[]])[] = [
  ["", ["run", "explain", "rehearse", "doctor", "completion"], ["--json"]],
  ["comp", ["completion"], ["run"]],
  ["completion", ["completion"], ["bash"]],
  ["completion ", ["bash", "zsh", "fish"], []],
  ["explain --", ["--config", "--json"], ["--effective"]],
  ["check --e", ["--effective"], ["--json"]],
  ["watch --", ["--url", "--token", "--json"], ["--config"]],
  ["run --allow-", ["--allow-kill", "--allow-limits", "--allow-move"], ["--keep"]],
  ["run --handler ", ["outside", "inside", "designated"], ["--json"]],
];

describeWith("bash", [built, program("bash", "bash")], () => {
  /** As bash itself calls it. */
  const offered = (line: string) => {
    const words = ["reprieve", ...line.split(" ")].map((word) => `'${word}'`);
    const ask = `COMP_WORDS=(${words.join(" ")}); COMP_CWORD=${words.length - 1}; _reprieve`;
    return shell(["bash", "-c", `${script("bash")}\n${ask}; printf '%s\\n' "\${COMPREPLY[@]}"`])
      .split("\n")
      .filter((word) => word !== "");
  };

  test.each(LINES)("offers behind %p: %p", (line, some, others) => {
    const all = offered(line);
    expect(all).toEqual(expect.arrayContaining([...some]));
    for (const other of others) expect(all).not.toContain(other);
  });

  test("leaves files to bash, and what is behind -- to CMD", () => {
    expect(offered("run --config ")).toEqual([]);
    expect(offered("run -- bas")).toContain("bash");
    expect(offered("run -- ls --")).toEqual([]);
  });
});

describeWith("fish", [built, program("fish", "fish")], () => {
  const offered = (line: string) =>
    shell(["fish", "--no-config", "-c", `${script("fish")}\ncomplete -C 'reprieve ${line}'`])
      .split("\n")
      .map((text) => text.split("\t")[0]);

  test.each(LINES)("offers behind %p: %p", (line, some, others) => {
    const all = offered(line);
    expect(all).toEqual(expect.arrayContaining([...some]));
    for (const other of others) expect(all).not.toContain(other);
  });

  test("offers files for a value", () => {
    expect(offered("explain --config a")).toContain("a.toml");
  });
});

describeWith("zsh", [built, program("zsh", "zsh")], () => {
  /** What a TAB makes of it, by a zsh in a terminal of its own; a key of ours writes the line down. */
  const completed = async (line: string, load = "compinit -u -D; source ./_reprieve") => {
    const [out, setup] = ["out", "setup.zsh"].map((name) => join(folder, name)) as [string, string];
    rmSync(out, { force: true });
    writeFileSync(join(folder, "_reprieve"), script("zsh"));
    writeFileSync(
      setup,
      `autoload -Uz compinit; ${load}; zle -N write; bindkey "^Xw" write; PS1="READY>"\n` +
        'write() { print -r -- "$BUFFER" >out.tmp; mv out.tmp out; exit }\n',
    );
    // The prompt says that it edits lines by now.
    const driver =
      "zmodload zsh/zpty; zpty z zsh -f -i; zpty -w z source ./setup.zsh; zpty -r z shown '*READY>*'\n" +
      `zpty -w -n z $'reprieve ${line}\\t\\C-xw'; read`;
    const zsh = Bun.spawn(["zsh", "-f", "-c", driver], {
      cwd: folder,
      stdio: ["pipe", "ignore", "inherit"],
    });
    await until("a completed line", () => existsSync(out), 10_000);
    zsh.stdin.end();
    await zsh.exited;
    return readFileSync(out, "utf8").trim();
  };

  test.each([
    ["exp", "explain"],
    ["completion f", "completion fish"],
    ["check --eff", "check --effective"],
    ["run --handler des", "run --handler designated"],
    ["explain --config a", "explain --config a.toml"],
  ])("makes of %p: %p", async (line, whole) => {
    expect(await completed(line)).toBe(`reprieve ${whole}`);
  });

  test("as a package has it: found in $fpath, at the first TAB", async () => {
    const load = `fpath=(${folder} $fpath); compinit -u -D`;
    expect(await completed("run --handler des", load)).toBe("reprieve run --handler designated");
  });
});

describe("completion", () => {
  test("of another shell is refused with those that there are", () => {
    const run = Bun.spawnSync([binary, "completion", "tcsh"]);
    expect(run.stderr.toString()).toContain("Allowed choices are bash, zsh, fish.");
    expect(run.exitCode).toBe(64);
  });
});
