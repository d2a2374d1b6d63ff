// SPDX-License-Identifier: MIT
/** `status` and `watch`: what the guards of a reprieve that runs look like from a terminal, with a real OOM behind it. */
import { afterEach, expect, test } from "bun:test";
import { join } from "node:path";
import * as v from "valibot";
import { exit } from "../../src/errors.ts";
import { FeedMessage } from "../../src/feed/protocol.ts";
import { GuardDetails, Guards } from "../../src/http/schema.ts";
import { asUser } from "../helpers/as-user.ts";
import { certificateIn, openssl } from "../helpers/certificate.ts";
import { cleanUp } from "../helpers/clean.ts";
import { type Feed, freePort, runFile, serve, served } from "../helpers/feed.ts";
import { makeFolder, removeFolder } from "../helpers/folder.ts";
import { Group, MB } from "../helpers/group.ts";
import { memory } from "../helpers/memory.ts";
import { binary } from "../helpers/paths.ts";
import { Reprieve } from "../helpers/reprieve.ts";
import { describeWith, kernelTest } from "../helpers/require.ts";
import { LIMIT, Scene } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";

afterEach(cleanUp);

const nameOf = ({ group }: Scene) => group.path.split("/").at(-1) ?? "";

/** Of that reprieve alone: others may run on the host. */
const at = ({ address, token }: Feed) => ["--url", `http://${address}/`, "--token", token];

const ended = (...args: string[]) => Reprieve.ends(args);

describeWith("status", kernelTest, () => {
  test("shows a guard, its processes, and after an OOM what happened", async () => {
    const feed = await serve();
    const { scene } = feed;
    const neighbour = await scene.neighbour(4096);
    const { leaker } = await scene.leak();
    const name = nameOf(scene);
    const { code, out } = await ended("status", ...at(feed));
    expect(code).toBe(exit.ok);
    const limit = `${memory.limitFor(LIMIT) / MB}.0 MiB`;
    expect(out).toMatch(new RegExp(`^${name}  \\w+ +[█░]{10} +\\S+ \\w+ +${limit}`, "m"));
    expect(out).toMatch(new RegExp(`^${name}  .* relieved  .*\\b${leaker.pid}\\b`, "m"));
    expect(out).not.toContain("\u001b");
    await until("its process", async () => {
      const one = await ended("status", name, ...at(feed));
      return new RegExp(`^workload +${neighbour.pid} `, "m").test(one.out);
    });
    await scene.end();
  });

  test("--json prints what the API says", async () => {
    const feed = await serve();
    const name = nameOf(feed.scene);
    const all = await ended("status", "--json", ...at(feed));
    expect(v.parse(Guards, JSON.parse(all.out)).guards).toMatchObject([{ guard: name }]);
    const one = await ended("status", name, "--json", ...at(feed));
    expect(v.parse(GuardDetails, JSON.parse(one.out))).toMatchObject({ guard: name });
    await feed.scene.end();
  });

  test("finds the reprieves that run, by their sockets too, and says where none is to be asked", async () => {
    const dir = makeFolder("status");
    const path = join(dir, "socket");
    const scene = await Scene.set(["--listen", `unix:${path}`]);
    await until("the feed", () => scene.reprieve.err.includes("feed unix:"));
    const line = new RegExp(`^reprieve ${scene.reprieve.pid}  1 guard  unix:${path}$`, "m");
    expect((await ended("status")).out).toMatch(line);
    const user = asUser();
    const { code, err } = await Reprieve.ends(["status"], user);
    user.remove();
    expect(err).toContain("no reprieve of this user runs here");
    expect(code).toBe(exit.noGroup);
    removeFolder(dir);
    await scene.end();
  });

  test("takes a guard's group, or a part of its name that no other has, for its name", async () => {
    const group = new Group("tenants");
    const paths = ["web-a", "web-b"].map((name) => group.child(name, LIMIT).path);
    const address = `127.0.0.1:${freePort()}`;
    const reprieve = await Reprieve.guard(paths, ["--listen", address, "--no-token"]);
    await served(reprieve);
    const at = ["--url", `http://${address}/`];
    const [nameA = "", nameB = ""] = reprieve.messages
      .filter(({ type }) => type === "armed")
      .map((one) => String(one.guard))
      .toSorted();
    for (const text of ["web-a", "WEB-A", "*/web-a", nameA, paths[0] ?? ""]) {
      expect((await ended("status", text, ...at)).out).toContain(`\n${nameA}\ngroup `);
    }
    const several = await ended("status", "web-", ...at);
    expect(several.code).toBe(exit.noGroup);
    expect(several.err).toContain(`2 guards have web- in their names: ${nameA}, ${nameB}\n`);
    const watch = Reprieve.start(["watch", "web-b", ...at]);
    await until("it to begin", () => watch.out.includes("guarding "));
    expect(watch.out).not.toContain("web-a");
    expect(await watch.stop()).toBe(exit.ok);
    expect(await reprieve.stop()).toBe(exit.ok);
    await group.destroy();
  });

  test("who asks without the token, or something else, is told what to do", async () => {
    const feed = await serve();
    const url = `http://${feed.address}/`;
    const env = { REPRIEVE_TOKEN: "" };
    const none = await Reprieve.ends(["status", "--url", url], { env });
    expect(none.err).toContain("--token, or REPRIEVE_TOKEN; it stands in the link");
    const wrong = await Reprieve.ends(["status", "--url", url], { env: { REPRIEVE_TOKEN: "x" } });
    expect(wrong.err).toContain("wants another token");
    expect([none.code, wrong.code]).toEqual([exit.notPermitted, exit.notPermitted]);
    const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("hi") });
    const other = await ended("status", "--url", server.url.href);
    expect(other.err).toContain(`${server.url.href} is no reprieve`);
    expect(other.code).toBe(exit.host);
    server.reload({ fetch: () => Response.json({ error: "\u001b[2Jgone" }, { status: 403 }) });
    const hostile = await ended("status", "--url", server.url.href);
    expect(hostile.err).toContain(`${server.url.href}: \ufffd[2Jgone`);
    await server.stop(true);
    await feed.scene.end();
  });

  test.each(["status", "watch"])("%s: a reader that leaves is no error", async (command) => {
    const feed = await serve();
    const line = [binary, command, ...at(feed)].join(" ");
    const left = `${line} | (exec <&-; sleep 1); exit \${PIPESTATUS[0]}`;
    const { code, err } = await Reprieve.ends([], { command: ["bash", "-c", left] });
    expect({ code, err }).toEqual({ code: exit.ok, err: "" });
    await feed.scene.end();
  });

  test.each(["status", "watch"])("%s: a wrong name, token or address is said", async (command) => {
    const feed = await serve();
    const url = `http://${feed.address}/`;
    const wrong = async (...args: string[]) => (await ended(command, ...args)).code;
    expect(await wrong("no\u001bguard", ...at(feed))).toBe(exit.noGroup);
    expect(await wrong("--url", url, "--token", "x")).toBe(exit.notPermitted);
    expect(await wrong("--url", "unix:/none")).toBe(exit.host);
    await feed.scene.end();
  });
});

describeWith("https with a certificate of one's own", [...kernelTest, openssl], () => {
  test("is said not to be trusted, and is where --ca names it", async () => {
    const dir = makeFolder("status");
    const { cert, key } = certificateIn(dir);
    const address = `127.0.0.1:${freePort()}`;
    const flags = ["--listen", address, "--tls-cert", cert, "--tls-key", key];
    const scene = await Scene.set(flags);
    await served(scene.reprieve);
    const url = `https://${address}/`;
    const asked = ["--url", url, "--token", runFile(scene, "token")];
    for (const command of ["status", "incidents", "watch"]) {
      const refused = await ended(command, ...asked);
      expect(refused).toMatchObject({ code: exit.host, out: "" });
      expect(refused.err).toBe(
        `reprieve: cannot reach ${url}: its certificate is not trusted here: name it, or its authority's, by --ca FILE\n`,
      );
      expect((await ended(command, ...asked, "--ca", key)).code).toBe(exit.usage);
    }
    const trusting = [...asked, "--ca", cert];
    expect((await ended("status", ...trusting)).out).toContain("1 guard");
    expect((await ended("incidents", ...trusting)).code).toBe(exit.ok);
    const watch = Reprieve.start(["watch", ...trusting]);
    await until("it to begin", () => watch.out.includes("guarding "));
    expect(await watch.stop()).toBe(exit.ok);
    removeFolder(dir);
    await scene.end();
  });
});

describeWith("watch in a pipe", kernelTest, () => {
  test("prints the lines of run, or the messages of the feed, until it is ended", async () => {
    const feed = await serve();
    const { scene } = feed;
    const lines = Reprieve.start(["watch", ...at(feed)]);
    const json = Reprieve.start(["watch", "--json", nameOf(scene), ...at(feed)]);
    await until("both to begin", () => lines.out.includes("guarding ") && json.messages.length > 0);
    const { leaker } = await scene.leak();
    await until("the end", () => lines.out.includes(": relieved after"));
    expect(lines.out).toMatch(new RegExp(`^ +\\+\\d+ us {2}kill .*\\b${leaker.pid}\\b`, "m"));
    await json.message("incident.closed");
    for (const message of json.messages) v.parse(FeedMessage, message);
    expect([await lines.stop(), await json.stop()]).toEqual([exit.ok, exit.ok]);
    await scene.end();
  });

  test("says when the reprieve is gone, and goes on when there is one again", async () => {
    const feed = await serve("--no-token");
    const watch = Reprieve.start(["watch", "--url", `http://${feed.address}/`]);
    await until("it to begin", () => watch.out.includes("guarding "));
    await feed.scene.reprieve.stop();
    await until("that it is gone", () => watch.err.includes("is gone since "));
    const { path } = feed.scene.group;
    const again = ["--listen", feed.address, "--no-token"];
    feed.scene.reprieve = await Reprieve.guard([path], again);
    await until("that it is back", () => watch.err.includes("answers again"), 10_000);
    await until("its guard", () => watch.out.split("guarding ").length > 2);
    expect(await watch.stop()).toBe(exit.ok);
    await feed.scene.end();
  });
});
