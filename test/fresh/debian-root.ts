// SPDX-License-Identifier: MIT
/** A new Debian 12, of packages alone: made once by src/release/deb.mk, and a copy for each test. */
import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { basename } from "node:path";
import { repository } from "../helpers/paths.ts";
import type { Need } from "../helpers/require.ts";

const MADE = `${repository}/dist/build/fresh/debian`;
/** The host's kernel, its groups and its network; a /run of its own, as after a boot. Its root is a mount, which programs expect. */
const ENTER = `mount --bind "$0" "$0"
for dir in proc sys dev; do mount --rbind /$dir "$0/$dir"; done
mount -t tmpfs run "$0/run"
cp /etc/resolv.conf "$0/etc/resolv.conf"
exec chroot "$0" /usr/bin/env -i HOME=/root PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@"`;

export const newDebian: Need = () =>
  existsSync(MADE) ? null : "no new Debian: apt-get install mmdebstrap";

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly ms: number;
}

export class DebianRoot implements Disposable {
  readonly path = mkdtempSync("/var/tmp/reprieve-fresh-");

  constructor() {
    output(["cp", "-a", `${MADE}/.`, this.path]);
  }

  /** Into its /root. */
  bring(...files: readonly string[]): void {
    for (const file of files) copyFileSync(file, `${this.path}/root/${basename(file)}`);
  }

  /** Lines of a shell, typed in its /root: stdout and stderr together. */
  type(lines: string, env: Readonly<Record<string, string>> = {}): Ran {
    const began = performance.now();
    const given = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    const typed = [...given, "/bin/sh", "-c", `cd /root; exec 2>&1; ${lines}`];
    const command = ["unshare", "--mount", "/bin/sh", "-ec", ENTER, this.path, ...typed];
    const { exitCode, stdout, stderr } = Bun.spawnSync(command);
    const out = stdout.toString() + stderr.toString();
    return { code: exitCode, out, ms: performance.now() - began };
  }

  /** The same, and an error where it does not end with 0. */
  does(lines: string, env?: Readonly<Record<string, string>>): Ran {
    const ran = this.type(lines, env);
    if (ran.code !== 0) throw new Error(`${lines}: exit ${ran.code}\n${ran.out.slice(-4000)}`);
    return ran;
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true });
  }
}

export function output(command: readonly string[], cwd = repository, env = process.env): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync([...command], { cwd, env });
  if (exitCode !== 0)
    throw new Error(`${command.join(" ")}: exit ${exitCode}\n${stdout}${stderr}`.slice(-4000));
  return stdout.toString();
}
