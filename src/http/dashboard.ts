// SPDX-License-Identifier: MIT
/**
 * Grafana's dashboard of a fleet and of one of its hosts: the fleet by what dist/prometheus/recording.yml makes, the host by its own series.
 *
 * Built by Grafana's own builders, so that it is what Grafana takes. `make docs` writes it; test/unit/dashboard.test.ts fails where it is stale.
 * Not part of the binary.
 */

import type { Builder } from "@grafana/grafana-foundation-sdk/cog";
import {
  DashboardBuilder,
  DashboardLinkBuilder,
  DashboardLinkType,
  DatasourceVariableBuilder,
  type Panel,
  QueryVariableBuilder,
  RowBuilder,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  VariableRefresh,
} from "@grafana/grafana-foundation-sdk/dashboard";
import { PanelBuilder as Heatmap } from "@grafana/grafana-foundation-sdk/heatmap";
import { DataqueryBuilder, PromQueryFormat } from "@grafana/grafana-foundation-sdk/prometheus";
import { PanelBuilder as Stat } from "@grafana/grafana-foundation-sdk/stat";
import { PanelBuilder as Table } from "@grafana/grafana-foundation-sdk/table";
import { PanelBuilder as TimeSeries } from "@grafana/grafana-foundation-sdk/timeseries";

/** Its name in dist/. */
export function dashboard(): Readonly<Record<string, string>> {
  return { "grafana/reprieve.json": `${JSON.stringify(built(), null, 1)}\n` };
}

// --- internal ---

const DATASOURCE = { type: "prometheus", uid: "$datasource" };
/** Where there is no label `cluster`, All matches that too. */
const FLEET = 'cluster=~"$cluster"';
const HOST = `${FLEET}, instance="$instance"`;
const GUARD = `${HOST}, guard=~"$guard"`;
/** Of Grafana's 24 columns. */
const STAT = { w: 4, h: 4 };
const GRAPH = { w: 8, h: 7 };
const HALF = { w: 12, h: 8 };

interface Query {
  readonly expr: string;
  /** What its lines are called; a label in {{}}. */
  readonly legend?: string;
}

function built() {
  const builder = new DashboardBuilder("reprieve")
    .uid("reprieve")
    .description("Out of memory, and what became of it: the fleet, and one of its hosts.")
    .tags(["memory", "oom"])
    .time({ from: "now-6h", to: "now" })
    .refresh("30s")
    .withVariable(
      new DatasourceVariableBuilder("datasource").label("Prometheus").type("prometheus"),
    )
    .withVariable(
      variable("cluster", "label_values(cluster:reprieve_hosts:count, cluster)").includeAll(true),
    )
    .withVariable(variable("instance", `label_values(reprieve_build_info{${FLEET}}, instance)`))
    .withVariable(
      variable("guard", `label_values(reprieve_guard_limit_bytes{${HOST}}, guard)`).includeAll(
        true,
      ),
    );
  builder.withRow(new RowBuilder("Fleet: $cluster"));
  for (const panel of fleet()) builder.withPanel(panel);
  builder.withRow(new RowBuilder("Host: $instance"));
  for (const panel of host()) builder.withPanel(panel);
  const whole = builder.build();
  return { ...whole, panels: whole.panels?.map((panel, i) => ({ ...panel, id: i + 1 })) };
}

function fleet(): Builder<Panel>[] {
  const sum = (series: string, by = "") => `sum${by}(${series}{${FLEET}})`;
  const hosts = sum("cluster:reprieve_hosts:count");
  const relief = sum("cluster:reprieve_relief_seconds_bucket:rate5m", " by (le) ");
  const agents = sum("cluster:reprieve_build_info:count");
  const worst = `topk(20, sum by (cluster, instance) (instance:reprieve_incidents:increase1h{${FLEET}}))`;
  return [
    stat("Hosts", [{ expr: hosts }]),
    red("Hosts that do not guard", `${hosts} - ${sum("cluster:reprieve_hosts_guarding:sum")}`),
    stat("Guards", [{ expr: sum("cluster:reprieve_guards:sum") }]),
    stat("Open incidents", [{ expr: sum("cluster:reprieve_incidents_open:sum") }]),
    red("Journals that fail", sum("cluster:reprieve_journal_failing:count")),
    stat("Versions", [
      { expr: sum("cluster:reprieve_build_info:count", " by (version) "), legend: "{{version}}" },
    ]),
    graph("Incidents an hour, by outcome", "short", [
      {
        expr: `3600 * ${sum("cluster:reprieve_incidents:rate5m", " by (outcome) ")}`,
        legend: "{{outcome}}",
      },
    ]),
    graph("Given to the kernel an hour, by reason", "short", [
      {
        expr: `3600 * ${sum("cluster:reprieve_handovers:rate5m", " by (reason) ")}`,
        legend: "{{reason}}",
      },
    ]),
    graph("Kills an hour, by whom", "short", [
      { expr: `3600 * ${sum("cluster:reprieve_kills:rate5m", " by (by) ")}`, legend: "{{by}}" },
    ]),
    heatmap("Time to relief", relief),
    graph("Time to relief", "s", [
      { expr: `histogram_quantile(0.5, ${relief})`, legend: "median" },
      { expr: `histogram_quantile(0.99, ${relief})`, legend: "99 %" },
    ]),
    graph("Guards that are not quiet, by state", "short", [
      {
        expr: `sum by (state) (cluster:reprieve_guards:sum{${FLEET}, state!~"none|quiet"})`,
        legend: "{{state}}",
      },
    ]),
    table("Hosts with most incidents in the last hour", worst).dataLinks([
      new DashboardLinkBuilder("This host")
        .type(DashboardLinkType.Link)
        .url(`/d/reprieve?var-instance=\${__data.fields.instance}`),
    ]),
    table(
      "Alerts",
      `sum by (alertname, cluster, alertstate) (ALERTS{alertname=~"Reprieve.+", ${FLEET}})`,
    ),
    graph("Hosts that do not guard, by cluster", "short", [
      {
        expr: `${sum("cluster:reprieve_hosts:count", " by (cluster) ")} - ${sum("cluster:reprieve_hosts_guarding:sum", " by (cluster) ")}`,
        legend: "{{cluster}}",
      },
    ]),
    graph("Memory of an agent", "bytes", [
      {
        expr: `${sum("cluster:reprieve_process_resident_memory_bytes:sum")} / ${agents}`,
        legend: "mean",
      },
      { expr: `max(cluster:reprieve_process_resident_memory_bytes:max{${FLEET}})`, legend: "most" },
    ]),
    graph("CPU of an agent, mean", "percentunit", [
      { expr: `${sum("cluster:reprieve_process_cpu_seconds:rate5m")} / ${agents}`, legend: "mean" },
    ]),
  ];
}

function host(): Builder<Panel>[] {
  const increase = (series: string, by: string) => ({
    expr: `sum by (${by}) (increase(${series}{${HOST}}[$__rate_interval]))`,
    legend: `{{${by}}}`,
  });
  const total = `sum by (outcome) (increase(reprieve_incidents_total{${HOST}}[$__range]))`;
  return [
    red("Not guarding", `1 - min(reprieve_ready{${HOST}})`),
    stat("Guards", [{ expr: `sum(reprieve_guards{${HOST}})` }]),
    stat("Open incidents", [{ expr: `sum(reprieve_incidents_open{${HOST}})` }]),
    stat("Incidents in the range", [{ expr: total, legend: "{{outcome}}" }]),
    red("Journal fails", `sum(reprieve_journal_ok{${HOST}} == bool 0)`),
    stat("Clients of the feed", [{ expr: `sum(reprieve_feed_clients{${HOST}})` }]),
    graph(
      "Usage of the limit, the 20 nearest",
      "percentunit",
      [
        {
          expr: `topk(20, reprieve_guard_usage_bytes{${GUARD}} / reprieve_guard_limit_bytes{${GUARD}})`,
          legend: "{{guard}}",
        },
      ],
      HALF,
    ),
    graph(
      "Usage, the 20 largest",
      "bytes",
      [{ expr: `topk(20, reprieve_guard_usage_bytes{${GUARD}})`, legend: "{{guard}}" }],
      HALF,
    ),
    graph("Processes, the 20 with most", "short", [
      { expr: `topk(20, reprieve_guard_processes{${GUARD}})`, legend: "{{guard}}" },
    ]),
    graph("Incidents, by outcome", "short", [increase("reprieve_incidents_total", "outcome")]),
    graph("Kills, by whom", "short", [increase("reprieve_kills_total", "by")]),
    graph("Guards, by state", "short", [
      { expr: `sum by (state) (reprieve_guards{${HOST}})`, legend: "{{state}}" },
    ]),
    graph("Helpers at work", "short", [
      { expr: `reprieve_helper_up{${HOST}}`, legend: "{{role}}" },
    ]),
    graph("Recorder's lag", "s", [
      { expr: `reprieve_recorder_lag_seconds{${HOST}}`, legend: "lag" },
    ]),
    table(
      "Incidents of each guard, since the agent's start",
      `topk(20, sum by (guard) (reprieve_guard_incidents_total{${GUARD}}))`,
    ),
    table(
      "Given to the kernel, since the agent's start",
      `sum by (reason) (reprieve_handovers_total{${HOST}})`,
    ),
    ...ours(),
  ];
}

/** What reprieve takes itself. */
function ours(): Builder<Panel>[] {
  return [
    graph(
      "Memory of ours",
      "bytes",
      [
        { expr: `reprieve_process_resident_memory_bytes{${HOST}}`, legend: "agent" },
        { expr: `reprieve_helper_locked_bytes{${HOST}}`, legend: "{{role}}, locked" },
      ],
      HALF,
    ),
    graph(
      "CPU of ours",
      "percentunit",
      [
        {
          expr: `rate(reprieve_process_cpu_seconds_total{${HOST}}[$__rate_interval])`,
          legend: "agent",
        },
        {
          expr: `rate(reprieve_recorder_cpu_seconds_total{${HOST}}[$__rate_interval])`,
          legend: "recorder",
        },
      ],
      HALF,
    ),
  ];
}

function variable(name: string, query: string): QueryVariableBuilder {
  return new QueryVariableBuilder(name)
    .datasource(DATASOURCE)
    .query({ query, refId: name })
    .definition(query)
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .allValue(".*");
}

function queryOf({ expr, legend }: Query, i = 0): DataqueryBuilder {
  const query = new DataqueryBuilder().datasource(DATASOURCE).expr(expr).refId("AB".charAt(i));
  query.range();
  return legend === undefined ? query : query.legendFormat(legend);
}

function stat(title: string, queries: readonly Query[]): Stat {
  const panel = new Stat().title(title).datasource(DATASOURCE).span(STAT.w).height(STAT.h);
  return panel.targets(queries.map(queryOf)).noValue("none");
}

/** What should be 0. */
function red(title: string, expr: string): Stat {
  const steps = [
    { value: null, color: "green" },
    { value: 1, color: "red" },
  ];
  const thresholds = new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(steps);
  return stat(title, [{ expr }]).thresholds(thresholds);
}

function graph(title: string, unit: string, queries: readonly Query[], { w, h } = GRAPH) {
  const panel = new TimeSeries().title(title).datasource(DATASOURCE).unit(unit).min(0);
  return panel.span(w).height(h).fillOpacity(10).targets(queries.map(queryOf));
}

function heatmap(title: string, expr: string): Heatmap {
  const query = queryOf({ expr, legend: "{{le}}" }).format(PromQueryFormat.Heatmap);
  const panel = new Heatmap().title(title).datasource(DATASOURCE).span(GRAPH.w).height(GRAPH.h);
  return panel.withTarget(query);
}

function table(title: string, expr: string): Table {
  const query = queryOf({ expr }).instant();
  const panel = new Table().title(title).datasource(DATASOURCE).span(HALF.w).height(HALF.h);
  return panel
    .noValue("none")
    .withTarget(query.format(PromQueryFormat.Table))
    .withTransformation({ id: "organize", options: { excludeByName: { Time: true } } });
}

if (import.meta.main)
  for (const [name, text] of Object.entries(dashboard())) await Bun.write(`dist/${name}`, text);
