// SPDX-License-Identifier: MIT
/** Waits for what nothing tells of. */

const TICK_MS = 1;

/** False: it is not so within the bound. */
export async function within(
  boundMs: number,
  isSo: () => boolean,
  tickMs = TICK_MS,
): Promise<boolean> {
  const deadline = performance.now() + boundMs;
  while (!isSo()) {
    if (performance.now() > deadline) return false;
    await Bun.sleep(tickMs);
  }
  return true;
}
