// SPDX-License-Identifier: MIT
/** The feed, the API and the metrics as the agent opens them, without guards: the caller tells the messages. */

import type { Message } from "../../src/feed/protocol.ts";
import { listenOn, type Port } from "../../src/http/listen.ts";
import { openHttp } from "../../src/http/open.ts";
import { Minutes } from "../../src/journal/minute.ts";
import { openCore } from "../../src/native/core.ts";

export interface Told {
  readonly port: Port;
  readonly send: (message: Message) => void;
}

export async function openTold(at = 0): Promise<Told> {
  const port = await listenOn({ hostname: "127.0.0.1", port: at });
  const { send } = openHttp([port], {
    minutes: new Minutes(openCore()),
    token: undefined,
    run: "told",
    journal: undefined,
    areMetricsOpen: true,
    whyNotReady: () => undefined,
    history: () => ({ frames: [], processes: {} }),
    sample: () => undefined,
    vitals: () => undefined,
    watched: () => {},
  });
  return { port, send };
}
