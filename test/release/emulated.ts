// SPDX-License-Identifier: MIT
/**
 * Programs of arm64 by qemu-user, those that they start too: the kernel itself has each run by qemu, told so in a user namespace of
 * ours alone (since Linux 6.7), so that the helpers out of a memfd are started as on arm64.
 */
import { type Need, program } from "../helpers/require.ts";

const QEMU = "qemu-aarch64-static";
const AT = "/proc/sys/fs/binfmt_misc";
/** The head of an ELF file of arm64 that can be run, and which of its bits count; F: qemu is opened now. */
const HEAD = String.raw`\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00`;
const MASK = String.raw`\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff`;
const NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount"];

const ownFormats: Need = () =>
  Bun.spawnSync([...NAMESPACE, "mount", "-t", "binfmt_misc", "none", AT]).success
    ? null
    : "formats of programs are the host's (Linux 6.7 has some for each user namespace)";

export const emulation: readonly Need[] = [
  program(QEMU, "apt install qemu-user-static"),
  ownFormats,
];

/** `libraries`: the root directory in which its own are. */
export function emulated(libraries: string, binary: string, ...args: string[]) {
  const format = `:arm64:M::${HEAD}:${MASK}:${Bun.which(QEMU)}:F`;
  const script = `mount -t binfmt_misc none ${AT} && printf %s '${format}' >${AT}/register && exec "$@"`;
  const { exitCode, stdout, stderr } = Bun.spawnSync(
    [...NAMESPACE, "sh", "-c", script, "sh", binary, ...args],
    { env: { ...process.env, QEMU_LD_PREFIX: libraries } },
  );
  return { code: exitCode, out: stdout.toString(), err: stderr.toString() };
}
