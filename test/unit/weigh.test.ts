// SPDX-License-Identifier: MIT
/** Whom to prefer and to avoid: the words, and the bytes the core reads. */
import { describe, expect, test } from "bun:test";
import * as v from "valibot";
import { Avoid, Prefer, whyTooMany } from "../../src/cli/weigh.ts";
import { at, limit, size } from "../../src/native/layout.ts";
import { weighingOf } from "../../src/native/weighing.ts";

describe("the rules of --prefer and --avoid", () => {
  const ruleOf = (text: string, schema = Prefer) => v.parse(schema, text);

  test("one condition, or several that all have to hold, with a weight", () => {
    expect(ruleOf("name=java*")).toEqual({ name: "java*", percent: 400 });
    expect(ruleOf("uid=1000,exe=/usr/bin/*,weight=1.5")).toEqual({
      exe: "/usr/bin/*",
      uid: 1000,
      percent: 150,
    });
    expect(ruleOf("cgroup=workers/**,weight=40").percent).toBe(limit.WEIGH_MOST);
    expect(ruleOf("name=a=b", Avoid)).toEqual({ name: "a=b", percent: 25 });
    expect(ruleOf("name=a,weight=0", Avoid).percent).toBe(0);
    expect(ruleOf("name=a,weight=0.01", Avoid).percent).toBe(1);
  });

  test.each([
    ["java", "who is meant is told by name="],
    ["name=", "who is meant is told by name="],
    ["weight=8", "who is meant is told by name="],
    ["name=a,name=b", "name= is given twice"],
    ["name=sixteen-bytes-xx", "a process's name has at most 15 bytes"],
    ["exe=java", "exe is the path of the program"],
    ["cgroup=/workers", "cgroup is a path below the guarded group"],
    ["exe=/usr/**bin", "** stands for whole levels"],
    ["uid=root", "uid is a user's number"],
    ["uid=4294967295", "uid is a user's number"],
    ["name=a,weight=1", "the weight of prefer is over 1, and at most 40"],
    ["name=a,weight=41", "the weight of prefer is over 1, and at most 40"],
    ["name=a,weight=x", "the weight of prefer is over 1, and at most 40"],
  ])("%s is refused", (text, why) => {
    const [issue] = v.safeParse(Prefer, text).issues ?? [];
    expect(issue?.message).toStartWith(why);
  });

  test("an avoided weight is below 1", () => {
    const [issue] = v.safeParse(Avoid, "name=a,weight=1").issues ?? [];
    expect(issue?.message).toBe("the weight of avoid is below 1; 0: last of all");
  });

  test("a guard has no more of them than the core has room for", () => {
    const many = Array.from({ length: limit.WEIGH_RULES_MAX }, () => ruleOf("name=a"));
    expect(whyTooMany(many)).toBeUndefined();
    expect(whyTooMany([...many, ruleOf("name=a")])).toBe(
      "prefer and avoid have at most 16 rules together",
    );
    const long = ruleOf(`exe=/${"x".repeat(limit.WEIGH_TEXT_BYTES)}`);
    expect(whyTooMany([long])).toBe(
      "the patterns of prefer and avoid have at most 2048 bytes together",
    );
  });

  test("weighingOf() writes what native/weigh.h reads", () => {
    const bytes = Buffer.from(weighingOf([ruleOf("uid=7"), ruleOf("name=ä,cgroup=w")]));
    const second = at.weighing_rule + size.weigh_rule;
    const textAt = (kind: number) => {
      const from = at.weighing_text + bytes.readUInt16LE(second + kind);
      return bytes.toString("utf8", from, bytes.indexOf(0, from));
    };
    expect(bytes.readUInt32LE(at.weighing_rules)).toBe(2);
    expect(bytes.readUInt32LE(at.weighing_rule + at.weigh_rule_uid)).toBe(7);
    expect(bytes.readUInt16LE(at.weighing_rule + at.weigh_rule_name)).toBe(0);
    expect(bytes.readUInt32LE(second + at.weigh_rule_uid)).toBe(0xffff_ffff);
    expect([textAt(at.weigh_rule_name), textAt(at.weigh_rule_cgroup)]).toEqual(["ä", "w"]);
    expect(bytes.readUInt16LE(second + at.weigh_rule_exe)).toBe(0);
  });
});
