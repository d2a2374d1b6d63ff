// SPDX-License-Identifier: MIT
/**
 * What happens to files and directories, in its order, by inotify(7).
 *
 * Not fs.watch(): that loses events and does not say when the kernel has dropped some.
 */

import { closeSync } from "node:fs";
import type { Core } from "../native/core.ts";

/** linux/inotify.h */
export const change = {
  MODIFY: 0x2,
  MOVED_FROM: 0x40,
  MOVED_TO: 0x80,
  CREATE: 0x100,
  DELETE: 0x200,
  OVERFLOW: 0x4000,
  ONLYDIR: 0x0100_0000,
} as const;

export interface Change {
  readonly watch: number;
  readonly mask: number;
  /** In the directory that is watched. */
  readonly name: string;
}

/** struct inotify_event, without its name. */
const HEAD_BYTES = 16;

export class Inotify {
  readonly #core: Core;
  readonly #fd: number;
  readonly #chunks: ReturnType<typeof chunksOf>;

  constructor(core: Core) {
    this.#core = core;
    this.#fd = core.inotify();
    this.#chunks = chunksOf(this.#fd);
  }

  /** The watch, the same one for what is watched already, or -errno. */
  add(path: string, mask: number): number {
    return this.#core.addWatch(this.#fd, path, mask);
  }

  remove(watch: number): void {
    this.#core.removeWatch(this.#fd, watch);
  }

  /** What has happened since the last time, until close(). */
  async *changes(): AsyncGenerator<Change[]> {
    for (;;) {
      const { done, value } = await this.#chunks.read();
      if (done) return;
      yield parsed(value);
    }
  }

  async close(): Promise<void> {
    await this.#chunks.cancel();
    closeSync(this.#fd);
  }
}

// --- internal ---

/** A read returns whole events only. */
function chunksOf(fd: number) {
  return Bun.file(fd).stream().getReader();
}

function parsed(chunk: Uint8Array): Change[] {
  const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  const changes: Change[] = [];
  for (let at = 0; at + HEAD_BYTES <= chunk.byteLength; ) {
    const nameBytes = view.getUint32(at + 12, true);
    const name = chunk.subarray(at + HEAD_BYTES, at + HEAD_BYTES + nameBytes);
    const end = name.indexOf(0);
    changes.push({
      watch: view.getInt32(at, true),
      mask: view.getUint32(at + 4, true),
      name: new TextDecoder().decode(end < 0 ? name : name.subarray(0, end)),
    });
    at += HEAD_BYTES + nameBytes;
  }
  return changes;
}
