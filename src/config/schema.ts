// SPDX-License-Identifier: MIT
/**
 * The config file, as a valibot schema: the only definition.
 *
 * What is told of a key here is what an editor shows (dist/reprieve.schema.json), the reference page and the man page
 * say (reference.ts), and a mistake is explained with.
 */

import * as v from "valibot";
import { Duration, Handler, Listen, Mode, Size, SocketPath, Word } from "../cli/args.ts";
import { Pattern } from "./pattern.ts";

const A_SWITCH = "this is true or false, without quotes";
const ONE_OR_MORE = 'give one path in quotes, or several: ["/a", "/b/*"]';
const POWER = 'give true, false, or the groups it holds for: "/tenants/*"';

const NO_DOOR = 'it goes with where = "designated", or with a command';

const Several = v.pipe(v.array(Pattern, ONE_OR_MORE), v.minLength(1, ONE_OR_MORE));
const Patterns = v.union([Pattern, Several], ONE_OR_MORE);
const Power = v.union([v.boolean(), Pattern, v.array(Pattern)], POWER);

const Guard = table(
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
  },
  "Groups that are guarded, and how. Of several guards that match a group the one with the most specific pattern " +
    "decides: the one that gives more characters, `/` aside, so that a path wins over every glob; then the one with " +
    "more levels, `**` aside; with fewer `**`; with more `?`; with fewer `*`; then the guard that stands later.",
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
          kill: v.optional(
            told(Power, "Where reprieve may kill. Elsewhere it observes.", "`false`"),
            false,
          ),
        },
        "Powers. Without them reprieve only says what it would have done.",
      ),
      {},
    ),
    deny: v.optional(
      table(
        {
          kill: v.optional(
            told(Power, "Where reprieve may not kill, whatever else says that it may.", "`false`"),
            false,
          ),
        },
        "What wins over `[allow]`, and over `--allow-kill` too.",
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
);

export type Config = v.InferOutput<typeof ConfigSchema>;
export type Guard = Config["guard"][number];
export type Power = v.InferOutput<typeof Power>;

// --- internal ---

function wantsDoor({ where, command }: { where: string; command?: string | undefined }): boolean {
  return where === "designated" || command !== undefined;
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
