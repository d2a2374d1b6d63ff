// SPDX-License-Identifier: MIT
/** The page of the built binary in a real browser, with real OOMs of the real kernel behind it. */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { copyFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import * as v from "valibot";
import { GuardDetails } from "../../src/http/schema.ts";
import { Incident } from "../../src/journal/incident.ts";
import { chromium, launch, Tab } from "../helpers/browser.ts";
import { fixture } from "../helpers/build.ts";
import { cleanUp } from "../helpers/clean.ts";
import { ConfigFile, FEED, guard, Tenants } from "../helpers/config.ts";
import { freePort, serve, served } from "../helpers/feed.ts";
import { makeFolder, removeFolder } from "../helpers/folder.ts";
import { Group, MB } from "../helpers/group.ts";
import { Journal } from "../helpers/journal.ts";
import { describeWith, kernelTest } from "../helpers/require.ts";
import { LEAK_KB, LIMIT, Scene } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";

/** Two dozen looks of axe-core, on a machine that others want too. */
const VIEWS_BOUND_MS = 120_000;
const MANY = Number(process.env.MANY ?? 400);
const groupName = (n: number) => `g${String(n).padStart(4, "0")}`;

/** So many small groups, and a file that has them guarded. */
function manyGuards() {
  const tenants = new Tenants();
  for (let n = 0; n < MANY; n++) tenants.child(groupName(n), 16 * MB);
  const file = new ConfigFile();
  file.write(`${FEED}[allow]\nkill = true\n${guard("many", `${tenants.at}/*`)}`);
  return { file, tenants, address: `127.0.0.1:${freePort()}` };
}

/** The workload under a name of its own: a program calls itself as its file is called. */
function hostileProgram(name: string) {
  const dir = makeFolder("hostile");
  copyFileSync(fixture("workload"), join(dir, name));
  return {
    wrapper: ["sh", "-c", 'shift; exec "$0" "$@"', join(dir, name)],
    remove: () => removeFolder(dir),
  };
}

describeWith("the page", [...kernelTest, chromium], () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launch();
  });
  afterAll(() => browser.close());
  afterEach(cleanUp);

  test("shows a change as it happens, and an OOM to the microsecond", async () => {
    const { scene, address, token } = await serve(...new Journal().flags);
    const tab = await Tab.open(browser, `http://${address}/?token=${token}`);
    const { page } = await tab.live();
    expect(page.url()).toBe(`http://${address}/`); // the token stays in no history
    // What holds now was asked once, and before the script was read.
    expect(await tab.asked("/api/guards")).toEqual(["link"]);
    const name = scene.guard;
    const row = page.locator("tbody tr", { hasText: name });
    await row.getByText("of 48.0 MiB").waitFor();
    await scene.neighbour(12 * 1024);
    await row.getByText(/^1[2-9]\.\d MiB$/).waitFor();
    const { leaker } = await scene.leak();
    await row.getByText("relieved").waitFor();

    await page.getByRole("link", { name: "Incidents" }).click();
    await page.locator("tbody th a").click();
    const steps = page.locator(".timeline li");
    await steps.filter({ hasText: "SIGKILL" }).getByText(String(leaker.pid)).waitFor();
    const text = await steps.filter({ hasText: "SIGKILL" }).locator(".at").innerText();
    expect(text.replace(/\D/g, "")).toBe(String(scene.steps("kill")[0]?.at_us));
    await page.locator("canvas").waitFor();
    await page.locator(".held").getByText(String(leaker.pid)).first().waitFor();

    const download = page.waitForEvent("download");
    await page.getByRole("link", { name: "Download JSON" }).click();
    const json = readFileSync(await (await download).path(), "utf8");
    expect(v.parse(Incident, JSON.parse(json)).victims[0]?.pid).toBe(leaker.pid);
    const shared = await tab.another(page.url());
    await shared.page
      .locator(".timeline li", { hasText: String(leaker.pid) })
      .first()
      .waitFor();
    await tab.close();
    await scene.end();
  });

  test("of a guard: who holds what, its orders, who would be killed", async () => {
    const { scene, address } = await serve(
      "--no-token",
      "--order",
      "raise=1M:2M",
      "--order",
      "kill",
    );
    const neighbour = await scene.neighbour(8 * 1024);
    const tab = await Tab.open(browser, `http://${address}/`);
    const { page } = await tab.live();
    await page.getByRole("link", { name: scene.guard }).click();
    await page.locator(".orders").getByText("raise=1M:2M").waitFor();
    await page.locator(".orders li", { hasText: "kill" }).getByText("acts").waitFor();
    await page.locator(".orders li", { hasText: "raise" }).getByText("observed only").waitFor();
    await page.locator(".candidates").getByText(String(neighbour.pid)).waitFor();
    await page.locator(".held").getByText(String(neighbour.pid)).waitFor();
    await page.locator("canvas").waitFor();
    const later = await scene.neighbour(2 * 1024);
    await page.locator(".held").getByText(String(later.pid)).waitFor();
    // Another time, chosen with the keyboard.
    await page.getByRole("slider").press("Home");
    // The first moment that there is moves on meanwhile.
    await until("the slider to say what the table says", async () => {
      const chosen = await page.locator(".held caption").innerText();
      const told = await page.getByRole("slider").getAttribute("aria-valuetext");
      return told?.includes(chosen.replace("at ", ""));
    });
    // More of what the recorder has; what is live goes on behind it.
    const hour = page.waitForResponse((response) => response.url().endsWith("?last_s=3600"));
    await page.getByRole("button", { name: "1 h" }).click();
    const { history } = v.parse(GuardDetails, await (await hour).json());
    expect(history.processes[String(neighbour.pid)]?.comm).toBe("workload");
    const last = await scene.neighbour(2 * 1024);
    await page.locator(".held").getByText(String(last.pid)).waitFor();
    await tab.close();
    await scene.end();
  });

  test("finds incidents by a part of the guard's name, and between two times", async () => {
    const { scene, address } = await serve("--no-token");
    await scene.leak();
    const tab = await Tab.open(browser, `http://${address}/#/incidents`);
    const { page } = await tab.live();
    const found = page.locator("tbody th a");
    const none = page.getByText("No incident is like that.");
    await found.waitFor();
    const name = page.getByLabel("Guard", { exact: true });
    await name.fill("nobody");
    await none.waitFor();
    await name.fill("REPRIEVE-*-scene");
    await found.waitFor();
    expect(page.url()).toContain("name=REPRIEVE-*-scene");

    await page.getByLabel("Time").selectOption("between …");
    await page.getByLabel("To").fill("2001-02-03T04:05");
    await none.waitFor();
    const shared = await tab.another(page.url());
    await shared.page.getByText("No incident is like that.").waitFor();
    expect(await shared.page.getByLabel("To").inputValue()).toBe("2001-02-03T04:05");
    await page.getByLabel("To").fill("");
    await page.getByLabel("From").fill("2001-02-03T04:05");
    await found.waitFor();
    for (const size of ["phone", "laptop"] as const) {
      await tab.resize(size);
      await tab.expectAccessible("between", ["light"]);
    }
    await page.getByLabel("From").fill("2101-02-03T04:05");
    await none.waitFor();

    // From a guard's view: those of that guard, and of no other of a longer name.
    await page.goto(`http://${address}/#/guards/${encodeURIComponent(scene.guard)}`);
    await page.getByRole("link", { name: "all of them" }).click();
    await found.waitFor();
    await page.getByRole("button", { name: scene.guard }).click();
    await name.waitFor();
    expect(page.url()).not.toContain("guard=");
    await tab.close();
    await scene.end();
  });

  test("says when the agent is gone, and goes on with the next one", async () => {
    const address = `127.0.0.1:${freePort()}`;
    const group = new Group("scene", { limit: LIMIT });
    const args = ["--listen", address, "--no-token"];
    const scene = await Scene.around(group, args);
    await served(scene.reprieve);
    const tab = await Tab.open(browser, `http://${address}/`);
    const { page } = await tab.live();
    await page.getByRole("link", { name: scene.guard }).waitFor();
    await scene.reprieve.stop();
    await page.getByText(/The agent cannot be reached since/).waitFor();
    expect(await page.locator(".link").innerText()).toBe("not connected");
    await page.getByRole("link", { name: scene.guard }).waitFor(); // what was known then
    const next = await Scene.around(group, args);
    await tab.live();
    expect(await page.getByText(/The agent cannot be reached since/).count()).toBe(0);
    await next.leak();
    await page.locator("tbody tr").getByText("relieved").waitFor();
    await tab.close();
    await next.end();
  });

  test("without the token says what is missing, and takes it", async () => {
    const { scene, address, token } = await serve();
    const tab = await Tab.open(browser, `http://${address}/`);
    await tab.page.getByText("does not let this browser in").waitFor();
    expect(await tab.page.locator("tbody tr").count()).toBe(0);
    await tab.page.getByLabel("Token").fill(token);
    await tab.page.getByRole("button", { name: "Enter" }).click();
    await tab.live();
    await tab.page.getByRole("link", { name: scene.guard }).waitFor();
    await tab.close();
    await scene.end();
  });

  test("shows hostile names as the text that they are", async () => {
    const evil = "a\u202egpj.<img src=x onerror=document.title=1>%2f&amp;#\u001b[31m";
    const shown = "a\ufffdgpj.<img src=x onerror=document.title=1>%2f&amp;#\ufffd[31m";
    const program = hostileProgram("\u202e<b>\u0007x");
    const address = `127.0.0.1:${freePort()}`;
    const scene = await Scene.around(new Group(evil, { limit: LIMIT }), [
      "--listen",
      address,
      "--no-token",
    ]);
    await served(scene.reprieve);
    const tab = await Tab.open(browser, `http://${address}/`);
    const { page } = await tab.live();
    const plan = { means: "touch", beforeKb: 4 * 1024, kb: LEAK_KB } as const;
    const leaker = await scene.board.start(scene.group, plan, program.wrapper).ready();
    const comm = "\ufffd<b>\ufffdx";
    await until("the sampler to have seen it", async () => {
      const asked = await fetch(`http://${address}/api/guards/${encodeURIComponent(scene.guard)}`);
      return (await asked.text()).includes(`"${leaker.pid}"`);
    });
    await page.getByRole("link", { name: shown }).click();
    await page.locator(".held").getByText(comm).waitFor();
    leaker.go();
    await page.locator("table.incidents tbody th a").click();
    const kill = page.locator(".timeline li", { hasText: "SIGKILL" });
    expect(await kill.innerText()).toContain(`${comm} ${leaker.pid}`);
    await page.locator("h1 a").click();
    expect(await page.locator("h1").innerText()).toContain(shown);
    await page.locator(".orders").waitFor();
    expect(await page.title()).toBe("reprieve");
    expect(await page.locator("main img").count()).toBe(0);
    await tab.close();
    program.remove();
    await scene.end();
  });

  test("of many guards only the rows that are seen are there; filter and sort find any", async () => {
    const { file, tenants, address } = manyGuards();
    const reprieve = await file.start(MANY, "--no-token", "--listen", address);
    await served(reprieve);
    const tab = await Tab.open(browser, `http://${address}/`);
    const { page } = await tab.live();
    const rows = page.locator("tbody tr:not(.space)");
    const names = page.locator("tbody th a");
    await page.getByText(`All ${MANY}`).waitFor();
    expect(await page.locator("table").getAttribute("aria-rowcount")).toBe(String(MANY + 1));
    expect(await rows.count()).toBeLessThan(MANY / 2);
    await tab.expectAccessible("many", ["light"]);

    await page.getByRole("button", { name: "Guard", exact: true }).click();
    await page.locator('th[aria-sort="ascending"]', { hasText: "Guard" }).waitFor();
    expect(await names.first().innerText()).toEndWith(groupName(0));
    await page.getByRole("button", { name: "Guard", exact: true }).click();
    await page.locator('th[aria-sort="descending"]', { hasText: "Guard" }).waitFor();
    expect(await names.first().innerText()).toEndWith(groupName(MANY - 1));
    await page.keyboard.press("End");
    await page.getByRole("link", { name: groupName(0) }).waitFor();

    await page.keyboard.press("/");
    await page.keyboard.type(groupName(123));
    await page.getByText("1 shown").waitFor();
    await page.getByRole("link", { name: groupName(123) }).waitFor();
    expect(await names.allInnerTexts()).toEqual([expect.stringContaining(groupName(123))]);
    const shared = await tab.another(page.url());
    await shared.page.getByText("1 shown").waitFor();
    await page.getByRole("button", { name: /^Near/ }).click();
    await page.getByText("No guard has all of these words.").waitFor();
    await tab.close();
    expect(await reprieve.stop()).toBe(0);
    await tenants.destroy();
    file.remove();
  });

  test(
    "every view, in both themes and on every screen, is clean by axe-core",
    async () => {
      const { scene, address } = await serve(
        ...new Journal().flags,
        "--no-token",
        "--order",
        "raise=1M:2M",
        "--order",
        "kill",
      );
      await scene.neighbour(8 * 1024);
      await scene.leak();
      const tab = await Tab.open(browser, `http://${address}/`);
      const { page } = await tab.live();
      await page.locator("tbody tr").getByText("relieved").waitFor();
      const show = async (hash: string, sign: string) => {
        await page.goto(`http://${address}/${hash}`);
        await page.locator(sign).first().waitFor();
      };
      await show("#/incidents", "tbody th a");
      const incident = (await page.locator("tbody th a").getAttribute("href")) ?? "";
      const views = {
        guards: ["#/", "tbody th a"],
        guard: [`#/guards/${encodeURIComponent(scene.guard)}`, ".candidates li"],
        incidents: ["#/incidents", "tbody th a"],
        incident: [incident, ".timeline li"],
        nowhere: ["#/nowhere", ".nothing"],
      } as const;
      for (const [name, [hash, sign]] of Object.entries(views)) {
        await show(hash, sign);
        await tab.resize("phone");
        await tab.expectAccessible(name);
        await tab.resize("laptop");
        await tab.expectAccessible(name, ["light"]);
        await tab.resize("wall"); // its colours are the same
        await tab.expectAccessible(name, ["dark"]);
      }
      await show("#/", "tbody th a");
      await scene.reprieve.stop();
      await page.getByText(/The agent cannot be reached since/).waitFor();
      await tab.expectAccessible("gone", ["light"]);
      await tab.close();
      await scene.expectAsBefore();
    },
    VIEWS_BOUND_MS,
  );

  test("all of it can be reached with the keyboard", async () => {
    const { scene, address } = await serve("--no-token");
    await scene.leak();
    const tab = await Tab.open(browser, `http://${address}/`);
    const { page } = await tab.live();
    await page.locator("tbody tr").getByText("relieved").waitFor();
    const focused = async () =>
      String(
        await page.evaluate(
          "document.activeElement.matches('a, button') ? document.activeElement.textContent.trim() : ''",
        ),
      );
    const tabTo = async (text: string) => {
      for (let n = 0; n < 40 && !(await focused()).includes(text); n++)
        await page.keyboard.press("Tab");
      expect(await focused()).toContain(text);
    };
    await page.keyboard.press("Tab");
    expect(await focused()).toBe("Skip to what is shown");
    await page.keyboard.press("Enter");
    await tabTo(scene.guard);
    await page.keyboard.press("Enter");
    await page.locator("h1", { hasText: scene.guard }).waitFor();
    expect(await page.evaluate("document.activeElement.id")).toBe("main");
    await tabTo("all of them");
    await page.keyboard.press("Enter");
    await page.locator("table.incidents tbody th a").waitFor();
    await page.keyboard.press("Tab"); // the fields of the filter have no text
    await tabTo(await page.locator("tbody th a").innerText());
    await page.keyboard.press("Enter");
    await page.locator(".timeline").waitFor();
    await tabTo("Copy link");
    await tab.close();
    await scene.end();
  });
});
