// SPDX-License-Identifier: MIT
/** The reprieves that `status` and `watch` ask: those of this user that run here, or the one that is named. */

import type * as v from "valibot";
import { servingOnes } from "../agent/running.ts";
import { CliError, exit } from "../errors.ts";
import { type ApiOptions, askApi } from "./api.ts";

export interface AgentOptions {
  readonly url?: string;
  readonly token?: string;
  /** Where it is https, and its certificate not one that this host trusts: PEM. */
  readonly ca?: string;
}

export interface Agent extends ApiOptions {
  /** Undefined: it was named by its address. */
  readonly pid?: number;
}

/** Throws where there is none. */
export function demandAgents(options: AgentOptions): readonly Agent[] {
  const found = agentsNow(options);
  if (found.length > 0) return found;
  const [silent] = servingOnes();
  throw new CliError(
    exit.noGroup,
    silent === undefined
      ? "no reprieve of this user runs here: start one (reprieve run), or name another one's address (--url, --token)"
      : `reprieve ${silent.pid} runs, but is not to be asked: it was started with --listen none, or its address was taken`,
  );
}

export function agentsNow({ url, token, ca }: AgentOptions): readonly Agent[] {
  if (url !== undefined) return [{ url, token, ca }];
  return servingOnes().flatMap(({ pid, urls, token: own }) => {
    const [best] = urls.toSorted((a, b) => rankOf(a) - rankOf(b));
    return best === undefined ? [] : [{ pid, url: best, token: own, ca }];
  });
}

export interface Answer<T> {
  readonly agent: Agent;
  /** Undefined: there is no such thing there. */
  readonly value: T | undefined;
}

/** Of each that answers; `failed` is told of the others. Throws where none does. */
export async function askAll<T extends v.GenericSchema>(
  agents: readonly Agent[],
  path: string,
  schema: T,
  failed: (error: CliError) => void,
): Promise<Answer<v.InferOutput<T>>[]> {
  const errors: CliError[] = [];
  const answers = await Promise.all(
    agents.map(async (agent) => {
      try {
        return [{ agent, value: await askApi(agent, path, schema) }];
      } catch (error) {
        if (!(error instanceof CliError)) throw error;
        errors.push(error);
        return [];
      }
    }),
  );
  const [first] = errors;
  if (first !== undefined && errors.length === agents.length) throw first;
  for (const error of errors) failed(error);
  return answers.flat();
}

// --- internal ---

/** A socket has no certificate to be believed, and http none either. */
function rankOf(url: string): number {
  return ["unix:", "http:", "https:"].findIndex((scheme) => url.startsWith(scheme));
}
