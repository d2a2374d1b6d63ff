// SPDX-License-Identifier: MIT
/**
 * Hop 8b: the socket of the feed and its subscribers.
 *
 * Everything is bounded: clients, what a client may send, and what waits for a slow one, which is disconnected.
 */

import { lookup } from "node:dns/promises";
import type { ListenAddress } from "../cli/args.ts";
import { CliError, exit } from "../errors.ts";
import { createApp } from "./app.ts";
import type { Message } from "./protocol.ts";

const CLIENTS_MAX = 64;
/** About 4,000 messages. */
const CLIENT_BACKLOG_BYTES = 1 << 20;
/** The feed is read-only: a client has nothing to say. */
const CLIENT_PAYLOAD_BYTES = 1024;

export interface Feed {
  readonly port: number;
  send(message: Message): void;
  stop(): Promise<void>;
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
export function serveFeed(address: ListenAddress, token: string | undefined): Feed {
  const clients = new Set<Bun.ServerWebSocket<undefined>>();
  /** A new client hears at once what is guarded: the last `armed` and `guard` of each. */
  const greeting = new Map<string, string>();
  const app = createApp({
    token,
    hostname: address.hostname,
    upgrade(request) {
      if (clients.size >= CLIENTS_MAX) return "full";
      return server.upgrade(request) ? "upgraded" : "not a websocket";
    },
  });
  const server = listen(address, {
    fetch: (request) => app.fetch(request),
    websocket: {
      maxPayloadLength: CLIENT_PAYLOAD_BYTES,
      backpressureLimit: CLIENT_BACKLOG_BYTES,
      closeOnBackpressureLimit: true,
      open(client) {
        clients.add(client);
        for (const line of greeting.values()) client.send(line);
      },
      message() {},
      close(client) {
        clients.delete(client);
      },
    },
  });
  return {
    port: server.port ?? address.port,
    send(message) {
      const line = JSON.stringify(message);
      if (message.type === "armed" || message.type === "guard") {
        greeting.set(`${message.type} ${message.guard}`, line);
      }
      for (const client of clients) client.send(line);
    },
    async stop() {
      for (const client of clients) client.close(1001, "reprieve ends");
      await server.stop(true);
    },
  };
}

/** As a person would type it. */
export function feedUrl({ hostname }: ListenAddress, port: number): string {
  return `ws://${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}/feed`;
}

// --- internal ---

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
