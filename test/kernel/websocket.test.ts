// SPDX-License-Identifier: MIT
/** RFC 6455 against the built binary: by the package `ws`, and by frames that no client sends. */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import fc from "fast-check";
// By path: for the name "ws" Bun puts its own client in the place of the package.
import { WebSocket } from "../../node_modules/ws/wrapper.mjs";
import { cleanUp } from "../helpers/clean.ts";
import { type Feed, serve } from "../helpers/feed.ts";
import { closeFrame, frame, op, RawSocket, request } from "../helpers/frames.ts";
import { describeWith, kernelTest } from "../helpers/require.ts";
import { until } from "../helpers/wait.ts";

const SUBSCRIBE = JSON.stringify({ type: "subscribe", topics: ["guards"] });

describeWith("the feed as RFC 6455 has it", kernelTest, () => {
  let feed: Feed;
  const sockets: RawSocket[] = [];

  beforeAll(async () => {
    feed = await serve();
  });
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.end();
  });
  afterAll(async () => {
    await feed.scene.end();
    await cleanUp();
  });

  const raw = async () => {
    const socket = new RawSocket(feed.address, `/feed?token=${feed.token}`);
    sockets.push(socket);
    return await socket.open();
  };

  /** It is still served: what is asked for next is answered. */
  const expectAlive = async (socket: RawSocket) => {
    socket.send(frame(op.ping, "still there"));
    await until("the pong", () =>
      socket.frames.some(
        ({ opcode, payload }) => opcode === op.pong && String(payload) === "still there",
      ),
    );
    expect(socket.isClosed).toBe(false);
  };

  test("the handshake: the accept key, and nothing that was not asked for", async () => {
    const socket = await raw();
    // Of the key AAAAAAAAAAAAAAAAAAAAAA==, by section 4.2.2.
    const accept = new Bun.CryptoHasher("sha1")
      .update("AAAAAAAAAAAAAAAAAAAAAA==258EAFA5-E914-47DA-95CA-C5AB0DC85B11")
      .digest("base64");
    expect(socket.head.toLowerCase()).toContain(`sec-websocket-accept: ${accept}`.toLowerCase());
    expect(socket.head.toLowerCase()).not.toContain("sec-websocket-extensions");
    expect(socket.head.toLowerCase()).not.toContain("sec-websocket-protocol");
  });

  test.each([
    ["no key", { "Sec-WebSocket-Key": "" }, 426],
    ["a short key", { "Sec-WebSocket-Key": "abc" }, 426],
    ["no upgrade", { Upgrade: "" }, 426],
    ["another version", { "Sec-WebSocket-Version": "8" }, 426],
    ["no host", { Host: "" }, 400],
  ])("a handshake with %s is refused", async (_, headers, status) => {
    const socket = new RawSocket(feed.address, `/feed?token=${feed.token}`, headers);
    sockets.push(socket);
    await until("the answer", () => socket.head !== "");
    expect(socket.head).toStartWith(`HTTP/1.1 ${status} `);
  });

  test("of two hosts none is believed", async () => {
    const socket = new RawSocket(feed.address, `/feed?token=${feed.token}`, {
      Host: `${feed.address}\r\nHost: evil.example`,
    });
    sockets.push(socket);
    await until("the answer", () => socket.head !== "");
    expect(socket.head).toMatch(/^HTTP\/1\.1 40[03] /);
  });

  test("a message in fragments, with a ping between them, is one; the pong comes at once", async () => {
    const socket = await raw();
    socket.send(
      frame(op.text, SUBSCRIBE.slice(0, 9), { isLast: false }),
      frame(op.ping, "between"),
    );
    expect(String(await socket.frame(op.pong))).toBe("between");
    socket.send(frame(op.more, "", { isLast: false }), frame(op.more, SUBSCRIBE.slice(9)));
    await expectAlive(socket);
  });

  test.each([
    ["a frame without a mask", frame(op.text, SUBSCRIBE, { isMasked: false }), 1002],
    ["the first reserved bit", frame(op.text, SUBSCRIBE, { reserved: 4 }), 1002],
    ["the second", frame(op.text, SUBSCRIBE, { reserved: 2 }), 1002],
    ["the third", frame(op.text, SUBSCRIBE, { reserved: 1 }), 1002],
    ["an unknown kind of data", frame(3, "x"), 1002],
    ["an unknown kind of control", frame(11, "x"), 1002],
    ["a continuation of nothing", frame(op.more, "x"), 1002],
    ["a ping of 126 bytes", frame(op.ping, "x".repeat(126)), 1002],
    ["a ping in fragments", frame(op.ping, "x", { isLast: false }), 1002],
    ["a close of one byte", frame(op.close, Buffer.from([3])), 1002],
    ["a close code that is never sent", closeFrame(1005), 1002],
    ["a close reason that is no UTF-8", closeFrame(1000, Buffer.from([0xc3, 0x28])), 1007],
    ["text that is no UTF-8", frame(op.text, Buffer.from([0xc3, 0x28])), 1007],
    ["a message of 2 MB", frame(op.text, "x", { length: 2 << 20 }), 1009],
    ["one of 2^62 bytes", frame(op.text, "x", { length: 2 ** 62 }), 1009],
    ["a binary message", frame(op.binary, SUBSCRIBE), 1008],
    ["no JSON", frame(op.text, "{"), 1008],
    ["JSON of something else", frame(op.text, '{"type":"kill","pid":1}'), 1008],
  ])("%s ends it, with its code", async (_, bytes, code) => {
    const socket = await raw();
    socket.send(bytes);
    expect(await socket.closed()).toBe(code);
  });

  test.each([
    [
      "a new message inside another",
      [frame(op.text, "x", { isLast: false }), frame(op.text, "y")],
      1002,
    ],
    [
      "UTF-8 that breaks between fragments",
      [frame(op.text, Buffer.from([0xc3]), { isLast: false }), frame(op.more, Buffer.from([0x28]))],
      1007,
    ],
    [
      "2 MB in fragments of 1 KB",
      Array.from({ length: 2048 }, (_, i) =>
        frame(i === 0 ? op.text : op.more, "x".repeat(1024), { isLast: false }),
      ),
      1009,
    ],
  ])("%s ends it too", async (_, frames, code) => {
    const socket = await raw();
    socket.send(...frames);
    expect(await socket.closed()).toBe(code);
  });

  test("a close is answered with its code, and what comes behind it is not heard", async () => {
    const socket = await raw();
    socket.send(closeFrame(1000, "done"), frame(op.ping, "late"));
    expect(await socket.closed()).toBe(1000);
    expect(socket.frames.some(({ opcode }) => opcode === op.pong)).toBe(false);
    const empty = await raw();
    empty.send(frame(op.close, ""));
    expect(await empty.closed()).toBe(1005);
  });

  test("a frame byte by byte is a frame", async () => {
    const socket = await raw();
    for (const byte of frame(op.ping, "slowly")) {
      socket.socket.write(Buffer.from([byte]));
      await Bun.sleep(1);
    }
    expect(String(await socket.frame(op.pong))).toBe("slowly");
  });

  test("a foreign client: what it hears first, its ping, and a clean end from either side", async () => {
    const client = new WebSocket(`ws://${feed.address}/feed?token=${feed.token}`);
    const heard: { type: string }[] = [];
    client.on("message", (data) => heard.push(JSON.parse(String(data))));
    await until("the state", () => heard.some(({ type }) => type === "guard"));
    expect(heard.map(({ type }) => type)).toEqual(["hello", "armed", "guard"]);
    let pongs = 0;
    client.on("pong", () => pongs++);
    client.ping("x");
    await until("the pong", () => pongs === 1);
    let code = 0;
    client.on("close", (given) => {
      code = given;
    });
    client.send('{"type":"subscribe","topics":["kills"]}');
    await until("the end", () => code !== 0);
    expect(code).toBe(1008);
  });

  test("who says too much is told so, and goes", async () => {
    const socket = await raw();
    for (let i = 0; i < 100; i += 1) socket.send(frame(op.text, SUBSCRIBE));
    expect(await socket.closed()).toBe(1008);
    const close = socket.frames.find(({ opcode }) => opcode === op.close);
    expect(String(close?.payload.subarray(2))).toBe("too many messages");
  });

  test("whatever comes, it goes on serving", async () => {
    const aFrame = fc
      .tuple(fc.nat(15), fc.uint8Array({ maxLength: 200 }), fc.boolean(), fc.boolean(), fc.nat(7))
      .map(([opcode, payload, isLast, isMasked, reserved]) =>
        frame(opcode, Buffer.from(payload), {
          isLast,
          isMasked,
          reserved: reserved < 4 ? 0 : reserved,
        }),
      );
    const aMessage = fc
      .oneof(
        fc.json(),
        fc
          .record({ type: fc.string(), topics: fc.array(fc.string()) })
          .map((one) => JSON.stringify(one)),
        fc
          .record({
            type: fc.constantFrom("subscribe", "unsubscribe"),
            topics: fc.array(fc.constantFrom("guards", "incidents", "samples:x", "samples:", "")),
            max_hz: fc.oneof(fc.double(), fc.constant(null)),
          })
          .map((one) => JSON.stringify(one)),
      )
      .map((text) => frame(op.text, text));
    const garbage = fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes));
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(aFrame, aMessage, garbage), { maxLength: 12 }),
        async (all) => {
          const socket = await raw();
          socket.send(...all);
          await Bun.sleep(2);
          socket.end();
        },
      ),
      { numRuns: 200 },
    );
    await expectAlive(await raw());
    expect(feed.scene.reprieve.err).not.toContain("rror");
  });

  test("half a request, a silent connection and one that drips are closed", async () => {
    const [hostname = "", port] = feed.address.split(":");
    const whole = request(`/feed?token=${feed.token}`, { Host: feed.address });
    const closed = ["", whole.slice(0, 40), whole.slice(0, -2)].map(async (begin, i) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      const handlers = { data() {}, close: () => resolve() };
      const socket = await Bun.connect({ hostname, port: Number(port), socket: handlers });
      socket.write(begin);
      const drip = setInterval(() => socket.write(i === 2 ? "X: y\r\n" : ""), 1000);
      await promise;
      clearInterval(drip);
    });
    await Promise.all(closed);
  }, 60_000);
});
