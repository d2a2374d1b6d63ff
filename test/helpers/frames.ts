// SPDX-License-Identifier: MIT
/** RFC 6455 by hand: what no client of a library can be made to send, and what comes back, byte by byte. */
import { connect, type Socket } from "node:net";
import { until } from "./wait.ts";

export const op = { more: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

interface FrameOptions {
  readonly isLast?: boolean;
  readonly isMasked?: boolean;
  /** The three bits: 4, 2, 1. */
  readonly reserved?: number;
  /** Told, whatever comes. */
  readonly length?: number;
}

const MASK = [0x12, 0x34, 0x56, 0x78] as const;

/** A frame as a client sends it; short ones only, but for a length that is a lie. */
export function frame(
  opcode: number,
  payload: string | Buffer,
  options: FrameOptions = {},
): Buffer {
  const { isLast = true, isMasked = true, reserved = 0, length } = options;
  const body = Buffer.from(payload as string);
  const told = length ?? body.length;
  const short = told < 126 ? [told] : told < 65_536 ? [126] : [127];
  const head = Buffer.from([(isLast ? 0x80 : 0) | (reserved << 4) | opcode, ...short]);
  if (isMasked) head[1] = (head[1] ?? 0) | 0x80;
  const long = Buffer.alloc(told < 126 ? 0 : told < 65_536 ? 2 : 8);
  if (long.length === 2) long.writeUInt16BE(told);
  if (long.length === 8) long.writeBigUInt64BE(BigInt(told));
  const masked = body.map((byte, i) => byte ^ (isMasked ? (MASK[i % 4] ?? 0) : 0));
  return Buffer.concat([head, long, Buffer.from(isMasked ? MASK : []), masked]);
}

export function closeFrame(code: number, reason: string | Buffer = ""): Buffer {
  return frame(
    op.close,
    Buffer.concat([Buffer.from([code >> 8, code & 255]), Buffer.from(reason as string)]),
  );
}

interface Received {
  readonly opcode: number;
  readonly payload: Buffer;
}

/** A TCP connection that has asked for a websocket, and answers nothing by itself: no ping, no close. */
export class RawSocket {
  readonly socket: Socket;
  isClosed = false;
  /** The answer to the request. */
  head = "";
  #bytes: Buffer = Buffer.alloc(0);

  constructor(address: string, path: string, headers: Readonly<Record<string, string>> = {}) {
    const [host = "", port] = address.split(":");
    this.socket = connect(Number(port), host);
    this.socket.on("data", (data: Buffer) => this.#take(data));
    this.socket.on("close", () => {
      this.isClosed = true;
    });
    this.socket.on("error", () => {});
    this.socket.write(request(path, { Host: address, ...headers }));
  }

  /** Returns when it is a websocket. */
  async open(): Promise<this> {
    await until("the handshake", () => this.head.startsWith("HTTP/1.1 101"));
    return this;
  }

  send(...frames: Buffer[]): void {
    for (const one of frames) this.socket.write(one);
  }

  /** All frames so far. */
  get frames(): Received[] {
    const found: Received[] = [];
    for (let at = 0; at + 2 <= this.#bytes.length; ) {
      const short = (this.#bytes[at + 1] ?? 0) & 0x7f;
      const wide = short === 126 ? 2 : short === 127 ? 8 : 0;
      const start = at + 2 + wide;
      if (start > this.#bytes.length) break;
      const length =
        wide === 0 ? short : this.#bytes.readUIntBE(start - Math.min(wide, 6), Math.min(wide, 6));
      if (start + length > this.#bytes.length) break;
      found.push({
        opcode: (this.#bytes[at] ?? 0) & 0x0f,
        payload: this.#bytes.subarray(start, start + length),
      });
      at = start + length;
    }
    return found;
  }

  async frame(opcode: number): Promise<Buffer> {
    const find = () => this.frames.find((one) => one.opcode === opcode);
    return (await until(`a frame ${opcode}`, find)).payload;
  }

  /** The code of the close frame that comes, when the connection has ended too; 1005: it has none. */
  async closed(): Promise<number> {
    await until("the end", () => this.isClosed);
    const payload = this.frames.find(({ opcode }) => opcode === op.close)?.payload;
    if (payload === undefined) return 1006;
    return payload.length < 2 ? 1005 : payload.readUInt16BE(0);
  }

  end(): void {
    this.socket.destroy();
  }

  // --- internal ---

  #take(data: Buffer): void {
    if (this.head !== "") {
      this.#bytes = Buffer.concat([this.#bytes, data]);
      return;
    }
    const end = data.indexOf("\r\n\r\n");
    this.head = String(data.subarray(0, end));
    this.#bytes = data.subarray(end + 4);
  }
}

/** The request that a handshake begins with. */
export function request(path: string, headers: Readonly<Record<string, string>>): string {
  const all = {
    Connection: "Upgrade",
    Upgrade: "websocket",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    "Sec-WebSocket-Version": "13",
    ...headers,
  };
  const lines = Object.entries(all).filter(([, value]) => value !== "");
  return `GET ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`;
}
