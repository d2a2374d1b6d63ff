// SPDX-License-Identifier: MIT
/**
 * Every command of README.md and dist/docs, typed in order into one shell a page, on a host of its own (`enter`): it ends as
 * the page says, and prints what the page shows.
 */
import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { memory } from "../helpers/memory.ts";
import { repository } from "../helpers/paths.ts";
import { describeWith, kernelTest, program } from "../helpers/require.ts";
import {
  allCommandsOf,
  asOf,
  type Block,
  blocksOf,
  type Commands,
  fileOf,
  pages,
} from "./blocks.ts";
import { missing } from "./output.ts";
import { type SetScene, Setting } from "./setting.ts";
import { type Running, Shell } from "./shell.ts";

const PAGE_BOUND_MS = 180_000;
const needs = [program("unshare", "util-linux"), program("ip", "iproute2")];
/** A page while it is walked. */
class Walk {
  readonly #page: string;
  readonly #setting = new Setting();
  readonly #shell = new Shell(this.#setting.root);
  /** What runs in the background, and since which section. */
  #running: { readonly block: Commands; readonly process: Running }[] = [];
  /** Of all that it shows. */
  readonly #missing: string[] = [];

  constructor(page: string) {
    this.#page = page;
  }

  async set(): Promise<void> {
    await this.#shell.run(":"); // it is where it lives before there are limits
    const scene = `${repository}/test/docs/scenes/${this.#page}.ts`;
    if (existsSync(scene)) await ((await import(scene)) as { set: SetScene }).set(this.#setting);
  }

  async walk(blocks: readonly Block[]): Promise<void> {
    const commands = new Map(allCommandsOf(blocks).map((block) => [block.line, block]));
    for (const block of blocks) {
      await this.#endBackground(block);
      const typed = commands.get(block.line);
      if (typed !== undefined && typed.kind === "here") await this.#type(typed);
      else if (isFile(block)) await this.#write(block);
    }
    await this.#endBackground();
    expect(this.#missing).toEqual([]);
  }

  async #type(block: Commands): Promise<void> {
    if (block.isBackground) {
      for (const command of block.commands) {
        const first = block.shown?.split("\n")[0];
        this.#running.push({ block, process: await this.#shell.start(command, first) });
      }
      return;
    }
    let told = "";
    for (const command of block.commands) {
      const { code, output } = await this.#shell.run(command);
      told += output;
      if (code !== block.exits) throw fault(block, `${command} ends with ${code}: ${told}`);
    }
    this.#compare(block, told);
  }

  async #write({ words: [path = ""], text }: Block): Promise<void> {
    const quoted = `${text}\n`.replaceAll("'", "'\\''");
    const made = await this.#shell.run(
      `mkdir -p '${dirname(path)}' && printf %s '${quoted}' >'${path}'`,
    );
    expect(made).toEqual({ code: 0, output: "" });
  }

  /** Of those whose section ends at this block; without one: all. */
  async #endBackground(next?: Block): Promise<void> {
    const isOver = (block: Block) =>
      next === undefined ||
      (next.section.heading !== block.section.heading && next.section.level <= block.section.level);
    const over = this.#running.filter(({ block }) => isOver(block)).reverse();
    this.#running = this.#running.filter(({ block }) => !isOver(block));
    for (const { block, process } of over) {
      const { code, output } = await this.#shell.stop(process);
      if (code !== block.exits) throw fault(block, `it ends with ${code}: ${output}`);
      this.#compare(block, output);
    }
  }

  #compare(block: Commands, output: string): void {
    if (process.env.SHOW === "1") console.log(`${fileOf(block.page)}:${block.line}:\n${output}`);
    const line = block.shown === undefined ? undefined : missing(block.shown, output);
    if (line === undefined) return;
    this.#missing.push(fault(block, `"${line}" is not printed, but\n${output}`).message);
  }

  async end(): Promise<void> {
    for (const { process } of this.#running) await this.#shell.stop(process).catch(() => {});
    await this.#shell.end();
    await this.#setting.end();
  }
}

/** A block that is neither typed nor printed, and names a file: it is one. */
function isFile({ language, words }: Block): boolean {
  return language !== "sh" && language !== "text" && words[0] !== undefined;
}

function fault({ page, line }: Block, what: string): Error {
  return new Error(`${fileOf(page)}:${line}: ${what}`);
}

describeWith("the pages' commands", [...kernelTest, ...needs], () => {
  const walked = pages().filter((page) =>
    allCommandsOf(blocksOf(page)).some((block) => block.kind === "here"),
  );

  test.each(walked)(
    "%s",
    async (page) => {
      const walk = new Walk(page);
      try {
        await walk.set();
        await walk.walk(asOf(blocksOf(page), memory));
      } finally {
        await walk.end();
      }
    },
    PAGE_BOUND_MS,
  );
});
