// SPDX-License-Identifier: MIT
/** The API of a reprieve that runs, asked from the command line: over TCP, or a unix socket. */

import * as v from "valibot";
import { CliError, exit } from "../errors.ts";

const ANSWER_BOUND_MS = 10_000;
const Failure = v.object({ error: v.string() });

export interface ApiOptions {
  /** As its file `address` has it: http://HOST:PORT/, https://..., unix:PATH. */
  readonly url: string;
  readonly token?: string | undefined;
}

/** Undefined: there is no such thing (404). Throws a CliError for all else that is not an answer. */
export async function askApi<T extends v.GenericSchema>(
  { url, token }: ApiOptions,
  path: string,
  schema: T,
): Promise<v.InferOutput<T> | undefined> {
  const response = await fetched(url, path, token);
  if (response.status === 404) return undefined;
  if (response.ok) return v.parse(schema, await response.json());
  const failure = v.safeParse(Failure, await response.json().catch(() => undefined));
  const why = failure.success ? failure.output.error : `status ${response.status}`;
  throw new CliError(response.status === 401 ? exit.notPermitted : exit.host, `${url}: ${why}`);
}

// --- internal ---

async function fetched(url: string, path: string, token: string | undefined): Promise<Response> {
  const unix = /^unix:(.+)$/.exec(url)?.[1];
  try {
    return await fetch(new URL(path, unix === undefined ? url : "http://localhost/"), {
      ...(unix !== undefined && { unix }),
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(ANSWER_BOUND_MS),
      redirect: "error",
    });
  } catch (error) {
    throw new CliError(exit.host, `cannot reach ${url}: ${(error as Error).message}`);
  }
}
