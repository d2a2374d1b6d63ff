// SPDX-License-Identifier: MIT
/** A real Chromium before the page. What a view must never do is seen by all tests: leave the policy, throw, break the accessibility rules. */
import { expect } from "bun:test";
import { mkdirSync, readFileSync } from "node:fs";
import {
  type Browser,
  type BrowserContext,
  type Page,
  chromium as playwright,
} from "playwright-core";
import { repository } from "./paths.ts";
import { program } from "./require.ts";
import { START_BOUND_MS } from "./wait.ts";

export const chromium = program("chromium", "apt-get install chromium");

/** Nothing goes out, and nothing wants a GPU; root has no sandbox. */
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const SHOTS = `${repository}/dist/build/screenshots`;
const axe = `${repository}/node_modules/axe-core/axe.min.js`;

type Theme = "light" | "dark";
export type Size = keyof typeof SIZES;
const SIZES = {
  phone: { width: 360, height: 780 },
  laptop: { width: 1366, height: 850 },
  wall: { width: 2560, height: 1440 },
} as const;

/** The profile is one of its own, and goes with it. */
export async function launch(program = Bun.which("chromium") ?? ""): Promise<Browser> {
  return playwright.launch({ executablePath: program, args: FLAGS });
}

/** A page of its own context, so without anybody's cookie. */
export class Tab {
  readonly page: Page;
  /** Of the policy, or thrown. */
  readonly faults: string[] = [];
  readonly #context: BrowserContext;

  private constructor(context: BrowserContext, page: Page) {
    this.#context = context;
    this.page = page;
    page.setDefaultTimeout(START_BOUND_MS);
    page.on("pageerror", (error) => this.faults.push(String(error)));
    page.on("console", (message) => {
      if (/Content Security Policy|Refused to/.test(message.text())) {
        this.faults.push(message.text());
      }
    });
  }

  static async open(of: Browser, url: string, size: Size = "laptop"): Promise<Tab> {
    const context = await of.newContext({ viewport: SIZES[size], acceptDownloads: true });
    const tab = new Tab(context, await context.newPage());
    await tab.page.goto(url);
    return tab;
  }

  /** Another one of the same browser, with its cookie. */
  async another(url: string): Promise<Tab> {
    const tab = new Tab(this.#context, await this.#context.newPage());
    await tab.page.goto(url);
    return tab;
  }

  async live(): Promise<this> {
    await this.page.locator(".link.live").waitFor();
    return this;
  }

  /** By whom a path was asked for so far: "fetch" or "link", each time. */
  async asked(path: string): Promise<string[]> {
    return this.page.evaluate((wanted) => {
      const all = performance.getEntriesByType("resource") as unknown as Asked[];
      return all
        .filter(({ name }) => name.endsWith(wanted))
        .map(({ initiatorType }) => initiatorType);
    }, path);
  }

  async resize(size: Size): Promise<void> {
    await this.page.setViewportSize(SIZES[size]);
  }

  /** Clean by axe-core, and nothing is wider than the window. */
  async expectAccessible(
    name: string,
    themes: readonly Theme[] = ["light", "dark"],
  ): Promise<void> {
    for (const colorScheme of themes) {
      await this.page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await this.page.evaluate(readFileSync(axe, "utf8"));
      const violations = await this.page.evaluate(async () => {
        const { axe } = globalThis as unknown as { axe: { run(): Promise<AxeResults> } };
        const found = await axe.run();
        return found.violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`);
      });
      expect(violations).toEqual([]);
      const wide = await this.page.evaluate("document.documentElement.scrollWidth - innerWidth");
      expect(wide).toBeLessThanOrEqual(0);
      mkdirSync(SHOTS, { recursive: true });
      const { width = 0 } = this.page.viewportSize() ?? {};
      await this.page.screenshot({ path: `${SHOTS}/${name}-${width}-${colorScheme}.png` });
    }
  }

  async close(): Promise<void> {
    await this.#context.close();
    expect(this.faults).toEqual([]);
  }
}

/** Of a PerformanceResourceTiming. */
interface Asked {
  readonly name: string;
  readonly initiatorType: string;
}

interface AxeResults {
  readonly violations: readonly { id: string; nodes: readonly { html: string }[] }[];
}
