// SPDX-License-Identifier: MIT
/** Incidents, a row each: of the list, and of one guard. */

import { duration, momentOf } from "./format.ts";
import { Guard, OutcomeBadge, Victims } from "./parts.tsx";
import { incidentLink } from "./route.ts";
import type { IncidentSummary } from "./types.ts";
import { reasonOf } from "./words.ts";

interface Props {
  readonly incidents: readonly IncidentSummary[];
  readonly now: number;
  /** Of one guard: its name is above. */
  readonly isOfOne?: boolean;
}

export function IncidentTable({ incidents, now, isOfOne = false }: Props) {
  return (
    <table class={`incidents${isOfOne ? " of-one" : ""}`} aria-label="Incidents">
      <thead>
        <tr>
          <th scope="col" class="when">
            When
          </th>
          {!isOfOne && (
            <th scope="col" class="guard">
              Guard
            </th>
          )}
          <th scope="col" class="outcome">
            Outcome
          </th>
          <th scope="col" class="took">
            Took
          </th>
          <th scope="col" class="who">
            Killed
          </th>
          <th scope="col" class="why">
            Why
          </th>
        </tr>
      </thead>
      <tbody>
        {incidents.map((incident) => (
          <tr key={incident.id}>
            <th scope="row" class="when">
              <a href={incidentLink(incident.id)}>
                <time dateTime={new Date(incident.opened_t).toISOString()}>
                  {momentOf(incident.opened_t, now)}
                </time>
              </a>
            </th>
            {!isOfOne && (
              <td class="guard">
                <Guard {...incident} />
              </td>
            )}
            <td class="outcome">
              <OutcomeBadge outcome={incident.outcome} />
            </td>
            <td class="took">{duration(incident.duration_us)}</td>
            <td class="who">
              <Victims {...incident} />
            </td>
            <td class="why quiet">{reasonOf(incident.reason)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
