// SPDX-License-Identifier: MIT
/**
 * The least agent there can be, to compare ours with: Bun.serve, a websocket, one line when it
 * listens. With a number of bytes: so much is published to all clients once a second.
 */
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch: (request, self) =>
    self.upgrade(request, { data: undefined }) ? undefined : new Response("ok"),
  websocket: {
    open: (socket) => void socket.subscribe("all"),
    message: (socket, text) => void socket.send(text),
  },
});
console.log(JSON.stringify({ type: "listening", port: server.port }));
const bytes = Number(process.argv[2] ?? 0);
if (bytes > 0) setInterval(() => server.publish("all", "x".repeat(bytes)), 1000);
