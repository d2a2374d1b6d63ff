// SPDX-License-Identifier: MIT
/** An incident in which nothing is special; tests say what is. */
import type { Incident } from "../../src/journal/incident.ts";

export const plainIncident: Incident = {
  id: "run-0-1",
  guard: "web",
  incident: "web#1",
  cgroup: "/web",
  outcome: "relieved",
  reason: "killed",
  opened_t: 1_764_504_847_084.239,
  duration_us: 21_524,
  victims: [],
  cause: "oom",
  steps: [],
  hooks: [],
  faults: 0,
  orders: ["kill"],
  powers: ["kill"],
  delay_ms: 100,
  frames: [],
  processes: {},
  sleepers: [],
  recovered: false,
};
