// SPDX-License-Identifier: MIT
/** doctor holds a config file against the host: what does not fit is told, with its guard; who else kills here is seen. */
import { expect, test } from "bun:test";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { exit } from "../../src/errors.ts";
import { type ConfigFile, FEED, guard, onStage, type Tenants } from "../helpers/config.ts";
import { Reprieve } from "../helpers/reprieve.ts";
import { describeWith, kernelTest, negativeScore, onlyOnV2 } from "../helpers/require.ts";
import { LIMIT } from "../helpers/scene.ts";
import { Board } from "../helpers/workload.ts";

interface Check {
  readonly name: string;
  readonly status: string;
  readonly detail: string;
}

const grouped = onlyOnV2("v1 has no memory.oom.group");

let config: ConfigFile;
let tenants: Tenants;
let at: string;
onStage((stage) => {
  ({ config, tenants, at } = stage);
});

/** Its lines by name, and the exit code. */
async function doctor(): Promise<{ code: number; lines: Record<string, string>; host: Check[] }> {
  const ended = await Reprieve.ends(["doctor", "--config", config.path, "--json"]);
  expect(ended.err).toBe("");
  const told = ended.messages[0] as unknown as { config: Check[]; host: Check[]; ok: boolean };
  expect(told.ok).toBe(ended.code === exit.ok);
  const lines = told.config.map(({ name, status, detail }) => [name, `${status} ${detail}`]);
  return { code: ended.code, lines: Object.fromEntries(lines), host: told.host };
}

describeWith("doctor --config", kernelTest, () => {
  test("finds nothing wrong where all fits", async () => {
    tenants.child("a", LIMIT);
    config.write(`${FEED}[allow]\nkill = true\n${guard("g", `${at}/a`)}`);
    const { code, lines } = await doctor();
    expect(code).toBe(exit.ok);
    expect(lines["config file"]).toBe(`ok ${config.path}`);
    expect(lines["guard g"]).toBe(`ok ${at}/a`);
    expect(lines.powers).toBeUndefined();
    expect(lines.swap).toStartWith("ok ");
  });

  test("tells of guards without groups, of powers that lack, of groups without a limit", async () => {
    for (const name of ["a", "b"]) tenants.child(name, LIMIT).setNoLimit();
    tenants.child("c", LIMIT);
    config.write(
      FEED +
        guard("wide", `${at}/*`, 'orders = ["raise=1M", "kill"]\n') +
        guard("idle", `${at}/none-*`),
    );
    const { code, lines } = await doctor();
    expect(code).toBe(exit.ok);
    expect(lines["guard wide"]).toMatch(
      /^note refusing to guard .*\/[ab]: .*limit.* \(and 1 more\)$/,
    );
    expect(lines["guard idle"]).toBe("note it decides for no group that is there now");
    expect(lines.powers).toMatch(
      /^note guard wide only observes kill in .* \(and 2 more\): \[allow\] kill lets it act$/,
    );
  });

  test("says no where run would not start", async () => {
    tenants.child("a", LIMIT).setNoLimit();
    config.write(FEED + guard("g", `${at}/a`));
    const named = await doctor();
    expect(named.code).toBe(exit.badConfig);
    expect(named.lines["guard g"]).toMatch(/^no refusing to guard/);
    config.write(FEED + guard("g", `${at}/none`));
    const missing = await doctor();
    expect(missing.code).toBe(exit.badConfig);
    expect(missing.lines["guard g"]).toBe(`no there is no group ${at}/none`);
    const move = 'orders = ["move=/reprieve-none", "kill"]\n';
    config.write(FEED + guard("idle", `${at}/none-*`, move));
    expect((await doctor()).lines["guard idle"]).toStartWith("no guard idle: cannot move to ");
    config.write(`${FEED}[[guard]]\nname = 1\n`);
    const wrong = await doctor();
    expect(wrong.code).toBe(exit.badConfig);
    expect(wrong.lines["config file"]).toMatch(/^no .*reprieve.toml:\d+.* more: reprieve check\)$/);
    chmodSync(config.path, 0o666);
    expect((await doctor()).lines["config file"]).toStartWith("no refused: ");
  });

  test("sees a group that a reprieve guards as what it is", async () => {
    tenants.child("a", LIMIT);
    config.write(`${FEED}[allow]\nkill = true\n${guard("g", `${at}/a`)}`);
    const reprieve = await config.start(1);
    const { code, lines } = await doctor();
    expect([code, lines["guard g"]]).toEqual([exit.ok, `ok ${at}/a`]);
    expect(await reprieve.stop()).toBe(0);
  });

  test("sees who else kills here", async () => {
    tenants.child("a", LIMIT);
    config.write(FEED + guard("g", `${at}/a`));
    const file = join(config.dir, "earlyoom");
    writeFileSync(file, "#!/bin/sh\nread line\n", { mode: 0o755 });
    const other = Bun.spawn([file], { stdio: ["pipe", "ignore", "ignore"] });
    try {
      const { host } = await doctor();
      const beside = host.filter(({ name }) => name === "beside us");
      expect(beside).toContainEqual({
        name: "beside us",
        status: "note",
        detail: `earlyoom (${other.pid}): it kills by the host's free memory, in guarded groups too`,
      });
    } finally {
      other.stdin.end();
      await other.exited;
    }
  });

  grouped("tells of memory.oom.group", async () => {
    tenants.child("a", LIMIT).write("memory.oom.group", "1");
    config.write(FEED + guard("g", `${at}/a`));
    const { host } = await doctor();
    expect(host.find(({ name }) => name === "memory.oom.group")?.detail).toContain(`${at}/a goes`);
  });
});

describeWith("doctor --config with a negative score", kernelTest, scored, negativeScore);

function scored(): void {
  test("tells of those who are never killed", async () => {
    const group = tenants.child("a", LIMIT);
    const board = new Board();
    const immune = ["sh", "-c", 'echo -1000 > /proc/self/oom_score_adj && exec "$0" "$@"'];
    const plan = { means: "touch", beforeKb: 64 } as const;
    await board.start(group, plan, immune).ready();
    await board.start(group, plan).ready();
    config.write(FEED + guard("g", `${at}/a`));
    const { lines } = await doctor();
    expect(lines.immune).toBe(`note ${at}/a has processes of oom_score_adj -1000: never killed`);
  });
}
