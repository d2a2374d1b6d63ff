// SPDX-License-Identifier: MIT
/** A [[guard]] of the config file: which groups, and what is done there. */

import * as v from "valibot";
import { KINDS } from "../cgroup/kind.ts";
import { Bound, Duration, Size, When, Word } from "../cli/args.ts";
import {
  BEFORE_WANTS_DELAY,
  Order,
  programOf,
  strangeTo,
  whyNeverReached,
  whyTooLong,
  withHookBound,
} from "../cli/order.ts";
import { Avoid, Prefer, whyTooMany } from "../cli/weigh.ts";
import type { StandingOrder } from "../native/guard-orders.ts";
import { limit } from "../native/layout.ts";
import type { WeighRule } from "../native/weighing.ts";
import { isExact, Pattern } from "./pattern.ts";
import { SamplingRates } from "./sampling-schema.ts";
import { Kills, table, told } from "./told.ts";

/** What it takes to say whether orders go together. */
export interface Ordered {
  readonly orders: readonly StandingOrder[];
  readonly delay?: number | undefined;
  readonly hook_bound?: number | undefined;
}

interface Weighed {
  readonly prefer?: readonly WeighRule[] | undefined;
  readonly avoid?: readonly WeighRule[] | undefined;
}

const ONE_OR_MORE = 'give one path in quotes, or several: ["/a", "/b/*"]';
const ORDERS = 'give them in their order, each in quotes: ["raise=64M:256M", "kill"]';

const RULES = 'give rules in quotes, in a list: ["name=java*", "uid=1000,weight=8"]';

const Several = v.pipe(v.array(Pattern, ONE_OR_MORE), v.minLength(1, ONE_OR_MORE));
const Patterns = v.union([Pattern, Several], ONE_OR_MORE);

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
  v.check(
    (all) => whyNeverReached(namesOf(all)) === undefined,
    ({ input }) => whyNeverReached(namesOf(input)) ?? "",
  ),
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
        "one group, and reprieve does not start where that cannot be guarded. Those that a glob finds, at the start or " +
        "later, and that cannot be guarded are left out, and that is said.",
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
    when: v.optional(
      told(
        When,
        "`at-oom`: the orders are carried out at the limit, where the group is held. `before`: where what cannot be " +
          "reclaimed comes within the margin of the limit, on cgroup v2 also where pressure keeps everybody in a full " +
          "group from getting on; the group is not held then, the kernel's killer stays on, and nobody's calls fail.",
        "`at-oom`",
      ),
    ),
    orders: v.optional(
      told(
        Orders,
        "What is tried at an OOM, each after the one before has brought no relief: `raise=SIZE` or `raise=SIZE:MOST`, " +
          "`reclaim` and `freeze` (cgroup v2), `move=/GROUP`, `hook=/PROGRAM ARGS` (a word with spaces in it in double quotes), `terminate` or `terminate=TIME` (SIGTERM, SIGKILL when TIME is over), `kill`, `kill=newest`, `kill=fastest` " +
          "(grown most in the last second), `kill=weight` (of the highest weight, whatever it holds), `kill-group`, " +
          "`kill-group=all`, and as the last `hand-over`: the kernel decides at once, whatever is left of the delay. Whom `kill` takes, `move`, `terminate` and `kill-group` take too. At last the kernel decides. Those before the last together have to end within the delay.",
        '`["kill"]`',
      ),
      ["kill"],
    ),
    hook_bound: v.optional(
      told(
        Bound,
        "How long the next order waits for the program of `hook=`.",
        "`50ms`, on cgroup v2 `200ms`",
      ),
    ),
    prefer: v.optional(
      told(
        v.array(Prefer, RULES),
        "Whose memory counts for more when the victim is chosen. " +
          "Each rule is `name=PATTERN` (what the process calls itself, at most 15 bytes), `exe=PATTERN` (the path of its " +
          "program), `cgroup=PATTERN` (its group below the guarded one, like `workers/*`) or `uid=NUMBER`, or several of " +
          "them, which then all have to hold, with commas between. `weight=` behind says how many times it counts, 4 where " +
          "it is not given, at most 40. Patterns are those of `cgroup` above. Of several rules that hold the weights are " +
          "multiplied.",
      ),
    ),
    avoid: v.optional(
      told(
        v.array(Avoid, RULES),
        "Whose memory counts for less, by the same rules; `weight=` is 0.25 where it is not given. It is no immunity: " +
          "who holds more all the same is chosen. With `weight=0` one is chosen only when nobody else is left.",
      ),
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
    sampling: v.optional(SamplingRates),
  },
  "Groups that are guarded, and how. Of several guards that match a group the one with the most specific pattern " +
    "decides: the one that gives more characters, `/` aside, so that a path wins over every glob; then the one with " +
    "more levels, `**` aside; with fewer `**`; with more `?`; with fewer `*`; then the guard that stands later.",
);

export const GuardSchema = v.pipe(
  GuardTable,
  v.forward(
    v.partialCheck(
      [["orders"], ["delay"], ["hook_bound"]],
      (guard) => whyTooLongAnywhere(guard) === undefined,
      ({ input }) => whyTooLongAnywhere(input) ?? "",
    ),
    ["orders"],
  ),
  v.forward(
    v.partialCheck(
      [["when"], ["delay"]],
      ({ when, delay }) => when !== "before" || delay !== 0,
      BEFORE_WANTS_DELAY,
    ),
    ["when"],
  ),
  v.forward(
    v.partialCheck(
      [["prefer"], ["avoid"]],
      (guard) => whyTooMany(weighOf(guard)) === undefined,
      ({ input }) => whyTooMany(weighOf(input)) ?? "",
    ),
    ["prefer"],
  ),
  v.forward(
    v.partialCheck(
      [["orders"], ["hook_bound"]],
      ({ orders, hook_bound }) => hook_bound === undefined || programOf(orders) !== undefined,
      "it goes with an order hook=/PROGRAM",
    ),
    ["hook_bound"],
  ),
);

/** Both lists of a guard. */
export function weighOf({ prefer = [], avoid = [] }: Weighed): readonly WeighRule[] {
  return [...prefer, ...avoid];
}

// --- internal ---

function namesOf(orders: readonly StandingOrder[]) {
  return orders.map(({ order }) => order);
}

/** Of hosts with v1 and with v2, those that know the orders: a sentence where none of them has the time. */
function whyTooLongAnywhere({ orders, delay, hook_bound }: Ordered): string | undefined {
  const names = namesOf(orders);
  const kinds = KINDS.filter((kind) => strangeTo(kind, names) === undefined);
  const bounded = withHookBound(orders, hook_bound);
  const whys = kinds.map((kind) => whyTooLong(kind, bounded, delay));
  return whys.every((why) => why !== undefined) ? whys[0] : undefined;
}
