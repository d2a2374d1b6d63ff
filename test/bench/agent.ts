// SPDX-License-Identifier: MIT
/**
 * Figure: what the agent takes with one guard and one feed client, against a bare compiled
 * Bun.serve with a websocket: resident memory, its anonymous part, and the time from start to
 * ready.
 */
import { onEnd } from "./lib/cleanup.ts";
import { Group, killQuietly } from "./lib/group.ts";
import { kilobytes } from "./lib/helpers.ts";
import { built, ended, REPRIEVE, start } from "./lib/programs.ts";
import { PAIRS, report, say } from "./lib/report.ts";
import { LIMIT_200 } from "./lib/round.ts";
import { ratios } from "./lib/stats.ts";

const SETTLE_MS = 2000;
const STOP_BOUND_MS = 10_000;

interface Found {
  readonly startMs: number;
  readonly rssMb: number;
  readonly anonMb: number;
}

const group = new Group("agent");
await LIMIT_200(group);
const reprieve: Found[] = [];
const bare: Found[] = [];
for (let pair = 0; pair < PAIRS; pair++) {
  say(`agent: pair ${pair + 1} of ${PAIRS}`);
  const turns = [
    async () => reprieve.push(await agent()),
    async () => bare.push(await bareServer()),
  ];
  for (const turn of pair % 2 === 0 ? turns : turns.reverse()) await turn();
}
group.remove();
const of = (found: Found[], key: keyof Found) => found.map((one) => one[key]);
const against = (key: keyof Found) => ratios(of(reprieve, key), of(bare, key));
report("agent", "The agent with one guard and one feed client, against a bare server", [
  {
    title: "resident memory",
    rows: [
      { label: "reprieve, MB", values: of(reprieve, "rssMb") },
      { label: "bare, MB", values: of(bare, "rssMb") },
      { label: "reprieve / bare", values: against("rssMb"), target: { median: 1.5 } },
      { label: "anonymous, reprieve, MB", values: of(reprieve, "anonMb"), target: { median: 8 } },
      { label: "anonymous, bare, MB", values: of(bare, "anonMb") },
    ],
  },
  {
    title: "start to armed, start to listening",
    rows: [
      { label: "reprieve, ms", values: of(reprieve, "startMs") },
      { label: "bare, ms", values: of(bare, "startMs") },
      { label: "reprieve / bare", values: against("startMs"), target: { median: 3 } },
    ],
  },
]);

async function agent(): Promise<Found> {
  const port = await freePort();
  const listen = ["--listen", `127.0.0.1:${port}`, "--no-token"];
  return measure(
    [REPRIEVE, "run", "--cgroup", group.path, "--allow-kill", "--json", ...listen],
    '"armed"',
    () => `ws://127.0.0.1:${port}/feed`,
  );
}

async function bareServer(): Promise<Found> {
  return measure([built("bare")], '"listening"', (line) => {
    const { port } = JSON.parse(line) as { port: number };
    return `ws://127.0.0.1:${port}/`;
  });
}

/**
 * Starts a program, waits for its line, connects one client, lets it settle, and reads its
 * memory.
 */
async function measure(
  command: string[],
  word: string,
  address: (line: string) => string,
): Promise<Found> {
  const from = performance.now();
  const program = start(command, "ignore");
  const line = await lineWith(program.stdout, word);
  const startMs = performance.now() - from;
  const client = await connected(address(line));
  const forget = onEnd(() => client.close());
  await Bun.sleep(SETTLE_MS);
  const status = `/proc/${program.pid}/status`;
  const rssMb = kilobytes(status, "VmRSS") / 1024;
  const anonMb = kilobytes(status, "RssAnon") / 1024;
  client.close();
  forget();
  killQuietly(program.pid, "SIGTERM");
  await ended(program, STOP_BOUND_MS);
  return { startMs, rssMb, anonMb };
}

/** What answers at the agent's port is loaded when it is armed: until then it says no. */
async function connected(url: string): Promise<WebSocket> {
  for (let tries = 0; tries < 1000; tries++) {
    const client = new WebSocket(url);
    const isOpen = await new Promise<boolean>((resolve) => {
      client.onopen = () => resolve(true);
      client.onerror = () => resolve(false);
    });
    if (isOpen) return client;
    await Bun.sleep(5);
  }
  throw new Error(`Cannot go on as ${url} lets nobody in`);
}

async function lineWith(stream: ReadableStream<Uint8Array>, word: string): Promise<string> {
  let text = "";
  const reader = stream.getReader();
  for (;;) {
    const { value, done } = await reader.read();
    text += new TextDecoder().decode(value);
    const lines = text.split("\n");
    const found = lines.slice(0, -1).find((line) => line.includes(word));
    if (found !== undefined) {
      reader.releaseLock();
      return found;
    }
    if (done) throw new Error(`Cannot go on as the program ended before it said ${word}`);
  }
}

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const probe = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = probe;
  probe.stop(true);
  return port;
}
