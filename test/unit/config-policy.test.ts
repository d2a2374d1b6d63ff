// SPDX-License-Identifier: MIT
/** Which guard decides for a group, and which powers it has there: by table, and by drawn patterns and hostile names. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";
import * as v from "valibot";
import { POWERS } from "../../src/cli/order.ts";
import { merged } from "../../src/config/merge.ts";
import { bySpecificity, holderOf, matcherOf, Pattern } from "../../src/config/pattern.ts";
import { policyOf } from "../../src/config/policy.ts";
import { type Config, ConfigSchema, type Guard, type Reach } from "../../src/config/schema.ts";
import { parseToml, plainOf } from "../../src/config/toml.ts";
import { openCore } from "../../src/native/core.ts";

setDefaultTimeout(60_000); // thousands of patterns, on a machine that may be busy

interface Reaches {
  readonly allow?: Reach;
  readonly deny?: Reach;
}

function configOf(guard: object[], more: object = {}): Config {
  const named = guard.map((one, index) => ({ name: `g${index}`, ...one }));
  return v.parse(ConfigSchema, { guard: named, ...more });
}

describe("a pattern matches", () => {
  test.each([
    ["/a", "/a", true],
    ["/a", "/a/b", false],
    ["/a/*", "/a/b", true],
    ["/a/*", "/a/.b", true],
    ["/a/*", "/a", false],
    ["/a/*", "/a/b/c", false],
    ["/a/**", "/a", false],
    ["/a/**", "/a/b/c", true],
    ["/a/**/x", "/a/x", true],
    ["/a/**/x", "/a/b/c/x", true],
    ["/**", "/a", true],
    ["/a/b?", "/a/bc", true],
    ["/a/b?", "/a/b/", false],
    ["/a/?", "/a/\u{1f600}", true],
    ["/system.slice/a\\x2db.service", "/system.slice/a\\x2db.service", true],
    ["/system.slice/*\\x2d*", "/system.slice/a\\x2db.service", true],
    ["/system.slice/*\\x2d*", "/system.slice/ax2db.service", false],
    ["/a/[b]*", "/a/[b]c", true],
    ["/a/[b]*", "/a/bc", false],
    ["/a/{b,c}*", "/a/bx", false],
    ["/a/{b,c}*", "/a/{b,c}x", true],
    ["/a/!b*", "/a/!bc", true],
    ["/a/@(b)*", "/a/@(b)c", true],
    ["/a/*", "/a/*", true],
    ["/a/*", "/a/\u{fffd}", true],
  ])("%s and %s: %p", (pattern, path, isMatch) => {
    expect(v.is(Pattern, pattern)).toBe(true);
    expect(matcherOf(pattern)(path)).toBe(isMatch);
  });
});

describe("groups that a pattern means may be below", () => {
  test.each([
    ["/a/*", "/", true],
    ["/a/*", "/a", true],
    ["/a/*", "/b", false],
    ["/a/*", "/a/b", false],
    ["/a/b/c", "/a/b", true],
    ["/a/b/c", "/a/b/c", false],
    ["/*/x/*", "/b/x", true],
    ["/*/x/*", "/b/y", false],
    ["/a/**/x", "/a", true],
    ["/a/**/x", "/a/b/c", true],
    ["/a/**/x", "/b", false],
    ["/**", "/b/c", true],
  ])("for %s: %s: %p", (pattern, path, mayHold) => {
    expect(holderOf(pattern)(path)).toBe(mayHold);
  });
});

/** Everything but NUL, newline and / may be in a group's name; most of what is here means something to some glob. */
const NAME_CHARACTERS = [..."ab.\\[]{}()!^$|+@,~#%\"'`- :\u00e9\u{1f600}\u{fffd}\u202e"];
const name = fc.string({
  unit: fc.constantFrom(...NAME_CHARACTERS, "*", "?"),
  minLength: 1,
  maxLength: 5,
});
const isName = (text: string) => text !== "." && text !== "..";
const path = fc
  .array(name.filter(isName), { minLength: 1, maxLength: 4 })
  .map((levels) => `/${levels.join("/")}`);
const level = fc
  .string({ unit: fc.constantFrom(...NAME_CHARACTERS, "*", "*", "?"), minLength: 1, maxLength: 5 })
  .map((text) => text.replace(/\*+/g, "*"));
const pattern = fc
  .array(fc.oneof({ weight: 3, arbitrary: level.filter(isName) }, fc.constant("**")), {
    minLength: 1,
    maxLength: 4,
  })
  .map((levels) => `/${levels.join("/")}`);

/** The same again, written another way: as a regular expression. */
function reference(glob: string): RegExp {
  const levels = glob.slice(1).split("/");
  const source = levels.map((one, index) => {
    if (one === "**") return index === levels.length - 1 ? "/.+" : "(?:/[^/]+)*";
    const parts = [...one].map((c) =>
      c === "*" ? "[^/]*" : c === "?" ? "[^/]" : c.replace(/[\\^$.*+?()[\]{}|/]/, "\\$&"),
    );
    return `/${parts.join("")}`;
  });
  return new RegExp(`^${source.join("")}$`, "su");
}

/** Paths that have a chance: of the pattern itself, with something put for what is open. */
const matching = fc
  .tuple(pattern, fc.array(name, { minLength: 8, maxLength: 8 }))
  .map(([glob, fillings]) => {
    let at = 0;
    const next = () => fillings[at++ % fillings.length] ?? "";
    const text = glob.replace(/\*\*|\*|\?/g, (open) =>
      open === "?" ? ([...next()][0] ?? "a") : next(),
    );
    return [glob, text] as const;
  });

describe("drawn patterns and names", () => {
  test("match as the reference says", () => {
    fc.assert(
      fc.property(fc.oneof(matching, fc.tuple(pattern, path)), ([glob, text]) => {
        fc.pre(v.is(Pattern, glob));
        expect(matcherOf(glob)(text)).toBe(reference(glob).test(text));
      }),
      { numRuns: 20_000 },
    );
  });

  test("match to the core, which knows processes by such patterns, as they do here", () => {
    const core = openCore();
    fc.assert(
      fc.property(fc.oneof(matching, fc.tuple(pattern, path)), ([glob, text]) => {
        fc.pre(v.is(Pattern, glob));
        expect(core.globMatches(glob, text)).toBe(matcherOf(glob)(text));
      }),
      { numRuns: 20_000 },
    );
  });

  test("match only what is below groups that may hold it, all the way from the root", () => {
    fc.assert(
      fc.property(matching, ([glob, text]) => {
        fc.pre(v.is(Pattern, glob) && v.is(Pattern, text) && matcherOf(glob)(text));
        const levels = text.split("/");
        const above = levels.slice(1).map((_, i) => levels.slice(0, i + 1).join("/") || "/");
        expect(above.filter((path) => !holderOf(glob)(path))).toEqual([]);
      }),
      { numRuns: 20_000 },
    );
  });

  test("are ordered: one that was made more general is less specific, and never the other way round", () => {
    fc.assert(
      fc.property(
        pattern,
        fc.nat(),
        fc.constantFrom("?", "*", "+*", "**", "2**", "+**"),
        (glob, at, by) => {
          const general = generalised(glob, at, by);
          fc.pre(v.is(Pattern, glob) && v.is(Pattern, general) && general !== glob);
          expect(bySpecificity(glob, general)).toBeLessThan(0);
          expect(bySpecificity(general, glob)).toBeGreaterThan(0);
        },
      ),
      { numRuns: 20_000 },
    );
  });

  test("are ordered without a circle", () => {
    fc.assert(
      fc.property(pattern, pattern, pattern, (a, b, c) => {
        expect(Math.sign(bySpecificity(a, b))).toBe(-Math.sign(bySpecificity(b, a)) + 0);
        fc.pre(bySpecificity(a, b) <= 0 && bySpecificity(b, c) <= 0);
        expect(bySpecificity(a, c)).toBeLessThanOrEqual(0);
      }),
      { numRuns: 5000 },
    );
  });
});

/** A character, or a level, of a pattern as one that matches more; or with something put in that may be nothing. */
function generalised(glob: string, at: number, by: string): string {
  const levels = glob.slice(1).split("/");
  const index = at % levels.length;
  const one = levels[index] ?? "";
  if (by === "**") levels[index] = "**";
  else if (by === "+**") levels.splice(index, 0, "**");
  else if (by === "2**") {
    const two = levels.slice(index, index + 2);
    if (two.some((level) => level !== "**")) levels.splice(index, 2, "**");
  } else if (one !== "**") {
    const characters = [...one];
    const where = at % characters.length;
    // A "*" as a "?" would match less.
    if (by === "+*") characters.splice(where, 0, "*");
    else if (characters[where] !== "*") characters[where] = by;
    levels[index] = characters.join("").replace(/\*+/g, "*");
  }
  return `/${levels.join("/")}`;
}

describe("of several guards", () => {
  test.each([
    ["/t/web", ["/t/*", "/t/web", "/**"], 1],
    ["/t/web", ["/t/web", "/t/we?", "/t/web*"], 0],
    ["/t/web", ["/**/web", "/t/*"], 0],
    ["/t/web", ["/t/**", "/t/*"], 1],
    ["/t/web", ["/*/*", "/**", "/*/**"], 0],
    ["/t/web", ["/*/**", "/**"], 0],
    ["/t/web", ["/t/web", "/**/t/web", "/**/web"], 0],
    ["/t/web", ["/t/w*", "/t/we*"], 1],
    ["/t/web", ["/t/*", "/t/*"], 1],
    ["/t/web", ["/x", "/t/w"], undefined],
    ["/t/web", [["/**", "/t/we?"], "/t/*"], 0],
  ])("for %s in %p it is %p", (group, patterns, winner) => {
    const policy = policyOf(configOf(patterns.map((cgroup) => ({ cgroup }))));
    expect(policy.guardOf(group)?.name).toBe(winner === undefined ? undefined : `g${winner}`);
  });

  test("one that excepts the group leaves it to the next", () => {
    const policy = policyOf(
      configOf([{ cgroup: "/t/*" }, { cgroup: "/t/web", except: ["/t/w*"] }]),
    );
    expect(policy.guardOf("/t/web")?.name).toBe("g0");
  });

  /** Short, so that several match. */
  const guards = fc.array(
    fc.record({
      cgroup: fc.array(fc.constantFrom("/a", "/b", "/a/b", "/*", "/**", "/a/*", "/?/b", "/a/**"), {
        minLength: 1,
        maxLength: 3,
      }),
      except: fc.option(fc.constantFrom("/a", "/a/*", "/b/**"), { nil: undefined }),
    }),
    { minLength: 1, maxLength: 5 },
  );
  const group = fc.constantFrom("/a", "/b", "/a/b", "/b/b", "/a/b/c", "/c/d/e");
  const given = (all: readonly { cgroup: string[]; except: string | undefined }[]) =>
    configOf(all.map(({ cgroup, except }) => ({ cgroup, ...(except && { except }) })));

  test("the one that decides matches, does not except, and has no more specific rival", () => {
    fc.assert(
      fc.property(guards, group, (all, path) => {
        const winner = policyOf(given(all)).guardOf(path);
        const isExcepted = (except?: string) => except !== undefined && matcherOf(except)(path);
        const rivals = all.flatMap(({ cgroup, except }, index) =>
          isExcepted(except)
            ? []
            : cgroup
                .filter((one) => matcherOf(one)(path))
                .map((one) => ({ one, name: `g${index}` })),
        );
        if (winner === undefined) expect(rivals).toEqual([]);
        const best = rivals.filter(({ name }) => name === winner?.name).map(({ one }) => one);
        for (const { one } of rivals) {
          expect(best.some((mine) => bySpecificity(mine, one) <= 0)).toBe(true);
        }
      }),
    );
  });

  test("more of them that do not match change nothing", () => {
    fc.assert(
      fc.property(guards, group, fc.nat(5), (all, path, at) => {
        const before = given(all);
        const [guard] = configOf([{ name: "stranger", cgroup: ["/z", "/zz/**"] }]).guard;
        const after = { ...before, guard: before.guard.toSpliced(at, 0, guard as Guard) };
        expect(policyOf(after).guardOf(path)).toEqual(policyOf(before).guardOf(path));
      }),
    );
  });
});

describe.each(POWERS)("the power %s", (power) => {
  const guard = [{ cgroup: "/**" }];
  test.each([
    [{}, "none", "/a", "allow"],
    [{}, "this", "/a", undefined],
    [{}, "others", "/a", "allow"],
    [{ allow: true }, "none", "/a", undefined],
    [{ allow: "/a" }, "none", "/a", undefined],
    [{ allow: "/a" }, "none", "/a/b", "allow"],
    [{ allow: ["/a", "/b/*"] }, "none", "/b/c", undefined],
    [{ allow: [] }, "none", "/a", "allow"],
    [{ allow: "/a", deny: "/**" }, "none", "/a", "deny"],
    [{ allow: true, deny: "/a" }, "this", "/a", "deny"],
    [{ allow: true, deny: "/a" }, "this", "/b", undefined],
    [{ deny: true }, "this", "/a", "deny"],
    [{ deny: "/a" }, "none", "/a", "deny"],
  ])("%p, flags for %s: %s lacks it by %p", (reach: Reaches, flags, path, table) => {
    const others = POWERS.filter((one) => one !== power);
    const everywhere = { none: [], this: [power], others }[flags] ?? [];
    // All others are as this one is not: none of them may count.
    const tables = (["allow", "deny"] as const).map((name) => {
      const mine = reach[name] === undefined ? {} : { [power]: reach[name] };
      const theirs = Object.fromEntries(others.map((one) => [one, reach[name] === undefined]));
      return [name, { ...theirs, ...mine }];
    });
    const policy = policyOf(configOf(guard, Object.fromEntries(tables)), (one) =>
      everywhere.includes(one) ? "--allow" : undefined,
    );
    expect(policy.whyNot(power, path)).toBe(table as "allow" | undefined);
  });
});

describe("merging", () => {
  const file = fc
    .record({
      listen: fc.option(fc.constantFrom("none", "[::1]:1")),
      token: fc.option(fc.boolean()),
      guards: fc.uniqueArray(
        fc.record({
          name: fc.constantFrom("a", "b", "c"),
          delay: fc.option(fc.constantFrom("1s", "2s")),
          margin: fc.option(fc.constantFrom("1M", "2M")),
          orders: fc.option(fc.constantFrom(["kill"], ["raise=1M", "kill"])),
        }),
        { selector: (one) => one.name },
      ),
    })
    .map(({ listen, token, guards }) => {
      const given = (table: object) =>
        Object.fromEntries(Object.entries(table).filter(([, value]) => value !== null));
      const text = Bun.TOML.stringify({ feed: given({ listen, token }), guard: guards.map(given) });
      return parseToml(text, "x.toml");
    });

  test("in any grouping gives the same", () => {
    fc.assert(
      fc.property(file, file, file, (a, b, c) => {
        expect(plainOf(merged(merged(a, b), c))).toEqual(plainOf(merged(a, merged(b, c))));
      }),
    );
  });

  test("with itself changes nothing; all that the later one says holds", () => {
    fc.assert(
      fc.property(file, file, (a, b) => {
        expect(plainOf(merged(a, a))).toEqual(plainOf(a));
        const both = merged(a, b);
        expect(plainOf(merged(both, b))).toEqual(plainOf(both));
      }),
    );
  });
});
