// SPDX-License-Identifier: MIT
/**
 * A root directory as Alpine's: musl of Debian's package, and beside it the one library more that Bun for musl wants, libstdc++. Alpine's is not
 * to be had here: Debian's own, its static parts, is linked once more without glibc, with what Bun asks of it (`musl-extra.c`).
 */
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import type { Need } from "../helpers/require.ts";

const LIBC = "/lib/x86_64-linux-musl/libc.so";
const FOR_GLIBC = "/usr/lib/x86_64-linux-gnu/libstdc++.so.6";

const libc: Need = () => (existsSync(LIBC) ? null : `${LIBC} is missing (apt install musl)`);
const parts: Need = () =>
  existsSync(ofGcc("libstdc++.a")) ? null : "libstdc++.a is missing (apt install g++)";

export const musl: readonly Need[] = [libc, parts];

export class MuslRoot implements Disposable {
  readonly #root = mkdtempSync("/var/tmp/reprieve-musl-");

  constructor(binary: string) {
    for (const dir of ["lib", "bin", "proc", "sys", "dev", "run", "tmp"])
      mkdirSync(`${this.#root}/${dir}`);
    copyFileSync(LIBC, `${this.#root}/lib/ld-musl-x86_64.so.1`);
    symlinkSync("ld-musl-x86_64.so.1", `${this.#root}/lib/libc.musl-x86_64.so.1`);
    copyFileSync(binary, `${this.#root}/bin/reprieve`);
    linkLibrary(`${this.#root}/lib/libstdc++.so.6`, binary);
  }

  /** The binary in there, in a mount namespace of its own. */
  run(...args: string[]): string {
    const script = `for dir in proc sys dev; do mount --rbind /$dir $0/$dir; done; exec chroot $0 /bin/reprieve "$@"`;
    return output(["unshare", "--mount", "sh", "-ec", script, this.#root, ...args]);
  }

  [Symbol.dispose](): void {
    rmSync(this.#root, { recursive: true });
  }
}

function linkLibrary(to: string, binary: string): void {
  const wanted = new Set(symbols(binary));
  const asked = symbols(FOR_GLIBC, "--defined-only").filter((name) => wanted.has(name));
  output([
    ...[
      "gcc",
      "-shared",
      "-fPIC",
      "-nostdlib",
      "-o",
      to,
      "-Wl,-soname,libstdc++.so.6",
      "-Wl,--gc-sections",
    ],
    ...asked.map((name) => `-Wl,-u,${name}`),
    ...[`${import.meta.dir}/musl-extra.c`, ofGcc("crtbeginS.o"), "-Wl,--start-group"],
    ...["-l:libstdc++.a", "-l:libgcc_eh.a", "-l:libgcc.a", "-Wl,--end-group", ofGcc("crtendS.o")],
  ]);
}

/** Without their versions. */
function symbols(file: string, ...options: string[]): string[] {
  const lines = output(["nm", "-D", ...options, file]).split("\n");
  return lines.flatMap((line) => line.split(" ").at(-1)?.replace(/@.*/, "") || []);
}

function ofGcc(file: string): string {
  return output(["gcc", `-print-file-name=${file}`]).trim();
}

function output(command: string[]): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync(command);
  if (exitCode !== 0) throw new Error(`${command[0]}: exit ${exitCode}\n${stdout}${stderr}`);
  return stdout.toString();
}
