// SPDX-License-Identifier: MIT
/** The other end of sd_notify(3), as systemd has it: a socket for datagrams, which Bun has none of. */
import { dlopen, ptr } from "bun:ffi";
import { closeSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "./wait.ts";

const { socket, bind, sendto, recv } = dlopen("libc.so.6", {
  socket: { args: ["i32", "i32", "i32"], returns: "i32" },
  bind: { args: ["i32", "ptr", "u32"], returns: "i32" },
  sendto: { args: ["i32", "ptr", "u64", "i32", "ptr", "u32"], returns: "i64" },
  recv: { args: ["i32", "ptr", "u64", "i32"], returns: "i64" },
}).symbols;

const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;
const MSG_DONTWAIT = 0x40;

const LATER_MS = 100;

let sockets = 0;

export class NotifySocket {
  /** As NOTIFY_SOCKET has it. */
  readonly name: string;
  /** Datagram by datagram. */
  readonly heard: string[] = [];
  readonly #fd: number;
  readonly #address: Buffer;

  constructor({ isAbstract = false } = {}) {
    sockets += 1;
    const file = `reprieve-notify-${process.pid}-${sockets}`;
    this.name = isAbstract ? `@${file}` : join(tmpdir(), file);
    this.#fd = socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0);
    const path = Buffer.from(isAbstract ? `\0${file}` : this.name);
    const family = new Uint8Array(new Uint16Array([AF_UNIX]).buffer);
    this.#address = Buffer.concat([family, path]);
    const { length } = this.#address;
    if (bind(this.#fd, ptr(this.#address), length) !== 0) throw new Error(`bind ${this.name}`);
  }

  /** The first datagram from `from` on with this line. */
  hears(line: string | RegExp, from = 0): Promise<string> {
    const fits = (text: string) =>
      text.split("\n").some((one) => (line instanceof RegExp ? line.test(one) : one === line));
    return until(`${line} in ${JSON.stringify(this.heard)}`, () => {
      this.read();
      return this.heard.slice(from).find(fits);
    });
  }

  /** What was heard so far, and a little later. */
  async all(): Promise<readonly string[]> {
    await Bun.sleep(LATER_MS);
    this.read();
    return this.heard;
  }

  /** What has come so far, at once. */
  read(): void {
    const buffer = Buffer.alloc(4096);
    for (;;) {
      const n = Number(recv(this.#fd, ptr(buffer), buffer.length, MSG_DONTWAIT));
      if (n < 0) return;
      this.heard.push(buffer.toString("utf8", 0, n));
    }
  }

  /** Until nobody can send it any more; a sender alone has less room than that. */
  fill(): void {
    const text = Buffer.from("FILL=1");
    const to = this.#address;
    let sent = 0;
    do {
      const from = socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0);
      const sends = () =>
        sendto(from, ptr(text), text.length, MSG_DONTWAIT, ptr(to), to.length) > 0;
      for (sent = 0; sends(); ) sent += 1;
      closeSync(from);
    } while (sent > 0);
  }

  close(): void {
    closeSync(this.#fd);
    if (!this.name.startsWith("@")) rmSync(this.name);
  }
}
