// SPDX-License-Identifier: MIT
/** What the page says when things go wrong: all of it is real, the OOMs of the kernel, the full disk, the agent that is stopped. */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import type { Browser } from "playwright-core";
import { chromium, launch, Tab } from "../helpers/browser.ts";
import { cleanUp } from "../helpers/clean.ts";
import { ConfigFile, guard, Tenants } from "../helpers/config.ts";
import { freePort, serve, served } from "../helpers/feed.ts";
import { kill } from "../helpers/group.ts";
import { HookFile, removeHooks } from "../helpers/hook.ts";
import { Journal } from "../helpers/journal.ts";
import { isKillLogged } from "../helpers/kernel-log.ts";
import { ordered, words } from "../helpers/orders.ts";
import type { Message } from "../helpers/reprieve.ts";
import { describeWith, kernelTest, program } from "../helpers/require.ts";
import { LEAK_KB, LIMIT, type Scene } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";

const TEST_MS = 90_000;
/** Silence, the question whether it lives, and a machine that stalls. */
const STUCK_BOUND_MS = 40_000;
/** A journal that cannot be written is tried every 2 s. */
const TRIED_BOUND_MS = 20_000;
const HOOK_S = 5;
const DELAY_S = 20;

/** The link of the last incident, as the row of its guard has it. */
async function openLast({ page }: Tab): Promise<void> {
  await page.locator("tbody td.last a").click();
  await page.locator(".timeline").waitFor();
}

async function secondsLeft({ page }: Tab): Promise<number> {
  const said = await page.getByRole("timer").innerText();
  expect(said).toMatch(/^[\d.]+ s left$/);
  return Number.parseFloat(said);
}

/** What who is called in the night asks, without scrolling, on a phone too. */
async function expectOnFirstScreen(tab: Tab, facts: Readonly<Record<string, string>>) {
  await tab.resize("phone");
  await tab.page.evaluate("scrollTo(0, 0)");
  for (const [name, text] of Object.entries(facts)) {
    const fact = tab.page.locator(".head .facts > div", { hasText: name });
    expect(await fact.locator("dd").innerText()).toContain(text);
    const { y = 0, height = 0 } = (await fact.boundingBox()) ?? {};
    expect(y + height).toBeLessThan(tab.page.viewportSize()?.height ?? 0);
  }
}

/** Threads that sleep in the OOM as long as the hook's program works, and are killed then. */
async function leakByThreads(scene: Scene) {
  const plan = { means: "threads", kb: LEAK_KB, parts: 4 } as const;
  const leaker = await scene.board.start(scene.group, plan).ready();
  leaker.go();
  return leaker;
}

describeWith(
  "the page in trouble",
  [...kernelTest, chromium, program("mount", "util-linux")],
  () => {
    let browser: Browser;
    beforeAll(async () => {
      browser = await launch();
    });
    afterAll(() => browser.close());
    afterEach(async () => {
      await cleanUp();
      removeHooks();
    });

    test(
      "counts the reprieve down while it runs; then the incident has its hook, who was killed, and who slept how long",
      async () => {
        const hook = new HookFile(`sleep ${HOOK_S}`, "exit 7");
        const orders = [...ordered(`hook=${hook.path}`, "kill"), "--allow-hooks"];
        const bounds = ["--hook-bound", "10s", "--delay", `${DELAY_S}s`];
        const { scene, address } = await serve("--no-token", ...orders, ...bounds);
        const tab = await Tab.open(browser, `http://${address}/`);
        const { page } = await tab.live();
        const leaker = await leakByThreads(scene);
        const first = await secondsLeft(tab);
        expect(first).toBeLessThanOrEqual(DELAY_S);
        await until("it to run", async () => (await secondsLeft(tab)) < first);
        await page.locator("tbody td.state").getByText("OOM").waitFor();
        expect(await page.title()).toStartWith("1 out of memory");
        await page.getByRole("link", { name: scene.guard }).click();
        await page.locator(".head .banner", { hasText: "Out of memory." }).waitFor();
        expect(await secondsLeft(tab)).toBeLessThan(first);
        await tab.expectAccessible("oom", ["light"]);
        await page.getByRole("link", { name: "Guards", exact: true }).click();

        await page.locator("td.last").getByText("relieved").waitFor();
        expect(await page.getByRole("timer").count()).toBe(0);
        await openLast(tab);
        const line = (text: string) => page.locator(".timeline li", { hasText: text }).first();
        await line(`Hook started: ${hook.path}`).waitFor();
        await line(`Hook ended with code 7 after`).waitFor();
        await line("SIGKILL").getByText(String(leaker.pid)).waitFor();
        const victims = page.getByRole("region", { name: "Killed" });
        await victims.getByText(String(leaker.pid)).waitFor();
        const slept = page.getByRole("region", { name: "Who slept" }).locator("tbody tr").first();
        expect(await slept.locator("th").innerText()).toStartWith("workload");
        const seconds = Number.parseFloat(await slept.locator("td").first().innerText());
        expect(seconds).toBeGreaterThan(HOOK_S / 2);
        expect(seconds).toBeLessThan(DELAY_S);
        await tab.expectAccessible("incident-hook", ["light"]);
        await expectOnFirstScreen(tab, {
          Killed: `workload ${leaker.pid}`,
          "Why that one": "it holds the most",
          "Slept longest": "workload",
          When: "",
        });
        await tab.close();
        await scene.end();
      },
      TEST_MS,
    );

    test("of what was given to the kernel shows whom the kernel has killed, or that it is not known", async () => {
      const hook = new HookFile("exit 1");
      const orders = ["--delay", "2s", ...ordered(`hook=${hook.path}`), "--allow-hooks"];
      const { scene, address } = await serve("--no-token", ...orders);
      const tab = await Tab.open(browser, `http://${address}/`);
      const { page } = await tab.live();
      const { leaker, closed } = await scene.leak();
      expect(words(closed)).toBe("handed-over no-order-left");
      await page.locator("td.last").getByText("handed over").waitFor();
      await openLast(tab);
      await page.locator(".timeline li", { hasText: "Handed over" }).first().waitFor();
      const victims = page.getByRole("region", { name: "Killed" });
      if (isKillLogged(leaker.pid)) {
        const row = victims.locator("tr", { hasText: String(leaker.pid) });
        expect(await row.innerText()).toContain("the kernel");
      } else await victims.getByText("is not known").waitFor();
      const ended = await page.locator(".head .facts > div", { hasText: "Killed" }).innerText();
      expect(ended).toContain(isKillLogged(leaker.pid) ? String(leaker.pid) : "not known");
      await tab.close();
      await scene.end();
    });

    test(
      "says that the journal cannot be written, shows what is kept in memory, and when it is well again",
      async () => {
        const journal = new Journal();
        journal.mount("size=256k");
        const { scene, address } = await serve("--no-token", ...journal.flags);
        const tab = await Tab.open(browser, `http://${address}/#/incidents`);
        const { page } = await tab.live();
        const incidents = page.locator("tbody th a");
        await scene.leak();
        await until("it to be written", () => journal.incidents().length === 1);
        const ballast = () => writeFileSync(`${journal.dir}/ballast`, new Uint8Array(1 << 20));
        expect(ballast).toThrow("ENOSPC");
        await scene.leak();
        const banner = page.getByText(/^Cannot write the journal .* the disk is full: make room/);
        await banner.waitFor();
        await until("both in the list", async () => (await incidents.count()) === 2);
        await tab.expectAccessible("journal-full", ["light"]);
        const late = await tab.another(`http://${address}/`);
        await late.page.getByText("the disk is full: make room").waitFor();
        journal.remount("size=4m");
        await banner.waitFor({ state: "detached", timeout: TRIED_BOUND_MS });
        await tab.close();
        await scene.end();
      },
      TEST_MS,
    );

    test(
      "tells an agent that is stopped from one that has ended, since when, and goes on with it when it is awake",
      async () => {
        const { scene, address } = await serve("--no-token");
        const tab = await Tab.open(browser, `http://${address}/`);
        const { page } = await tab.live();
        const silent = page.getByText(/The agent does not answer since .* stopped or stuck/);
        kill(scene.reprieve.pid, "SIGSTOP");
        await silent.waitFor({ timeout: STUCK_BOUND_MS });
        expect(await page.locator(".link").innerText()).toBe("no answer");
        expect(await page.title()).toStartWith("(gone)");
        await page.getByRole("link", { name: scene.guard }).waitFor(); // what was known then
        await tab.expectAccessible("stuck", ["light"]);
        kill(scene.reprieve.pid, "SIGCONT");
        await page.locator(".link.live").waitFor({ timeout: STUCK_BOUND_MS });
        expect(await silent.count()).toBe(0);
        await scene.leak();
        await page.locator("td.last").getByText("relieved").waitFor();
        expect(await scene.reprieve.stop()).toBe(0);
        await page.getByText(/The agent cannot be reached since .* It has ended/).waitFor();
        await tab.close();
        await scene.expectAsBefore();
      },
      TEST_MS,
    );

    test("has a line for the host as a whole, and of whom the system guard would end", async () => {
      const tenants = new Tenants();
      tenants.child("host", LIMIT);
      const file = new ConfigFile();
      const address = `127.0.0.1:${freePort()}`;
      const always = '[system]\nmemory = ["100%", "0%"]\nswap = "100%"\n';
      file.write(`[feed]\nlisten = "${address}"\n${always}${guard("host", `${tenants.at}/*`)}`);
      const reprieve = await file.start(1, "--no-token");
      await served(reprieve);
      const where = ({ event }: Message) => event === "would-terminate";
      const would = await reprieve.message("system", { where, boundMs: TRIED_BOUND_MS });
      const tab = await Tab.open(browser, `http://${address}/`);
      const { page } = await tab.live();
      const host = await page.getByText(/^The host: would end/).innerText();
      expect(host).toStartWith(`The host: would end ${would.comm} ${would.pid}, `);
      expect(host).toMatch(/; [\d.]+ [MGT]iB available, \d+ (s|min) ago$/);
      await tab.expectAccessible("host", ["light"]);
      await tab.close();
      expect(await reprieve.stop()).toBe(0);
      file.remove();
      await tenants.destroy();
    });
  },
);
