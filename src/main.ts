// SPDX-License-Identifier: MIT
/** argv -> command; errors -> exit codes; nothing else. */

import { CommanderError } from "commander";
import { identity } from "./cli/identity.ts";
import { said, say } from "./cli/output.ts";
import { program } from "./cli/program.ts";
import { CliError, exit } from "./errors.ts";

const code = await main(process.argv.slice(2));
await said();
process.exit(code);

async function main(argv: readonly string[]): Promise<number> {
  let code: number = exit.ok;
  const done = (result: number) => {
    code = result;
  };
  const [first, path] = argv;
  // Not for people: our own child (journal/disk.ts).
  if (first === "keep-journal" && path !== undefined && process.send !== undefined) {
    await (await import("./journal/keeper.ts")).keepJournal(path);
    return exit.ok;
  }
  try {
    await (await program(argv, done))
      .version(identity(), "--version")
      .parseAsync(argv, { from: "user" });
    return code;
  } catch (error) {
    // Commander has printed its own sentence; 0 is --help and --version.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exit.ok : exit.usage;
    const errors = unwrapped(error).map(expected);
    for (const { message } of errors) say(message, "error");
    return errors[0]?.code ?? exit.internal;
  }
}

/** What went wrong first, then what went wrong while that was undone. */
function unwrapped(error: unknown): unknown[] {
  if ((error as Error).name !== "SuppressedError") return [error];
  const { suppressed, error: later } = error as SuppressedError;
  return [...unwrapped(suppressed), ...unwrapped(later)];
}

/** Anything may run out of descriptors. */
function expected(error: unknown): CliError {
  if (error instanceof CliError) return error;
  const { errno, code = errno } = error as { errno?: unknown; code?: unknown };
  if (code === "EMFILE" || code === "ENFILE") {
    return new CliError(
      exit.host,
      `${(error as Error).message}: too many open files, raise ulimit -n`,
    );
  }
  const text = `internal error: ${(error as Error).stack ?? error}`;
  return new CliError(exit.internal, text);
}
