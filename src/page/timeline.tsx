// SPDX-License-Identifier: MIT
/** The steps of an incident, in a column of microseconds, and what they took of the reprieve. */

import { visible } from "../shown.ts";
import { duration, micros } from "./format.ts";
import { Process } from "./parts.tsx";
import type { Hook, Incident, IncidentStep } from "./types.ts";
import {
  causeOf,
  OUTCOMES,
  reasonOf,
  stepDetails,
  stepTone,
  stepWord,
  type Tone,
} from "./words.ts";

interface Line {
  readonly at: number;
  readonly tone: Tone;
  readonly step?: IncidentStep;
  readonly words?: string;
  readonly by?: string;
}

export function Timeline({ incident }: { incident: Incident }) {
  const lines = linesOf(incident);
  const last = lines.at(-1);
  return (
    <>
      <Track lines={lines} />
      <ol class="timeline" style={{ "--at": `${micros(last?.at ?? 0).length}ch` }}>
        {lines.map((line, index) => (
          <li key={index} class={line.tone}>
            <span class="at">
              {micros(line.at)}
              <span class="unseen"> microseconds</span>
            </span>
            <i aria-hidden="true" />
            <span>{line.step === undefined ? line.words : <StepText step={line.step} />}</span>
          </li>
        ))}
      </ol>
    </>
  );
}

// --- internal ---

function linesOf(incident: Incident): Line[] {
  const { cause, hooks, outcome, reason, duration_us, opened_t } = incident;
  const told = OUTCOMES[outcome];
  const lines: Line[] = [
    { at: 0, tone: "bad", words: causeOf(cause) },
    ...named(incident).map((step) => ({ at: step.at_us, tone: stepTone(step), step })),
    ...hooks.map((hook) => ({
      at: Math.max(0, (hook.t - opened_t) * 1000),
      tone: hook.result === "ok" ? ("calm" as const) : ("warn" as const),
      words: hookWords(hook),
    })),
    { at: duration_us, tone: told.tone, words: `Closed: ${told.word}, ${reasonOf(reason)}` },
  ];
  return lines.sort((a, b) => a.at - b.at);
}

/** A name that could not be read at the OOM may be known from another look. */
function named({ steps, processes }: Incident): IncidentStep[] {
  return steps.map((step) => {
    if (step.comm !== "") return step;
    const other = steps.find(({ pid, comm }) => pid === step.pid && comm);
    return { ...step, comm: other?.comm ?? processes[String(step.pid)]?.comm ?? "" };
  });
}

function StepText({ step }: { step: IncidentStep }) {
  const details = stepDetails(step);
  return (
    <>
      <b>{stepWord(step.step)}</b>
      {step.comm !== undefined && (
        <>
          {" "}
          <Process comm={step.comm} pid={step.pid ?? 0} />
        </>
      )}
      {details.length > 0 && <span class="quiet"> {details.join(", ")}</span>}
      {step.by !== "handler" && step.by !== "system" && (
        <span class="quiet"> by the {step.by}</span>
      )}
    </>
  );
}

function hookWords({
  event,
  program,
  result,
  duration_ms: ms,
  exit_code: code,
  signal,
}: Hook): string {
  const name = visible(program);
  if (event === "started") return `Hook started: ${name}`;
  if (event === "failed") return `Hook could not be started: ${name}, ${result}`;
  const how = signal === undefined ? `with code ${code}` : `by ${signal}`;
  return `Hook ended ${how} after ${duration((ms ?? 0) * 1000)}: ${name}`;
}

/** All of it as a line. By logarithm: a kill comes after 0.1 ms, and the end is told after 20. */
function Track({ lines }: { lines: readonly Line[] }) {
  const last = Math.max(DECADES[0], ...lines.map(({ at }) => at));
  const left = (us: number) => (Math.log10(1 + us) / Math.log10(1 + last)) * 100;
  return (
    <div class="track" aria-hidden="true">
      {DECADES.filter((us) => left(us) < LABEL_MOST_PERCENT).map((us) => (
        <span key={us} style={{ left: `${left(us).toFixed(2)}%` }}>
          {duration(us).replace(/\.0+/, "")}
        </span>
      ))}
      {lines.map((line, index) => (
        <i key={index} class={line.tone} style={{ left: `${left(line.at).toFixed(2)}%` }} />
      ))}
    </div>
  );
}

/** Behind that a label has no room. */
const LABEL_MOST_PERCENT = 90;
const DECADES = [10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000] as const;
