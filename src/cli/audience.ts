// SPDX-License-Identifier: MIT
/** Hop 8: who is told of what happens: a person or a program, the feed, the journal. */

import type { RunDir } from "../agent/run-dir.ts";
import type { Message } from "../feed/protocol.ts";
import type { Journal } from "../journal/journal.ts";
import { Minutes } from "../journal/minute.ts";
import type { Core } from "../native/core.ts";
import type { RunOptions } from "./flags.ts";
import { openJournal } from "./journaled.ts";
import { LateFeed } from "./late-feed.ts";
import { type Lines, say } from "./output.ts";
import { linesOf } from "./timeline.ts";

interface Told {
  readonly options: RunOptions;
  readonly core: Core;
  readonly undo: AsyncDisposableStack;
}

export type Audience = Awaited<ReturnType<typeof openAudience>>;

/** `lines`: of a program; undefined: a person. */
export async function openAudience(
  { options, core, undo }: Told,
  runDir: RunDir,
  run: string,
  lines: Lines | undefined,
) {
  const told = { send: (_: Message) => {} };
  const send = (message: Message) => told.send(message);
  const minutes = new Minutes(core);
  const journaling = await openJournal(options, { core, run, minutes, send, say });
  undo.defer(() => journaling?.stop());
  const journal = journaling?.journal;
  const feed = new LateFeed({ options, runDir, undo, run, minutes, journal });
  told.send = sendTo(lines, feed, journal);
  // With --replace its port may be the old one's.
  if (!options.replace) await feed.open();
  return { feed, journaling, minutes, send };
}

// --- internal ---

function sendTo(lines: Lines | undefined, feed: LateFeed, journal: Journal | undefined) {
  return (message: Message): void => {
    lines?.write(JSON.stringify(message));
    feed.send(message);
    journal?.accept(message);
    if (lines === undefined) for (const line of linesOf(message)) say(line, "info");
  };
}
