// SPDX-License-Identifier: MIT
/**
 * Hop 8b: the socket of the feed, the API and the page, and the feed's subscribers.
 *
 * Everything is bounded: clients, what they may send, how long one may be silent; what waits for a slow one is not here (feed/client.ts).
 */

import { lookup } from "node:dns/promises";
import type { ListenAddress } from "../cli/args.ts";
import { CliError, exit } from "../errors.ts";
import type { Client } from "../feed/client.ts";
import type { Hub, Resume } from "../feed/hub.ts";
import { type AppOptions, createApp } from "./app.ts";

/** Of one message of a client's: 16 topics with long names. */
const CLIENT_PAYLOAD_BYTES = 64 << 10;
/** More than is ever handed to the socket of one that takes nothing: a batch, and one message of samples. */
const CLIENT_BACKLOG_BYTES = 16 << 20;
/** Bun pings a quiet client before that; one that does not answer is dropped. */
const SILENCE_S = 60;
/** A thousand clients come back at once behind a restart; one answer costs 0.1 ms or so. */
const REQUESTS_A_SECOND = 1000;

export interface HttpServer {
  readonly port: number;
  stop(): Promise<void>;
}

export type ServeOptions = Omit<AppOptions, "door" | "upgrade" | "hasRoom"> & {
  readonly token: string | undefined;
  readonly hub: Hub;
  readonly silenceS?: number;
};

interface Connection {
  readonly resume: Resume;
  client?: Client;
}

/** Bun 1.4.5 says of a name without an address that it is in use, or EINVAL. */
export async function demandResolved({ hostname, port }: ListenAddress): Promise<void> {
  try {
    await lookup(hostname);
  } catch {
    const remedy = `${hostname} does not resolve, give an address of this host`;
    throw new CliError(exit.host, `cannot listen on ${hostname}:${port}: ${remedy}`);
  }
}

/** Throws CliError(inUse) when the port is taken. */
export function serveHttp(address: ListenAddress, options: ServeOptions): HttpServer {
  const { hub, token, silenceS = SILENCE_S } = options;
  const server = listen(address, {
    fetch: (request) => app.fetch(request),
    websocket: websocketOf(hub, silenceS),
  });
  const port = server.port ?? address.port;
  const door = { token, hostname: address.hostname, cookie: `reprieve-${port}`, isTls: false };
  const app = createApp({
    ...options,
    door,
    hasRoom: rateOf(REQUESTS_A_SECOND),
    upgrade(request, resume) {
      if (hub.isFull) return "full";
      return server.upgrade(request, { data: { resume } }) ? "upgraded" : "not a websocket";
    },
  });
  return {
    port,
    async stop() {
      hub.stop();
      await server.stop(true);
    },
  };
}

/** As a person would type it. */
export function urlOf({ hostname }: ListenAddress, port: number): string {
  return `http://${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}/`;
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

type Handlers = {
  fetch: (request: Request) => Response | Promise<Response>;
  websocket: Bun.WebSocketHandler<Connection>;
};

function websocketOf(hub: Hub, silenceS: number): Bun.WebSocketHandler<Connection> {
  return {
    maxPayloadLength: CLIENT_PAYLOAD_BYTES,
    backpressureLimit: CLIENT_BACKLOG_BYTES,
    idleTimeout: silenceS,
    perMessageDeflate: false,
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

function listen(address: ListenAddress, handlers: Handlers): Bun.Server<Connection> {
  const { hostname, port } = address;
  try {
    // Bun 1.4.5 shares the port (SO_REUSEPORT) unless told not to: a second server would go unnoticed.
    return Bun.serve({ hostname, port, reusePort: false, development: false, ...handlers });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    const cannot = `cannot listen on ${hostname}:${port}`;
    if (code === "EADDRINUSE") {
      throw new CliError(
        exit.inUse,
        `${cannot}: it is in use, choose another --listen address or none`,
      );
    }
    if (code === "EACCES") {
      throw new CliError(exit.notPermitted, `${cannot}: a port under 1024 needs root`);
    }
    throw new CliError(exit.host, `${cannot} (${code}): give an address of this host`);
  }
}
