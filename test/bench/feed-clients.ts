// SPDX-License-Identifier: MIT
/**
 * feed-clients URL CLIENTS STUCK: so many clients of a feed, of whom some read nothing from the first message on. A process of its
 * own, whose CPU is nobody's who is measured. Says when all are there, and each second how much came; of each incident when it came.
 */
import { connect } from "node:net";
import { monotonicMs } from "../helpers/wait.ts";

const [url = "", clients = "0", stuck = "0"] = process.argv.slice(2);
const { hostname, port, pathname } = new URL(url);
/** What a full backlog of a listening socket holds. */
const AT_ONCE = 50;

let [open, received, bytes] = [0, 0, 0];
for (let i = 0; i < Number(clients) - Number(stuck); i += 1) {
  const client = new WebSocket(url);
  client.onopen = () => open++;
  client.onmessage = ({ data }) => {
    received++;
    bytes += (data as string).length;
    if (!(data as string).includes('"incident.opened"')) return;
    process.stdout.write(`${JSON.stringify({ openedMs: monotonicMs() })}\n`);
  };
  client.onclose = ({ code }) => process.stderr.write(`a client was closed: ${code}\n`);
  if (i % AT_ONCE === AT_ONCE - 1) await Bun.sleep(20);
}
for (let i = 0; i < Number(stuck); i += 1) {
  const socket = connect(Number(port), hostname);
  const key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13";
  const upgrade = `Connection: Upgrade\r\nUpgrade: websocket\r\n${key}`;
  socket.write(`GET ${pathname} HTTP/1.1\r\nHost: ${hostname}:${port}\r\n${upgrade}\r\n\r\n`);
  socket.once("data", () => socket.pause());
  socket.on("error", () => {});
}
while (open < Number(clients) - Number(stuck)) await Bun.sleep(10);
process.stdout.write(`${JSON.stringify({ ready: open })}\n`);
setInterval(() => {
  process.stdout.write(`${JSON.stringify({ received, bytes, open })}\n`);
}, 1000);
