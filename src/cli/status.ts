// SPDX-License-Identifier: MIT
/** `reprieve status`: how the guards of the reprieves that run stand now. */

import { CliError, exit } from "../errors.ts";
import { GuardDetails, Guards, IncidentList } from "../http/schema.ts";
import { type Agent, type AgentOptions, type Answer, askAll, demandAgents } from "./agents.ts";
import { print, say } from "./output.ts";
import { paperOf } from "./screen.ts";
import { guardPart, type ProcessSeen, statusPart } from "./status-text.ts";
import { visible } from "./timeline.ts";

export interface StatusOptions extends AgentOptions {
  readonly json?: true;
}

const LAST_INCIDENTS = "/api/incidents?limit=5";

export async function status(name: string | undefined, options: StatusOptions): Promise<number> {
  let code: number = exit.ok;
  const failed = (error: CliError) => {
    say(error.message);
    code = error.code;
  };
  const agents = demandAgents(options);
  const lines =
    name === undefined
      ? await ofAll(agents, options, failed)
      : await ofOne(await demandGuard(agents, name, failed), options);
  await print(lines);
  return code;
}

/** Of each reprieve that has a guard of that name; throws where none has. */
export async function demandGuard(
  agents: readonly Agent[],
  name: string,
  failed: (error: CliError) => void,
): Promise<Answer<Details>[]> {
  const path = `/api/guards/${encodeURIComponent(name)}`;
  const found = await askAll(agents, path, GuardDetails, failed);
  const having = found.filter(({ value }) => value !== undefined);
  if (having.length > 0) return having;
  throw new CliError(
    exit.noGroup,
    `no guard is named ${visible(name)}: reprieve status lists them`,
  );
}

// --- internal ---

type Details = import("valibot").InferOutput<typeof GuardDetails>;

async function ofAll(
  agents: readonly Agent[],
  { json }: StatusOptions,
  failed: (error: CliError) => void,
): Promise<string[]> {
  const answers = await askAll(agents, "/api/guards", Guards, failed);
  if (json) return answers.map(({ value }) => JSON.stringify(value));
  const last = await askAll(
    answers.map(({ agent }) => agent),
    LAST_INCIDENTS,
    IncidentList,
    failed,
  );
  const seen = answers.map(({ agent, value }) => ({
    ...agent,
    now: value?.t ?? 0,
    guards: value?.guards ?? [],
    incidents: last.find((one) => one.agent === agent)?.value?.incidents ?? [],
    system: value?.system,
    journal: value?.journal,
  }));
  return [...statusPart(seen, { ...paperOf(), height: Number.POSITIVE_INFINITY }).lines];
}

async function ofOne(
  answers: readonly Answer<Details>[],
  { json }: StatusOptions,
): Promise<string[]> {
  const paper = { ...paperOf(), height: Number.POSITIVE_INFINITY };
  return answers.flatMap(({ agent, value }) => {
    if (value === undefined) return [];
    if (json) return [JSON.stringify(value)];
    const { t: now, incidents, system, journal } = value;
    const seen = { ...agent, now, guards: [value], incidents, system, journal };
    return guardPart({ agent: seen, guard: value, processes: processesOf(value) }, paper).lines;
  });
}

/** Of the newest frame. */
function processesOf({ history: { frames, processes } }: Details): ProcessSeen[] {
  return (frames.at(-1)?.processes ?? []).flatMap(([pid, anonBytes]) => {
    const one = processes[pid];
    return one === undefined ? [] : [{ ...one, pid, anon_bytes: anonBytes }];
  });
}
