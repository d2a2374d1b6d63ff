// SPDX-License-Identifier: MIT
/** Puts together what a run serves. Loaded only where something is listened on. */

import page from "../../dist/build/page.html" with { type: "text" };
import type { ListenAddress } from "../cli/args.ts";
import { Present } from "../feed/present.ts";
import type { Message } from "../feed/protocol.ts";
import { RecentIncidents } from "../journal/recent.ts";
import type { AppOptions } from "./app.ts";
import { Explainer } from "./explain.ts";
import { demandResolved, type HttpServer, serveHttp, urlOf } from "./serve.ts";

export interface HttpOptions extends Pick<AppOptions, "whyNotReady" | "history"> {
  readonly token: string | undefined;
  readonly run: string;
  readonly config: string | undefined;
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
  const journal = new RecentIncidents(options.run);
  const explainer = new Explainer(options.config);
  const server = serveHttp(address, {
    ...options,
    present,
    journal,
    explain: (cgroup) => explainer.explain(cgroup),
    metrics: async () => ({ type: "text/plain; version=0.0.4", text: "" }),
    areMetricsOpen: false,
    page,
  });
  let seq = 0;
  const send = (message: Message) => {
    seq += 1;
    const entry = { seq, message, line: JSON.stringify({ ...message, seq }) };
    present.accept(entry);
    journal.accept(message);
    server.send(entry);
  };
  return { server, url: urlOf(address, server.port), send };
}
