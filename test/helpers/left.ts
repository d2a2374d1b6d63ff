// SPDX-License-Identifier: MIT
/** Folders and groups that are left behind: their names have the process id of a test, or of a reprieve. */
import { existsSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { hierarchy, memoryRoot } from "./paths.ts";

const PLACES = [tmpdir(), "/var/tmp", "/dev/shm", "/run", memoryRoot, hierarchy("freezer")];
const NAME = /^reprieve-(?:[a-z]+-)*(\d+)(?:-|$)/;

export function leftBy(isOf: (pid: number) => boolean): string[] {
  const there = PLACES.filter((place) => place !== null && existsSync(place)) as string[];
  return there.flatMap((place) =>
    readdirSync(place)
      .filter((name) => {
        const pid = NAME.exec(name)?.[1];
        return pid !== undefined && isOf(Number(pid));
      })
      .map((name) => `${place}/${name}`),
  );
}
