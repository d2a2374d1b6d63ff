// SPDX-License-Identifier: MIT
/** Puts together what a run serves. Loaded only where something is listened on. */

import page from "../../dist/build/page.html" with { type: "text" };
import { version } from "../../package.json" with { type: "json" };
import type { Vitals } from "../agent/vitals.ts";
import type { ListenAddress } from "../cli/args.ts";
import { Hub } from "../feed/hub.ts";
import { Present } from "../feed/present.ts";
import type { Message } from "../feed/protocol.ts";
import { type Sample, Sampling } from "../feed/samples.ts";
import type { Journal } from "../journal/journal.ts";
import { RecentIncidents } from "../journal/recent.ts";
import type { AppOptions } from "./app.ts";
import { Explainer } from "./explain.ts";
import { Metrics } from "./metrics.ts";
import { demandResolved, type HttpServer, serveHttp, urlOf } from "./serve.ts";

export interface HttpOptions
  extends Pick<AppOptions, "whyNotReady" | "history" | "areMetricsOpen"> {
  readonly sample: Sample;
  /** Told of every message by who has it; undefined: the last incidents are kept here. */
  readonly journal: Journal | undefined;
  readonly vitals: () => Vitals | undefined;
  readonly token: string | undefined;
  readonly run: string;
}

export interface OpenHttp {
  readonly server: HttpServer;
  readonly url: string;
  readonly send: (message: Message) => void;
}

/** Throws CliError(inUse) when the port is taken. */
export async function openHttp(address: ListenAddress, options: HttpOptions): Promise<OpenHttp> {
  await demandResolved(address);
  const present = new Present();
  const recent = new RecentIncidents(options.run);
  const journal = options.journal ?? recent;
  const explainer = new Explainer();
  const sampling = new Sampling(options.sample);
  const hub = new Hub({ version, run: options.run, present, sampling });
  const metrics = new Metrics({
    ...options,
    version,
    present,
    hub,
    journal: () => journal.state(),
  });
  const server = serveHttp(address, {
    ...options,
    hub,
    present,
    journal,
    explain: (cgroup) => explainer.explain(cgroup),
    metrics: () => metrics.scrape(),
    page,
  });
  let seq = 0;
  const send = (message: Message) => {
    seq += 1;
    const entry = { seq, message, line: JSON.stringify({ ...message, seq }) };
    present.accept(entry);
    if (journal === recent) recent.accept(message);
    metrics.accept(message);
    hub.accept(entry);
  };
  return { server, url: urlOf(address, server.port), send };
}
