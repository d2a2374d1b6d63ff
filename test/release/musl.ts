// SPDX-License-Identifier: MIT
/**
 * A root directory as Alpine's: musl of Debian's package, and beside it the one library more that Bun for musl wants, libstdc++. Alpine's is not
 * to be had here: Debian's own, its static parts, is linked once more without glibc, with what Bun asks of it (`musl-extra.c`).
 */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { repository } from "../helpers/paths.ts";
import type { Need } from "../helpers/require.ts";

const LIBC = "/lib/x86_64-linux-musl/libc.so";

/** What the library is linked by, and out of. */
interface Toolchain {
  readonly prefix: string;
  readonly forGlibc: string;
  readonly search: readonly string[];
}

const HERE: Toolchain = {
  prefix: "",
  forGlibc: "/usr/lib/x86_64-linux-gnu/libstdc++.so.6",
  search: [],
};

const libc: Need = () => (existsSync(LIBC) ? null : `${LIBC} is missing (apt install musl)`);
const parts: Need = () =>
  existsSync(output(["gcc", "-print-file-name=libstdc++.a"]).trim())
    ? null
    : "libstdc++.a is missing (apt install g++)";

export const musl: readonly Need[] = [libc, parts];

export class MuslRoot implements Disposable {
  readonly #root = mkdtempSync("/var/tmp/reprieve-musl-");

  constructor(binary: string) {
    for (const dir of ["lib", "bin", "proc", "sys", "dev", "run", "tmp"])
      mkdirSync(`${this.#root}/${dir}`);
    copyFileSync(LIBC, `${this.#root}/lib/ld-musl-x86_64.so.1`);
    symlinkSync("ld-musl-x86_64.so.1", `${this.#root}/lib/libc.musl-x86_64.so.1`);
    copyFileSync(binary, `${this.#root}/bin/reprieve`);
    linkLibrary(HERE, `${this.#root}/lib/libstdc++.so.6`, binary);
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

/** The libraries alone, of arm64, where qemu looks for them; out of Debian's packages for it, which are downloaded. */
export class ArmMusl implements Disposable {
  readonly root = mkdtempSync("/var/tmp/reprieve-musl-");

  constructor(binary: string) {
    const packages = armPackages();
    const versions = `${packages}/usr/lib/gcc-cross/aarch64-linux-gnu`;
    const toolchain: Toolchain = {
      prefix: "aarch64-linux-gnu-",
      forGlibc: `${packages}/usr/aarch64-linux-gnu/lib/libstdc++.so.6`,
      search: [`-L${versions}/${readdirSync(versions)[0]}`],
    };
    mkdirSync(`${this.root}/lib`);
    copyFileSync(
      `${packages}/lib/aarch64-linux-musl/libc.so`,
      `${this.root}/lib/ld-musl-aarch64.so.1`,
    );
    symlinkSync("ld-musl-aarch64.so.1", `${this.root}/lib/libc.musl-aarch64.so.1`);
    linkLibrary(toolchain, `${this.root}/lib/libstdc++.so.6`, binary);
  }

  [Symbol.dispose](): void {
    rmSync(this.root, { recursive: true });
  }
}

/** Unpacked, and nothing of them installed: this host's apt knows no packages of arm64, so it has lists of its own for them. */
function armPackages(): string {
  const folder = `${repository}/dist/build/release/arm64-packages`;
  if (existsSync(folder)) return folder;
  const fetched = `${folder}.new`;
  rmSync(fetched, { recursive: true, force: true });
  mkdirSync(`${fetched}/lists/partial`, { recursive: true });
  const apt = ["apt-get", "-q", "-o", "APT::Sandbox::User=root"];
  const arm = [
    ...["-o", "APT::Architecture=arm64", "-o", "APT::Architectures=arm64"],
    ...["-o", `Dir::State::Lists=${fetched}/lists`, "-o", `Dir::Cache=${fetched}/cache`],
  ];
  output([...apt, ...arm, "update"], fetched);
  output([...apt, ...arm, "download", "musl"], fetched);
  const cross = ["libstdc++-12-dev-arm64-cross", "libstdc++6-arm64-cross"];
  output([...apt, "download", ...cross], fetched);
  for (const archive of readdirSync(fetched).filter((name) => name.endsWith(".deb")))
    output(["dpkg-deb", "-x", archive, "."], fetched);
  renameSync(fetched, folder);
  return folder;
}

function linkLibrary({ prefix, forGlibc, search }: Toolchain, to: string, binary: string): void {
  const symbols = (file: string, ...options: string[]) => {
    const lines = output([`${prefix}nm`, "-D", ...options, file]).split("\n");
    return lines.flatMap((line) => line.split(" ").at(-1)?.replace(/@.*/, "") || []); // without versions
  };
  const ofGcc = (file: string) => output([`${prefix}gcc`, `-print-file-name=${file}`]).trim();
  const wanted = new Set(symbols(binary));
  const asked = symbols(forGlibc, "--defined-only").filter((name) => wanted.has(name));
  output([
    ...[
      `${prefix}gcc`,
      "-shared",
      "-fPIC",
      "-nostdlib",
      "-o",
      to,
      "-Wl,-soname,libstdc++.so.6",
      "-Wl,--gc-sections",
    ],
    ...asked.map((name) => `-Wl,-u,${name}`),
    ...[`${import.meta.dir}/musl-extra.c`, ofGcc("crtbeginS.o"), "-Wl,--start-group", ...search],
    ...["-l:libstdc++.a", "-l:libgcc_eh.a", "-l:libgcc.a", "-Wl,--end-group", ofGcc("crtendS.o")],
  ]);
}

function output(command: string[], cwd = "."): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync(command, { cwd });
  if (exitCode !== 0) throw new Error(`${command[0]}: exit ${exitCode}\n${stdout}${stderr}`);
  return stdout.toString();
}
