// SPDX-License-Identifier: MIT
/** The designated handler fails, each in its own way (test/fixtures/bad-handler.c). */
import { fixture } from "../../helpers/build.ts";
import { memory } from "../../helpers/memory.ts";
import { runBase } from "../../helpers/paths.ts";
import { LIMIT, type Scene } from "../../helpers/scene.ts";
import { until } from "../../helpers/wait.ts";
import { isAlive } from "../../helpers/workload.ts";
import type { Fault, LeakRow } from "../engine.ts";

const SOCKET = `${runBase}/fault-${process.pid}.sock`;
const ARGS = ["--handler", "designated", "--handler-socket", SOCKET];
const BUN_HANDLER = new URL("../../../native/examples/handler.ts", import.meta.url).pathname;

/** The guard's name, as the feed has it. */
function guardOf({ reprieve, group }: Scene): string {
  const armed = reprieve.messages.find((m) => m.type === "armed" && m.cgroup === group.path);
  return String(armed?.guard);
}

/** Returns when it is designated. */
async function start(scene: Scene, command: readonly string[], isInside: boolean): Promise<Fault> {
  const { reprieve, group } = scene;
  const from = reprieve.messages.length;
  const wrapped = ["sh", "-c", 'echo $$ > "$1/cgroup.procs"; shift; exec "$@"', "sh", group.path];
  const handler = Bun.spawn([...(isInside ? wrapped : []), ...command], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  await reprieve.message("guard", { from, where: (m) => m.event === "designated" });
  return {
    strike: () => {}, // it fails by itself, at the OOM
    heal: async () => {
      handler.kill("SIGKILL");
      await handler.exited;
      await until("its death", () => !isAlive(handler.pid));
    },
  };
}

function bad(fault: string, says: RegExp, more: Partial<LeakRow> = {}, isInside = false): LeakRow {
  return {
    name: `designated handler: ${fault}${isInside ? ", in the group" : ""}`,
    stages: ["event"],
    args: ARGS,
    prepare: (scene) =>
      start(
        scene,
        [fixture("bad-handler"), fault, guardOf(scene), SOCKET, scene.group.path],
        isInside,
      ),
    says: { event: says },
    ...more,
  };
}

const AT_ONCE = /^handed-over \(handler-(asleep|dead)\)/;
const AT_DELAY = /^handed-over \(deadline\)/;
/** On v2 the leaker sleeps on where another's death has made room: that lasts, and is relief, until he wakes. */
const AT_DELAY_OR_ROOM =
  memory.version === 1 ? AT_DELAY : /^(handed-over \(deadline|relieved \(designated)/;

/** What it raised is put back for the scene's end. */
async function withLimitBack(scene: Scene): Promise<Fault> {
  const fault = await bad("page", AT_DELAY).prepare(scene);
  return {
    ...fault,
    heal: async () => {
      await fault.heal?.();
      scene.group.setLimit(LIMIT);
    },
  };
}

export const designated: readonly LeakRow[] = [
  bad("silent", AT_DELAY),
  bad("deaf", AT_DELAY),
  bad("loop", AT_DELAY),
  bad("asleep", AT_ONCE, {}, true),
  bad("asleep+named", AT_ONCE, {}, true),
  bad("segfault", AT_ONCE),
  bad("fork", AT_ONCE),
  bad("exec", AT_ONCE),
  // Whom it kills is its own affair: only the switch is ours.
  bad("wrong", AT_DELAY_OR_ROOM, { switchOnly: true }),
  { ...bad("page", AT_DELAY), prepare: withLimitBack },
  {
    name: "designated handler: plain Bun, in the group",
    stages: ["event"],
    args: ARGS,
    prepare: (scene) =>
      start(scene, [process.execPath, BUN_HANDLER, guardOf(scene), scene.group.path, SOCKET], true),
    says: { event: /^(handed-over \((handler-asleep|deadline)|relieved \(designated)/ },
  },
];
