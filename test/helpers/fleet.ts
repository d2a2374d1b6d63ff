// SPDX-License-Identifier: MIT
/**
 * Many hosts for a Prometheus: each says what a real reprieve has said, with guards of its own, and at each scrape something
 * has changed. One server over TLS, a path a host, behind the token.
 */
import { readFileSync } from "node:fs";
import { type Certificate, certificateIn } from "./certificate.ts";
import { serve } from "./feed.ts";
import { Prometheus, SHIPPED } from "./prometheus.ts";

interface Line {
  /** The series, without its value. */
  readonly series: string;
  readonly value: number;
  readonly changes: "never" | "with-incidents" | "always";
}

const OF_GUARD = /guard="[^"]*"/;
const WITH_INCIDENTS =
  /^reprieve_(incidents_total\{outcome="relieved"|kills_total\{by="handler"|relief_seconds_|guard_incidents|journal_written)/;
const ALWAYS = /^reprieve_(guard_usage_bytes|process_|recorder_|feed_messages)/;
/** Of the hosts, one has so many OOMs more at each scrape: an alert is soon told. */
const RESTLESS_ONE_OF = 10;
const OOMS_A_SCRAPE = 10;

interface FleetSetup {
  /** What real ones have said; host i says the i-th, over and over. */
  readonly scrapes: readonly string[];
  readonly hosts: number;
  readonly guards: number;
  /** For its certificate. */
  readonly dir: string;
}

/** What a real reprieve says that has relieved an OOM, and one that has left it to the kernel. */
export async function realScrapes(): Promise<string[]> {
  return [await scrapeAfterOom(), await scrapeAfterOom("--delay", "0")];
}

async function scrapeAfterOom(...flags: string[]): Promise<string> {
  const { scene, address, token } = await serve(...flags);
  await scene.leak();
  const headers = { authorization: `Bearer ${token}` };
  const text = await (await fetch(`http://${address}/metrics`, { headers })).text();
  await scene.end();
  return text;
}

export class Fleet {
  readonly #setup: FleetSetup;
  readonly #server: Bun.Server<undefined>;
  readonly #scrapes: readonly (readonly Line[])[];
  readonly #counts: number[];
  readonly #token = crypto.randomUUID();
  readonly #tls: Certificate;

  constructor(setup: FleetSetup) {
    this.#setup = setup;
    this.#scrapes = setup.scrapes.map((text) => linesOf(text, setup.guards));
    this.#counts = new Array(setup.hosts).fill(0);
    this.#tls = certificateIn(setup.dir);
    const { cert, key } = this.#tls;
    this.#server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      tls: { cert: readFileSync(cert), key: readFileSync(key) },
      fetch: (request) => this.#answer(request),
    });
  }

  /** One with the config and the rules that ship, but for where the files are, and what `edit` changes. */
  scraped(edit: (text: string) => string): Prometheus {
    const shipped = (name: string) => edit(readFileSync(`${SHIPPED}/${name}`, "utf8"));
    const config = shipped("prometheus.yml")
      .replace("/etc/prometheus/reprieve-ca.pem", this.#tls.cert)
      .replace("/etc/prometheus/reprieve.token", "token");
    return new Prometheus(config, {
      token: this.#token,
      "targets/all.yml": this.#targets(),
      "recording.yml": shipped("recording.yml"),
    });
  }

  async stop(): Promise<void> {
    await this.#server.stop(true);
  }

  // --- internal ---

  #targets(): string {
    const target = (host: number) => ({
      targets: [`127.0.0.1:${this.#server.port}`],
      labels: {
        __metrics_path__: `/${host}/metrics`,
        instance: `host-${host}:7461`,
        cluster: host % 2 === 0 ? "eu" : "us",
      },
    });
    return JSON.stringify(Array.from({ length: this.#setup.hosts }, (_, host) => target(host)));
  }

  #answer(request: Request): Response {
    const isAllowed = request.headers.get("authorization") === `Bearer ${this.#token}`;
    if (!isAllowed) return new Response("", { status: 401 });
    const host = Number(new URL(request.url).pathname.split("/")[1]);
    const count = (this.#counts[host] ?? 0) + 1;
    this.#counts[host] = count;
    const incidents = host % RESTLESS_ONE_OF === 0 ? count * OOMS_A_SCRAPE : 0;
    const lines = this.#scrapes[host % this.#scrapes.length] ?? [];
    const text = lines.map((line) => `${line.series} ${said(line, count, incidents)}\n`).join("");
    const type = "text/plain; version=0.0.4; charset=utf-8";
    return new Response(text, { headers: { "content-type": type } });
  }
}

function said({ value, changes }: Line, count: number, incidents: number): number {
  if (changes === "with-incidents") return value + incidents;
  // Of no pattern, so that it takes the room that real ones take.
  return changes === "always" ? value * (1 + count / 100) + Math.random() / 1000 : value;
}

/** Each line of a guard once for each of so many. */
function linesOf(text: string, guards: number): Line[] {
  const samples = text.split("\n").filter((line) => /^\w/.test(line));
  return samples.flatMap((sample) => {
    const at = sample.lastIndexOf(" ");
    const [series, value] = [sample.slice(0, at), Number(sample.slice(at))];
    const isRestless = WITH_INCIDENTS.test(series) && value > 0;
    const changes = ALWAYS.test(series) ? "always" : isRestless ? "with-incidents" : "never";
    const line = { series, value, changes } as const;
    if (!OF_GUARD.test(series)) return [line];
    const of = (guard: number) => ({ ...line, series: series.replace(OF_GUARD, nameOf(guard)) });
    return Array.from({ length: guards }, (_, guard) => of(guard));
  });
}

/** As long as those of pods. */
function nameOf(guard: number): string {
  const pod = `${String(guard).padStart(8, "0")}-5c1e-4d0b-9f27-3b1f0a6f2c11`;
  return `guard="/kubepods/burstable/pod${pod}"`;
}
