// SPDX-License-Identifier: MIT
/** What would be done at an OOM now, to whom, and why not to another: the answer of `reprieve explain`. */

import type { Explanation, OrderTold, ProcessTold } from "../cli/explanation.ts";
import { milliseconds } from "../shown.ts";
import { size } from "./format.ts";
import { useAsk } from "./hooks.ts";
import { Badge, Fact, Nothing, Panel, Process, Text } from "./parts.tsx";

export function Explained({ guard, again }: { guard: string; again: unknown }) {
  const { data, error } = useAsk<Explanation>(`/api/explain/${encodeURIComponent(guard)}`, again);
  if (data === undefined) {
    return (
      <Panel title="At an OOM now" id="orders">
        <Nothing>{error === undefined ? "Asking the agent …" : error.message}</Nothing>
      </Panel>
    );
  }
  return (
    <>
      <Orders {...data} />
      <Candidates {...data} />
    </>
  );
}

// --- internal ---

function Orders({
  orders,
  delay_ms,
  margin_bytes,
  when,
  caps,
  rules,
  designated,
  raised_bytes,
}: Explanation) {
  const rule = rules.find(({ decides }) => decides);
  return (
    <Panel
      title="Standing orders"
      id="orders"
      note={when === "before" ? "before the limit" : "at the OOM"}
    >
      {designated !== null && (
        <p class="note">
          Process {designated.pid} of user {designated.uid} is designated and answers instead of
          these.
        </p>
      )}
      <ol class="orders">
        {orders.map((order) => (
          <Order key={order.order} {...order} />
        ))}
        <li class="last">
          <code>the kernel decides</code>
          <span class="quiet">after {milliseconds(delay_ms)} without relief</span>
        </li>
      </ol>
      <dl class="facts">
        <Fact name="Delay">{milliseconds(delay_ms)}</Fact>
        <Fact name="Margin">{size(margin_bytes)}</Fact>
        {raised_bytes > 0 && <Fact name="Raised by">{size(raised_bytes)}</Fact>}
        <Fact name="Kills, most">
          {caps.incident} an incident
          {caps.hour !== null && `, ${caps.hour} an hour (${caps.hour_kills} so far)`}
        </Fact>
        {rule !== undefined && (
          <Fact name="Rule">
            <Text of={rule.guard} />{" "}
            <code>
              <Text of={rule.pattern} />
            </code>
            , {rule.why}
          </Fact>
        )}
      </dl>
    </Panel>
  );
}

function Order({ order, acts, by, bound_ms: bound }: OrderTold) {
  return (
    <li>
      <code>
        <Text of={order} />
      </code>
      <Badge tone={acts ? "good" : "calm"}>{acts ? "acts" : "observed only"}</Badge>
      <span class="quiet">
        {waits(bound)} · {by}
      </span>
    </li>
  );
}

function waits(bound: OrderTold["bound_ms"]): string {
  if (bound === null) return "waits for what is left";
  return bound === 0 ? "at once" : `waits ${milliseconds(bound)}`;
}

const BY: Readonly<Record<string, string>> = {
  largest: "the largest first",
  newest: "who started last first",
  fastest: "who has grown most in the last second first",
  weight: "the highest weight first",
};

function Candidates({ candidates, more_candidates: more, others, by }: Explanation) {
  return (
    <Panel title="Who would be killed" id="candidates" note={BY[by] ?? by}>
      {candidates.length === 0 && <Nothing>Nobody: the kernel would decide.</Nothing>}
      <ol class="candidates">
        {candidates.map((process) => (
          <Candidate key={process.pid} {...process} />
        ))}
      </ol>
      {more > 0 && <p class="quiet">and {more} more</p>}
      {others.length > 0 && (
        <details>
          <summary>Who would not, and why</summary>
          <ul class="others">
            {others.map(({ why, processes, first }) => (
              <li key={why}>
                <Process {...first} />
                {processes > 1 && ` and ${processes - 1} more`}: {why}
              </li>
            ))}
          </ul>
        </details>
      )}
    </Panel>
  );
}

function Candidate({ comm, pid, anon_bytes, brought_bytes, weight, grown_bytes }: ProcessTold) {
  const more = [
    ...(weight === 1 ? [] : [`weight ${weight}`]),
    ...(brought_bytes > 0 ? [`${size(brought_bytes)} brought along`] : []),
    ...(grown_bytes > 0 ? [`grown by ${size(grown_bytes)}`] : []),
  ];
  return (
    <li>
      <Process comm={comm} pid={pid} />
      <b>{size(anon_bytes)}</b>
      {more.length > 0 && <span class="quiet">{more.join(", ")}</span>}
    </li>
  );
}
