// SPDX-License-Identifier: MIT
/**
 * The config file, as a valibot schema: the only definition, with guard-schema.ts.
 *
 * What is told of a key here is what an editor shows (dist/reprieve.schema.json), the reference page and the man page
 * say (reference.ts), and a mistake is explained with.
 */

import * as v from "valibot";
import {
  AbsolutePath,
  AN_ADDRESS,
  Handler,
  Listen,
  Mode,
  Program,
  SocketPath,
} from "../cli/args.ts";
import { BEFORE_WANTS_OURS } from "../cli/order.ts";
import { limit } from "../native/layout.ts";
import { QUOTES, wordsOf } from "../native/words.ts";
import { ExportTable } from "./export-schema.ts";
import { GuardSchema, type Ordered } from "./guard-schema.ts";
import { JournalTable } from "./journal-schema.ts";
import { Pattern } from "./pattern.ts";
import { Sources } from "./sampling-schema.ts";
import { SystemSchema } from "./system-schema.ts";
import { Kills, table, told } from "./told.ts";

const A_SWITCH = "this is true or false, without quotes";
const REACH = 'give true, false, or the groups it holds for: "/tenants/*"';

const PROGRAMS = 'give true, false, or the programs it holds for: "/usr/local/bin/*"';

const NO_DOOR = 'it goes with where = "designated", or with a command';

const Reach = v.union([v.boolean(), Pattern, v.array(Pattern)], REACH);

const Programs = v.union([v.boolean(), Program, v.array(Program)], PROGRAMS);

const Feed = table(
  {
    listen: v.optional(
      told(
        v.union([Listen, v.array(Listen)], AN_ADDRESS),
        "Where feed, API and page are: an address, several, or `none`. `unix:/PATH,MODE` is a socket (mode 0600), at which no token is wanted.",
        "`127.0.0.1:7461`, and no feed where that is taken",
      ),
    ),
    token: v.optional(
      told(v.boolean(A_SWITCH), "Whether readers of the feed must know its token.", "`true`"),
      true,
    ),
    token_file: v.optional(
      told(
        AbsolutePath,
        "A file with the token, mode 0600: made where it is not there, so that the token outlives a restart.",
        "a new token at each start; of a service of systemd's `/var/lib/reprieve/token`",
      ),
    ),
    tls_cert: v.optional(
      told(AbsolutePath, "The certificate chain, PEM: with `tls_key`, TCP addresses are https."),
    ),
    tls_key: v.optional(told(AbsolutePath, "The key of it, PEM.")),
    open_metrics: v.optional(
      told(v.boolean(A_SWITCH), "Whether `/metrics` may be read without the token.", "`false`"),
      false,
    ),
  },
  "The feed, the API, the metrics and the page.",
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
            v.check((command) => wordsOf(command) !== undefined, QUOTES),
            v.check((command) => wordsOf(command)?.length !== 0, "a command names a program"),
          ),
          "A handler to be designated: run as each group's owner, started again when it ends. Words are split at spaces; " +
            "one with spaces in it is written in double quotes, as in JSON.",
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
    guard: v.optional(v.array(GuardSchema, "guards are tables, each under a line [[guard]]"), []),
    system: v.optional(SystemSchema),
    allow: v.optional(
      table(
        {
          kill: power("Where reprieve may kill, and freeze."),
          limits: power("Where reprieve may raise limits, and reclaim."),
          move: power("Where reprieve may move a process out, to the group of `move=`."),
          hooks: power("Which programs of `hook=` reprieve may run.", Programs),
          system: v.optional(
            told(
              v.boolean(A_SWITCH),
              "Whether `[system]` may have processes of the host end; `kill = true` says so too.",
              "`false`",
            ),
            false,
          ),
        },
        "Powers: `true`, or the groups they hold for, of hooks the programs. An order without its power is only observed: reprieve says what it " +
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
          hooks: power("Which programs it may not run.", Programs),
          system: v.optional(
            told(v.boolean(A_SWITCH), "Whether `[system]` may not.", "`false`"),
            false,
          ),
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
    sampling: v.optional(Sources, {}),
    feed: v.optional(Feed, {}),
    handler: v.optional(HandlerTable, {}),
    journal: v.optional(JournalTable, {}),
    export: v.optional(ExportTable),
    reload: v.optional(
      table(
        {
          watch: v.optional(
            told(
              v.boolean(A_SWITCH),
              "Whether a change of this file, or of a drop-in, is put into effect by itself, as by `reprieve reload`.",
              "`false`",
            ),
            false,
          ),
        },
        "How changes of this file are put into effect.",
      ),
      {},
    ),
  }),
  v.forward(
    v.partialCheck(
      [["guard"], ["system"]],
      ({ guard, system }) => guard.length > 0 || system !== undefined,
      "there is no [[guard]], and no [system]: nothing would be guarded",
    ),
    ["guard"],
  ),
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
      ({ handler, guard }) => !wantsDoor(handler) || guard.every(({ when }) => when !== "before"),
      BEFORE_WANTS_OURS,
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

/** The name of the first guard with that order. */
function wholeKiller(guards: readonly (Ordered & { readonly name: string })[]) {
  return guards.find(({ orders }) => orders.some(({ order }) => order === "KILL_GROUP_ALL"))?.name;
}

function power(text: string, reach: typeof Reach | typeof Programs = Reach) {
  return v.optional(told(reach, text, "`false`"), false);
}
