// SPDX-License-Identifier: MIT
import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { toCollector } from "../../src/journal/collector.ts";
import { Exporter, Later, Refused } from "../../src/journal/exporter.ts";
import type { Incident } from "../../src/journal/incident.ts";
import { fieldsOf } from "../../src/journal/journald.ts";
import { logsOf } from "../../src/journal/otlp.ts";
import { makeFolder, removeFolder } from "../helpers/folder.ts";
import { plainIncident } from "../helpers/incident.ts";

const incident = (id: string, more: Partial<Incident> = {}): Incident => ({
  ...plainIncident,
  id,
  outcome: "handed-over",
  reason: "deadline",
  victims: [{ pid: 7, comm: "leak", by: "handler" }],
  kernel_killed: [{ pid: 8, comm: "a\nb", rss_bytes: 1 }],
  ...more,
});

describe("fields for journald", () => {
  const text = Buffer.from(fieldsOf(incident("run-0-1"), "what happened")).toString("latin1");

  test("are a line each", () => {
    for (const line of ["MESSAGE=what happened", "PRIORITY=4", "REPRIEVE_ID=run-0-1"]) {
      expect(text.split("\n")).toContain(line);
    }
    expect(text).toContain("REPRIEVE_OPENED_USEC=1764504847084239\nREPRIEVE_DURATION_USEC=21524\n");
    expect(text).toContain("REPRIEVE_KILLED_PID=7\nREPRIEVE_KILLED_PID=8\n");
  });

  test("a value with lines in it cannot make a field of its own", () => {
    expect(text).toEndWith("\nREPRIEVE_KILLED_COMM\n\u0003\0\0\0\0\0\0\0a\nb\n");
  });
});

test("a record of a log has its numbers as text, and times to the microsecond", () => {
  const about = { text: "what happened", host: "h", version: "1", nowMs: 1_764_504_847_200 };
  const [{ scopeLogs }] = logsOf(incident("run-0-1"), about).resourceLogs as [never];
  const [{ logRecords }] = scopeLogs as [{ logRecords: object[] }];
  expect(logRecords[0]).toMatchObject({
    timeUnixNano: "1764504847084239000",
    observedTimeUnixNano: "1764504847200000000",
    severityText: "WARN",
    severityNumber: 13,
    body: { stringValue: "what happened" },
  });
  expect(JSON.stringify(logRecords)).toContain(
    '{"key":"reprieve.duration_us","value":{"intValue":"21524"}}',
  );
});

test("of too many that wait the oldest go, and that is said at the end", async () => {
  const said: string[] = [];
  const sent: string[] = [];
  let isUp = false;
  const send = ({ id }: Incident) => {
    if (!isUp) throw new Error("down");
    sent.push(id);
  };
  const exporter = new Exporter(1, "there", send, (text) => said.push(text));
  for (let i = 0; i < 300; i += 1) exporter.add(incident(`i${i}`), () => {});
  expect(said).toEqual(["cannot export to there: down"]);
  isUp = true;
  await exporter.stop(5000);
  expect([sent.length, sent[0], sent.at(-1)]).toEqual([200, "i100", "i299"]);
  expect(said.at(-1)).toBe("100 incidents were not exported to there: the next start does that");
});

test.each([
  ["no colon", "SECRET"],
  ["no name", ": SECRET"],
  ["no header's name", "Authorization Bearer: SECRET"],
])("a file with a line that has %s is refused, and its text is not told", (_, line) => {
  const file = join(makeFolder("test"), "headers");
  writeFileSync(file, `X-Scope-OrgID: ours\n${line}\n`, { mode: 0o600 });
  const thrown = (() => {
    try {
      toCollector("http://127.0.0.1:1", { otlp_headers_file: file });
    } catch (error) {
      return String(error);
    } finally {
      removeFolder(dirname(file));
    }
  })();
  expect(thrown).toEndWith(
    `the headers of ${file}: a line is a header, like Authorization: Bearer ...`,
  );
});

test("all that are refused are counted: when it goes again, and at the end", async () => {
  const said: string[] = [];
  const send = ({ id }: Incident) => {
    if (id !== "good") throw new Refused("400");
  };
  const exporter = new Exporter(1, "there", send, (text) => said.push(text));
  for (const id of ["bad", "bad", "bad", "good", "bad", "bad"])
    exporter.add(incident(id), () => {});
  await exporter.stop(5000);
  expect(said).toEqual([
    "cannot export to there: 400",
    "2 more incidents were refused by there: they are given up",
    "exports to there go again",
    "cannot export to there: 400",
    "1 more incidents were refused by there: they are given up",
  ]);
});

describe("a collector's answer", () => {
  /** What is thrown where it answers so. */
  async function thrownAt(answer: Response): Promise<unknown> {
    using server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => answer });
    try {
      await toCollector(server.url.href, {})(incident("run-0-1"));
    } catch (error) {
      return error;
    }
    return undefined;
  }

  const busy = (after?: string) =>
    new Response("", { status: 503, headers: after === undefined ? {} : { "retry-after": after } });

  test.each([
    ["120", 120_000],
    [new Date(Date.now() + 3_600_000).toUTCString(), 3_600_000],
    ["soon", 0],
    [undefined, 0],
  ])("503, %p: is tried again after %p ms", async (after, ms) => {
    const error = (await thrownAt(busy(after))) as Later;
    expect(error).toBeInstanceOf(Later);
    expect(Math.abs(error.afterMs - ms)).toBeLessThan(60_000);
  });

  test.each([400, 401, 404, 413, 500])("%p: is not tried again", async (status) => {
    expect(await thrownAt(new Response("", { status }))).toBeInstanceOf(Refused);
  });

  test.each([
    ["nothing", ""],
    ["{}", "{}"],
    ["no JSON", "<html>"],
    ["a warning", '{"partialSuccess":{"errorMessage":"old names"}}'],
    ["without end", "x".repeat(1_000_000)],
  ])("200 and %s: it has been taken", async (_, body) => {
    expect(await thrownAt(new Response(body))).toBeUndefined();
  });

  test("200 and a record rejected: it has not", async () => {
    const error = await thrownAt(Response.json({ partialSuccess: { rejectedLogRecords: "1" } }));
    expect(error).toBeInstanceOf(Refused);
  });
});
