// SPDX-License-Identifier: MIT
/** `reprieve status`: how the guards of the reprieves that run stand now. */

import { CliError, exit } from "../errors.ts";
import { GuardDetails, Guards, IncidentList } from "../http/schema.ts";
import { isNamed } from "../journal/named.ts";
import { visible } from "../shown.ts";
import { type Agent, type AgentOptions, askAll, demandAgents } from "./agents.ts";
import { print, say } from "./output.ts";
import { paperOf } from "./screen.ts";
import { guardPart, type ProcessSeen, statusPart } from "./status-text.ts";

interface StatusOptions extends AgentOptions {
  readonly json?: true;
}

/** Of guards that a part of a name is in. */
const NAMED_MOST = 3;
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
      : await ofOne(agents, await demandGuard(agents, name, failed), options);
  await print(lines);
  return code;
}

/** The name of the guard that is meant: told by it, by its group, or by a part that no other has. Throws where that is none. */
export async function demandGuard(
  agents: readonly Agent[],
  text: string,
  failed: (error: CliError) => void,
): Promise<string> {
  const answers = await askAll(agents, "/api/guards", Guards, failed);
  const all = answers.flatMap(({ value }) => value?.guards ?? []);
  const exact = all.find(({ guard, cgroup }) => guard === text || cgroup === text);
  if (exact !== undefined) return exact.guard;
  const like = new Set(all.map(({ guard }) => guard).filter((guard) => isNamed([guard], text)));
  const [only, ...others] = [...like].sort();
  if (only === undefined) {
    const none = `no guard is named ${visible(text)}`;
    throw new CliError(exit.noGroup, `${none}: reprieve status lists them`);
  }
  if (others.length === 0) return only;
  const some = [only, ...others].slice(0, NAMED_MOST).map(visible).join(", ");
  const more = like.size > NAMED_MOST ? ", ..." : "";
  throw new CliError(
    exit.noGroup,
    `${like.size} guards have ${visible(text)} in their names: ${some}${more}`,
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

/** What could not be reached has been said. */
async function ofOne(
  agents: readonly Agent[],
  name: string,
  { json }: StatusOptions,
): Promise<string[]> {
  const path = `/api/guards/${encodeURIComponent(name)}`;
  const answers = await askAll(agents, path, GuardDetails, () => {});
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
