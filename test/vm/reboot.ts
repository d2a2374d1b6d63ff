// SPDX-License-Identifier: MIT
/** An installed reprieve, and a boot of the same disk: this file runs in both, and tells of the second one. */
import { afterAll, expect, test } from "bun:test";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { guard } from "../helpers/config.ts";
import { Reprieve } from "../helpers/reprieve.ts";
import { run } from "./packages.ts";
import { Guarded, HIGH, LIMIT_MB, leak, shown, systemctl, untilSoon } from "./service.ts";

const FIRST_BOOT = "/root/booted";
const RULES = "/root/rules.toml";
const INSTALLED = "/usr/local/bin/reprieve";
const TEST_MS = 120_000;
const AGENT = "reprieve.service";

async function relieved(name: string): Promise<Guarded> {
  const service = new Guarded(name, [`MemoryMax=${LIMIT_MB}M`]);
  await service.highIs(HIGH);
  await leak(service);
  return service;
}

const incidents = () => run([INSTALLED, "incidents", "--json"], "/").trim().split("\n");

if (!existsSync(FIRST_BOOT)) {
  test(
    "the first boot",
    async () => {
      writeFileSync(RULES, `[allow]\nkill = true\n${guard("guarded", "/system.slice/guarded-*")}`);
      const { code } = await Reprieve.start(["install", "--config", RULES]).ended(60_000);
      expect(code).toBe(0);
      await relieved("guarded-first");
      writeFileSync(FIRST_BOOT, "");
      systemctl("reboot");
      await Bun.sleep(TEST_MS); // ended with the machine
    },
    TEST_MS,
  );
} else {
  afterAll(() => systemctl("stop", "guarded-second.service"));

  test(
    "after a reboot its service is there by itself, guards, and has the incidents from before",
    async () => {
      await untilSoon("ready", () => shown(AGENT, "ActiveState") === "active");
      expect(shown(AGENT, "StatusText")).toBe("guarding 0 groups");
      expect(readdirSync("/run/reprieve").filter((name) => /^\d+$/.test(name))).toEqual([
        shown(AGENT, "MainPID"),
      ]);
      const before = incidents().length;
      expect(before).toBeGreaterThan(0);
      const service = await relieved("guarded-second");
      expect(service.shows("ActiveState")).toBe("active");
    },
    TEST_MS,
  );
}
