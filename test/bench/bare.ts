// SPDX-License-Identifier: MIT
/**
 * The least agent there can be, to compare ours with: Bun.serve, a websocket, one line when it
 * listens.
 */
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch: (request, self) =>
    self.upgrade(request, { data: undefined }) ? undefined : new Response("ok"),
  websocket: { message: (socket, text) => void socket.send(text) },
});
console.log(JSON.stringify({ type: "listening", port: server.port }));
