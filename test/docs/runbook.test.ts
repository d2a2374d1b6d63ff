// SPDX-License-Identifier: MIT
/** dist/docs/runbook.md has a heading for every alert, and for whatever reprieve may tell that is bad news. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { Message, OUTCOMES } from "../../src/feed/protocol.ts";
import { reason, step } from "../../src/native/layout.ts";
import { repository } from "../helpers/paths.ts";

const page = readFileSync(`${repository}/dist/docs/runbook.md`, "utf8");
const rules = readFileSync(`${repository}/dist/prometheus/alerts.yml`, "utf8");
/** One heading may have several names. */
const headings = [...page.matchAll(/^#+ (.+)$/gm)].flatMap(([, text]) => text?.split(", ") ?? []);

/** Nobody has to do anything about these; what is new is bad news until it stands here. */
const ROUTINE = {
  outcomes: ["relieved", "exited-by-itself", "observed"],
  messages: ["armed", "incident.opened", "incident.step", "incident.closed"],
  more: ["hook", "guard", "released", "system"], // told by their events
  steps: [
    ...["opened", "seen", "chose", "kill", "mrelease", "victim-dead", "relief", "gave-up"],
    ...["closed", "engaged", "disengaged", "put-back", "designated", "kill-group", "raise"],
    ...["reclaim", "freeze", "move", "thaw", "given-back", "hook", "terminate", "room", "slept"],
    ...["left-to"],
  ],
  reasons: [
    ...["none", "killed", "observing", "no-kill-seen", "kernel-killed", "raised", "reclaimed"],
    ...["moved", "hook", "terminated", "designated", "group-gone"],
    ...["burst", "not-relieved", "switch-written"], // each of one outcome alone, which has a heading
  ],
};

function namesOf(values: Readonly<Record<string, number>>): string[] {
  return Object.keys(values).map((name) => name.toLowerCase().replaceAll("_", "-"));
}

function others(all: readonly string[], routine: readonly string[]): string[] {
  expect(routine.filter((name) => !all.includes(name))).toEqual([]);
  return all.filter((name) => !routine.includes(name));
}

test("every alert has its heading", () => {
  const alerts = [...rules.matchAll(/^\s*- alert: (\w+)$/gm)].map(([, name]) => name ?? "");
  expect(alerts.length).toBeGreaterThan(2);
  expect(alerts.filter((name) => !headings.includes(name))).toEqual([]);
});

test("every outcome, message and event that is bad news has its heading", () => {
  const types = Message.options.map((one) => one.entries.type.literal);
  const bad = [
    ...others(OUTCOMES, ROUTINE.outcomes),
    ...others(types, [...ROUTINE.messages, ...ROUTINE.more]),
    ...others(namesOf(step), ROUTINE.steps),
    "hand-over", // the event of "system"
  ];
  expect(bad.filter((name) => !headings.includes(name))).toEqual([]);
});

test("every reason for a hand-over is told", () => {
  const bad = others(namesOf(reason), ROUTINE.reasons);
  expect(bad.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
});

test("no link within the page leads nowhere", () => {
  const anchors = [...page.matchAll(/^#+ (.+)$/gm)].map(([, text]) =>
    (text ?? "")
      .toLowerCase()
      .replace(/[^\w\- ]/g, "")
      .replaceAll(" ", "-"),
  );
  const links = [...page.matchAll(/\]\(#([^)]+)\)/g)].map(([, anchor]) => anchor ?? "");
  expect(links.length).toBeGreaterThan(10);
  expect(links.filter((anchor) => !anchors.includes(anchor))).toEqual([]);
});
