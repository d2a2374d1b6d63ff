// SPDX-License-Identifier: MIT
/**
 * Puts everything back when the program ends, however it ends.
 *
 * What is registered runs once, last in first out, synchronously, on a normal end, an exception,
 * SIGINT, SIGTERM and SIGHUP. One that throws does not keep the others from running.
 */
type Task = () => void;

const tasks = new Set<Task>();
let installed = false;

/** Registers `task`; what is returned takes it off the list again. */
export function onEnd(task: Task): () => void {
  if (!installed) install();
  tasks.add(task);
  return () => tasks.delete(task);
}

function endNow(): void {
  for (const task of [...tasks].reverse()) {
    tasks.delete(task);
    try {
      task();
    } catch (error) {
      console.error(`cleaning up: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

function install(): void {
  installed = true;
  process.on("exit", endNow);
  for (const [signal, number] of [
    ["SIGINT", 2],
    ["SIGTERM", 15],
    ["SIGHUP", 1],
  ] as const) {
    process.on(signal, () => {
      endNow();
      process.exit(128 + number);
    });
  }
}
