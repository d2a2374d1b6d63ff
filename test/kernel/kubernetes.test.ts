// SPDX-License-Identifier: MIT
/** The DaemonSet of dist/kubernetes in a container, on a node whose pods have real OOMs. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, readFileSync } from "node:fs";
import type { IPodSpec } from "kubernetes-models/v1/PodSpec";
import { cleanUp } from "../helpers/clean.ts";
import { bind } from "../helpers/container.ts";
import type { Group } from "../helpers/group.ts";
import { daemonPod, type KubeContainer, manifests, Node, podIn } from "../helpers/kubelet.ts";
import { memory } from "../helpers/memory.ts";
import type { Message, Reprieve } from "../helpers/reprieve.ts";
import { describeWith, kernelTest, program } from "../helpers/require.ts";
import { LEAK_KB, LIMIT } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";
import { Board } from "../helpers/workload.ts";

const needs = [
  ...kernelTest,
  program("runc", "apt-get install runc"),
  program("readelf", "apt-get install binutils"),
  program("nsenter", "util-linux"),
];
const observing = { "reprieve.toml": readFileSync(`${manifests}/base/reprieve.toml`, "utf8") };
/** A helper without real-time priority, as in a container of v1, may be late by more than the default on a busy machine. */
const patient = (name: string) => `[[guard]]\nname = "${name}"\ndelay = "2s"\n`;
const acting = {
  ...observing,
  "reprieve.d/patient.toml": patient("burstable") + patient("guaranteed"),
  "reprieve.d/powers.toml": readFileSync(`${manifests}/components/act/powers.toml`, "utf8"),
};

/** Of an OOM in a group that was held: on a busy machine the helpers here may be too late for relief. */
const HELD = /relieved after|handed over to the kernel after/;

describeWith("Kubernetes", needs, () => {
  let node: Node;
  let board: Board;
  let daemon: KubeContainer;
  let agent: Reprieve;

  beforeEach(() => {
    node = new Node();
    board = new Board();
  });
  afterEach(async () => {
    node.remove();
    await cleanUp();
  });

  function startAgent(pod: IPodSpec): Promise<void> {
    daemon = node.run("kubepods/burstable/pod-agent/agent", pod);
    agent = daemon.start();
    return says("page http");
  }

  async function says(text: string | RegExp): Promise<void> {
    await until(`it to say ${text}`, () => {
      if (agent.proc.exitCode !== null) throw new Error(`It ended: ${agent.err}`);
      return agent.err.search(text) >= 0;
    }).catch((error) => {
      throw new Error(`${error.message}; it says ${agent.err}`);
    });
  }

  test("kills in a pod that comes, which reads 137; what probes and Prometheus ask is answered", async () => {
    node.mount(acting);
    await startAgent(daemonPod("act"));
    expect(agent.err).toMatch(/leaves out: .*pod-agent\/agent: this reprieve lives in it/);
    expect(daemon.probe("/readyz")).toEndWith('{"ready":true}');
    // Nobody's root, as most are: who may not kill him is no agent.
    chmodSync(board.file, 0o666);
    const leak = ["/dev/shm/board", "0", "-", "touch", "0", String(LEAK_KB), "4", "0", "1"];
    const mounts = [bind(board.file, "/dev/shm/board", ["rw"])];
    const app = node.run("kubepods/burstable/pod-app/app", appOf(leak), { mounts });
    const running = app.start();
    const leaker = await board.first().ready();
    await says("guarding");
    expect(daemon.probe("/healthz")).toStartWith("HTTP/1.1 200");
    expect(daemon.probe("/readyz")).toEndWith('{"ready":true}');
    leaker.go();
    expect((await running.ended()).code).toBe(137);
    const incident = await killed(app.group);
    const counted = `reprieve_incidents_total{outcome="${incident.outcome}"} 1`;
    expect(daemon.probe("/metrics")).toContain(counted);
    const has = () => daemon.exec("reprieve", "incidents").includes(String(incident.outcome));
    await until("it in the journal", has);
    expect(daemon.probe("/api/guards")).toStartWith("HTTP/1.1 401");
    expect(await agent.stop()).toBe(0);
  });

  test("observes until components/act is applied, of which the power takes no new start", async () => {
    node.mount(observing);
    const group = node.group("kubepods/burstable/pod1/c", LIMIT);
    await startAgent(daemonPod("act"));
    await leak(group);
    await says("observed");
    node.mount(acting);
    await says("is in effect: 1 group");
    await until("it to be guarded anew", () => agent.err.split("guarding ").length > 2);
    await leak(group);
    await says(HELD);
    expect(await agent.stop()).toBe(0);
  });

  test("guards what either cgroup driver makes of the QoS classes, and no sandbox", async () => {
    node.mount(observing);
    const slice = "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1_2.slice";
    const guarded = [
      "kubepods/burstable/pod1/c",
      "kubepods/pod2/c",
      `${slice}/cri-containerd-c.scope`,
      "kubepods.slice/kubepods-pod2.slice/crio-c.scope",
    ].map((path) => node.group(path, LIMIT));
    node.group("kubepods/besteffort/pod3/c", LIMIT);
    node.group(`${slice}/cri-containerd-sandbox.scope`);
    await startAgent(daemonPod());
    const named = [...agent.err.matchAll(/guarding (\S+)/g)].map((match) => match[1] ?? "");
    expect(named.sort()).toEqual(guarded.map(({ path }) => path).sort());
    expect(agent.err).toMatch(/leaves out: .*lives in it.*\(and 1 more\)/);
    expect(await agent.stop()).toBe(0);
  });

  /** On v1 runc finds the processes of a container by other hierarchies than those that the watchers have left. */
  const putBackBy = memory.version === 2 ? "its watchers put back" : "its next start puts back";
  test(`killed with all that is in its container, ${putBackBy}`, async () => {
    node.mount(acting);
    const group = node.group("kubepods/pod1/c", LIMIT);
    await startAgent(daemonPod("act", "outlive"));
    expect(agent.err).not.toContain("/dev/kmsg");
    await until("it to be held", () => group.oom().held);
    daemon.killAll();
    await agent.ended();
    if (memory.version === 2) await until("it to be put back", () => !group.oom().held);
    else expect(group.oom().held).toBe(true);
    daemon.remove();
    await startAgent(daemonPod("act", "outlive"));
    await says("guarding");
    await leak(group);
    await says(HELD);
    expect(await agent.stop()).toBe(0);
    expect(group.oom().held).toBe(false);
  });

  test("beside an app in its pod it sees the pod's groups, and resolves the app's OOM", async () => {
    const pod = "kubepods/burstable/pod1234";
    node.mount({
      "reprieve.toml": readFileSync(`${manifests}/sidecar/reprieve.toml`, "utf8"),
      "reprieve.d/patient.toml": patient("app"),
    });
    const other = node.group("kubepods/burstable/pod5678/c", LIMIT);
    const idle = new Board();
    for (const { file } of [idle, board]) chmodSync(file, 0o666);
    const start = (name: string, { file }: Board, kb: number, beside?: KubeContainer) => {
      const args = ["/dev/shm/board", "0", "-", "touch", "0", String(kb), "4", "0", "1"];
      const mounts = [bind(file, "/dev/shm/board", ["rw"])];
      const container = node.run(`${pod}/${name}`, appOf(args), {
        mounts,
        ...(beside && { beside }),
      });
      return { container, running: container.start() };
    };
    const pause = start("pause", idle, 0);
    await idle.first().ready();
    const app = start("app", board, LEAK_KB, pause.container);
    const leaker = await board.first().ready();
    const how = { name: "reprieve", beside: pause.container };
    daemon = node.run(`${pod}/reprieve`, podIn("sidecar/deployment.yaml"), how);
    agent = daemon.start();
    await says("page http");
    const named = [...agent.err.matchAll(/guarding (\S+)/g)].map((match) => match[1]);
    expect(named.sort()).toEqual(["app", "pause"].map((name) => `${memory.root}/${name}`));
    expect(agent.err).not.toContain("cannot guard");
    leaker.go();
    expect((await app.running.ended()).code).toBe(137);
    await killed(`${memory.root}/app`);
    expect(daemon.probe("/readyz")).toEndWith('{"ready":true}');
    expect(other.oom().held).toBe(false);
    expect(await agent.stop()).toBe(0);
  });

  /** Of the group of a pod's first process, which is gone with it: on a busy machine before the kill is written down. */
  async function killed(group: string): Promise<Message> {
    const find = () => agent.messages.find(({ cgroup }) => cgroup === group);
    const incident = await until("the incident", find);
    expect(incident.outcome).toBeOneOf(["relieved", "exited-by-itself"]);
    const kill = { step: "kill", by: "handler", result: "ok" };
    expect(incident.steps).toContainEqual(expect.objectContaining(kill));
    return incident;
  }

  async function leak(group: Group): Promise<void> {
    const leaker = await board.start(group, { means: "touch", kb: LEAK_KB }).ready();
    leaker.go();
    await until("its end", () => !leaker.isAlive());
  }
});

function appOf(args: readonly string[]): IPodSpec {
  const resources = { limits: { memory: "64Mi" } };
  const securityContext = { runAsUser: 1000, runAsGroup: 1000 };
  return {
    containers: [
      { name: "app", command: ["/workload"], args: [...args], resources, securityContext },
    ],
  };
}
