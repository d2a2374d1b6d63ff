// SPDX-License-Identifier: MIT
/** doctor's proofs of what a group does that is held by hand, and of what the kernel does when it is let go. */

import { startProbe } from "../agent/probe.ts";
import { readIfThere } from "../cgroup/files.ts";
import { errnoName } from "../native/core.ts";
import { BOUND_MS, type Check, check, LIMIT_BYTES, type Scene, until } from "./proof-scene.ts";

const HANDED_OVER = "the kernel takes over when it is told to";
/** A sleep over memory.high takes up to 2 s: who is dead before that was woken. */
const WOKEN_MS = 1000;

/** The killer switched off: what a fault and a system call do, and what switching it on does. */
export async function proveHoldOnV1(scene: Scene): Promise<Check[]> {
  const { kind, group } = scene;
  const calls = startProbe(scene, "calls");
  const hog = startHog(scene);
  await until(scene, () => calls.isReady() && hog.isReady());
  kind.hold(group, LIMIT_BYTES);
  try {
    hog.go();
    const slept = await until(scene, () => kind.isOver(group));
    const name = "a page fault at the limit sleeps, no lock held";
    const asleep = await proveSleep(scene, name, hog.process.pid, slept);
    calls.go();
    await until(scene, () => calls.isDone());
    const results = calls.results();
    return [
      asleep,
      {
        name: "a system call in the full group fails",
        status: results.every((result) => result < 0) ? "ok" : "no",
        detail: `open: ${errnoOf(results[0])}, pipe write: ${errnoOf(results[1])}`,
      },
      await proveHandOver(scene, hog),
    ];
  } finally {
    kind.letGo(group);
  }
}

/** The mark set at half of the limit: who grows over it sleeps, dies when told to, and goes on when it is lifted. */
export async function proveHoldOnV2(scene: Scene): Promise<Check[]> {
  const { kind, group } = scene;
  const hogs = [startHog(scene), startHog(scene)] as const;
  await until(scene, () => hogs.every((hog) => hog.isReady()));
  kind.hold(group, LIMIT_BYTES / 2);
  try {
    const [first, second] = hogs;
    first.go();
    const name = "growth over memory.high sleeps, no lock held";
    const asleep = await proveSleep(scene, name, first.process.pid, await sleeps(scene, first));
    const startedMs = performance.now();
    first.process.kill("SIGKILL");
    const isDead = await until(scene, () => first.process.signalCode !== null);
    const diedMs = performance.now() - startedMs;
    second.go();
    await sleeps(scene, second);
    return [
      asleep,
      check(
        "a SIGKILL wakes who sleeps there",
        isDead && diedMs < WOKEN_MS ? "ok" : "no",
        isDead ? `dead within ${diedMs.toFixed(1)} ms` : `not dead in ${BOUND_MS} ms`,
      ),
      await proveHandOver(scene, second),
    ];
  } finally {
    kind.letGo(group);
  }
}

// --- internal ---

type Hog = ReturnType<typeof startHog>;

function startHog(scene: Scene) {
  return startProbe(scene, "touch", String(LIMIT_BYTES * 2));
}

/** Over the mark, and in the function that puts to sleep there. */
function sleeps(scene: Scene, hog: Hog): Promise<boolean> {
  const where = () => readIfThere(`/proc/${hog.process.pid}/wchan`) ?? "";
  return until(scene, () => scene.kind.isOver(scene.group) && /over_high/.test(where()));
}

/** /proc/PID/maps takes the lock of the memory map: readable at once means that the sleeper holds none. */
async function proveSleep(scene: Scene, name: string, pid: number, slept: boolean): Promise<Check> {
  const where = readIfThere(`/proc/${pid}/wchan`) ?? "";
  let isRead = false;
  void Bun.file(`/proc/${pid}/maps`)
    .text()
    .then(
      () => {
        isRead = true;
      },
      () => {}, // it is dead: no proof
    );
  const isFree = await until(scene, () => isRead);
  return {
    name,
    status: slept && isFree ? "ok" : "no",
    detail: `${slept ? "asleep" : "not asleep"} in ${where || "?"}, memory map ${isFree ? "free" : "locked"}`,
  };
}

async function proveHandOver(scene: Scene, hog: Hog): Promise<Check> {
  const startedMs = performance.now();
  scene.kind.letGo(scene.group);
  const killed = await until(scene, () => hog.process.signalCode !== null);
  const tookMs = (performance.now() - startedMs).toFixed(1);
  const detail = killed ? `it killed within ${tookMs} ms` : `no kill in ${BOUND_MS} ms`;
  return check(HANDED_OVER, killed ? "ok" : "no", detail);
}

function errnoOf(result = 0): string {
  return result < 0 ? errnoName(result) : "it worked";
}
