// SPDX-License-Identifier: MIT
/** Incidents of real OOMs, as others get them: a file, systemd's real journal, a collector that fails, refuses or hangs. */
import { afterAll, afterEach, expect, test } from "bun:test";
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { PLACES } from "../../src/journal/row.ts";
import { certificateIn, openssl } from "../helpers/certificate.ts";
import { cleanUp } from "../helpers/clean.ts";
import { ConfigFile, guard } from "../helpers/config.ts";
import { Group, kill } from "../helpers/group.ts";
import { Journal } from "../helpers/journal.ts";
import { endJournalds, Journald, journald } from "../helpers/journald.ts";
import { memory } from "../helpers/memory.ts";
import { Collector } from "../helpers/otlp.ts";
import { binary } from "../helpers/paths.ts";
import { Reprieve, type StartOptions } from "../helpers/reprieve.ts";
import { describeWith, kernelTest } from "../helpers/require.ts";
import { LIMIT, Scene } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";

/** What cannot be delivered is tried after 1, 2, 4 s. */
const TRIED_BOUND_MS = 20_000;

const config = new ConfigFile();
afterAll(() => config.remove());

afterEach(async () => {
  await cleanUp();
  await endJournalds();
});

/** A guarded group whose incidents are exported. */
async function exporting(toml: string, options: StartOptions = {}) {
  const group = new Group("export", { limit: LIMIT });
  const journal = new Journal();
  const flags = ["--config", config.path, ...journal.flags];
  const write = (table: string) =>
    config.write(`${guard("web", group.path.slice(memory.root.length))}[export]\n${table}\n`);
  /** Another one. */
  const start = (table: string) => {
    write(table);
    return Reprieve.guard([group.path], flags);
  };
  write(toml);
  return { journal, start, scene: await Scene.around(group, flags, options) };
}

const linesOf = (file: string) => {
  try {
    return readFileSync(file, "utf8").split("\n").filter(Boolean);
  } catch {
    return [];
  }
};

describeWith("exports", kernelTest, () => {
  test("to a file are lines of JSON; where it cannot be written it is said, and tried again", async () => {
    const dir = `${config.dir}/later`;
    const file = `${dir}/incidents.jsonl`;
    const { scene } = await exporting(`jsonl = "${file}"`);
    const first = await scene.leak();
    await until("the refusal", () => scene.reprieve.err.includes(`cannot export to ${file}`));
    mkdirSync(dir);
    const second = await scene.leak();
    await until("both", () => linesOf(file).length === 2, TRIED_BOUND_MS);
    const all = linesOf(file).map((line) => JSON.parse(line));
    expect(all.map(({ id }) => id)).toEqual([first.closed.id, second.closed.id]);
    expect(all[0]).toMatchObject({ guard: first.closed.guard, outcome: "relieved" });
    expect(all[0]).not.toHaveProperty("frames");
    expect(statSync(file).mode & 0o777).toBe(0o600);
    await until("it to be said", () => scene.reprieve.err.includes("go again"));
    await scene.end();
  });

  test("to stdout are lines of JSON too", async () => {
    const { scene } = await exporting('jsonl = "-"');
    const { closed } = await scene.leak();
    const isIncident = (one: object) => !("type" in one) && "steps" in one;
    const one = await until("it", () => scene.reprieve.messages.find(isIncident));
    expect(one).toMatchObject({ id: closed.id, outcome: "relieved" });
    await scene.end();
  });

  test("to a collector are tried until it takes them, in their order", async () => {
    const collector = new Collector([503, 200]);
    const { scene } = await exporting(collector.toml);
    const first = await scene.leak();
    const second = await scene.leak();
    await until("both", () => collector.ids().length === 2, TRIED_BOUND_MS);
    expect(collector.ids()).toEqual([first.closed.id, second.closed.id]);
    expect(scene.reprieve.err).toContain("503");
    for (const { severityText, timeUnixNano, observedTimeUnixNano } of collector.records) {
      expect(severityText).toBe("INFO");
      const delayNs = BigInt(observedTimeUnixNano) - BigInt(timeUnixNano);
      expect(delayNs).toBeGreaterThanOrEqual(0n);
      expect(Date.now() - Number(timeUnixNano) / 1e6).toBeLessThan(TRIED_BOUND_MS);
    }
    await scene.end();
    await collector.stop();
  });

  test("that a collector refuses are dropped, and those after them are not", async () => {
    const collector = new Collector([400, 200]);
    const { scene } = await exporting(collector.toml);
    await scene.leak();
    await until("the refusal", () => scene.reprieve.err.includes("400"));
    const { closed } = await scene.leak();
    await until("the second", () => collector.ids().length === 1, TRIED_BOUND_MS);
    expect(collector.ids()).toEqual([closed.id]);
    await scene.end();
    await collector.stop();
  });

  test("to a collector that wants to be left alone come when it wants them", async () => {
    const busy = { status: 429, headers: { "retry-after": "2" } };
    const collector = new Collector([busy, 200]);
    const { scene } = await exporting(collector.toml);
    const { closed } = await scene.leak();
    await until("it", () => collector.ids().length === 1, TRIED_BOUND_MS);
    expect(collector.ids()).toEqual([closed.id]);
    const [first = 0, second = 0] = collector.askedMs;
    expect(second - first).toBeGreaterThanOrEqual(1990); // without it 1 s
    await scene.end();
    await collector.stop();
  });

  test("that a collector says it has not kept are not sent again, and that is said", async () => {
    const partialSuccess = { rejectedLogRecords: "1", errorMessage: "too\nold" };
    const collector = new Collector([{ status: 200, body: { partialSuccess } }, 200]);
    const { scene } = await exporting(collector.toml);
    await scene.leak();
    await until("the refusal", () => scene.reprieve.err.includes("rejected: too\ufffdold"));
    const { closed } = await scene.leak();
    await until("the second", () => collector.ids().length === 1, TRIED_BOUND_MS);
    expect(collector.ids()).toEqual([closed.id]);
    await scene.end();
    await collector.stop();
  });

  test("to a collector that hangs hold up nobody, and not the end; the next start has them exported", async () => {
    const hanging = new Collector(["hang"]);
    const { scene, journal, start } = await exporting(hanging.toml);
    const first = await scene.leak();
    const second = await scene.leak();
    await until("the journal to have both", () => journal.incidents().length === 2);
    expect(await scene.reprieve.stop()).toBe(0);
    expect(scene.reprieve.err).toContain("2 incidents were not exported");
    await hanging.stop();
    const collector = new Collector([200]);
    scene.reprieve = await start(collector.toml);
    await until("both", () => collector.ids().length === 2, TRIED_BOUND_MS);
    expect(collector.ids()).toEqual([first.closed.id, second.closed.id]);
    await scene.end();
    await collector.stop();
  });

  test("of what a killed agent has left, and `incidents` has brought in: by the next start, once to each place", async () => {
    const file = `${config.dir}/brought-in.jsonl`;
    const toFile = `jsonl = "${file}"`;
    const { scene, journal, start } = await exporting("");
    journal.mount("size=4m");
    journal.remount("ro");
    const { closed } = await scene.leak();
    kill(scene.reprieve.pid, "SIGKILL");
    await scene.reprieve.ended();
    await until("the helpers' end", () => scene.reprieve.helpers().size === 0);
    journal.remount("rw");
    await Reprieve.ends(["incidents", ...journal.flags]);
    expect(journal.incidents().map(({ id }) => id)).toEqual([String(closed.id)]);
    // Killed before it has arrived at both.
    const hanging = new Collector(["hang"]);
    scene.reprieve = await start(`${toFile}\n${hanging.toml}`);
    await until("the file", () => linesOf(file).length === 1);
    await until("the mark", () => journal.owed(closed.id) === PLACES.journald + PLACES.otlp);
    kill(scene.reprieve.pid, "SIGKILL");
    await scene.reprieve.ended();
    await hanging.stop();
    const collector = new Collector([200]);
    scene.reprieve = await start(`${toFile}\n${collector.toml}`);
    await until("the mark", () => journal.owed(closed.id) === PLACES.journald);
    expect(await scene.reprieve.stop()).toBe(0);
    scene.reprieve = await start(`${toFile}\n${collector.toml}`);
    const next = await scene.leak();
    await until("that too", () => journal.owed(next.closed.id) === 0);
    expect(collector.ids()).toEqual([closed.id, next.closed.id]);
    expect(linesOf(file).map((line) => JSON.parse(line))).toMatchObject([
      { id: closed.id, recovered: true },
      { id: next.closed.id, recovered: false },
    ]);
    await scene.end();
    await collector.stop();
  });
});

describeWith(
  "exports to journald",
  kernelTest,
  () => {
    test("have fields to search by", async () => {
      const real = await new Journald().ready();
      const command = [...real.enter, binary];
      const { scene } = await exporting("journald = true", { command });
      const { leaker, closed } = await scene.leak();
      const [entry] = await until("the entry", () => {
        const found = real.entries(`REPRIEVE_ID=${closed.id}`);
        return found.length > 0 && found;
      });
      expect(entry).toMatchObject({
        PRIORITY: "5",
        SYSLOG_IDENTIFIER: "reprieve",
        REPRIEVE_GUARD: closed.guard,
        REPRIEVE_OUTCOME: "relieved",
        REPRIEVE_CGROUP: scene.group.path,
        REPRIEVE_KILLED_PID: String(leaker.pid),
        _PID: String(scene.reprieve.pid),
      });
      expect(String(entry?.MESSAGE)).toContain(`${closed.guard}  relieved`);
      await scene.end();
    });
  },
  journald,
);

describeWith("exports over TLS", [...kernelTest, openssl], () => {
  const authorization = "Bearer a secret";

  function secured() {
    const tls = certificateIn(config.dir);
    const headers = `${config.dir}/headers`;
    writeFileSync(headers, `Authorization: ${authorization}\nX-Scope-OrgID: ours\n`, {
      mode: 0o600,
    });
    const collector = new Collector([200], { tls, authorization });
    const keys = {
      headers: `otlp_headers_file = "${headers}"`,
      ca: `otlp_ca = "${tls.cert}"`,
    };
    return { collector, headers, keys };
  }

  test("go to whom the certificate names, with the headers of the file", async () => {
    const { collector, keys } = secured();
    const { scene } = await exporting([collector.toml, keys.headers, keys.ca].join("\n"));
    const { closed } = await scene.leak();
    await until("it", () => collector.ids().length === 1, TRIED_BOUND_MS);
    expect(collector.ids()).toEqual([closed.id]);
    await scene.end();
    await collector.stop();
  });

  test("go to nobody else, and without the headers are refused: both is said", async () => {
    const { collector, keys } = secured();
    const foreign = await exporting([collector.toml, keys.headers].join("\n"));
    await foreign.scene.leak();
    const { reprieve } = foreign.scene;
    await until("the refusal", () => reprieve.err.includes(`cannot export to ${collector.url}`));
    expect(collector.askedMs).toEqual([]);
    await foreign.scene.end();
    const nameless = await exporting([collector.toml, keys.ca].join("\n"));
    await nameless.scene.leak();
    await until("the refusal", () => nameless.scene.reprieve.err.includes("401"));
    await nameless.scene.end();
    await collector.stop();
  });

  test("are none with headers that others may read", async () => {
    const { collector, headers, keys } = secured();
    chmodSync(headers, 0o644);
    const group = new Group("export", { limit: LIMIT });
    const path = group.path.slice(memory.root.length);
    config.write(`${guard("web", path)}[export]\n${collector.toml}\n${keys.headers}\n`);
    const { code, err } = await Reprieve.ends([
      ...["run", "--config", config.path],
      ...new Journal().flags,
    ]);
    expect(err).toContain("it is not yours alone, chmod it to 0600");
    expect(code).not.toBe(0);
    await collector.stop();
  });
});
