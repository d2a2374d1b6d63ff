// SPDX-License-Identifier: MIT
/** What is left of a reprieve, while it runs. */

import { useEffect, useState } from "preact/hooks";
import { duration } from "./format.ts";
import { useMedia } from "./hooks.ts";
import type { Running } from "./types.ts";

/** A bar that moves as often as this looks even, and takes a sixth of what each drawn frame would. */
const TICK_MS = 100;
/** Who wants no motion sees the figure, and that more seldom. */
const CALM_MS = 500;

export function Reprieve({ opened_t, deadline_t, now }: Running & { now: () => number }) {
  const isCalm = useMedia("(prefers-reduced-motion: reduce)");
  const [at, setAt] = useState(now);
  const leftMs = Math.max(0, deadline_t - at);
  const isOver = leftMs === 0;
  useEffect(() => {
    if (isOver) return;
    const timer = setInterval(() => setAt(now()), isCalm ? CALM_MS : TICK_MS);
    return () => clearInterval(timer);
  }, [isCalm, isOver, now]);
  const share = deadline_t > opened_t ? leftMs / (deadline_t - opened_t) : 0;
  return (
    <span class="countdown">
      <b role="timer">{isOver ? "over" : `${duration(leftMs * 1000)} left`}</b>
      {!isCalm && (
        <span class="bar" aria-hidden="true">
          <i style={{ transform: `scaleX(${share.toFixed(4)})` }} />
        </span>
      )}
    </span>
  );
}
