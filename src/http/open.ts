// SPDX-License-Identifier: MIT
/** Puts together what a run serves. Loaded only where something is listened on, and when the guards are armed. */

import asyncApi from "../../dist/asyncapi.json" with { type: "text" };
import page from "../../dist/build/page.html" with { type: "text" };
import openApi from "../../dist/openapi.json" with { type: "text" };
import { version } from "../../package.json" with { type: "json" };
import type { Vitals } from "../agent/vitals.ts";
import { Hub } from "../feed/hub.ts";
import { Present } from "../feed/present.ts";
import type { Message } from "../feed/protocol.ts";
import { type Sample, Sampling } from "../feed/samples.ts";
import type { Journal } from "../journal/journal.ts";
import type { Minutes } from "../journal/minute.ts";
import { RecentIncidents } from "../journal/recent.ts";
import type { AppOptions } from "./app.ts";
import { Explainer } from "./explain.ts";
import type { Port } from "./listen.ts";
import { Metrics } from "./metrics.ts";
import { serveAt } from "./serve.ts";

interface HttpOptions extends Pick<AppOptions, "whyNotReady" | "history" | "areMetricsOpen"> {
  readonly sample: Sample;
  /** Told of every message by who has it; undefined: the last incidents are kept here. */
  readonly journal: Journal | undefined;
  readonly minutes: Minutes;
  readonly vitals: () => Vitals | undefined;
  readonly watched: (isWatched: boolean) => void;
  readonly token: string | undefined;
  readonly run: string;
}

export interface OpenHttp {
  send(message: Message): void;
  /** Clients are told. */
  stop(): void;
}

export function openHttp(ports: readonly Port[], options: HttpOptions): OpenHttp {
  const present = new Present();
  const recent = new RecentIncidents(options.run, options.minutes);
  const journal = options.journal ?? recent;
  const explainer = new Explainer();
  const sampling = new Sampling(options.sample);
  const hub = new Hub({ ...options, version, present, sampling });
  const state = () => journal.state();
  const metrics = new Metrics({ ...options, version, present, hub, journal: state });
  const served = {
    ...options,
    hub,
    present,
    journal,
    explain: (cgroup: string) => explainer.explain(cgroup),
    metrics: () => metrics.scrape(),
    page,
    documents: DOCUMENTS,
  };
  for (const port of ports) serveAt(port, served);
  let seq = 0;
  return {
    send(message) {
      seq += 1;
      const entry = { seq, message, line: JSON.stringify({ ...message, seq }) };
      present.accept(entry);
      if (journal === recent) recent.accept(message);
      metrics.accept(message);
      hub.accept(entry);
    },
    stop: () => hub.stop(),
  };
}

// --- internal ---

/** Text, whatever the compiler takes a file of that name for. */
const DOCUMENTS = {
  "openapi.json": openApi as unknown as string,
  "asyncapi.json": asyncApi as unknown as string,
};
