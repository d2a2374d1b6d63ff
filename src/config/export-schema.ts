// SPDX-License-Identifier: MIT
/** [export]: who else gets each incident. */

import * as v from "valibot";
import { AbsolutePath } from "../cli/args.ts";
import { table, told } from "./told.ts";

const A_FILE = "a file is named by its absolute path; - is stdout";
const AN_ADDRESS = "an address is that of a collector's logs, like http://127.0.0.1:4318/v1/logs";

export const ExportTable = table(
  {
    jsonl: v.optional(
      told(
        v.pipe(v.string(A_FILE), v.regex(/^(-|\/.*[^/])$/, A_FILE)),
        "A file to which each incident is added as a line of JSON; `-`: stdout.",
      ),
    ),
    journald: v.optional(
      told(
        v.boolean("this is true or false, without quotes"),
        "Whether systemd's journal gets each incident, with fields: `journalctl REPRIEVE_GUARD=web`.",
        "`false`",
      ),
      false,
    ),
    otlp: v.optional(
      told(
        v.pipe(
          v.string(AN_ADDRESS),
          v.check((text) => /^https?:$/.test(URL.parse(text)?.protocol ?? ""), AN_ADDRESS),
        ),
        "Where an OpenTelemetry collector takes logs: OTLP over HTTP, as JSON.",
      ),
    ),
    otlp_headers_file: v.optional(
      told(
        AbsolutePath,
        "A file with headers for it, a line each, like `Authorization: Bearer TOKEN`; mode 0600.",
      ),
    ),
    otlp_ca: v.optional(
      told(AbsolutePath, "Whose certificates it may show, PEM.", "those that the runtime knows"),
    ),
  },
  "Who else gets each incident when it is over, without what its processes did before. At least once: the `id` tells one that comes again.",
);

export type ExportOptions = v.InferOutput<typeof ExportTable>;
