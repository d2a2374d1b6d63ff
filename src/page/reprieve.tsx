// SPDX-License-Identifier: MIT
/** What is left of a reprieve, while it runs. */

import { useEffect, useState } from "preact/hooks";
import { duration } from "./format.ts";
import { useMedia } from "./hooks.ts";
import type { Running } from "./types.ts";

/** Who wants no motion sees the figure, and that more seldom. */
const CALM_MS = 500;

export function Reprieve({ opened_t, deadline_t, now }: Running & { now: () => number }) {
  const isCalm = useMedia("(prefers-reduced-motion: reduce)");
  const [at, setAt] = useState(now);
  useEffect(() => {
    let frame = 0;
    const tick = () => {
      setAt(now());
      frame = requestAnimationFrame(tick);
    };
    const timer = isCalm ? setInterval(() => setAt(now()), CALM_MS) : undefined;
    if (!isCalm) frame = requestAnimationFrame(tick);
    return () => {
      clearInterval(timer);
      cancelAnimationFrame(frame);
    };
  }, [isCalm, now]);
  const leftMs = Math.max(0, deadline_t - at);
  const share = deadline_t > opened_t ? leftMs / (deadline_t - opened_t) : 0;
  return (
    <span class="countdown">
      <b role="timer">{leftMs === 0 ? "over" : `${duration(leftMs * 1000)} left`}</b>
      {!isCalm && (
        <span class="bar" aria-hidden="true">
          <i style={{ transform: `scaleX(${share.toFixed(4)})` }} />
        </span>
      )}
    </span>
  );
}
