// SPDX-License-Identifier: MIT
import { describe, expect, test } from "bun:test";
import { groupsOf, KillLines } from "../../src/agent/kernel-kills.ts";

const OOM =
  "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/web,task_memcg=/web/a";
let sequence = 0;
const record = (text: string, priority = 6) => {
  sequence += 1;
  return `${priority},${sequence},2,-;${text}\n SUBSYSTEM=x\n`;
};
const oom = (pid: number, comm = "leak") => record(`${OOM},task=${comm},pid=${pid},uid=0`);
const killed = (pid: number, comm = "leak") =>
  record(
    `Memory cgroup out of memory: Killed process ${pid} (${comm}) total-vm:9kB, anon-rss:8kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:40kB oom_score_adj:0`,
    3,
  );

function accept(records: readonly string[]) {
  const lines = new KillLines();
  return records.flatMap((one) => lines.accept(one) ?? []);
}

describe("KillLines", () => {
  test("two lines make a kill: pid, name, memory, group", () => {
    const [found, ...more] = accept([oom(7), record("something else"), killed(7)]);
    expect(found?.kill).toEqual({ pid: 7, comm: "leak", rss_bytes: 8192 });
    expect(groupsOf(found?.oomLine ?? "")).toContain("web");
    expect(more).toEqual([]);
  });

  test("a kill of another OOM, whose first line was left out, is nobody's", () => {
    expect(accept([oom(7), record("something else"), killed(8)])).toEqual([]);
    expect(accept([killed(8)])).toEqual([]);
    expect(accept([oom(7), killed(7), killed(7)])).toHaveLength(1);
  });

  test("a thread, where the leader is dead, stands for its process", () => {
    expect(accept([oom(7), killed(8)])[0]?.kill.pid).toBe(7);
  });

  test("what somebody else wrote into the log is not believed", () => {
    const [first = "", second = ""] = [oom(7), killed(7)].map((one) => one.replace(/^\d+/, "12"));
    expect(accept([first, second])).toEqual([]);
  });

  test("a hostile name is told as it is", () => {
    const escaped = "a) \\x1b\\xc3\\xa4\\x5c";
    expect(accept([oom(7, escaped), killed(7, escaped)])[0]?.kill.comm).toBe("a) \u001bä\\");
  });
});

describe("groupsOf()", () => {
  test("the group and those below it, not those beside it", () => {
    const line = `${OOM},task=x,pid=1,uid=0`;
    expect(
      ["web", "web/a", "we", "web/a/b", "a"].map((group) => groupsOf(line).includes(group)),
    ).toEqual([true, true, false, false, false]);
  });

  test("a group whose name feigns another one is in none", () => {
    const line = OOM.replace("oom_memcg=/web", "oom_memcg=/x,task_memcg=/db/y");
    expect(groupsOf(`${line},task=x,pid=1,uid=0`).includes("db")).toBe(false);
  });
});
