// SPDX-License-Identifier: MIT
/** Which build this is. */
import { version } from "../../package.json" with { type: "json" };

interface Build {
  /** Of the sources; "-dirty": they were changed; "unknown": not built from a repository. */
  readonly commit: string;
  /** The commit's, or SOURCE_DATE_EPOCH: the time of a build would make each another one. */
  readonly date: string;
  readonly target: string;
}

/** Put in by the Makefile. */
declare const BUILD: Build;

export const build = () => ({ version, ...BUILD, bun: Bun.version });

export function identity(): string {
  const { commit, date, target, bun } = build();
  return `reprieve ${version}, commit ${commit}, ${date}, ${target}, Bun ${bun}`;
}
