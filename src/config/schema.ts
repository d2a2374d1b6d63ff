// SPDX-License-Identifier: MIT
/**
 * The config file, as a valibot schema: the only definition.
 *
 * What is told of a key here is what an editor shows (dist/reprieve.schema.json), the reference page and the man page
 * say (reference.ts), and a mistake is explained with.
 */

import * as v from "valibot";
import { KINDS } from "../cgroup/kind.ts";
import { Duration, Handler, Listen, Mode, Size, SocketPath, Word } from "../cli/args.ts";
import { Order, type OrderName, strangeTo, whyTooLong } from "../cli/order.ts";
import { limit } from "../native/layout.ts";
import { isExact, Pattern } from "./pattern.ts";

const A_SWITCH = "this is true or false, without quotes";
const ONE_OR_MORE = 'give one path in quotes, or several: ["/a", "/b/*"]';
const ORDERS = 'give them in their order, each in quotes: ["raise=64M:256M", "kill"]';
const REACH = 'give true, false, or the groups it holds for: "/tenants/*"';

const NO_DOOR = 'it goes with where = "designated", or with a command';

const Several = v.pipe(v.array(Pattern, ONE_OR_MORE), v.minLength(1, ONE_OR_MORE));
const Patterns = v.union([Pattern, Several], ONE_OR_MORE);
const Reach = v.union([v.boolean(), Pattern, v.array(Pattern)], REACH);

const Orders = v.pipe(
  v.array(
    v.pipe(
      Order,
      v.check(
        (one) => one.order !== "MOVE" || (v.is(Pattern, one.to) && isExact(one.to)),
        "move names one group by its path below the memory hierarchy: move=/tenants/spill",
      ),
    ),
    ORDERS,
  ),
  v.minLength(1, ORDERS),
  v.checkItems(
    (one, index, all) => all.findIndex(({ order }) => order === one.order) === index,
    "it is given twice",
  ),
);

const Kills = (most: number) =>
  v.pipe(
    v.number("this is a number of kills, without quotes"),
    v.integer("a number of kills is whole"),
    v.minValue(1, "at least 1; without [allow] kill nobody is killed"),
    v.maxValue(most, `at most ${most}`),
  );

const GuardTable = table(
  {
    name: told(
      Word,
      "What the guard is called. A drop-in's guard of the same name changes the keys that it gives and leaves the others.",
      "required",
    ),
    cgroup: told(
      Patterns,
      "The groups, by their paths below the memory hierarchy. `*` stands for any characters of one level, `?` for one " +
        "character, `**` for any number of levels, and all else for itself, a backslash too. Without `*` and `?` it is " +
        "one group, and reprieve does not start where that cannot be guarded. Of those that a glob finds at the start, " +
        "the ones that cannot be guarded are left out, and that is said.",
      "required",
    ),
    except: v.optional(told(Patterns, "Groups that this guard leaves alone all the same.")),
    delay: v.optional(
      told(
        Duration,
        "The reprieve: not relieved by then, the kernel decides. `0`, or `1ms` to `10m`.",
        "`100ms`, on cgroup v2 `500ms`",
      ),
    ),
    margin: v.optional(
      told(
        Size,
        "So near to its limit a group is held, the kernel's killer off; on cgroup v2 `memory.high` is put so far below " +
          "`memory.max`.",
        "a quarter of the limit, at most 16 MiB",
      ),
    ),
    orders: v.optional(
      told(
        Orders,
        "What is tried at an OOM, each after the one before has brought no relief: `raise=SIZE` or `raise=SIZE:MOST`, " +
          "`reclaim` and `freeze` (cgroup v2), `move=/GROUP`, `kill`, `kill-group`, `kill-group=all`. At last the kernel " +
          "decides. Those before the last together have to end within the delay.",
        '`["kill"]`',
      ),
      ["kill"],
    ),
    caps: v.optional(
      table(
        {
          incident: v.optional(
            told(
              Kills(limit.KILLS_PER_INCIDENT_MAX),
              "The most kills in one incident: then the kernel decides. A group that an order kills whole is one kill.",
              `\`${limit.KILLS_PER_INCIDENT_MAX}\``,
            ),
          ),
          hour: v.optional(
            told(
              Kills(limit.CAPS_MOST),
              "The most kills in an hour, in each of the groups: then the kernel decides.",
            ),
          ),
        },
        "The most kills.",
      ),
    ),
  },
  "Groups that are guarded, and how. Of several guards that match a group the one with the most specific pattern " +
    "decides: the one that gives more characters, `/` aside, so that a path wins over every glob; then the one with " +
    "more levels, `**` aside; with fewer `**`; with more `?`; with fewer `*`; then the guard that stands later.",
);

const Guard = v.pipe(
  GuardTable,
  v.forward(
    v.partialCheck(
      [["orders"], ["delay"]],
      (guard) => whyTooLongAnywhere(guard) === undefined,
      ({ input }) => whyTooLongAnywhere(input) ?? "",
    ),
    ["orders"],
  ),
);

const Feed = table(
  {
    listen: v.optional(
      told(
        Listen,
        "The address of the feed, or `none`.",
        "`127.0.0.1:7461`, and no feed where that is taken",
      ),
    ),
    token: v.optional(
      told(v.boolean(A_SWITCH), "Whether readers of the feed must know its token.", "`true`"),
      true,
    ),
  },
  "The websocket feed.",
);

const HandlerTable = v.pipe(
  table(
    {
      where: v.optional(
        told(
          Handler,
          "`outside`: reprieve's own, outside the guarded groups. `inside`: in the guarded group, which must be the only " +
            "one. `designated`: who designates himself at the socket, if he may; until then reprieve's own.",
          "`outside`",
        ),
        "outside",
      ),
      command: v.optional(
        told(
          v.pipe(
            v.string("a command is text, in quotes"),
            v.regex(/\S/, "a command names a program"),
          ),
          "A handler to be designated: run as each group's owner, started again when it ends. Words are split at spaces.",
        ),
      ),
      socket: v.optional(
        told(
          SocketPath,
          "Of designated handlers.",
          "`handler.sock` in `/run/reprieve`, or where that run's files are",
        ),
      ),
      mode: v.optional(
        told(Mode, "Of that socket, in quotes; who may is decided behind it.", "`0666`"),
      ),
    },
    "Who answers an OOM, for all guards.",
  ),
  v.forward(
    v.check(
      ({ where, command }) => where !== "inside" || command === undefined,
      'it does not go with where = "inside"',
    ),
    ["command"],
  ),
  v.forward(
    v.check((handler) => handler.socket === undefined || wantsDoor(handler), NO_DOOR),
    ["socket"],
  ),
  v.forward(
    v.check((handler) => handler.mode === undefined || wantsDoor(handler), NO_DOOR),
    ["mode"],
  ),
);

export const ConfigSchema = v.pipe(
  v.strictObject({
    guard: v.pipe(
      v.array(Guard, "guards are tables, each under a line [[guard]]"),
      v.minLength(1, "there is no [[guard]]: nothing would be guarded"),
    ),
    allow: v.optional(
      table(
        {
          kill: power("Where reprieve may kill, and freeze."),
          limits: power("Where reprieve may raise limits, and reclaim."),
          move: power("Where reprieve may move a process out, to the group of `move=`."),
        },
        "Powers: `true`, or the groups they hold for. An order without its power is only observed: reprieve says what it " +
          "would have done.",
      ),
      {},
    ),
    deny: v.optional(
      table(
        {
          kill: power("Where reprieve may not kill or freeze, whatever else says that it may."),
          limits: power("Where it may not raise limits or reclaim."),
          move: power("Where it may not move a process out."),
        },
        "What wins over `[allow]`, and over the `--allow` flags too.",
      ),
      {},
    ),
    caps: v.optional(
      table(
        {
          hour: v.optional(
            told(
              Kills(limit.CAPS_MOST),
              "The most kills in an hour, by all guards together: then the kernel decides.",
            ),
          ),
        },
        "The most kills on this host.",
      ),
      {},
    ),
    feed: v.optional(Feed, {}),
    handler: v.optional(HandlerTable, {}),
  }),
  v.forward(
    v.partialCheck(
      [["handler"], ["allow"]],
      ({ handler, allow }) => !wantsDoor(handler) || allow.kill !== false,
      "a designated handler goes with [allow] kill: who only observes holds no group",
    ),
    ["handler"],
  ),
  v.forward(
    v.partialCheck(
      [["handler"], ["guard"]],
      ({ handler, guard }) => handler.where !== "inside" || wholeKiller(guard) === undefined,
      ({ input }) => `kill-group=all of guard ${wholeKiller(input.guard)} would kill the handler`,
    ),
    ["handler", "where"],
  ),
);

export type Config = v.InferOutput<typeof ConfigSchema>;
export type Guard = Config["guard"][number];
export type Reach = v.InferOutput<typeof Reach>;

// --- internal ---

function wantsDoor({ where, command }: { where: string; command?: string | undefined }): boolean {
  return where === "designated" || command !== undefined;
}

interface Ordered {
  readonly orders: readonly { readonly order: OrderName }[];
  readonly delay?: number | undefined;
}

/** Of hosts with v1 and with v2, those that know the orders: a sentence where none of them has the time. */
function whyTooLongAnywhere({ orders, delay }: Ordered): string | undefined {
  const names = orders.map(({ order }) => order);
  const kinds = KINDS.filter((kind) => strangeTo(kind, names) === undefined);
  const whys = kinds.map((kind) => whyTooLong(kind, names, delay));
  return whys.every((why) => why !== undefined) ? whys[0] : undefined;
}

/** The name of the first guard with that order. */
function wholeKiller(guards: readonly (Ordered & { readonly name: string })[]) {
  return guards.find(({ orders }) => orders.some(({ order }) => order === "KILL_WHOLE"))?.name;
}

function power(text: string) {
  return v.optional(told(Reach, text, "`false`"), false);
}

/** A schema with what is told of it, and what holds where the key is not given. */
function told<T extends v.GenericSchema>(schema: T, text: string, without = "none") {
  return v.pipe(schema, v.description(text), v.metadata({ without }));
}

function table<T extends v.ObjectEntries>(entries: T, text: string) {
  return v.pipe(
    v.strictObject(entries, "it has keys of its own and no value"),
    v.description(text),
  );
}
