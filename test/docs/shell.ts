// SPDX-License-Identifier: MIT
/** The bash that a page's commands are typed into, one for the page, on the little host of `enter`. */
import { readFileSync, writeFileSync } from "node:fs";
import { makeFolder, removeFolder } from "../helpers/folder.ts";
import type { Group } from "../helpers/group.ts";
import { memory } from "../helpers/memory.ts";
import { binary, repository } from "../helpers/paths.ts";
import { until } from "../helpers/wait.ts";
import { missing } from "./output.ts";

/** Who has printed nothing for so long has started. */
const QUIET_MS = 300;
/** No page has a reader wait for longer. */
const COMMAND_BOUND_MS = 60_000;
const NUL = "\0";

export interface Result {
  readonly code: number;
  /** stdout and stderr, as a terminal has them. */
  readonly output: string;
}

/** A command that runs until it is interrupted. */
export interface Running {
  readonly pid: number;
  readonly file: string;
}

export class Shell {
  readonly #proc: Bun.Subprocess<"pipe", "pipe", "inherit">;
  /** Of what runs in the background, outside the page's own /run. */
  readonly #folder = makeFolder("docs");
  #unread = "";
  #files = 0;

  constructor(group: Group) {
    const args = [group.path, memory.root, String(memory.version), binary];
    this.#proc = Bun.spawn(["bash", `${repository}/test/docs/enter`, ...args], {
      stdio: ["pipe", "pipe", "inherit"],
      env: { ...process.env, NO_COLOR: "1", LC_ALL: "C.UTF-8" },
    });
    void this.#read();
  }

  async run(command: string): Promise<Result> {
    this.#proc.stdin.write(`${command}${NUL}`);
    this.#proc.stdin.flush();
    const answer = await until(
      `the end of ${command}`,
      () => {
        const [output, code, rest] = this.#unread.split(NUL);
        if (rest !== undefined) return { output: output ?? "", code: Number(code) };
        if (this.#proc.exitCode === null) return undefined;
        throw new Error(`The page's shell has ended: ${this.#unread}`);
      },
      COMMAND_BOUND_MS,
    );
    this.#unread = "";
    return answer;
  }

  /** Returns when it has printed `first`, without that anything, and then nothing more for a while. */
  async start(command: string, first: string | undefined): Promise<Running> {
    this.#files += 1;
    const file = `${this.#folder}/${this.#files}`;
    writeFileSync(file, "");
    const quoted = command.replaceAll("'", "'\\''");
    const { output } = await this.run(`( eval '${quoted}' ) >'${file}' 2>&1 & echo $!`);
    const running = { pid: Number(output), file };
    let told = "";
    const isReady = async () => {
      await Bun.sleep(QUIET_MS);
      const before = told;
      told = outputOf(running);
      const has = first === undefined ? told !== "" : missing(first, told) === undefined;
      return has && told === before;
    };
    await until(`${command} to print ${first ?? "anything"}`, isReady, COMMAND_BOUND_MS).catch(
      (error: Error) => {
        throw new Error(`${error.message}: ${outputOf(running)}`);
      },
    );
    return running;
  }

  /** As by Ctrl-C. */
  async stop(running: Running): Promise<Result> {
    signalGroup(running.pid);
    const { code } = await this.run(`wait ${running.pid}`);
    return { code, output: outputOf(running) };
  }

  async end(): Promise<void> {
    this.#proc.stdin.end();
    await Promise.race([this.#proc.exited, Bun.sleep(2000)]);
    removeFolder(this.#folder);
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of this.#proc.stdout) {
      this.#unread += decoder.decode(chunk, { stream: true });
    }
  }
}

function outputOf({ file }: Running): string {
  return readFileSync(file, "utf8");
}

// --- internal ---

/** Job control gives each its own group of processes. */
function signalGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGINT");
  } catch {} // it has ended by itself
}
