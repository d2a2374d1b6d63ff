// SPDX-License-Identifier: MIT
/** What an installation consists of, and where. Pure, but for the texts of dist/systemd and dist/man, which are in this binary. */

import { join } from "node:path";
import manual from "../../dist/man/reprieve.1" with { type: "text" };
import configManual from "../../dist/man/reprieve.toml.5" with { type: "text" };
import agent from "../../dist/systemd/reprieve.service" with { type: "text" };
import slice from "../../dist/systemd/reprieve.slice" with { type: "text" };
import config from "../../dist/systemd/reprieve.toml" with { type: "text" };
import helpers from "../../dist/systemd/reprieve-helpers.service" with { type: "text" };
import { DEFAULT_FILE } from "../config/load.ts";

export const AGENT_UNIT = "reprieve.service";
export const HELPERS_UNIT = "reprieve-helpers.service";
export const SLICE = "reprieve.slice";

/** A package's, and what a person installs beside those. */
export type Prefix = "/usr" | "/usr/local";

/** In dist/systemd programs are where a package has them. */
const PACKAGED = "/usr/bin/reprieve";
const UNITS = { [AGENT_UNIT]: agent, [HELPERS_UNIT]: helpers, [SLICE]: slice };

/** In the order in which they are stopped: what holds is put back. */
export const UNIT_NAMES = Object.keys(UNITS);

export interface Text {
  readonly path: string;
  readonly text: string;
}

export function programOf(prefix: Prefix): string {
  return join(prefix, "bin/reprieve");
}

export function unitsOf(prefix: Prefix): Text[] {
  return Object.entries(UNITS).map(([name, text]) => ({
    path: join(prefix, "lib/systemd/system", name),
    text: text.replaceAll(PACKAGED, programOf(prefix)),
  }));
}

export function manualsOf(prefix: Prefix): Text[] {
  return [
    { path: join(prefix, "share/man/man1/reprieve.1"), text: manual },
    { path: join(prefix, "share/man/man5/reprieve.toml.5"), text: configManual },
  ];
}

/** Of systemd's making for the service (RuntimeDirectory= and so on), or the agent's. */
export const DIRECTORIES = {
  run: "/run/reprieve",
  config: "/etc/reprieve",
  state: "/var/lib/reprieve",
  logs: "/var/log/reprieve",
} as const;
export const TOKEN_FILE = `${DIRECTORIES.state}/token`;

/** Guards by observing alone. */
export const exampleConfig: Text = { path: DEFAULT_FILE, text: config };
