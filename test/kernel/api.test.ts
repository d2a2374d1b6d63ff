// SPDX-License-Identifier: MIT
/** The HTTP API of the built binary with a real OOM behind it. */
import { afterEach, expect, test } from "bun:test";
import * as v from "valibot";
import { FeedMessage } from "../../src/feed/protocol.ts";
import { GuardDetails, Guards, IncidentList, Readiness } from "../../src/http/schema.ts";
import { Incident } from "../../src/journal/incident.ts";
import { cleanUp } from "../helpers/clean.ts";
import { runFile, serve } from "../helpers/feed.ts";
import { MB } from "../helpers/group.ts";
import { HookFile, removeHooks } from "../helpers/hook.ts";
import { memory } from "../helpers/memory.ts";
import { SharedRegion } from "../helpers/region.ts";
import { describeWith, kernelTest, onlyOnV2 } from "../helpers/require.ts";
import { LEAK_KB, LIMIT } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";

const pressed = onlyOnV2("v1 tells of no pressure by group");
/** The kernel averages every 2 s. */
const STALL_MS = 8000;
const PRESSED_PERCENT = 10;
/** Each look is a request. */
const TICK_MS = 100;

afterEach(async () => {
  await cleanUp();
  removeHooks();
});

describeWith("the API", kernelTest, () => {
  test("shows the guard, and after an OOM the incident, who died and why", async () => {
    const { scene, address, token } = await serve();
    expect(runFile(scene, "address")).toBe(`http://${address}/`);
    const headers = { Authorization: `Bearer ${token}` };
    const ask = async (path: string) =>
      (await fetch(`http://${address}${path}`, { headers })).json();
    expect(v.parse(Readiness, await ask("/readyz"))).toEqual({ ready: true });
    expect(await ask("/openapi.json")).toMatchObject({ openapi: "3.1.0" });
    expect(await ask("/asyncapi.json")).toMatchObject({ asyncapi: "3.0.0" });
    const { leaker, closed } = await scene.leak();
    const { guards } = v.parse(Guards, await ask("/api/guards"));
    const name = String(closed.guard);
    expect(guards).toMatchObject([{ guard: name, cgroup: scene.group.path, handler: "own" }]);
    expect(guards[0]?.limit_bytes).toBe(memory.limitFor(LIMIT));
    // The kernel tells it of groups of v2 alone.
    expect(guards[0]?.pressure === null).toBe(memory.version === 1);
    const { incidents } = v.parse(IncidentList, await ask(`/api/incidents?guard=${name}`));
    expect(incidents).toMatchObject([{ incident: closed.incident, outcome: "relieved" }]);
    expect(incidents[0]?.victims.map(({ pid }) => pid)).toEqual(scene.victims());
    const incident = v.parse(Incident, await ask(`/api/incidents/${incidents[0]?.id}`));
    expect(incident.steps.map(({ step }) => step)).toContain("kill");
    expect(incident.steps.find(({ step }) => step === "kill")?.pid).toBe(leaker.pid);
    const details = v.parse(GuardDetails, await ask(`/api/guards/${encodeURIComponent(name)}`));
    expect(details.incidents).toEqual(incidents);
    await scene.end();
  });

  test("has of an incident the minute before, without a journal too", async () => {
    const { scene, address, token } = await serve("--journal", "none");
    const neighbour = await scene.neighbour(4096);
    const region = new SharedRegion(await scene.reprieve.helper("handler"));
    await until("the recorder to know it", () => region.nameOf(neighbour.pid) !== undefined);
    region.close();
    const { closed } = await scene.leak();
    const headers = { Authorization: `Bearer ${token}` };
    const answer = await fetch(`http://${address}/api/incidents/${closed.id}`, { headers });
    const { frames, processes } = v.parse(Incident, await answer.json());
    expect(frames.some((frame) => frame.processes.some(([pid]) => pid === neighbour.pid))).toBe(
      true,
    );
    expect(processes[neighbour.pid]).toMatchObject({ comm: "workload" });
    await scene.end();
  });

  pressed(
    "and the feed show the pressure of a group that stalls, as it rises and falls",
    async () => {
      const hook = new HookFile("exec sleep 60");
      const orders = ["--order", `hook=${hook.path}`, "--order", "kill", "--allow-hooks"];
      const times = ["--hook-bound", `${STALL_MS}ms`, "--delay", `${STALL_MS * 2}ms`];
      const { scene, address, token } = await serve(...orders, ...times);
      const name = scene.group.path.split("/").at(-1) ?? "";
      const headers = { Authorization: `Bearer ${token}` };
      const shown = async () => {
        const answer = await fetch(`http://${address}/api/guards/${name}`, { headers });
        return v.parse(GuardDetails, await answer.json());
      };
      const heard: number[] = [];
      const feed = new WebSocket(`ws://${address}/feed?token=${token}`);
      feed.onmessage = ({ data }) => {
        const message = v.parse(FeedMessage, JSON.parse(String(data)));
        if (message.type === "guard") heard.push(message.pressure?.some_avg10 ?? -1);
      };
      await until("the guard", () => heard.length > 0);
      expect((await shown()).pressure?.some_avg10).toBeLessThan(PRESSED_PERCENT);
      const leaker = await scene.board.start(scene.group, { means: "touch", kb: LEAK_KB }).ready();
      leaker.go();
      const isPressed = async () => {
        const view = await shown();
        return (view.pressure?.some_avg10 ?? 0) > PRESSED_PERCENT && view;
      };
      const stalled = await until("its pressure", isPressed, STALL_MS, TICK_MS);
      expect(stalled.incident).not.toBeNull();
      const higher = (one: number) => one > (stalled.pressure?.some_avg10 ?? 0);
      await until("it to be higher in the feed", () => heard.some(higher));
      expect((await shown()).pressure?.some_avg10).toBeGreaterThan(PRESSED_PERCENT);
      expect(await scene.closed()).toMatchObject({ outcome: "relieved", reason: "killed" });
      const most = Math.max(...heard);
      await until("it to fall", () => (heard.at(-1) ?? most) < most / 2, STALL_MS * 2);
      feed.close();
      await scene.end();
    },
  );

  test("explains a guard as the command does", async () => {
    const { scene, address, token } = await serve();
    const neighbour = await scene.neighbour(4096);
    const headers = { Authorization: `Bearer ${token}` };
    const name = scene.group.path.split("/").at(-1) ?? "";
    const ask = () => fetch(`http://${address}/api/explain/${name}`, { headers });
    // It is sampled once a second.
    const told = await until("the neighbour", async () => {
      const text = await (await ask()).text();
      return text.includes(`"pid":${neighbour.pid}`) ? JSON.parse(text) : undefined;
    });
    expect(told).toMatchObject({ v: 1, reprieve: scene.reprieve.pid, by: "largest" });
    const hour = `http://${address}/api/guards/${name}?last_s=3600`;
    await until("what it holds in the history", async () => {
      const { history } = v.parse(GuardDetails, await (await fetch(hour, { headers })).json());
      const held = history.frames.at(-1)?.processes.find(([pid]) => pid === neighbour.pid);
      return held !== undefined && held[1] >= 4 * MB;
    });
    await scene.end();
  });

  test("the link gives a cookie with which the API answers", async () => {
    const { scene, address, token } = await serve();
    const link = await fetch(`http://${address}/?token=${token}`, { redirect: "manual" });
    expect(link.status).toBe(303);
    const [cookie = ""] = (link.headers.get("set-cookie") ?? "").split(";");
    const answer = await fetch(`http://${address}/api/guards`, { headers: { cookie } });
    expect(answer.status).toBe(200);
    expect((await fetch(`http://${address}/api/guards`)).status).toBe(401);
    await scene.end();
  });
});
