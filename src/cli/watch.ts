// SPDX-License-Identifier: MIT
/** `reprieve watch`: the guards of the reprieves that run, as they change. A screen in a terminal, lines elsewhere. */

import { type CliError, exit } from "../errors.ts";
import { Guards } from "../http/schema.ts";
import { type AgentOptions, askAll, demandAgents } from "./agents.ts";
import { Follower } from "./follow.ts";
import { say } from "./output.ts";
import { isScreen } from "./screen.ts";
import { demandGuard } from "./status.ts";
import { AsLines } from "./watch-lines.ts";
import { OnScreen } from "./watch-screen.ts";

interface WatchOptions extends AgentOptions {
  readonly json?: true;
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const;
const FAULTS = ["uncaughtException", "unhandledRejection"] as const;

export async function watch(text: string | undefined, options: WatchOptions): Promise<number> {
  const agents = demandAgents(options);
  // A wrong name, address or token is said at once.
  const failed = ({ message }: CliError) => say(message);
  const guard = text === undefined ? undefined : await demandGuard(agents, text, failed);
  if (guard === undefined && options.url !== undefined)
    await askAll(agents, "/api/guards", Guards, () => {});
  const end = Promise.withResolvers<void>();
  // To the end: a second one must not end us in the middle of giving the terminal back.
  for (const signal of SIGNALS) process.on(signal, () => end.resolve());
  for (const fault of FAULTS) process.once(fault, (error) => end.reject(error));
  if (options.json || !isScreen()) {
    const lines = new AsLines(guard, options.json === true, end);
    await showUntil(end.promise, lines, () => new Follower(options, lines, undefined));
  } else {
    const screen = new OnScreen(guard, end);
    await showUntil(end.promise, screen, () => new Follower(options, screen, guard));
  }
  return exit.ok;
}

// --- internal ---

interface Stopped {
  stop(): void;
}

async function showUntil(
  end: Promise<void>,
  show: { close(): Promise<void> },
  follow: () => Stopped,
): Promise<void> {
  let follower: Stopped | undefined;
  try {
    follower = follow();
    await end;
  } finally {
    follower?.stop();
    await show.close();
  }
}
