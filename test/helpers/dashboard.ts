// SPDX-License-Identifier: MIT
/** The queries of dist/grafana, as Grafana asks them. */
import { readFileSync } from "node:fs";
import { repository } from "./paths.ts";

interface Panel {
  readonly title: string;
  readonly targets?: readonly { readonly expr: string }[];
}

const { panels }: { panels: Panel[] } = JSON.parse(
  readFileSync(`${repository}/dist/grafana/reprieve.json`, "utf8"),
);

export const QUERIES = panels.flatMap(({ title, targets = [] }) =>
  targets.map(({ expr }): [title: string, expr: string] => [title, expr]),
);

/** As Grafana puts its variables in: all clusters and guards, and the host of helpers/fleet.ts that has left its OOM to the kernel. */
export function chosen(expr: string): string {
  return expr
    .replaceAll("$cluster", ".*")
    .replaceAll("$instance", "host-1:7461")
    .replaceAll("$guard", ".*")
    .replace(/\$__(rate_interval|range)/g, "5m");
}
