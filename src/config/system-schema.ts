// SPDX-License-Identifier: MIT
/** The table [system] of the config file: the host as a whole. */

import * as v from "valibot";
import { Size } from "../cli/args.ts";
import { Avoid, Prefer, whyTooMany } from "../cli/weigh.ts";
import { limit } from "../native/layout.ts";
import type { Mark } from "../native/system-page.ts";
import { Kills, table, told } from "./told.ts";

const A_MARK = 'give what is left, as a share or a size: "10%" or "500M"';
const MARKS =
  'give what is left as a share or a size, or two, of SIGTERM and of SIGKILL: "10%", or ["10%", "5%"]';
const A_SHARE = 'give a share of the time in percent: "40%"';
const SHARES =
  'give a share of the time in percent, or two, of SIGTERM and of SIGKILL: ["40%", "70%"]';
const RULES = 'give rules as for a guard, each in quotes: ["name=java*", "uid=1000,weight=8"]';
const PERCENT = /^(\d{1,3}(?:\.\d{1,2})?)%$/;

const Share = v.pipe(
  v.string(A_SHARE),
  v.regex(PERCENT, A_SHARE),
  v.transform(perMyriadOf),
  v.maxValue(10_000, "a share is at most 100%"),
);

const SizeMark = v.pipe(
  v.string(A_MARK),
  v.check((text) => v.is(Size, text), A_MARK),
  v.transform((text): Mark => ({ bytes: v.parse(Size, text), perMyriad: 0 })),
);
const ShareMark = v.pipe(
  v.string(A_MARK),
  v.regex(PERCENT, A_MARK),
  v.transform((text): Mark => ({ bytes: 0, perMyriad: perMyriadOf(text) })),
  v.check(({ perMyriad }) => perMyriad <= 10_000, "a share is at most 100%"),
);
const OneMark = v.union([ShareMark, SizeMark], A_MARK);

const NEVER: Mark = { bytes: 0, perMyriad: 0 };

/** The second is half the first where one is given. */
const Marks = v.pipe(
  oneOrTwo(OneMark, MARKS),
  v.transform(([first = NEVER, second = halfOf(first)]): readonly [Mark, Mark] => [first, second]),
  v.check(
    ([first, second]) =>
      first.perMyriad > 0 !== second.perMyriad > 0 ||
      (second.perMyriad <= first.perMyriad && second.bytes <= first.bytes),
    "the second, of SIGKILL, is no more than the first",
  ),
);

const Shares = v.pipe(
  oneOrTwo(Share, SHARES),
  v.transform(([first = 0, second = 0]): readonly [number, number] => [first, second]),
  v.check(([first]) => first > 0, "pressure of 0% is always there"),
  v.check(
    ([first, second]) => second === 0 || second >= first,
    "the second, of SIGKILL, is no less than the first",
  ),
);

const rules = (rule: typeof Prefer) =>
  v.pipe(
    v.array(rule, RULES),
    v.checkItems(({ cgroup }) => cgroup === undefined, "cgroup= is for a guard's"),
  );

export const SystemSchema = v.pipe(
  table(
    {
      memory: v.optional(
        told(
          Marks,
          "So much memory is left (`MemAvailable`), a size, or a share of what processes can have (that and `AnonPages`): at the first mark the largest process gets " +
            "SIGTERM, at the second SIGKILL. Of one the second is half. `0%`: never.",
          '`["10%", "5%"]`',
        ),
        ["10%", "5%"],
      ),
      swap: v.optional(
        told(
          Marks,
          "And so much swap is left: where there is swap, the marks of both have to be reached. `100%`: memory alone decides.",
          '`["10%", "5%"]`',
        ),
        ["10%", "5%"],
      ),
      pressure: v.optional(
        table(
          {
            at: told(
              Shares,
              "So much of the time somebody waited for memory (`/proc/pressure/memory`): SIGTERM, and SIGKILL where a " +
                "second is given. Behind a death it counts for nothing for as long as `over`.",
              "required",
            ),
            of: v.optional(
              told(
                v.picklist(["full", "some"], 'either "full" or "some"'),
                "`full`: all who could have worked waited; `some`: at least one did.",
                "`full`",
              ),
              "full",
            ),
            over: v.optional(
              told(
                v.pipe(
                  v.picklist(["10s", "60s", "300s"], "the kernel averages over 10s, 60s and 300s"),
                  v.transform((text) => Number.parseInt(text, 10)),
                ),
                "The time over which the kernel averages: `10s`, `60s` or `300s`.",
                "`10s`",
              ),
              "10s",
            ),
          },
          "The pressure on memory, where the kernel tells it.",
        ),
      ),
      prefer: v.optional(
        told(rules(Prefer), "Whose memory counts for more, as for a guard, without `cgroup=`."),
      ),
      avoid: v.optional(told(rules(Avoid), "Whose memory counts for less, likewise.")),
      hand_over: v.optional(
        told(
          v.boolean("this is true or false, without quotes"),
          "Whether the kernel is told to kill (sysrq `f`) at the second mark, where nobody is worth it or a cap is reached.",
          "`true`",
        ),
        true,
      ),
      caps: v.optional(
        table(
          {
            incident: v.optional(
              told(
                Kills(limit.KILLS_PER_INCIDENT_MAX),
                "The most processes that are told to end until there is memory again.",
                `\`${limit.KILLS_PER_INCIDENT_MAX}\``,
              ),
            ),
            hour: v.optional(
              told(
                Kills(limit.CAPS_MOST),
                "The most in an hour.",
                "that of `[caps]`, counted apart",
              ),
            ),
          },
          "The most processes.",
        ),
      ),
    },
    "The host as a whole, as earlyoom and nohang look after it: off where this table is not there. It takes the process with " +
      "most anonymous memory and swap. Never process 1, kernel threads, reprieve's own, and who is at -1000. Without " +
      "`[allow] system`, or `kill = true`, it only says whom it would take. One reprieve of a host has it.",
  ),
  v.forward(
    v.partialCheck(
      [["prefer"], ["avoid"]],
      ({ prefer = [], avoid = [] }) => whyTooMany([...prefer, ...avoid]) === undefined,
      ({ input: { prefer = [], avoid = [] } }) => whyTooMany([...prefer, ...avoid]) ?? "",
    ),
    ["prefer"],
  ),
);

// --- internal ---

function oneOrTwo<T>(schema: v.GenericSchema<string, T>, message: string) {
  const list = v.pipe(v.array(schema, message), v.minLength(1, message), v.maxLength(2, message));
  return v.pipe(
    v.union([schema, list], message),
    v.transform((given): readonly T[] => (Array.isArray(given) ? given : [given as T])),
  );
}

function halfOf({ bytes, perMyriad }: Mark): Mark {
  return { bytes: Math.floor(bytes / 2), perMyriad: Math.floor(perMyriad / 2) };
}

function perMyriadOf(text: string): number {
  return Math.round(Number(PERCENT.exec(text)?.[1] ?? 0) * 100);
}
