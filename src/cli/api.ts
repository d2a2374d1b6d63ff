// SPDX-License-Identifier: MIT
/** The API of a reprieve that runs, asked from the command line: over TCP, or a unix socket. */

import * as v from "valibot";
import { CliError, exit } from "../errors.ts";
import { visible } from "../shown.ts";

const ANSWER_BOUND_MS = 10_000;
const Failure = v.object({ error: v.string() });

export interface ApiOptions {
  /** As its file `address` has it: http://HOST:PORT/, https://..., unix:PATH. */
  readonly url: string;
  readonly token?: string | undefined;
  /** PEM: who is believed of https, in place of the host's authorities. */
  readonly ca?: string | undefined;
}

/** Of unix:PATH. */
export function unixPathOf(url: string): string | undefined {
  return /^unix:(.+)$/.exec(url)?.[1];
}

/** Undefined: there is no such thing (404). Throws a CliError for all else that is not an answer. */
export async function askApi<T extends v.GenericSchema>(
  options: ApiOptions,
  path: string,
  schema: T,
): Promise<v.InferOutput<T> | undefined> {
  const response = await fetched(options, path);
  const answer: unknown = await response.json().catch(() => undefined);
  if (response.ok) {
    const result = v.safeParse(schema, answer);
    if (result.success) return result.output;
  }
  const failure = v.safeParse(Failure, answer);
  const url = visible(options.url);
  if (!failure.success) {
    throw new CliError(exit.host, `${url} is no reprieve, or one of another version`);
  }
  if (response.status === 404) return undefined;
  if (response.status !== 401)
    throw new CliError(exit.host, `${url}: ${visible(failure.output.error)}`);
  const link = "it stands in the link that is printed at the start";
  throw new CliError(
    exit.notPermitted,
    options.token
      ? `${url} wants another token: ${link}`
      : `${url} wants a token: --token, or REPRIEVE_TOKEN; ${link}`,
  );
}

// --- internal ---

async function fetched({ url, token, ca }: ApiOptions, path: string): Promise<Response> {
  const unix = unixPathOf(url);
  try {
    return await fetch(new URL(path, unix === undefined ? url : "http://localhost/"), {
      ...(unix !== undefined && { unix }),
      ...(ca !== undefined && { tls: { ca } }),
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(ANSWER_BOUND_MS),
      redirect: "error",
    });
  } catch (error) {
    throw new CliError(exit.host, `cannot reach ${visible(url)}: ${whyNot(error as Error)}`);
  }
}

const UNTRUSTED = "its certificate is not trusted here: name it, or its authority's, by --ca FILE";
const WHY: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: UNTRUSTED,
  SELF_SIGNED_CERT_IN_CHAIN: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNTRUSTED,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNTRUSTED,
  CERT_HAS_EXPIRED: "its certificate has expired",
  ERR_TLS_CERT_ALTNAME_INVALID: "its certificate is of another name or address",
  FailedToOpenSocket: "no connection to that host and port, or no certificate is in --ca FILE",
  EPROTO: "it does not speak TLS: is it http://...?",
  ECONNRESET: "it closed the connection: is it https://...?",
  ECONNREFUSED: "nobody listens there",
  ENOTFOUND: "there is no such host",
  ENOENT: "there is no such socket",
  EACCES: "this user may not connect to it",
};

function whyNot(error: Error): string {
  if (error.name === "TimeoutError") return `it does not answer for ${ANSWER_BOUND_MS / 1000} s`;
  const { code = "" } = error as NodeJS.ErrnoException;
  return WHY[code] ?? error.message;
}
