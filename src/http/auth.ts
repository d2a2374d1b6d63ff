// SPDX-License-Identifier: MIT
/**
 * Who may come in. Process names are other people's business, so all but health wants the token, and refuses browsers of other
 * origins and names that somebody's DNS points here (rebinding), with or without a token.
 */

import type { Context } from "hono";
import { getCookie, setCookie } from "hono/cookie";

/** A name or an address, and a port: an URL may have more before and behind them. */
const HOST = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?$/;

export interface Door {
  /** undefined: everybody who can connect may read. */
  readonly token: string | undefined;
  /** The name or address given by --listen; undefined: a unix socket, which no browser comes by. */
  readonly hostname: string | undefined;
  /** Cookies know no ports: each server of a host has its own. */
  readonly cookie: string;
  readonly isTls: boolean;
}

/** Why a request is refused, before its token is looked at. */
export function whyForeign(c: Context, { hostname, isTls }: Door): string | undefined {
  const host = c.req.header("host") ?? "";
  if (hostname !== undefined && !isOwnHost(host, hostname)) {
    return "this host name is not served here: use the address of --listen";
  }
  const origin = c.req.header("origin");
  if (origin === undefined || isSameOrigin(origin, host, isTls)) return undefined;
  return "browsers of other origins are refused";
}

/** As a header, as the page's cookie, or, of a feed, in its address. */
export function isLetIn(c: Context, { token, cookie }: Door): boolean {
  if (token === undefined) return true;
  const bearer = /^Bearer (.+)$/i.exec(c.req.header("authorization") ?? "")?.[1];
  const inAddress = c.req.path === "/feed" ? c.req.query("token") : undefined;
  return isEqual(bearer ?? inAddress ?? getCookie(c, cookie) ?? "", token);
}

/** Of the link that is printed at the start. */
export function isToken(given: string, { token }: Door): boolean {
  return token === undefined || isEqual(given, token);
}

/** Scripts do not see it, and no other site has it sent. */
export function giveCookie(c: Context, { token, cookie, isTls }: Door): void {
  if (token === undefined) return;
  setCookie(c, cookie, token, { path: "/", httpOnly: true, sameSite: "Strict", secure: isTls });
}

/** Loopback by name or number, or what --listen said; a wildcard serves every literal address. */
export function isOwnHost(host: string, listening: string): boolean {
  const name = HOST.test(host) ? hostnameOf(`http://${host}`) : undefined;
  if (name === undefined) return false;
  const own = hostnameOf(`http://${listening.includes(":") ? `[${listening}]` : listening}`);
  if (name === "localhost" || name === "[::1]" || /^127(\.\d+){3}$/.test(name)) return true;
  const isLiteral = name.startsWith("[") || /^[\d.]+$/.test(name);
  const isWildcard = own === "0.0.0.0" || own === "[::]";
  return isWildcard ? isLiteral : name === own;
}

// --- internal ---

/** What is not encrypted may have been changed on its way, and is no part of a page that is. */
function isSameOrigin(origin: string, host: string, isTls: boolean): boolean {
  if (!URL.canParse(origin)) return false;
  const { protocol } = new URL(origin);
  if (isTls && protocol !== "https:") return false;
  return new URL(origin).host === hostOf(`${protocol}//${host}`);
}

function hostOf(url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).host : undefined;
}

function hostnameOf(url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).hostname : undefined;
}

/** In constant time for texts of one length; the token's length is no secret. */
function isEqual(given: string, token: string): boolean {
  const a = Buffer.from(given);
  const b = Buffer.from(token);
  return a.length === b.length && crypto.timingSafeEqual(a, b);
}
