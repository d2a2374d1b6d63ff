// SPDX-License-Identifier: MIT
/** Where feed, API and page are to be found: sockets, several addresses, TLS, a token that stays. */
import { afterEach, expect, test } from "bun:test";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setUser } from "../helpers/as-user.ts";
import { certificateIn, openssl } from "../helpers/certificate.ts";
import { cleanUp } from "../helpers/clean.ts";
import { freePort, runFile } from "../helpers/feed.ts";
import { makeFolder, removeFolder } from "../helpers/folder.ts";
import { Group } from "../helpers/group.ts";
import { binary, programOf } from "../helpers/paths.ts";
import { Reprieve } from "../helpers/reprieve.ts";
import { describeWith, kernelTest, program } from "../helpers/require.ts";
import { LIMIT, Scene } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";

const dirs: string[] = [];

afterEach(async () => {
  await cleanUp();
  for (const dir of dirs.splice(0)) removeFolder(dir);
});

function directory(): string {
  const dir = makeFolder("listen");
  dirs.push(dir);
  return dir;
}

/** With every address said. */
async function listen(addresses: readonly string[], ...more: string[]): Promise<Scene> {
  const flags = addresses.flatMap((one) => ["--listen", one]);
  const scene = await Scene.set([...flags, ...more]);
  const count = () => scene.reprieve.err.match(/(page|feed) (https?|unix):/g)?.length;
  await until("all addresses", () => count() === addresses.length);
  return scene;
}

/** Tries to start one that cannot. */
async function refused(group: Group, ...flags: string[]): Promise<{ code: number; err: string }> {
  return await Reprieve.ends(["run", "--cgroup", group.path, "--allow-kill", ...flags]);
}

/** Whoever asks it there whether it lives, as a kubelet does. */
async function answers({ reprieve }: Scene, host: string): Promise<number> {
  const port = await until(
    "its port",
    () => /page http:\/\/localhost:(\d+)/.exec(reprieve.err)?.[1],
  );
  return (await fetch(`http://${host}:${port}/healthz`)).status;
}

const strace = program("strace", "apt-get install strace");

describeWith("--listen on a kernel without IPv6", [...kernelTest, strace], () => {
  test("takes all addresses of IPv4", async () => {
    const refuse = ["-e", "trace=socket", "-e", "inject=socket:error=EAFNOSUPPORT:when=1"];
    const log = join(directory(), "strace");
    const scene = await Scene.around(new Group("four", { limit: LIMIT }), ["--listen", "[::]:0"], {
      command: [programOf("strace"), "-D", "-f", "-qq", "-o", log, ...refuse, binary],
    });
    expect(await answers(scene, "127.0.0.1")).toBe(200);
    expect(readFileSync(log, "utf8")).toMatch(/socket\(AF_INET6, .* = -1 EAFNOSUPPORT/);
    await scene.end();
  });
});

describeWith("--listen", kernelTest, () => {
  test("a unix socket wants no token: its mode decides, from the first moment on", async () => {
    const path = join(directory(), "feed.sock");
    const scene = await listen([`unix:${path}`]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const guards = await fetch("http://localhost/api/guards", { unix: path });
    expect(guards.status).toBe(200);
    const cross = { unix: path, headers: { Origin: "https://evil.example" } };
    expect((await fetch("http://localhost/api/guards", cross)).status).toBe(403);
    const client = new WebSocket(`ws+unix://${path}:/feed`);
    const heard: string[] = [];
    client.onmessage = ({ data }) => heard.push(JSON.parse(String(data)).type);
    await until("hello", () => heard.includes("hello"));
    client.close();
    expect(runFile(scene, "address")).toBe(`unix:${path}`);
    await scene.end();
    expect(existsSync(path)).toBe(false);
  });

  test("a mode lets others in, or not", async () => {
    const dir = directory();
    const [all, none] = [join(dir, "all"), join(dir, "none")];
    Bun.spawnSync(["chmod", "755", dir]);
    const scene = await listen([`unix:${all},666`, `unix:${none}`]);
    expect(statSync(all).mode & 0o777).toBe(0o666);
    const connects = (path: string) =>
      Bun.spawnSync([...setUser(), programOf("test"), "-w", path]).exitCode === 0;
    expect([connects(all), connects(none)]).toEqual([true, false]);
    await scene.end();
  });

  test("several addresses are one feed", async () => {
    const path = join(directory(), "feed.sock");
    const port = freePort();
    const scene = await listen([`127.0.0.1:${port}`, `unix:${path}`], "--no-token");
    const run = async (client: WebSocket) => {
      const { promise, resolve } = Promise.withResolvers<string>();
      client.onmessage = ({ data }) => resolve(JSON.parse(String(data)).run);
      const told = await promise;
      client.close();
      return told;
    };
    const byPort = await run(new WebSocket(`ws://127.0.0.1:${port}/feed`));
    expect(await run(new WebSocket(`ws+unix://${path}:/feed`))).toBe(byPort);
    expect(runFile(scene, "address")).toBe(`http://127.0.0.1:${port}/\nunix:${path}`);
    await scene.end();
  });

  test("of all addresses IPv4's too, as the manifests for Kubernetes have it", async () => {
    const scene = await listen(["[::]:0"]);
    expect(await answers(scene, "127.0.0.1")).toBe(200);
    expect(await answers(scene, "[::1]")).toBe(200);
    await scene.end();
  });

  test("a socket that a dead reprieve has left is taken; one in use, or what is none, is not", async () => {
    const dir = directory();
    const path = join(dir, "feed.sock");
    const first = await listen([`unix:${path}`]);
    const group = new Group("second", { limit: LIMIT });
    const second = await refused(group, "--listen", `unix:${path}`);
    expect(second.code).toBe(75);
    expect(second.err).toContain("it is in use");
    first.reprieve.killAll();
    expect(existsSync(path)).toBe(true);
    const third = await Reprieve.guard([group.path], ["--listen", `unix:${path}`]);
    await until("the socket", () => third.err.includes(`feed unix:${path}`));
    expect(await third.stop()).toBe(0);
    const file = join(dir, "file");
    writeFileSync(file, "mine");
    const fourth = await refused(group, "--listen", `unix:${file}`);
    expect(fourth.code).toBe(75);
    expect(readFileSync(file, "utf8")).toBe("mine");
    const nowhere = await refused(group, "--listen", "unix:/nowhere/feed.sock");
    expect([nowhere.code, nowhere.err.includes("internal")]).toEqual([69, false]);
    await group.destroy();
    await first.strike();
  });

  test("a token file outlives the run, and is used by nobody else's leave", async () => {
    const path = join(directory(), "token");
    const port = freePort();
    const flags = ["--token-file", path];
    const ask = (token: string) =>
      fetch(`http://127.0.0.1:${port}/api/guards`, {
        headers: { Authorization: `Bearer ${token}` },
      });
    const first = await listen([`127.0.0.1:${port}`], ...flags);
    const token = readFileSync(path, "utf8").trim();
    expect(token).toMatch(/^[0-9a-f]{64}$/);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect((await ask(token)).status).toBe(200);
    await first.end();
    const again = await listen([`127.0.0.1:${port}`], ...flags);
    expect((await ask(token)).status).toBe(200);
    await again.end();
    const group = new Group("other", { limit: LIMIT });
    Bun.spawnSync(["chmod", "644", path]);
    const open = await refused(group, "--listen", `127.0.0.1:${port}`, ...flags);
    expect([open.code, open.err.includes("0600")]).toEqual([78, true]);
    Bun.spawnSync(["chmod", "600", path]);
    writeFileSync(path, "short");
    expect((await refused(group, "--listen", `127.0.0.1:${port}`, ...flags)).code).toBe(64);
    await group.destroy();
  });

  test("wrong together", async () => {
    const group = new Group("wrong", { limit: LIMIT });
    const none = await refused(group, "--listen", "none", "--listen", "127.0.0.1:0");
    expect([none.code, none.err.includes("--listen none")]).toEqual([64, true]);
    const half = await refused(group, "--listen", "127.0.0.1:0", "--tls-cert", "/x");
    expect([half.code, half.err.includes("--tls-key")]).toEqual([64, true]);
    await group.destroy();
  });
});

describeWith("TLS", [...kernelTest, openssl], () => {
  test("by files: page, API and feed are https, and the cookie is for that only", async () => {
    const dir = directory();
    const { cert, key } = certificateIn(dir);
    const port = freePort();
    const scene = await listen([`127.0.0.1:${port}`], "--tls-cert", cert, "--tls-key", key);
    const token = runFile(scene, "token");
    expect(runFile(scene, "address")).toBe(`https://127.0.0.1:${port}/`);
    const tls = { ca: readFileSync(cert, "utf8") };
    const link = await fetch(`https://127.0.0.1:${port}/?token=${token}`, {
      tls,
      redirect: "manual",
    });
    expect(link.headers.get("set-cookie")).toContain("Secure");
    const origin = { Origin: `https://127.0.0.1:${port}`, Authorization: `Bearer ${token}` };
    const same = await fetch(`https://127.0.0.1:${port}/api/guards`, { tls, headers: origin });
    expect(same.status).toBe(200);
    const plain = { ...origin, Origin: `http://127.0.0.1:${port}` };
    const other = await fetch(`https://127.0.0.1:${port}/api/guards`, { tls, headers: plain });
    expect(other.status).toBe(403);
    await scene.end();
    const group = new Group("broken", { limit: LIMIT });
    writeFileSync(key, "no key");
    const flags = ["--listen", `127.0.0.1:${port}`, "--tls-cert", cert, "--tls-key", key];
    const broken = await refused(group, ...flags);
    expect([broken.code, broken.err.includes("internal")]).toEqual([69, false]);
    await group.destroy();
  });
});
