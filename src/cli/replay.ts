// SPDX-License-Identifier: MIT
/** `reprieve replay`: what other orders would have done in an incident of the journal. Changes nothing. */

import * as v from "valibot";
import { requireMemory } from "../cgroup/hierarchy.ts";
import { CliError, exit } from "../errors.ts";
import type { Incident } from "../journal/incident.ts";
import { openCore } from "../native/core.ts";
import { limit } from "../native/layout.ts";
import { weighingOf } from "../native/weighing.ts";
import { visible } from "../shown.ts";
import { below } from "./configured.ts";
import { sourcesOf } from "./incident-sources.ts";
import { demandIncident } from "./incidents.ts";
import { Order, textOf } from "./order.ts";
import { print } from "./output.ts";
import { readFile } from "./policy-files.ts";
import { replayLines } from "./replay-text.ts";
import { type ReplayOrder, type ReplayOrders, replayOf } from "./replayed.ts";

interface ReplayOptions {
  readonly journal?: string;
  readonly config?: string;
  readonly json?: true;
}

export async function replay(id: string | undefined, options: ReplayOptions): Promise<number> {
  const { journal } = options;
  const incident = await demandIncident(sourcesOf(journal === undefined ? {} : { journal }), id);
  if (incident.frames.length === 0) {
    const what = `${incident.id}: nothing is recorded of its processes`;
    throw new CliError(exit.noGroup, `cannot replay ${what}`);
  }
  const core = openCore();
  const wanted =
    options.config === undefined ? ordersOf(incident) : byFile(incident, options.config);
  const weighing = wanted.weigh?.length ? weighingOf(wanted.weigh) : null;
  const one = replayOf(incident, wanted, (processes, by) => core.replay(processes, by, weighing));
  await print(options.json ? [JSON.stringify(one)] : replayLines(one));
  return exit.ok;
}

// --- internal ---

/** What the incident itself had; its rules of prefer and avoid are not kept with it. */
function ordersOf(incident: Incident): ReplayOrders {
  const orders = incident.orders.map((text): ReplayOrder => {
    const { success, output } = v.safeParse(Order, text);
    return { text, ...(success && output) };
  });
  return {
    by: "the incident",
    orders,
    weigh: undefined,
    when: "at-oom",
    marginBytes: undefined,
    mayKill: true,
    killsMost: limit.KILLS_PER_INCIDENT_MAX,
  };
}

/** As the guard of a config file that would decide for the group. */
function byFile({ cgroup }: Incident, path: string): ReplayOrders {
  const memory = requireMemory();
  const file = readFile(path, memory);
  const guard = file.policy.guardOf(below(memory, cgroup));
  if (guard === undefined) {
    const group = visible(below(memory, cgroup));
    throw new CliError(
      exit.noGroup,
      `cannot replay: no guard of ${visible(path)} matches ${group}`,
    );
  }
  const { margin, orders, caps } = file.settingsOf(cgroup);
  return {
    by: `guard ${guard.name} of ${path}`,
    orders: (orders.order.length > 0 ? orders.order : [{ order: "KILL" } as const]).map((one) => ({
      ...one,
      text: textOf(one),
    })),
    weigh: orders.weigh ?? [],
    when: orders.when ?? "at-oom",
    marginBytes: margin,
    mayKill: orders.granted.has("kill"),
    killsMost: caps?.incident ?? limit.KILLS_PER_INCIDENT_MAX,
  };
}
