// SPDX-License-Identifier: MIT
/** What may stand behind a flag: sizes, durations, names and addresses, as valibot schemas. Pure, but for a file of certificates. */

import { readFileSync } from "node:fs";
import { InvalidArgumentError } from "commander";
import * as v from "valibot";

export interface TcpAddress {
  readonly hostname: string;
  readonly port: number;
}

/** A socket in the file system; its mode says who may connect. */
export interface UnixAddress {
  readonly path: string;
  readonly mode: number;
}

export type ListenAddress = TcpAddress | UnixAddress;

const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  K: 2 ** 10,
  M: 2 ** 20,
  G: 2 ** 30,
  T: 2 ** 40,
};
const MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000 };
/** Under this a shell cannot even start. */
const LIMIT_LEAST = 2 ** 20;
/** A bound on a typing mistake: 1 PiB. */
const SIZE_MOST = 2 ** 50;
const DELAY_MOST_MS = 600_000;

const SIZE = /^(\d+(?:\.\d+)?)(?:([KMGTkmgt])(?:[iI][bB])?)?$/;
const DURATION = /^(?:(\d+(?:\.\d+)?)(ms|s|m)|0)$/;
const UNIX = /^unix:(\/.*?[^/,])(?:,(0?[0-7]{3}))?$/;
const TCP = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/;

const A_SIZE = "a size is a number with K, M, G or T (powers of 1024), like 64M or 1.5GiB";

export const Size = v.pipe(
  v.string(A_SIZE),
  v.regex(SIZE, A_SIZE),
  v.transform((text) => {
    const [, number = "", unit = ""] = SIZE.exec(text) ?? [];
    return Math.floor(Number(number) * (UNITS[unit.toUpperCase()] ?? 1));
  }),
  v.minValue(1, "a size is at least 1 byte"),
  v.maxValue(SIZE_MOST, "no size is over 1024T"),
);

export const Limit = v.pipe(Size, v.minValue(LIMIT_LEAST, "a limit is at least 1M"));

const A_DURATION = "a duration is a number with ms, s or m, like 100ms or 2s";

/** In ms. */
export const Time = v.pipe(
  v.string(A_DURATION),
  v.regex(DURATION, A_DURATION),
  v.transform((text) => {
    const [, number = "0", unit = "ms"] = DURATION.exec(text) ?? [];
    return Number(number) * (MS[unit] ?? 1);
  }),
);

export const Duration = v.pipe(
  Time,
  v.check((ms) => ms === 0 || ms >= 1, "a delay is 0 or at least 1ms"),
  v.transform(Math.round),
  v.maxValue(DELAY_MOST_MS, "a delay is at most 10m: the group's programs fail while it runs"),
);

/** Of a wait that is not the reprieve itself. */
export const Bound = v.pipe(Duration, v.minValue(1, "a bound is at least 1ms"));

const A_PROGRAM =
  "a program is named by its path, which begins with /, or by a pattern: /usr/local/bin/*";

export const Program = v.pipe(v.string(A_PROGRAM), v.regex(/^\/./, A_PROGRAM));

const A_TIME = "when is at-oom, or before";

export const When = v.picklist(["at-oom", "before"], A_TIME);

const A_WORD = "a name is 1 to 64 of the characters A-Z a-z 0-9 . _ -";

export const Word = v.pipe(v.string(A_WORD), v.regex(/^[A-Za-z0-9._-]{1,64}$/, A_WORD));

export const Name = v.pipe(
  Word,
  v.regex(
    /^(?!helpers-|doctor-)/,
    "a name does not begin with helpers- or doctor-: those are reprieve's",
  ),
);

const A_JOURNAL = "a journal is a file, named by its absolute path, or none";

export const JournalPath = v.pipe(v.string(A_JOURNAL), v.regex(/^(none|\/.*[^/])$/, A_JOURNAL));

const A_MOMENT = "a time is 30m, 2h or 3d ago, 14:30 of today, or a date like 2026-11-30 12:00";
const UNITS_MS: Readonly<Record<string, number>> = { ...MS, h: 3_600_000, d: 86_400_000 };

/** Wall clock, ms. */
export const Moment = v.pipe(
  v.string(A_MOMENT),
  v.transform((text) => {
    const [, number, unit = ""] = /^(\d+)([smhd])$/.exec(text) ?? [];
    if (number !== undefined) return Date.now() - Number(number) * (UNITS_MS[unit] ?? 0);
    const ofToday = /^\d?\d:\d\d(:\d\d)?$/.test(text);
    // A date alone would be that of Greenwich.
    const isDate = /^\d{4}-\d\d-\d\d$/.test(text);
    return Date.parse(
      ofToday ? `${new Date().toDateString()} ${text}` : text + (isDate ? " 00:00" : ""),
    );
  }),
  v.finite(A_MOMENT),
);

const A_COUNT = "a count is a whole number from 1 to 10000";

export const Count = v.pipe(
  v.string(A_COUNT),
  v.regex(/^[1-9]\d{0,4}$/, A_COUNT),
  v.transform(Number),
  v.maxValue(10_000, A_COUNT),
);

const A_PROCESS = "a process id is a whole number";

export const ProcessId = v.pipe(
  v.string(A_PROCESS),
  v.regex(/^[1-9]\d{0,9}$/, A_PROCESS),
  v.transform(Number),
);

export const Handler = v.picklist(
  ["outside", "inside", "designated"],
  "the handler runs outside or inside, or is designated",
);

const A_MODE = "a mode is three octal digits, like 0660";

export const Mode = v.pipe(
  v.string(A_MODE),
  v.regex(/^0?[0-7]{3}$/, A_MODE),
  v.transform((text) => Number.parseInt(text, 8)),
);

const A_PATH = "a path is absolute: it begins with /";

export const AbsolutePath = v.pipe(v.string(A_PATH), v.regex(/^\/./, A_PATH));

/** sun_path of unix(7), less its NUL. */
const SOCKET_PATH_MOST = 107;
const SOCKET_TOO_LONG = `a socket's path has at most ${SOCKET_PATH_MOST} bytes`;

const A_SOCKET = "a socket's path is absolute";

export const SocketPath = v.pipe(
  v.string(A_SOCKET),
  v.regex(/^\/.*[^/]$/, A_SOCKET),
  v.check((path) => Buffer.byteLength(path) <= SOCKET_PATH_MOST, SOCKET_TOO_LONG),
);

export const AN_ADDRESS =
  "an address is HOST:PORT, like 127.0.0.1:7461 or [::1]:7461, unix:PATH[,MODE], or none";
const SOCKET_MODE = 0o600;

export const Listen = v.union(
  [
    v.literal("none"),
    v.pipe(
      v.string(AN_ADDRESS),
      v.regex(UNIX, AN_ADDRESS),
      v.transform((text): UnixAddress => {
        const [, path = "", mode] = UNIX.exec(text) ?? [];
        return { path, mode: mode === undefined ? SOCKET_MODE : Number.parseInt(mode, 8) };
      }),
      v.check(({ path }) => Buffer.byteLength(path) <= SOCKET_PATH_MOST, SOCKET_TOO_LONG),
    ),
    v.pipe(
      v.string(AN_ADDRESS),
      v.regex(TCP, AN_ADDRESS),
      v.transform((text): TcpAddress => {
        const [, six, host, port] = TCP.exec(text) ?? [];
        return { hostname: six ?? host ?? "", port: Number(port) };
      }),
      v.check(({ port }) => port <= 65_535, "a port is at most 65535"),
    ),
  ],
  AN_ADDRESS,
);

const A_URL = "a reprieve is asked at http://HOST:PORT/, https://HOST:PORT/ or unix:/PATH";

export const AgentUrl = v.pipe(
  v.string(A_URL),
  v.regex(/^(unix:\/.|https?:\/\/.)/, A_URL),
  v.check((text) => URL.canParse(text), A_URL),
);

/** What is in the file of that name. */
export const CaFile = v.pipe(
  v.string(),
  v.rawTransform(({ dataset: { value: path }, addIssue, NEVER }) => {
    try {
      return readFileSync(path, "utf8");
    } catch (error) {
      addIssue({ message: `cannot read ${path}: ${(error as NodeJS.ErrnoException).code}` });
      return NEVER;
    }
  }),
  v.regex(/^-----BEGIN (TRUSTED )?CERTIFICATE-----$/m, "there is no certificate in it: PEM"),
);

/** A commander argument parser that answers with the schema's own sentence. */
export function parsed<T extends v.GenericSchema>(schema: T) {
  return (text: string): v.InferOutput<T> => {
    const result = v.safeParse(schema, text);
    if (result.success) return result.output;
    throw new InvalidArgumentError(firstMessage(result.issues));
  };
}

/** Of a union: what its last member, the general one, says. */
export function firstMessage(issues: readonly v.BaseIssue<unknown>[]): string {
  const [issue] = issues;
  const inner = issue?.issues?.filter((one) => one.kind === "validation").at(-1);
  return (inner ?? issue)?.message ?? "it is not valid";
}
