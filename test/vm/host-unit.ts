// SPDX-License-Identifier: MIT
/** The unit of an installed reprieve: a reload, its sandbox, what hooks and handlers may there. */
import { expect } from "bun:test";
import { appendFileSync, existsSync, rmSync, writeFileSync } from "node:fs";
import { onlyOnV2 } from "../helpers/require.ts";
import {
  AGENT,
  CONFIG,
  expectRelief,
  hostTest,
  isGuarded,
  mainPid,
  onHost,
  RULES,
  reloads,
  service,
  TEST_MS,
} from "./installed.ts";
import { run } from "./packages.ts";
import { highOf, MARGIN_MB, systemctl, untilSoon } from "./service.ts";

const HOOK = "/usr/bin/hook";

onHost({ isInstalled: true });

onlyOnV2("what is written tells")(
  "reload: the config file is read anew, by the same process",
  async () => {
    const pid = mainPid();
    writeFileSync(CONFIG, `${RULES}margin = "8M"\n`);
    systemctl("reload", AGENT);
    await service.highIs(highOf(8));
    writeFileSync(CONFIG, RULES);
    systemctl("reload", AGENT);
    await service.highIs(highOf(MARGIN_MB));
    expect(mainPid()).toBe(pid);
    writeFileSync(CONFIG, "[allow]\nkil = true\n");
    expect(() => systemctl("reload", AGENT)).toThrow();
    expect(mainPid()).toBe(pid);
    writeFileSync(CONFIG, RULES);
  },
  TEST_MS,
);

hostTest("of the host's files the service may write what its page says", () => {
  // As that process sees it, by its root.
  const mayWrite = (path: string, text = "") => {
    try {
      appendFileSync(`/proc/${mainPid()}/root${path}`, text);
      return true;
    } catch {
      return false;
    }
  };
  const places = ["/run/reprieve", "/var/lib/reprieve", "/var/log/reprieve", "/tmp"];
  for (const place of places) expect([place, mayWrite(`${place}/x`)]).toEqual([place, true]);
  for (const place of places) rmSync(`/proc/${mainPid()}/root${place}/x`);
  expect(mayWrite("/proc/sysrq-trigger", "h")).toBe(true); // only tells its keys
  const forbidden = ["/usr/x", "/etc/x", "/root/x", "/var/lib/x", "/proc/sys/vm/swappiness"];
  for (const path of forbidden) expect([path, mayWrite(path)]).toEqual([path, false]);
});

hostTest("a hook lives in the sandbox, and systemd does for it what that forbids", async () => {
  const [forbidden, done] = ["/root/by-hook", "/root/by-systemd"];
  const script = `#!/bin/sh\ntouch ${forbidden}\nexec systemd-run --no-block --collect touch ${done}\n`;
  writeFileSync(HOOK, script, { mode: 0o755 });
  const orders = [`hook=${HOOK}`, "kill"];
  const rules = `${RULES.replace("\n", "\nhooks = true\n")}orders = ${JSON.stringify(orders)}\n`;
  await reloads(rules, ["hook", "kill"]);
  await expectRelief();
  await untilSoon("the hook's unit", () => existsSync(done));
  expect(existsSync(forbidden)).toBe(false);
  await reloads(RULES);
  for (const path of [HOOK, done]) rmSync(path);
});

hostTest("where handlers may be designated it is seen where an OOM sleeps", async () => {
  systemctl("start", "systemd-journald.socket", "systemd-journald.service");
  writeFileSync(CONFIG, `${RULES}[handler]\nwhere = "designated"\n`);
  systemctl("restart", AGENT);
  await isGuarded();
  writeFileSync(CONFIG, RULES);
  systemctl("restart", AGENT);
  await isGuarded();
  const said = run(["journalctl", "--unit", AGENT, "--output", "cat"], "/");
  expect(said).toContain("guarding ");
  expect(said).not.toContain("cannot see");
});
