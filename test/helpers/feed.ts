// SPDX-License-Identifier: MIT
/** A scene with a feed, an API and a page, on a port of its own. */
import { readFileSync } from "node:fs";
import { runBase } from "./paths.ts";
import type { Reprieve } from "./reprieve.ts";
import { Scene } from "./scene.ts";
import { until } from "./wait.ts";

export interface Feed {
  readonly scene: Scene;
  readonly address: string;
  readonly token: string;
}

export function freePort(): number {
  const server = Bun.listen({ port: 0, hostname: "127.0.0.1", socket: { data() {} } });
  const { port } = server;
  server.stop(true);
  return port;
}

export async function serve(...more: string[]): Promise<Feed> {
  const address = `127.0.0.1:${freePort()}`;
  const scene = await Scene.set(["--listen", address, ...more]);
  await served(scene.reprieve);
  const token = more.includes("--no-token") ? "" : runFile(scene, "token");
  return { scene, address, token };
}

/** What answers there is loaded after the groups are armed. */
export async function served(reprieve: Reprieve): Promise<void> {
  await until("the page", () => reprieve.err.includes("page http"));
}

/** What it says there of itself. */
export function runFile(scene: Scene, name: "token" | "address"): string {
  return readFileSync(`${runBase}/${scene.reprieve.pid}/${name}`, "utf8").trim();
}
