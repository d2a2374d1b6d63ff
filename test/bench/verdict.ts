// SPDX-License-Identifier: MIT
/**
 * Figure: how soon the switch is written where a designated handler fails: one that falls asleep in the very OOM, with
 * a long delay, and one that does nothing, less the delay. From the leaker's last good touch, seen from outside.
 */
import { fixture } from "../helpers/build.ts";
import { monotonicMs } from "../helpers/wait.ts";
import { onEnd } from "./lib/cleanup.ts";
import { killQuietly } from "./lib/group.ts";
import { ended, start } from "./lib/programs.ts";
import { PAIRS, report, say } from "./lib/report.ts";
import { BURST_200, LIMIT_200, leakerIn, reprieveSide, type Side } from "./lib/round.ts";

const LONG_DELAY_MS = 5000;
const DELAY_MS = 100;
const POLL_MS = 0.1;
const BOUND_MS = 10_000;
/** So soon after the last handler the door lets no other in. */
const AGAIN_MS = 150;
/** In a directory that only root may write to, and that reprieve makes. */
const SOCKET = `/run/reprieve/bench-${process.pid}.sock`;

const asleep = await measure("asleep", LONG_DELAY_MS);
const silent = await measure("silent", DELAY_MS);
report("verdict", "A designated handler fails: last good touch to the switch", [
  {
    title: "",
    rows: [
      { label: "asleep in the OOM, ms", values: asleep, target: { median: 10, p99: 30 } },
      {
        label: `silent, ms after ${DELAY_MS}`,
        values: silent.map((ms) => ms - DELAY_MS),
        target: { median: 5, p99: 20 },
      },
    ],
  },
]);

async function measure(fault: string, delayMs: number): Promise<number[]> {
  const designated = ["--handler", "designated", "--handler-socket", SOCKET];
  const options = ["--listen", "none", ...designated, "--delay", `${delayMs}ms`];
  const side = await reprieveSide(LIMIT_200, options, `verdict-${fault}`);
  const values: number[] = [];
  for (let i = 0; i < PAIRS; i++) {
    say(`verdict: ${fault}, ${i + 1} of ${PAIRS}`);
    values.push(await round(side, fault));
  }
  await side.stop();
  return values;
}

/** A handler lives for one OOM: the watchers end it. */
async function round(side: Side, fault: string): Promise<number> {
  const { group, page, reprieve } = side;
  const from = reprieve?.messages.length ?? 0;
  const guard = group.path.slice(group.path.lastIndexOf("/") + 1);
  const handler = start([fixture("bad-handler"), fault, guard, SOCKET, group.path]);
  const forget = onEnd(() => killQuietly(handler.pid));
  const has = (event: string) =>
    reprieve?.until((all) =>
      all.slice(from).some((message) => message.type === "guard" && message.event === event),
    );
  await has("designated");
  group.join(handler.pid);
  page.clear();
  const witness = await leakerIn(group, page, BURST_200);
  await group.untilKillerOn();
  process.kill(page.get("leakerPid"), "SIGUSR1");
  const tookMs = untilWritten(side);
  await ended(witness, BOUND_MS);
  await ended(handler, BOUND_MS);
  await group.untilEmpty();
  await has("resigned");
  await reprieve?.until(() => reprieve.closed(from).length > 0);
  await Bun.sleep(AGAIN_MS);
  forget();
  return tookMs;
}

/** Polls without a turn of the event loop until the killer is on again; ms since the last touch before the OOM. */
function untilWritten({ group, page }: Side): number {
  const endMs = monotonicMs() + BOUND_MS;
  for (let touchedMs: number | undefined; ; Bun.sleepSync(POLL_MS)) {
    const text = group.read("memory.oom_control");
    if (text.includes("under_oom 1")) touchedMs ??= page.lastTouchNs() / 1e6;
    if (touchedMs !== undefined && text.includes("oom_kill_disable 0"))
      return monotonicMs() - touchedMs;
    if (monotonicMs() > endMs) throw new Error("Cannot go on as the switch is never written");
  }
}
