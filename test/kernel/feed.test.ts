// SPDX-License-Identifier: MIT
/** The feed with a foreign client: who is let in, and that it says what stdout says. */
import { afterEach, expect, test } from "bun:test";
import { statSync } from "node:fs";
import * as v from "valibot";
// By path: for the name "ws" Bun puts its own client in the place of the package.
import { WebSocket } from "../../node_modules/ws/wrapper.mjs";
import { FeedMessage, Message } from "../../src/feed/protocol.ts";
import { cleanUp } from "../helpers/clean.ts";
import { serve } from "../helpers/feed.ts";
import { runBase } from "../helpers/paths.ts";
import { describeWith, kernelTest } from "../helpers/require.ts";
import { until } from "../helpers/wait.ts";

afterEach(cleanUp);

/** The HTTP status that the upgrade gets: 101 when it is let in. */
function knock(address: string, query: string, headers: Record<string, string>): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  const socket = new WebSocket(`ws://${address}/feed${query}`, { headers });
  socket.on("open", () => {
    socket.close();
    resolve(101);
  });
  socket.on("unexpected-response", (_, response) => resolve(response.statusCode ?? 0));
  socket.on("error", (error) => resolve(Number(/\d{3}/.exec(error.message)?.[0] ?? 0)));
  return promise;
}

describeWith("the feed", kernelTest, () => {
  test("wants the token, as a header or in the query", async () => {
    const { scene, address, token } = await serve();
    expect(token).toMatch(/^[0-9a-f]{64}$/);
    const printed = `page http://${address}/?token=${token}`;
    await until("the address with the token", () => scene.reprieve.err.includes(printed));
    expect(statSync(`${runBase}/${scene.reprieve.pid}/token`).mode & 0o777).toBe(0o600);
    expect(await knock(address, "", {})).toBe(401);
    expect(await knock(address, `?token=${token.replace(/./, "g")}`, {})).toBe(401);
    expect(await knock(address, "", { Authorization: `Bearer ${token}0` })).toBe(401);
    expect(await knock(address, `?token=${token}`, {})).toBe(101);
    expect(await knock(address, "", { Authorization: `Bearer ${token}` })).toBe(101);
    await scene.end();
  });

  test("refuses other origins and names that are not its own", async () => {
    const { scene, address, token } = await serve();
    const query = `?token=${token}`;
    expect(await knock(address, query, { Origin: "https://example.org" })).toBe(403);
    expect(await knock(address, query, { Origin: "null" })).toBe(403);
    expect(await knock(address, query, { Host: "example.org" })).toBe(403);
    expect(await knock(address, query, { Origin: `http://${address}` })).toBe(101);
    await scene.end();
  });

  test("--no-token lets everybody in but other origins", async () => {
    const { scene, address } = await serve("--no-token");
    expect(await knock(address, "", {})).toBe(101);
    expect(await knock(address, "", { Origin: "https://example.org" })).toBe(403);
    await scene.end();
  });

  test("answers /healthz without a token, and is read-only", async () => {
    const { scene, address } = await serve();
    expect((await fetch(`http://${address}/healthz`)).status).toBe(200);
    expect((await fetch(`http://${address}/feed`)).status).toBe(401);
    expect((await fetch(`http://${address}/`)).status).toBe(200);
    const post = await fetch(`http://${address}/healthz`, { method: "POST" });
    expect(post.status).toBeGreaterThanOrEqual(400);
    await scene.end();
  });

  test("sends every client the objects that stdout gets", async () => {
    const { scene, address, token } = await serve();
    const from = scene.reprieve.messages.length;
    const clients = [0, 1].map(() => new WebSocket(`ws://${address}/feed?token=${token}`));
    const heard: string[][] = clients.map(() => []);
    clients.forEach((client, i) => {
      client.on("message", (data) => heard[i]?.push(String(data)));
    });
    await until("both clients", () => clients.every((client) => client.readyState === 1));
    await scene.leak();
    await until("both to hear it", () =>
      heard.every((lines) => lines.some((line) => line.includes("incident.closed"))),
    );
    const incidents = scene.reprieve.messages
      .slice(from)
      .filter((m) => m.type.includes("incident"));
    for (const lines of heard) {
      const all = lines.map((line) => v.parse(FeedMessage, JSON.parse(line)));
      expect(all[0]?.type).toBe("hello");
      const objects = all.slice(1).map((one) => v.parse(Message, one));
      const same = objects.filter((m) => m.type.includes("incident"));
      expect(same).toEqual(incidents as unknown as typeof same);
    }
    await scene.end();
  });

  test("who was away hears all that it has missed, once", async () => {
    const { scene, address, token } = await serve();
    const join = async (query: string) => {
      const client = new WebSocket(`ws://${address}/feed?token=${token}${query}`);
      const heard: { type: string; seq: number; run?: string; resumed?: boolean }[] = [];
      client.on("message", (data) => heard.push(JSON.parse(String(data))));
      await until("hello", () => heard.length > 0);
      return { client, heard };
    };
    const { client, heard } = await join("");
    await until("the guard", () => heard.some(({ type }) => type === "guard"));
    client.terminate();
    const since = heard.at(-1)?.seq ?? 0;
    await scene.leak();
    const back = await join(`&since=${since}&run=${heard[0]?.run}`);
    expect(back.heard[0]?.resumed).toBe(true);
    await until("the end", () => back.heard.some(({ type }) => type === "incident.closed"));
    const seqs = back.heard.slice(1).map(({ seq }) => seq);
    expect(seqs).toEqual(seqs.map((_, i) => since + 1 + i));
    expect(back.heard.some(({ type }) => type === "incident.opened")).toBe(true);
    await scene.end();
  });

  test("a client that never reads does not hold up the others or the OOM", async () => {
    const { scene, address, token } = await serve();
    const deaf = await Bun.connect({
      hostname: "127.0.0.1",
      port: Number(address.split(":")[1]),
      socket: { data() {} },
    });
    const key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13";
    const upgrade = "Connection: Upgrade\r\nUpgrade: websocket";
    const get = `GET /feed?token=${token} HTTP/1.1\r\nHost: ${address}`;
    deaf.write(`${get}\r\n${upgrade}\r\n${key}\r\n\r\n`);
    deaf.pause();
    // Each is over within its bound; by whom is for other tests, on a machine that has time.
    for (let i = 0; i < 5; i += 1) await scene.leak();
    deaf.end();
    await scene.end();
  });
});
