// SPDX-License-Identifier: MIT
/**
 * Takes the addresses. Small and early: an address that cannot be had is said before anything is changed, and what answers there is
 * loaded when the guards are armed (open.ts). Until then who asks is told to come again.
 */

import { lookup } from "node:dns/promises";
import { chmodSync, rmSync, statSync } from "node:fs";
import { connect } from "node:net";
import { codeOf } from "../cgroup/files.ts";
import type { ListenAddress, TcpAddress, UnixAddress } from "../cli/args.ts";
import { CliError, exit } from "../errors.ts";
import type { Client } from "../feed/client.ts";
import type { Resume } from "../feed/hub.ts";

/** Of one message of a client's: 16 topics with long names. */
const CLIENT_PAYLOAD_BYTES = 64 << 10;
/** More than is ever handed to the socket of one that takes nothing: a batch, and one message of samples. */
const CLIENT_BACKLOG_BYTES = 16 << 20;
/** A client that is quiet is pinged before that; one that does not answer is dropped. */
const SILENCE_S = 60;

export interface Connection {
  readonly resume: Resume;
  client?: Client;
}

type Socket = Bun.ServerWebSocket<Connection>;

interface Handlers {
  fetch(request: Request): Response | Promise<Response>;
  open(socket: Socket): void;
  message(socket: Socket, text: string | Buffer): void;
  drain(socket: Socket): void;
  close(socket: Socket): void;
}

interface Tls {
  readonly cert: string;
  readonly key: string;
}

export interface Port {
  readonly address: ListenAddress;
  readonly server: Bun.Server<Connection>;
  /** As a person would type it; of a socket `unix:PATH`. */
  readonly url: string;
  readonly isTls: boolean;
  /** Who answers from now on. */
  handlers: Handlers | undefined;
  stop(): Promise<void>;
}

/** Throws CliError(inUse) when it is taken. */
export async function listenOn(
  address: ListenAddress,
  tls?: Tls,
  silenceS = SILENCE_S,
): Promise<Port> {
  if ("path" in address) await clearSocket(address);
  else await demandResolved(address);
  const port: { handlers: Handlers | undefined } = { handlers: undefined };
  const server = serve(address, "path" in address ? undefined : tls, {
    fetch: (request) => port.handlers?.fetch(request) ?? starting(),
    websocket: {
      maxPayloadLength: CLIENT_PAYLOAD_BYTES,
      backpressureLimit: CLIENT_BACKLOG_BYTES,
      idleTimeout: silenceS,
      perMessageDeflate: false,
      open: (socket) => port.handlers?.open(socket),
      message: (socket, text) => port.handlers?.message(socket, text),
      drain: (socket) => port.handlers?.drain(socket),
      close: (socket) => port.handlers?.close(socket),
    },
  });
  const isTls = tls !== undefined && !("path" in address);
  return Object.assign(port, {
    address,
    server,
    url: urlOf(address, server, isTls),
    isTls,
    async stop() {
      await server.stop(true);
      if ("path" in address) rmSync(address.path, { force: true });
    },
  });
}

// --- internal ---

function urlOf(address: ListenAddress, server: Bun.Server<Connection>, isTls: boolean): string {
  if ("path" in address) return `unix:${address.path}`;
  const { hostname = address.hostname, port = 0 } = server;
  const host = hostname.includes(":") ? `[${hostname}]` : hostname;
  return `${isTls ? "https" : "http"}://${host}:${port}/`;
}

function starting(): Response {
  const headers = { "Retry-After": "1" };
  return Response.json({ error: "reprieve is starting" }, { status: 503, headers });
}

/** Bun 1.4.5 says of a name without an address that it is in use, or EINVAL. */
async function demandResolved({ hostname, port }: TcpAddress): Promise<void> {
  try {
    await lookup(hostname);
  } catch {
    const remedy = `${hostname} does not resolve, give an address of this host`;
    throw new CliError(exit.host, `cannot listen on ${hostname}:${port}: ${remedy}`);
  }
}

/** One that a dead reprieve has left is taken away; anything else that is there is not ours. */
async function clearSocket({ path }: UnixAddress): Promise<void> {
  const info = statSync(path, { throwIfNoEntry: false });
  if (info === undefined) return;
  const cannot = `cannot listen on unix:${path}`;
  if (!info.isSocket()) {
    throw new CliError(exit.inUse, `${cannot}: there is a file that is no socket, remove it`);
  }
  if (await isAnswered(path)) {
    throw new CliError(exit.inUse, `${cannot}: it is in use, choose another --listen address`);
  }
  rmSync(path, { force: true });
}

function isAnswered(path: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect(path);
  socket.on("connect", () => resolve(true)).on("error", () => resolve(false));
  return promise.finally(() => socket.destroy());
}

type Options = {
  readonly fetch: (request: Request) => Response | Promise<Response>;
  readonly websocket: Bun.WebSocketHandler<Connection>;
};

function serve(
  address: ListenAddress,
  tls: Tls | undefined,
  options: Options,
): Bun.Server<Connection> {
  const where = "path" in address ? `unix:${address.path}` : `${address.hostname}:${address.port}`;
  try {
    return "path" in address ? serveSocket(address, options) : servePort(address, tls, options);
  } catch (error) {
    throw refusal(`cannot listen on ${where}`, error);
  }
}

/** All addresses, IPv4's too: those that there are, for a kernel may have no IPv6. */
function servePort(address: TcpAddress, tls: Tls | undefined, options: Options) {
  try {
    return serveAddress(address, tls, options);
  } catch (error) {
    if (address.hostname !== "::" || codeOf(error) !== "EAFNOSUPPORT") throw error;
    return serveAddress({ ...address, hostname: "0.0.0.0" }, tls, options);
  }
}

// Bun 1.4.5 shares the port (SO_REUSEPORT) unless told not to: a second server would go unnoticed.
function serveAddress({ hostname, port }: TcpAddress, tls: Tls | undefined, options: Options) {
  const secure = tls === undefined ? {} : { tls: { ...tls } };
  return Bun.serve({
    hostname,
    port,
    reusePort: false,
    development: false,
    ...secure,
    ...options,
  });
}

/** Never open to more than its mode says, not for an instant. */
function serveSocket({ path, mode }: UnixAddress, options: Options) {
  const before = process.umask(0o777 & ~mode);
  try {
    const server = Bun.serve({ unix: path, development: false, ...options });
    chmodSync(path, mode);
    return server;
  } finally {
    process.umask(before);
  }
}

function refusal(cannot: string, error: unknown): CliError {
  const { code, message } = error as NodeJS.ErrnoException;
  switch (code) {
    case "EADDRINUSE":
      return new CliError(
        exit.inUse,
        `${cannot}: it is in use, choose another --listen address or none`,
      );
    case "EACCES":
    case "EPERM":
      return new CliError(
        exit.notPermitted,
        `${cannot} (${code}): a port under 1024, or that directory, needs root`,
      );
    default:
      return new CliError(
        exit.host,
        `${cannot} (${code ?? message}): give an address of this host`,
      );
  }
}
