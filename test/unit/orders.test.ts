// SPDX-License-Identifier: MIT
/** Standing orders before anything is changed: what does not go together on which host, and what is said of powers. */
import { describe, expect, test } from "bun:test";
import type { Hierarchy } from "../../src/cgroup/hierarchy.ts";
import { type OrderName, POWERS, type Power } from "../../src/cli/order.ts";
import { demandOrders, type OrderOptions, standingOf, warningsOf } from "../../src/cli/orders.ts";
import { type CliError, exit } from "../../src/errors.ts";
import type { StandingOrder } from "../../src/native/guard-orders.ts";

type Bare = Exclude<OrderName, "RAISE" | "MOVE" | "HOOK">;

/** No group of it is looked for here. */
function host(version: 1 | 2): Hierarchy {
  return { version, root: "/none", own: "/none" } as Hierarchy;
}

const RAISE: StandingOrder = { order: "RAISE", byBytes: 1, mostBytes: 1 };
const bare = (...names: Bare[]): StandingOrder[] => names.map((order) => ({ order }));

function refusal(version: 1 | 2, options: Partial<OrderOptions>, guard?: string): string {
  try {
    demandOrders(host(version), { order: [], handler: "outside", ...options }, guard);
    return "none";
  } catch (error) {
    const { code, message } = error as CliError;
    return `${code} ${message}`;
  }
}

describe("orders that do not go together", () => {
  const inside = { order: bare("KILL_GROUP_ALL"), handler: "inside" } as const;
  const long = { order: [RAISE, ...bare("KILL")], delay: 40 };

  test.each([
    [1, { order: bare("KILL", "KILL") }, "--order kill is given twice"],
    [1, { order: bare("RECLAIM") }, "--order reclaim needs cgroup v2, and memory is on v1 here"],
    [2, { order: bare("RECLAIM") }, "none"],
    [1, inside, "--order kill-group=all would kill the handler: give --handler outside"],
    [1, long, "none"],
    [1, { order: bare("KILL", "HAND_OVER") }, "none"],
    [1, { order: bare("HAND_OVER"), delay: 0 }, "none"],
    [
      1,
      { order: bare("HAND_OVER", "KILL_GROUP_ALL") },
      "hand-over comes last: kill-group=all behind it would never be carried out",
    ],
    [
      1,
      { order: bare("KILL", "HAND_OVER"), delay: 50 },
      "the orders before the last may take 50 ms on cgroup v1, and the delay is 50 ms: " +
        "give fewer orders or a longer delay",
    ],
    [
      2,
      long,
      "the orders before the last may take 40 ms on cgroup v2, and the delay is 40 ms: " +
        "give fewer orders or a longer delay",
    ],
  ] as const)("on cgroup v%p %p: %s", (version, options, says) => {
    const none = says === "none";
    expect(refusal(version, options)).toBe(none ? says : `${exit.usage} ${says}`);
    const ofGuard = `${exit.badConfig} guard web: ${says.replace(/^--/, "")}`;
    expect(refusal(version, options, "web")).toBe(none ? says : ofGuard);
  });
});

describe("of the powers those are used that are granted", () => {
  const powers = (options: Omit<OrderOptions, "granted">, ...granted: Power[]) => {
    const { orders, ...allows } = standingOf(
      host(1),
      { ...options, granted: new Set(granted) },
      "/none/a",
    );
    expect(orders).toEqual(options.order);
    return Object.entries(allows).flatMap(([name, isAllowed]) => (isAllowed ? [name] : []));
  };

  test("and that an order needs", () => {
    const both = { order: [RAISE, ...bare("KILL")], handler: "outside" } as const;
    expect(powers(both)).toEqual([]);
    expect(powers(both, "kill", "move")).toEqual(["allowKill"]);
    expect(powers(both, "limits", "move")).toEqual(["allowLimits"]);
    expect(powers(both, "kill", "limits")).toEqual(["allowKill", "allowLimits"]);
  });

  test("and none for the hand-over", () => {
    expect(powers({ order: bare("HAND_OVER"), handler: "outside" }, "kill")).toEqual([]);
  });

  test("and that to kill also where the group is held all the same", () => {
    const raise = { order: [RAISE], handler: "outside" } as const;
    expect(powers(raise, "kill")).toEqual([]);
    expect(powers(raise, "kill", "limits")).toEqual(["allowKill", "allowLimits"]);
    expect(powers({ ...raise, handler: "designated" }, "kill")).toEqual(["allowKill"]);
  });
});

describe("of powers is said", () => {
  const group = (
    name: string,
    order: readonly StandingOrder[],
    lacks: Partial<Record<Power, "allow" | "deny">>,
    guard: string | undefined = "web",
  ) => ({
    name,
    orders: order,
    granted: new Set(POWERS.filter((power) => lacks[power] === undefined)),
    handler: "outside" as const,
    decided: { guard, whyNot: (power: Power) => lacks[power] },
  });
  const no = { limits: "allow", move: "allow", hooks: "allow" } as const;

  test("with a config file: guard, order, the first group, how many more, and the key", () => {
    const both = [RAISE, ...bare("KILL")];
    const all = [
      group("t/a", both, no),
      group("t/b", both, { ...no, kill: "deny" }),
      group("t/\u001b[2J", both, { ...no, kill: "deny" }),
      group("t/c", both, { ...no, limits: "deny" }),
      group("u/d", bare("FREEZE"), { ...no, kill: "allow" }, "other"),
    ];
    expect(warningsOf(all, false)).toEqual([
      "guard web only observes raise in /t/a (and 2 more): [allow] limits lets it act",
      "guard web only observes kill in /t/b (and 1 more): [deny] kill forbids it",
      "guard web only observes raise in /t/c: [deny] limits forbids it",
      "guard other only observes freeze in /u/d: [allow] kill lets it act",
    ]);
    expect(
      warningsOf([group("\u001b[2J", bare("KILL"), { ...no, kill: "deny" })], false)[0],
    ).toContain("kill in /\u{fffd}[2J: ");
  });

  test("of a group that no guard of the file speaks of", () => {
    const { decided, ...one } = group("x", bare("KILL"), { ...no, kill: "allow" });
    const stranger = { ...one, decided: { ...decided, guard: undefined } };
    expect(warningsOf([stranger], false)).toEqual([
      "reprieve only observes kill in /x: [allow] kill lets it act",
    ]);
  });

  test("what is granted and needed by none of the groups", () => {
    const all = [
      group("a", bare("KILL"), { move: "allow", hooks: "allow" }),
      group("b", [RAISE], no),
    ];
    expect(warningsOf(all.slice(0, 1), false)).toEqual([
      "the power limits is granted for nothing: no order needs it",
    ]);
    expect(warningsOf(all, false)).toEqual([
      "guard web only observes raise in /b: [allow] limits lets it act",
    ]);
  });

  test("with flags: once, and nothing where nothing is granted", () => {
    const flags = (order: readonly StandingOrder[], ...granted: Power[]) => {
      const one = { orders: order, granted: new Set(granted), handler: "outside" as const };
      return [
        { name: "a", ...one },
        { name: "b", ...one },
      ];
    };
    const both = [RAISE, ...bare("KILL")];
    expect(warningsOf(flags(both), false)).toEqual([]);
    expect(warningsOf(flags(both, "kill", "move"), false)).toEqual([
      "--order raise is only observed: --allow-limits lets it act",
      "--allow-move is for nothing: no --order needs it",
    ]);
    expect(warningsOf(flags(bare("KILL"), "kill", "limits"), true)).toEqual([]);
    expect(warningsOf(flags(bare("HAND_OVER"), "kill"), false)).toEqual([
      "--allow-kill is for nothing: no --order needs it",
    ]);
  });
});
