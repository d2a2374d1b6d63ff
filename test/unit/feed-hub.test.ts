// SPDX-License-Identifier: MIT
import { edenGC } from "bun:jsc";
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import * as v from "valibot";
import { Hub, type HubLimits, LIMITS, type Resume } from "../../src/feed/hub.ts";
import { Present } from "../../src/feed/present.ts";
import { FeedMessage, type Message, type Samples } from "../../src/feed/protocol.ts";
import { type Sample, Sampling } from "../../src/feed/samples.ts";
import { until } from "../helpers/wait.ts";

type Heard = { type: string; seq?: number; missed?: number; guard?: string; usage_bytes?: number };

/** A connection that takes so many bytes and no more, until it is emptied. */
class Wire {
  readonly heard: Heard[] = [];
  room = Number.POSITIVE_INFINITY;
  closed: string | undefined;
  #buffered = 0;

  send(line: string): number {
    this.heard.push(v.parse(FeedMessage, JSON.parse(line)) as Heard);
    this.#buffered += Math.max(0, line.length - this.room);
    this.room = Math.max(0, this.room - line.length);
    return this.#buffered > 0 ? -1 : line.length;
  }
  cork(send: () => void): void {
    send();
  }
  getBufferedAmount(): number {
    return this.#buffered;
  }
  empty(room: number): void {
    this.#buffered = 0;
    this.room = room;
  }
  close(code: number, reason: string): void {
    this.closed ??= `${code} ${reason}`;
  }
  terminate(): void {
    this.closed ??= "terminated";
  }
  get types(): string[] {
    return this.heard.map(({ type }) => type);
  }
}

const at = { v: 1 as const, t: 1000 };

function guard(name: string, usage: number, event?: string): Message {
  const rest = { limit_bytes: null, procs: 1, state: "near" as const };
  const more = event === undefined ? {} : { event, result: "ok" };
  return { ...at, type: "guard", guard: name, usage_bytes: usage, ...rest, ...more };
}

function armed(name: string): Message {
  const rest = { hierarchy: "v1" as const, delay_ms: 100, margin_bytes: 1, allow_kill: true };
  return { ...at, type: "armed", guard: name, cgroup: `/${name}`, ...rest, powers: [], orders: [] };
}

function opened(name: string, n = 1): Message {
  return { ...at, type: "incident.opened", guard: name, incident: `${name}#${n}`, cause: "oom" };
}

class Feed {
  readonly present = new Present();
  readonly hub: Hub;
  readonly watched: boolean[] = [];
  #seq = 0;

  constructor(limits: Partial<HubLimits> = {}, sample: Sample = () => undefined) {
    const sampling = new Sampling(sample);
    const setup = {
      version: "1",
      run: "run",
      present: this.present,
      sampling,
      watched: (is: boolean) => void this.watched.push(is),
    };
    this.hub = new Hub({ ...setup, limits: { ...LIMITS, ...limits } });
  }

  async say(...messages: Message[]): Promise<void> {
    for (const message of messages) {
      const seq = ++this.#seq;
      const entry = { seq, message, line: JSON.stringify({ ...message, seq }) };
      this.present.accept(entry);
      this.hub.accept(entry);
    }
    await Promise.resolve();
  }

  join(resume: Resume = {}, room = Number.POSITIVE_INFINITY) {
    const wire = new Wire();
    wire.room = room;
    const client = this.hub.open(wire, resume);
    const say = (message: unknown) => this.hub.hear(client, JSON.stringify(message));
    const drain = (more = Number.POSITIVE_INFINITY) => {
      wire.empty(more);
      client.drained(performance.now());
    };
    return { wire, client, say, drain };
  }
}

describe("what a client hears", () => {
  test("first who speaks, then what holds, then what is new", async () => {
    const feed = new Feed();
    await feed.say(armed("a"), guard("a", 1), guard("a", 2), opened("a"));
    const { wire } = feed.join();
    expect(wire.types).toEqual(["hello", "armed", "guard", "incident.opened"]);
    expect(wire.heard[0]).toMatchObject({ run: "run", seq: 4, resumed: false });
    expect(wire.heard[2]).toMatchObject({ usage_bytes: 2, seq: 3 });
    await feed.say(guard("a", 3));
    expect(wire.heard.at(-1)).toMatchObject({ usage_bytes: 3, seq: 5 });
  });

  test("and that somebody does is told when the first comes and the last goes", () => {
    const feed = new Feed();
    const [a, b] = [feed.join(), feed.join()];
    feed.hub.close(a.client);
    expect(feed.watched).toEqual([true]);
    feed.hub.close(b.client);
    expect(feed.watched).toEqual([true, false]);
  });

  test("only its topics", async () => {
    const feed = new Feed();
    const { wire, say } = feed.join();
    say({ type: "unsubscribe", topics: ["guards"] });
    await feed.say(armed("a"), guard("a", 1), opened("a"));
    expect(wire.types).toEqual(["hello", "incident.opened"]);
    say({ type: "unsubscribe", topics: ["incidents"] });
    await feed.say(opened("a", 2), { ...at, type: "lost", steps: 1 });
    expect(wire.types).toEqual(["hello", "incident.opened"]);
    say({ type: "subscribe", topics: ["guards"] });
    expect(wire.types.slice(2)).toEqual(["armed", "guard"]);
  });

  test("at most as often as it wants: of a guard the newest, of incidents all", async () => {
    const feed = new Feed();
    const { wire, say } = feed.join();
    say({ type: "subscribe", topics: ["guards"], max_hz: 1 });
    await feed.say(guard("a", 0));
    for (let i = 1; i <= 5; i += 1) await feed.say(guard("a", i), guard("b", i), opened("a", i));
    await feed.say(guard("a", 9, "mended"), guard("a", 6));
    await until("the last", () => wire.heard.at(-1)?.usage_bytes === 6);
    const usages = wire.heard.flatMap((one) => (one.guard === "a" ? (one.usage_bytes ?? []) : []));
    expect(usages).toEqual([0, 9, 6]);
    expect(wire.types.filter((type) => type === "incident.opened")).toHaveLength(5);
    expect(wire.types).not.toContain("gap");
  });
});

describe("who comes back", () => {
  test("hears what it has missed, each once, and nothing else", async () => {
    const feed = new Feed();
    await feed.say(armed("a"), guard("a", 1), guard("a", 2), opened("a"), guard("a", 3));
    const { wire } = feed.join({ since: 2, run: "run" });
    expect(wire.heard[0]).toMatchObject({ type: "hello", resumed: true, seq: 5 });
    expect(wire.heard.slice(1).map(({ seq }) => seq)).toEqual([3, 4, 5]);
    await feed.say(guard("a", 4));
    expect(wire.heard.at(-1)?.seq).toBe(6);
  });

  test("too late is told how much is gone, and what holds", async () => {
    const feed = new Feed();
    await feed.say(armed("a"));
    for (let i = 0; i < 5000; i += 1) await feed.say(guard("a", i));
    const { wire } = feed.join({ since: 1, run: "run" });
    expect(wire.heard[0]).toMatchObject({ resumed: false });
    expect(wire.heard[1]).toMatchObject({ type: "gap", missed: 5000 });
    expect(wire.types.slice(2)).toEqual(["armed", "guard"]);
    expect(wire.heard[3]?.usage_bytes).toBe(4999);
  });

  test("from another run, or with a number that was never given, begins anew", async () => {
    const feed = new Feed();
    await feed.say(armed("a"), guard("a", 1));
    for (const resume of [{ since: 1, run: "other" }, { since: 1 }, { since: 9, run: "run" }]) {
      const { wire } = feed.join(resume);
      expect(wire.heard[0]).toMatchObject({ resumed: false });
      expect(wire.types).toEqual(["hello", "armed", "guard"]);
    }
  });
});

describe("who is slow", () => {
  test("hears no more until it has taken what it got; then the newest, and how much it missed", async () => {
    const feed = new Feed();
    const { wire, drain } = feed.join({}, 300);
    for (let i = 1; i <= 10; i += 1) await feed.say(guard("a", i));
    const before = wire.heard.length;
    expect(before).toBeLessThan(5);
    await feed.say(opened("a"));
    drain();
    const rest = wire.heard.slice(before);
    expect(rest.map(({ type }) => type)).toEqual(["gap", "guard", "incident.opened"]);
    expect(rest[1]?.usage_bytes).toBe(10);
    const heard = wire.heard.filter(({ type }) => type !== "hello" && type !== "gap");
    expect((rest[0]?.missed ?? 0) + heard.length).toBe(11);
  });

  test("costs nobody else anything", async () => {
    const feed = new Feed();
    const slow = feed.join({}, 10);
    const quick = feed.join();
    for (let i = 1; i <= 10_000; i += 1) await feed.say(guard("a", i));
    expect(quick.wire.heard).toHaveLength(10_001);
    expect(slow.wire.heard.length).toBeLessThan(3);
    slow.drain();
    expect(slow.wire.heard.at(-1)?.usage_bytes).toBe(10_000);
  });

  test("and takes a little at a time, ends where everybody is, whatever comes when", async () => {
    const aMessage = fc.oneof(
      fc.tuple(fc.constantFrom("a", "b", "c"), fc.nat(99)).map(([name, n]) => guard(name, n)),
      fc.constantFrom("a", "b", "c").map((name) => armed(name)),
      fc.tuple(fc.constantFrom("a", "b"), fc.nat(9)).map(([name, n]) => opened(name, n)),
    );
    const aStep = fc.oneof(fc.array(aMessage, { maxLength: 8 }), fc.integer({ min: 1, max: 2000 }));
    await fc.assert(
      fc.asyncProperty(fc.array(aStep), async (steps) => {
        const feed = new Feed();
        const slow = feed.join({}, 100);
        for (const step of steps) {
          if (typeof step === "number") slow.drain(step);
          else await feed.say(...step);
        }
        slow.drain();
        // What it holds in the end is what a new client is told.
        const held = new Map(slow.wire.heard.map((one) => [`${one.type} ${one.guard}`, one]));
        const fresh = feed.join().wire.heard.filter(({ type }) => type !== "hello");
        for (const one of fresh) expect(held.get(`${one.type} ${one.guard}`)).toEqual(one);
        const seqs = slow.wire.heard.flatMap(({ seq, type }) =>
          type === "hello" ? [] : (seq ?? []),
        );
        expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b));
      }),
      { numRuns: 300 },
    );
  });

  test("who takes nothing at all is dropped, who takes a little is not", async () => {
    const feed = new Feed({ stuckMs: 2000 });
    const stuck = feed.join({}, 10);
    const slow = feed.join({}, 10);
    await feed.say(guard("a", 1));
    await until("the end", () => {
      slow.drain(10);
      return stuck.wire.closed !== undefined;
    });
    expect([stuck.wire.closed, slow.wire.closed]).toEqual(["terminated", undefined]);
    expect(feed.hub.counts.dropped).toBe(1);
    feed.hub.close(stuck.client);
    feed.hub.close(slow.client);
  });
});

test("what the ring has let go does not wait for the collector's time", async () => {
  const feed = new Feed();
  const grown: WeakRef<Message>[] = [];
  for (let turn = 0; turn < 100; turn += 1) {
    const messages = Array.from({ length: 200 }, (_, n) => guard(`web-${n % 100}`, turn));
    if (turn < 20) grown.push(...messages.map((message) => new WeakRef(message)));
    await feed.say(...messages);
    // What was there at a short look is left alone by the next ones.
    if (turn < 20) edenGC();
    await Bun.sleep(0);
  }
  const alive = grown.filter((one) => one.deref() !== undefined);
  expect(alive.length).toBeLessThan(grown.length / 10);
});

describe("samples", () => {
  const frame = (t: number): Samples["frame"] => ({ t, usage_bytes: 1, processes: [] });

  test("are read only while somebody wants them, and told when they are new", async () => {
    let [reads, t] = [0, 1];
    const feed = new Feed({}, (name) => {
      reads++;
      return name === "a" ? frame(t) : undefined;
    });
    const { wire, client, say } = feed.join();
    say({ type: "subscribe", topics: ["samples:a", "samples:nobody"] });
    await until("the first", () => wire.heard.length === 2);
    const seen = reads;
    await until("four more looks", () => reads >= seen + 4);
    expect(wire.heard).toHaveLength(2);
    t = 2;
    await until("the second", () => wire.heard.length === 3);
    expect(wire.heard.at(-1)).toMatchObject({ type: "samples", guard: "a", frame: { t: 2 } });
    feed.hub.close(client);
    const after = reads;
    await Bun.sleep(250);
    expect(reads).toBe(after);
  });

  test("of so many guards and no more", () => {
    const feed = new Feed({ sampledGuards: 2 });
    const { wire, client, say } = feed.join();
    say({ type: "subscribe", topics: ["samples:a", "samples:b", "samples:a"] });
    expect(wire.closed).toBeUndefined();
    say({ type: "subscribe", topics: ["samples:c"] });
    expect(wire.closed).toBe("1013 too many guards are sampled");
    feed.hub.close(client);
  });
});

test.each([
  ['{"type":"subscribe","topics":["kills"]}', "a topic is guards, incidents or samples:GUARD"],
  ['{"type":"subscribe","topics":["guards"],"max_hz":0}', "max_hz is over 0"],
  ['{"type":"subscribe"}', "it is no message of a client: topics"],
  ['{"type":"subscribe","topics":[],"x":1}', "it is no message of a client: x"],
  ["[]", "it is no message of a client: type"],
  ["nonsense", "it is no message of a client"],
])("%s is refused: %s", (text, why) => {
  const feed = new Feed();
  const { wire, client } = feed.join();
  feed.hub.hear(client, text);
  expect(wire.closed).toBe(`1008 ${why}`);
});

test("whatever a client says is obeyed, or refused with a reason that a close may have", () => {
  const aTopic = fc.oneof(
    fc.constantFrom("guards", "incidents", "samples:a", "samples:", ""),
    fc.string({ unit: "binary", maxLength: 5000 }),
  );
  const aMessage = fc.record(
    {
      type: fc.oneof(fc.constantFrom("subscribe", "unsubscribe"), fc.string()),
      topics: fc.oneof(fc.array(aTopic, { maxLength: 20 }), fc.jsonValue()),
      max_hz: fc.oneof(fc.double(), fc.jsonValue()),
    },
    { requiredKeys: [] },
  );
  const aGoodOne = fc.record({
    type: fc.constantFrom("subscribe", "unsubscribe"),
    topics: fc.array(fc.constantFrom("guards", "incidents"), { minLength: 1, maxLength: 2 }),
  });
  const aText = fc.oneof(
    aGoodOne.map((one) => JSON.stringify(one)),
    aMessage.map((one) => JSON.stringify(one)),
    fc.json(),
    fc.string({ unit: "binary" }),
    fc.uint8Array(),
  );
  let refused = 0;
  fc.assert(
    fc.property(aText, (text) => {
      const feed = new Feed();
      const { wire, client } = feed.join();
      feed.hub.hear(client, text);
      feed.hub.close(client);
      if (wire.closed === undefined) return;
      refused += 1;
      expect(wire.closed).toMatch(/^(1008|1013) [\x20-\x7e]{1,120}$/);
    }),
    { numRuns: 500 },
  );
  expect(refused).toBeGreaterThan(0);
  expect(refused).toBeLessThan(500);
});
