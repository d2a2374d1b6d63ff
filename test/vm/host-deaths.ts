// SPDX-License-Identifier: MIT
/** All that may happen to the processes of an installed reprieve: an OOM is resolved, and a new agent guards. */
import { expect } from "bun:test";
import { kill } from "../helpers/group.ts";
import { memory } from "../helpers/memory.ts";
import { isAlive } from "../helpers/workload.ts";
import {
  AGENT,
  expectRelief,
  guardedAgain,
  guardNow,
  HELPERS,
  helpersSettled,
  hostTest,
  isGuarded,
  isPutBack,
  mainPid,
  onHost,
  processesOfOurs,
  RULES,
  reloads,
  service,
} from "./installed.ts";
import { expectUnharmed, leak, shown, systemctl, untilSoon } from "./service.ts";

/** Than systemd starts a unit again by default: 5 times in 10 s. */
const MORE_KILLS = 7;
/** WatchdogSec= of the unit. */
const WATCHDOG_MS = 30_000;

onHost({ isInstalled: true });

hostTest(
  "the agent is killed, in an OOM: its watchers see that to its end, and a new agent guards",
  async () => {
    // It lasts: the leaker does not mind SIGTERM.
    await reloads(`${RULES}orders = ["terminate=2s"]\ndelay = "4s"\n`, ["terminate"]);
    const old = mainPid();
    const pid = service.mainPid;
    const leaked = leak(service);
    await untilSoon("an OOM", () => memory.oom(service.group).waiting);
    await untilSoon("its incident", () => guardNow()?.incident ?? false);
    kill(old, "SIGKILL");
    await leaked;
    await guardedAgain(old);
    expectUnharmed(service, pid);
    await reloads(RULES);
    await expectRelief();
  },
);

hostTest(
  "systemd kills all of the agent's unit: the watchers live, put back and end; a new agent guards",
  async () => {
    const old = mainPid();
    const watchers = await helpersSettled();
    systemctl("kill", "-s", "KILL", AGENT);
    expect(watchers.filter(isAlive).length).toBeGreaterThan(0);
    await guardedAgain(old);
    await untilSoon("the old ones to end", () => !watchers.some(isAlive));
    await expectRelief();
  },
);

hostTest(
  "the agent is stopped: an OOM is relieved by its helpers; systemd's watchdog ends it, and a new one guards",
  async () => {
    const old = mainPid();
    kill(old, "SIGSTOP");
    await expectRelief();
    await guardedAgain(old, 2 * WATCHDOG_MS);
    expect(shown(AGENT, "NRestarts")).not.toBe("0");
    await expectRelief();
  },
);

hostTest(
  "the watchers' unit killed again and again is there again, and so is the agent",
  async () => {
    for (let i = 0; i < MORE_KILLS; i += 1) {
      const old = Number(shown(HELPERS, "MainPID"));
      kill(old, "SIGKILL");
      await untilSoon("another process of the unit", () => {
        const pid = Number(shown(HELPERS, "MainPID"));
        return pid !== old && pid > 0;
      });
    }
    await untilSoon("the agent", () => shown(AGENT, "ActiveState") === "active");
    const old = mainPid();
    kill(old, "SIGKILL");
    await guardedAgain(old);
  },
);

hostTest(
  "restart and stop put back; the watchers' unit stopped takes the agent with it, in order",
  async () => {
    systemctl("stop", AGENT);
    expect(isPutBack()).toBe(true);
    expect(processesOfOurs()).toEqual([]);
    systemctl("start", AGENT);
    await isGuarded();
    systemctl("stop", HELPERS);
    expect(isPutBack()).toBe(true);
    expect(shown(AGENT, "ActiveState")).toBe("inactive");
    expect(processesOfOurs()).toEqual([]);
    systemctl("start", AGENT);
    await isGuarded();
  },
);
