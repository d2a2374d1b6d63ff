// SPDX-License-Identifier: MIT
/**
 * The feed's HTTP side: who may come in. Opens nothing: serve.ts brings the socket and the upgrade.
 *
 * Process names are other people's business, so the feed wants the token, and refuses browsers of other
 * origins and names that somebody's DNS points here (rebinding), with or without a token.
 */

import { Hono } from "hono/tiny";

export interface AppOptions {
  /** undefined: everybody who can connect may listen. */
  readonly token: string | undefined;
  /** The name or address given by --listen. */
  readonly hostname: string;
  /** Turns the request into a websocket; false when it is none, or there are too many. */
  readonly upgrade: (request: Request) => "upgraded" | "not a websocket" | "full";
}

export function createApp({ token, hostname, upgrade }: AppOptions) {
  const app = new Hono();
  app.get("/healthz", (c) => c.json({ status: "ok" }));
  app.get("/feed", (c) => {
    const host = c.req.header("host") ?? "";
    if (!isOwnHost(host, hostname)) return c.text("this host name is not served here\n", 403);
    const origin = c.req.header("origin");
    if (origin !== undefined && !isSameOrigin(origin, host)) {
      return c.text("browsers of other origins are refused\n", 403);
    }
    const given = bearer(c.req.header("authorization")) ?? c.req.query("token") ?? "";
    if (token !== undefined && !isEqual(given, token)) {
      c.header("WWW-Authenticate", "Bearer");
      return c.text("the feed wants the token printed at start\n", 401);
    }
    switch (upgrade(c.req.raw)) {
      case "full":
        return c.text("too many clients\n", 503);
      case "not a websocket":
        return c.text("connect with a websocket client\n", 426, { Upgrade: "websocket" });
      case "upgraded":
        return new Response(null);
    }
  });
  return app;
}

/** Loopback by name or number, or what --listen said; a wildcard serves every literal address. */
export function isOwnHost(host: string, listening: string): boolean {
  const name = hostnameOf(`http://${host}`);
  if (name === undefined) return false;
  const own = hostnameOf(`http://${listening.includes(":") ? `[${listening}]` : listening}`);
  if (name === "localhost" || name === "[::1]" || /^127(\.\d+){3}$/.test(name)) return true;
  const isLiteral = name.startsWith("[") || /^[\d.]+$/.test(name);
  const isWildcard = own === "0.0.0.0" || own === "[::]";
  return isWildcard ? isLiteral : name === own;
}

// --- internal ---

function isSameOrigin(origin: string, host: string): boolean {
  return URL.canParse(origin) && new URL(origin).host === new URL(`http://${host}`).host;
}

function hostnameOf(url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).hostname : undefined;
}

function bearer(authorization: string | undefined): string | undefined {
  return /^Bearer (.+)$/i.exec(authorization ?? "")?.[1];
}

/** In constant time for texts of one length; the token's length is no secret. */
function isEqual(given: string, token: string): boolean {
  const a = Buffer.from(given);
  const b = Buffer.from(token);
  return a.length === b.length && crypto.timingSafeEqual(a, b);
}
