// SPDX-License-Identifier: MIT
/**
 * Hop 8b: the socket of the feed, the API and the page, and the feed's subscribers.
 *
 * Everything is bounded: clients, what a client may send, and what waits for a slow one, which is disconnected.
 */

import { lookup } from "node:dns/promises";
import type { ListenAddress } from "../cli/args.ts";
import { CliError, exit } from "../errors.ts";
import type { Entry } from "../feed/present.ts";
import { type AppOptions, createApp } from "./app.ts";

const CLIENTS_MAX = 64;
/** About 4,000 messages. */
const CLIENT_BACKLOG_BYTES = 1 << 20;
/** The feed is read-only: a client has nothing to say. */
const CLIENT_PAYLOAD_BYTES = 1024;
/** A page of a thousand guards asks for one thing a second, a script for some. */
const REQUESTS_A_SECOND = 200;

export interface HttpServer {
  readonly port: number;
  send(entry: Entry): void;
  stop(): Promise<void>;
}

export type ServeOptions = Omit<AppOptions, "door" | "upgrade" | "hasRoom"> & {
  readonly token: string | undefined;
};

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
  const clients = new Set<Bun.ServerWebSocket<undefined>>();
  const server = listen(address, {
    fetch: (request) => app.fetch(request),
    websocket: {
      maxPayloadLength: CLIENT_PAYLOAD_BYTES,
      backpressureLimit: CLIENT_BACKLOG_BYTES,
      closeOnBackpressureLimit: true,
      open(client) {
        clients.add(client);
        const { guards, incidents } = options.present;
        for (const { line } of [...guards, ...incidents]) client.send(line);
      },
      message() {},
      close(client) {
        clients.delete(client);
      },
    },
  });
  const port = server.port ?? address.port;
  const { token } = options;
  const door = { token, hostname: address.hostname, cookie: `reprieve-${port}`, isTls: false };
  const app = createApp({
    ...options,
    door,
    hasRoom: rateOf(REQUESTS_A_SECOND),
    upgrade(request) {
      if (clients.size >= CLIENTS_MAX) return "full";
      return server.upgrade(request) ? "upgraded" : "not a websocket";
    },
  });
  return {
    port,
    send({ line }) {
      for (const client of clients) client.send(line);
    },
    async stop() {
      for (const client of clients) client.close(1001, "reprieve ends");
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
  websocket: Bun.WebSocketHandler<undefined>;
};

function listen(address: ListenAddress, handlers: Handlers): Bun.Server<undefined> {
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
