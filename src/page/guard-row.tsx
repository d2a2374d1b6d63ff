// SPDX-License-Identifier: MIT
/** One guard in the table of all. Rendered anew only when it is another row: most of a thousand are not. */

import { Component } from "preact";
import { milliseconds, visible } from "../shown.ts";
import { Ago, OutcomeBadge, StateBadge, Text, Usage } from "./parts.tsx";
import { Reprieve } from "./reprieve.tsx";
import { guardLink, incidentLink, queryLink } from "./route.ts";
import type { Row } from "./types.ts";
import { STATES } from "./words.ts";

interface RowProps {
  readonly row: Row;
  readonly at: number;
  readonly ago: number;
  readonly now: () => number;
}

export class GuardRow extends Component<RowProps> {
  override shouldComponentUpdate(next: RowProps): boolean {
    const { row, at, ago } = this.props;
    return row !== next.row || at !== next.at || ago !== next.ago;
  }

  render({ row, at, now }: RowProps) {
    return (
      <tr aria-rowindex={at} class={`${STATES[row.state].tone}${row.incident ? " runs" : ""}`}>
        <td class="state">
          <StateBadge state={row.state} />
        </td>
        <th scope="row" class="guard">
          <div>
            <Name guard={row.guard} />
            {row.powers.length === 0 && <small>observed only</small>}
          </div>
        </th>
        <td class="usage" colSpan={2}>
          <Usage {...row} />
        </td>
        <td class="pressure">
          <PressureCell row={row} />
        </td>
        <td class="procs">{row.procs}</td>
        <td class="handler">{HANDLERS[row.handler]}</td>
        <td class="reprieve">
          {row.incident === null ? (
            <span class="quiet">{milliseconds(row.delay_ms)}</span>
          ) : (
            <Reprieve {...row.incident} now={now} />
          )}
        </td>
        <td class="last">
          <Last row={row} now={now()} />
        </td>
      </tr>
    );
  }
}

// --- internal ---

/** What does not fit is left out of its begin: many have that in common. */
function Name({ guard }: { guard: string }) {
  const cut = guard.lastIndexOf("/") + 1;
  const whole = visible(guard);
  return (
    <a href={guardLink(guard)} aria-label={whole} title={whole}>
      {cut > 0 && (
        <span class="parent">
          <Text of={guard.slice(0, cut)} />
        </span>
      )}
      <span class="own">
        <Text of={guard.slice(cut)} />
      </span>
    </a>
  );
}

const HANDLERS: Readonly<Record<Row["handler"], string>> = {
  own: "reprieve",
  designated: "designated",
  none: "none",
};

function PressureCell({ row: { pressure } }: { row: Row }) {
  if (pressure === null) return <span class="quiet">–</span>;
  return <>{pressure.some_avg10.toFixed(1)} %</>;
}

function Last({ row: { guard, last }, now }: { row: Row; now: number }) {
  if (last === undefined) return null;
  const link = last.id === undefined ? queryLink("incidents", { guard }) : incidentLink(last.id);
  return (
    <a href={link}>
      <OutcomeBadge outcome={last.outcome} /> <Ago t={last.t} now={now} />
    </a>
  );
}
