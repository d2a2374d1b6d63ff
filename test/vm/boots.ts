// SPDX-License-Identifier: MIT
/** What runs in the VM: every boot with its hierarchy of cgroups and its test files, in order. Add a file here that differs on v2. */
import { readdirSync } from "node:fs";
import { repository } from "../helpers/paths.ts";
import type { Machine } from "./machine.ts";

export interface TestFile {
  readonly file: string;
  /** Only the tests whose names match: emulation is slow. */
  readonly only?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface Boot extends Machine {
  readonly files: readonly TestFile[];
}

const isAll = process.env.VM_ALL === "1";
const isHost = process.env.VM_HOST === "1";
/** A file that takes longer, by the VM's clock, is ended, and those after it still run. host-deaths.ts waits for systemd's watchdog. */
export const FILE_BOUND_S = isAll || isHost ? 300 : 150;
/** A boot as a whole, by ours. */
export const BOOT_BOUND_S = isAll || isHost ? 2400 : 780;

/**
 * All at the same time, on what the tests outside leave of the CPUs (`make test`), which is less than v2 in full would take:
 * what depends the least on the hierarchy is in `rest`.
 */
const always: readonly Boot[] = [
  {
    // The old interface on an older kernel, and the memory controller alone on v1: a hybrid host.
    name: "hybrid",
    cgroups: "hybrid",
    files: [
      { file: "test/kernel/rounds.test.ts", env: { ROUNDS: "3" } },
      // A negative score takes CAP_SYS_RESOURCE, which is not everywhere.
      { file: "test/fault/matrix.test.ts", only: "tasks of -1000", env: { FAULT_ROUNDS: "1" } },
      { file: "test/kernel/release.test.ts" },
      // Refused on this kernel only.
      { file: "test/kernel/tracing.test.ts", only: "CAP_NET_ADMIN|errand" },
      { file: "test/kernel/system.test.ts" }, // takes the host's memory: nowhere else
    ],
  },
  {
    name: "v2",
    cgroups: "v2",
    // What is on v2 only, or otherwise than on v1.
    files: [
      { file: "test/kernel/rounds.test.ts", env: { ROUNDS: "3", SEED: "7" } },
      { file: "test/kernel/high.test.ts" },
      { file: "test/kernel/handed.test.ts" },
      { file: "test/kernel/helped.test.ts" },
      { file: "test/kernel/cache.test.ts", only: "together|largest" },
      { file: "test/kernel/orders.test.ts" },
      { file: "test/kernel/config-orders.test.ts", only: "guard by guard" },
      { file: "test/kernel/orders-raise.test.ts", only: "relieves|given back by release" },
      { file: "test/kernel/orders-powers.test.ts" },
      { file: "test/kernel/hand-over.test.ts" },
      { file: "test/kernel/never.test.ts" },
      { file: "test/kernel/hooks.test.ts", only: "relieves|hangs|ends with 1|agent is stopped" },
      { file: "test/kernel/release.test.ts" },
      { file: "test/kernel/explain.test.ts", only: "run does what it said|negative score" },
      { file: "test/kernel/doctor-config.test.ts", only: "oom.group|negative score" },
      { file: "test/kernel/trace.test.ts" },
      { file: "test/kernel/calibrate.test.ts" },
      { file: "test/kernel/switch.test.ts" },
      { file: "test/kernel/places.test.ts" },
      { file: "test/kernel/arming.test.ts" },
      { file: "test/kernel/discovery.test.ts", only: "comes" }, // the rest has no part that differs
      { file: "test/kernel/reload.test.ts", only: "incident" },
      { file: "test/kernel/handler-command.test.ts" },
      { file: "test/kernel/api.test.ts", only: "pressure" },
      { file: "test/kernel/history.test.ts", only: "pressure" },
    ],
  },
  {
    name: "v2-faults",
    cgroups: "v2",
    files: [
      {
        file: "test/fault/matrix.test.ts",
        // What fits: all that differs on v2, signals to one of ours, memory that no kill frees.
        only: "^(all of ours |designated handlers |group |one of ours [a-z]+ SIG|memory (?!100))",
        env: { FAULT_ROUNDS: "1", FAULT_STAGES: "1" },
      },
    ],
  },
  {
    name: "systemd",
    cgroups: "systemd",
    files: [{ file: "test/vm/systemd.ts" }],
  },
];

const installed = ["install", "unit", "deaths", "upgrade"].map((of) => ({
  file: `test/vm/host-${of}.ts`,
}));

/** `make test-host`: an installed reprieve, in full. */
const host: readonly Boot[] = [
  { name: "host", cgroups: "systemd", files: installed },
  { name: "host-hybrid", cgroups: "systemd-hybrid", files: installed },
  {
    name: "host-reboot",
    cgroups: "systemd",
    reboots: true,
    files: [{ file: "test/vm/reboot.ts" }],
  },
];

/** `make test-vm VM_ALL=1`: with what is above these run test/kernel, test/attack and the pages on v2. */
const rest: Boot[] = [
  {
    name: "v2-rest",
    cgroups: "v2",
    files: [
      { file: "test/kernel/nested.test.ts" }, // 10 s, most of them to wait for a sample
      { file: "test/kernel/doctor.test.ts" },
      { file: "test/kernel/orders-raise.test.ts" },
      { file: "test/kernel/config-orders.test.ts" },
      { file: "test/kernel/hooks.test.ts" },
      { file: "test/kernel/cache.test.ts" },
      { file: "test/kernel/container.test.ts" },
      { file: "test/kernel/sidecar.test.ts" },
      { file: "test/kernel/comeback.test.ts" }, // paths and inodes, which are one code
      { file: "test/kernel/bad-input.test.ts" }, // flags
      { file: "test/kernel/config.test.ts" },
      { file: "test/kernel/feed.test.ts" },
    ],
  },
  {
    name: "v2-pages",
    cgroups: "v2",
    // Those that need nothing but a kernel.
    files: [
      {
        file: "test/docs/pages.test.ts",
        only: "README|coming-from|cookbook|handler-protocol|runbook|reference",
      },
    ],
  },
  {
    // Behind thousands of groups: nothing else is measured there.
    name: "v2-groups",
    cgroups: "v2",
    files: [{ file: "test/kernel/discovery.test.ts" }],
  },
  {
    name: "v2-rest-2",
    cgroups: "v2",
    files: [
      { file: "test/kernel/run.test.ts" }, // exit codes, signals, terminals
      { file: "test/kernel/victims.test.ts" }, // the choice reads /proc, and the lists of a group
      { file: "test/kernel/replace.test.ts" }, // locks and ledgers
      { file: "test/kernel/designate.test.ts" }, // a socket, and a page of counters
      { file: "test/kernel/handle.test.ts" },
      { file: "test/attack/door.test.ts" },
    ],
  },
  {
    name: "v2-told",
    cgroups: "v2",
    // What the agent tells and keeps.
    files: [
      { file: "test/kernel/api.test.ts" },
      { file: "test/kernel/history.test.ts" },
      { file: "test/kernel/sleepers.test.ts" },
      { file: "test/kernel/replay.test.ts" },
      { file: "test/kernel/websocket.test.ts" },
      { file: "test/kernel/listen.test.ts" },
      { file: "test/kernel/export.test.ts" },
      { file: "test/kernel/journal.test.ts" },
      { file: "test/kernel/journal-killed.test.ts" },
      { file: "test/kernel/journal-stuck.test.ts" },
      { file: "test/kernel/prometheus.test.ts" },
      { file: "test/kernel/incidents.test.ts" },
      { file: "test/kernel/recovered.test.ts" },
      { file: "test/kernel/status.test.ts" },
      { file: "test/kernel/watch.test.ts" }, // each look at tmux's screen is a process
    ],
  },
  {
    name: "v2-choice",
    cgroups: "v2",
    // Who is killed, when, and by what is known of him.
    files: [
      { file: "test/kernel/before.test.ts" },
      { file: "test/kernel/caps.test.ts" },
      { file: "test/kernel/kill-by.test.ts" },
      { file: "test/kernel/prefer.test.ts" },
      { file: "test/kernel/terminate.test.ts" },
      { file: "test/kernel/rehearse.test.ts" },
      { file: "test/kernel/explain.test.ts" },
      { file: "test/kernel/explain-files.test.ts" },
      { file: "test/kernel/sampling.test.ts" },
      { file: "test/kernel/tracing.test.ts" },
      { file: "test/kernel/unprivileged.test.ts" },
      { file: "test/kernel/absence.test.ts" },
      { file: "test/kernel/many.test.ts" },
      { file: "test/kernel/system.test.ts" },
      { file: "test/kernel/reload.test.ts" },
      { file: "test/kernel/doctor-config.test.ts" },
    ],
  },
];

const inFull = [...always, ...rest].flatMap(({ files }) => files.filter(({ only }) => !only));
const named = new Set(inFull.map(({ file }) => file));
/** What nobody has named. */
const others = ["test/kernel", "test/attack"]
  .flatMap((folder) => readdirSync(`${repository}/${folder}`).map((name) => `${folder}/${name}`))
  .filter((file) => file.endsWith(".test.ts") && !named.has(file));
if (others.length > 0) {
  rest.push({ name: "v2-others", cgroups: "v2", files: others.map((file) => ({ file })) });
}

export const boots = isHost ? host : isAll ? [...always, ...host, ...rest] : always;
