// SPDX-License-Identifier: MIT
/** Hop 8b: has the routes and the feed answer at an address. */

import type { Hub } from "../feed/hub.ts";
import { type AppOptions, createApp } from "./app.ts";
import type { Port } from "./listen.ts";

/** A thousand clients come back at once behind a restart; one answer costs 0.1 ms or so. */
const REQUESTS_A_SECOND = 1000;

type ServeOptions = Omit<AppOptions, "door" | "upgrade" | "hasRoom"> & {
  /** At a socket of the file system it is not asked for: the mode decides. */
  readonly token: string | undefined;
  readonly hub: Hub;
};

export function serveAt(port: Port, options: ServeOptions): void {
  const { hub, token } = options;
  const { address, server, isTls } = port;
  const isSocket = "path" in address;
  const app = createApp({
    ...options,
    door: {
      token: isSocket ? undefined : token,
      hostname: isSocket ? undefined : address.hostname,
      cookie: `reprieve-${server.port}`,
      isTls,
    },
    hasRoom: rateOf(REQUESTS_A_SECOND),
    upgrade(request, resume) {
      if (hub.isFull) return "full";
      return server.upgrade(request, { data: { resume } }) ? "upgraded" : "not a websocket";
    },
  });
  port.handlers = {
    fetch: (request) => app.fetch(request),
    open(socket) {
      socket.data.client = hub.open(socket, socket.data.resume);
    },
    message({ data: { client } }, text) {
      if (client !== undefined) hub.hear(client, text);
    },
    drain({ data: { client } }) {
      client?.drained(performance.now());
    },
    close({ data: { client } }) {
      if (client !== undefined) hub.close(client);
    },
  };
}

// --- internal ---

/** So many a second, of all who have the token. */
function rateOf(most: number): () => boolean {
  let second = 0;
  let count = 0;
  return () => {
    const now = Math.floor(performance.now() / 1000);
    if (now !== second) [second, count] = [now, 0];
    return ++count <= most;
  };
}
