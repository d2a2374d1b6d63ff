// SPDX-License-Identifier: MIT
/** reprieve install and uninstall on a host with systemd: what is said, what is there, and what is left. */
import { expect } from "bun:test";
import { copyFileSync, existsSync, readFileSync, rmSync } from "node:fs";
import { commandsOf } from "../docs/blocks.ts";
import { kill } from "../helpers/group.ts";
import { memory } from "../helpers/memory.ts";
import { binary } from "../helpers/paths.ts";
import { Reprieve } from "../helpers/reprieve.ts";
import { onlyOnV2 } from "../helpers/require.ts";
import {
  AGENT,
  CONFIG,
  expectNothingLeft,
  expectRelief,
  GIVEN,
  HELPERS,
  helpersSettled,
  hostTest,
  INSTALLED,
  installs,
  inUnit,
  isGuarded,
  isPutBack,
  leftFiles,
  mainPid,
  onHost,
  processesOfOurs,
  SLICE,
  service,
  TEST_MS,
} from "./installed.ts";
import { run } from "./packages.ts";
import { HIGH, shown, systemctl, untilSoon } from "./service.ts";

function fieldsInJournal(): Record<string, string | undefined> {
  const [line] = run(
    ["journalctl", "REPRIEVE_OUTCOME=relieved", "-o", "json", "-n", "1"],
    "/",
  ).split("\n");
  return line ? (JSON.parse(line) as Record<string, string>) : {};
}

interface Told {
  readonly outcome: string;
  readonly reason: string;
}

function newestIncident(): Told | undefined {
  const [line] = run([INSTALLED, "incidents", "--limit", "1", "--json"], "/").split("\n");
  return line ? (JSON.parse(line) as Told) : undefined;
}

onHost({ isInstalled: false });

hostTest(
  "install: each thing is said, the service is ready when the group is guarded, and an OOM is relieved",
  async () => {
    const { code, err } = await installs(["--config", GIVEN]);
    expect(err).toContain(`reprieve: ${INSTALLED} written\n`);
    expect(err).toContain(`reprieve: ${CONFIG} written\n`);
    expect(err).toContain(`reprieve: ${AGENT} is started, now and at each boot\n`);
    expect(code).toBe(0);
    expect(shown(AGENT, "StatusText")).toBe("guarding 1 group");
    await isGuarded();
    await helpersSettled();
    expect(inUnit(mainPid())).toBe(AGENT);
    await expectRelief();
    const incident = await untilSoon("the incident in the journal", () => newestIncident());
    expect(`${incident.outcome} ${incident.reason}`).toBe("relieved killed");
  },
);

hostTest("installed once more nothing is done", async () => {
  const pid = mainPid();
  const { code, err } = await installs();
  expect(code).toBe(0);
  expect(err).not.toMatch(/written|started|taken over/);
  expect(mainPid()).toBe(pid);
});

hostTest(
  "uninstall: what is guarded is put back, what a person wrote stays, and nothing else",
  async () => {
    const { code, err, out } = await Reprieve.ends(["uninstall"], { command: [INSTALLED] });
    expect({ code, out }).toEqual({ code: 0, out: "nothing to release\n" });
    expect(err).toContain("/etc/reprieve stays, for there is reprieve.toml; --purge removes it");
    expect(isPutBack()).toBe(true);
    expect(processesOfOurs()).toEqual([]);
    expect(leftFiles()).toEqual(
      [
        "/etc/reprieve",
        CONFIG,
        "/var/lib/reprieve",
        ...["", "-shm", "-wal"].map((end) => `/var/lib/reprieve/journal.sqlite${end}`),
      ].filter((path) => existsSync(path)),
    );
    expect(systemctl("list-units", "--all", "--plain", "--no-legend", AGENT, HELPERS, SLICE)).toBe(
      "",
    );
    const purged = await Reprieve.ends(["uninstall", "--purge"]);
    expect(purged.code).toBe(0);
    expectNothingLeft();
    expect((await Reprieve.ends(["uninstall"])).code).toBe(0);
  },
);

hostTest("an uninstall that was cut off is done by the next one", async () => {
  expect((await installs(["--no-start"])).code).toBe(0);
  rmSync(`/usr/local/lib/systemd/system/${AGENT}`);
  expect((await Reprieve.ends(["uninstall", "--purge"])).code).toBe(0);
  expectNothingLeft();
});

onlyOnV2("memory.high is held from the start")(
  "uninstall where no unit is: nothing is removed under one that runs by hand, and what a dead one held is put back",
  async () => {
    const args = ["run", "--cgroup", service.group, "--allow-kill", "--listen", "none"];
    const byHand = Reprieve.start(args);
    await service.highIs(HIGH);
    expect((await Reprieve.ends(["uninstall"])).code).toBe(75);
    expect(existsSync(`/run/reprieve/${byHand.pid}/ledger`)).toBe(true);
    byHand.killAll();
    await untilSoon("all to be dead", () => byHand.helpers().size === 0);
    await service.highIs(HIGH);
    expect((await Reprieve.ends(["uninstall"])).code).toBe(0);
    await service.highIs("max");
    const around = Reprieve.start([
      "run",
      "--limit",
      "64M",
      "--listen",
      "none",
      "--",
      "sleep",
      "600",
    ]);
    const group = `${memory.root}/reprieve-${around.pid}`;
    const procs = () => readFileSync(`${group}/cgroup.procs`, "utf8");
    await untilSoon("CMD", () => existsSync(group) && procs() !== "");
    await untilSoon("its helpers", () => around.helpers().size === 3);
    kill(around.pid, "SIGKILL");
    expect((await Reprieve.ends(["uninstall"])).code).toBe(75);
    expect(existsSync(`/run/reprieve/${around.pid}/ledger`)).toBe(true);
    kill(Number(procs()), "SIGKILL");
    await untilSoon("its watchers to have ended", () => around.helpers().size === 0);
    expect((await Reprieve.ends(["uninstall"])).code).toBe(0);
    expectNothingLeft();
  },
  TEST_MS,
);

hostTest("installed and uninstalled by the commands of the pages", async () => {
  systemctl("start", "systemd-journald.socket", "systemd-journald.service");
  copyFileSync(binary, "/usr/local/bin/reprieve"); // as README's first command does
  const typed = [...commandsOf("README", "systemd"), ...commandsOf("host", "systemd")];
  for (const { commands } of typed) {
    for (const command of commands) {
      const PATH = `${process.env.PATH}:/usr/local/bin`;
      const ran = Bun.spawnSync(["sh", "-c", command], {
        cwd: "/root",
        env: { ...process.env, PATH },
      });
      expect({
        command,
        code: ran.exitCode,
        err: ran.success ? "" : ran.stderr.toString(),
      }).toEqual({
        command,
        code: 0,
        err: "",
      });
      if (command === "systemctl reload reprieve") {
        await isGuarded();
        await expectRelief();
        await untilSoon("its fields", () =>
          fieldsInJournal().REPRIEVE_CGROUP?.endsWith("guarded-host.service"),
        );
      }
    }
  }
  expectNothingLeft();
});
