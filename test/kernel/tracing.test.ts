// SPDX-License-Identifier: MIT
/** Births, execs and deaths that the kernel tells between two scans (sampling.source). */
import { expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { fixture } from "../helpers/build.ts";
import { type ConfigFile, FEED, guard, onStage, Tenants } from "../helpers/config.ts";
import { type Group, kill } from "../helpers/group.ts";
import { binary } from "../helpers/paths.ts";
import { SharedRegion } from "../helpers/region.ts";
import { Reprieve, type StartOptions } from "../helpers/reprieve.ts";
import { describeWith, kernelTest, type Need, program } from "../helpers/require.ts";
import { LEAK_KB, LIMIT } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";
import { Board, Nursery } from "../helpers/workload.ts";

/** Near the limit all the time, as far as the group holds more than 4 MB. */
const SELDOM = 'margin = "44M"\nsampling = { far = "10s", near = "1s" }\n';
const OFTEN = 'sampling.far = "20ms"\n';
const NEAR_KB = 8192;
const TREES = 8;
/** More events than fit (PROC_EVENTS_BYTES). */
const STORM = "i=0; while [ $i -lt 4000 ]; do (:); i=$((i+1)); done";

const connector: Need = () =>
  existsSync("/proc/net/connector") ? null : "this kernel has no process connector";
/** Since Linux 6.6 everybody may listen. */
const wantsNetAdmin: Need = () => {
  const [major = 0, minor = 0] = release().split(".").map(Number);
  return major * 100 + minor < 606 ? null : "on this kernel it takes no CAP_NET_ADMIN";
};

let config: ConfigFile;
onStage((stage) => {
  ({ config } = stage);
});

/** A shell in the group that runs each line in a process that is born there. */
function shellIn(group: Group) {
  const script = `echo $$ > ${group.path}/cgroup.procs; while read line; do ( eval "$line" ) & done`;
  const shell = Bun.spawn(["sh", "-c", script], { stdio: ["pipe", "ignore", "inherit"] });
  const run = async (line: string) => {
    shell.stdin.write(`${line}\n`);
    await shell.stdin.flush();
  };
  return { pid: shell.pid, run };
}

async function childOf(pid: number): Promise<number> {
  const list = `/proc/${pid}/task/${pid}/children`;
  return until("a child", () => Number(readFileSync(list, "utf8").split(" ")[0]) || undefined);
}

interface TracedOptions extends StartOptions {
  readonly rates?: string;
  readonly handler?: string;
}

class Traced {
  readonly group: Group;
  readonly tenants = new Tenants();
  readonly board = new Board();
  readonly nursery: Nursery;
  readonly shell: ReturnType<typeof shellIn>;
  reprieve!: Reprieve;
  region!: SharedRegion;

  /** Who bears is there before reprieve: its first scan knows him. */
  constructor() {
    this.group = this.tenants.child("a", LIMIT);
    this.nursery = new Nursery(this.group);
    this.shell = shellIn(this.group);
  }

  async start(
    source: string,
    { rates = SELDOM, handler = "outside", ...options }: TracedOptions = {},
  ): Promise<void> {
    const { group, nursery, shell } = this;
    const all = () => group.procs();
    await until("them to be in", () =>
      [nursery.pid, shell.pid].every((pid) => all().includes(pid)),
    );
    const path = `${this.tenants.at}/a`;
    const tables = `[sampling]\nsource = "${source}"\n[handler]\nwhere = "${handler}"\n[allow]\nkill = true\n`;
    config.write(`${FEED}${tables}${guard("a", path, rates)}`);
    this.reprieve = Reprieve.start(["run", "--config", config.path, "--json"], options);
    await this.reprieve.armed();
    this.region = new SharedRegion(await this.reprieve.helper("handler"));
  }

  /** Near its limit, and the next scan is most of a second away. */
  async near(): Promise<void> {
    const neighbour = this.board.bear(this.nursery, { means: "touch", beforeKb: NEAR_KB });
    await neighbour.ready();
    const before = this.region.scans();
    await until("a scan near the limit", () => this.region.scans() >= before + 2);
  }

  async end(): Promise<void> {
    this.region.close();
    expect(await this.reprieve.stop()).toBe(0);
    kill(this.shell.pid, "SIGKILL");
    await this.tenants.destroy();
    this.board.close();
  }
}

describeWith("tracing", [...kernelTest, connector, program("unshare", "util-linux")], () => {
  test("a newborn is known before the next scan, by its new name, until it ends", async () => {
    const traced = new Traced();
    const { shell } = traced;
    await traced.start("both");
    await Bun.sleep(1500); // the first scans are near
    const { region } = traced;
    const scans = region.scans();
    await shell.run("exec sleep 60");
    const pid = await childOf(shell.pid);
    await until("it to be known", () => region.nameOf(pid) === "sleep");
    kill(pid, "SIGKILL");
    await until("it to be forgotten", () => region.nameOf(pid) === undefined);
    expect(region.scans()).toBe(scans);
    await traced.end();
  });

  test("where lists are spared, a newborn stays known, and who moved is seen late", async () => {
    const traced = new Traced();
    const { group, shell, tenants } = traced;
    await traced.start("events", { rates: OFTEN });
    await Bun.sleep(1500);
    const { region } = traced;
    await shell.run("exec sleep 60");
    const born = await childOf(shell.pid);
    const moved = Bun.spawn(["sleep", "60"]);
    group.add(moved.pid);
    await until("it to be known", () => region.nameOf(moved.pid) === "sleep");
    const scans = region.scans();
    await until("25 looks", () => {
      expect(region.nameOf(born)).toBe("sleep");
      return region.scans() >= scans + 25;
    });
    tenants.child("b").add(moved.pid);
    await until("it to be forgotten", () => region.nameOf(moved.pid) === undefined);
    kill(moved.pid, "SIGKILL");
    await traced.end();
  });

  test.each(["outside", "inside"])(
    "a newborn leaker is a candidate without an errand (handler %s)",
    async (handler) => {
      const traced = new Traced();
      await traced.start("both", { handler });
      await traced.near();
      const { board, nursery, region, reprieve } = traced;
      const scans = region.scans();
      const leaker = await board.bear(nursery, { means: "touch", kb: LEAK_KB }).ready();
      await until("it to be known", () => region.nameOf(leaker.pid) !== undefined);
      leaker.go();
      const chose = await reprieve.message("incident.step", { where: (m) => m.step === "chose" });
      expect(chose).toMatchObject({ pid: leaker.pid, evidence: "largest" });
      expect(region.scans()).toBe(scans);
      expect((await reprieve.message("incident.closed")).outcome).toBe("relieved");
      await traced.end();
    },
  );

  // What they have taken since their births is theirs, and what they have inherited is not taken for anybody's who is hidden.
  test("a tree of newborn leakers is relieved", async () => {
    const traced = new Traced();
    await traced.start("both");
    await traced.near();
    const { board, nursery, reprieve } = traced;
    for (let i = 0; i < TREES; i += 1) {
      const from = reprieve.messages.length;
      const plan = { means: "fork", kb: LEAK_KB, parts: 5, pauseUs: 500, chunkKb: 512 } as const;
      const tree = await board.bear(nursery, plan).ready();
      tree.go();
      const closed = await reprieve.message("incident.closed", { from });
      expect(closed.outcome).toBe("relieved");
      await tree.stop();
    }
    await traced.end();
  });

  test("one that left the group before its exec lives", async () => {
    const traced = new Traced();
    await traced.start("both");
    await traced.near();
    const { board, nursery, region, reprieve, shell, tenants } = traced;
    const fifo = join(config.dir, "go");
    Bun.spawnSync(["mkfifo", fifo]);
    const other = new Board();
    const plan = `touch ${(2 * LIMIT) / 1024} 0 4 0 1`;
    const move = `echo 0 > ${tenants.child("b").path}/cgroup.procs`;
    await shell.run(
      `read x < ${fifo}; ${move}; exec ${fixture("workload")} ${other.file} 0 - ${plan}`,
    );
    const pid = await childOf(shell.pid);
    await until("it to be known", () => region.nameOf(pid) === "sh");
    writeFileSync(fifo, "go\n");
    const big = await other.first().ready();
    const leaker = await board.bear(nursery, { means: "touch", kb: LEAK_KB }).ready();
    leaker.go();
    await reprieve.message("incident.closed");
    const kills = reprieve.messages.filter((m) => m.step === "kill");
    expect(kills.map((m) => m.pid)).toEqual([leaker.pid]);
    expect(big.isAlive()).toBe(true);
    await big.stop();
    other.close();
    await traced.end();
  });

  test("where events are lost, a scan comes early", async () => {
    const traced = new Traced();
    await traced.start("both");
    await Bun.sleep(1500);
    const { region, reprieve, shell } = traced;
    const handler = await reprieve.helper("handler");
    kill(handler, "SIGSTOP");
    await Bun.spawn(["sh", "-c", STORM]).exited;
    await shell.run("exec sleep 60");
    const pid = await childOf(shell.pid);
    kill(handler, "SIGCONT");
    await until("it to be known", () => region.nameOf(pid) === "sleep");
    expect(region.eventsLost()).toBeGreaterThan(0);
    await traced.end();
  });

  test("where the connector is refused, that is said, and scanned for", async () => {
    const traced = new Traced();
    await traced.start("events", { command: ["unshare", "-n", binary] });
    const { board, nursery, reprieve } = traced;
    const not = /^reprieve: births of processes are not traced \(ECONNREFUSED\).*$/m;
    await until("it to be said", () => not.test(reprieve.err));
    const leaker = await board.bear(nursery, { means: "touch", kb: LEAK_KB }).ready();
    leaker.go();
    expect((await reprieve.message("incident.closed")).outcome).toBe("relieved");
    expect(reprieve.err.match(/not traced/g)).toHaveLength(1);
    await traced.end();
  });
});

describeWith(
  "tracing without CAP_NET_ADMIN",
  [...kernelTest, connector, program("setpriv", "util-linux")],
  refused,
  wantsNetAdmin,
);

function refused(): void {
  test("is refused, which is said", async () => {
    const traced = new Traced();
    const command = ["setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin", binary];
    await traced.start("both", { command });
    const not = /not traced \(EPERM\), only scanned for: that takes CAP_NET_ADMIN/;
    await until("it to be said", () => not.test(traced.reprieve.err));
    await traced.end();
  });
}
