// SPDX-License-Identifier: MIT
/**
 * Takes the two embedded files, the core and its FFI library, out of this binary without touching a disk.
 *
 * Nothing is ever loaded or run from a directory that somebody else may write: Bun's own dlopen of an embedded
 * file goes through $TMPDIR and reuses a foreign file found there, so both travel through a memfd instead.
 */

import { dlopen, type FFIFunction } from "bun:ffi";
import {
  chmodSync,
  closeSync,
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import coreFile from "#native/core" with { type: "file" };
import libraryFile from "#native/core.so" with { type: "file" };
import { CliError, exit } from "../errors.ts";
import { demandPages } from "./page-size.ts";

/** A core that was seen running: `path` is what to execute, `from` says where it came from. */
export interface CoreImage {
  readonly path: string;
  readonly from: "memfd" | "installed file" | "private directory";
}

const MFD_CLOEXEC = 1;
const MFD_EXEC = 0x10;
const F_DUPFD_CLOEXEC = 1030;
/**
 * What we were started with beside the streams, like the pipe of a shell's <(...): it is for CMD. Looked up before
 * anything is opened; Bun has opened two by then, and marked all close-on-exec, so that only their kind tells
 * them apart.
 */
export const inherited: readonly number[] = readdirSync("/proc/self/fd")
  .map(Number)
  .filter((fd) => fd > 2 && isInherited(fd));
/** Above what a child inherits by number (native/region.h): Bun.spawn dup2s one after the other. */
const LIFTED_LEAST = Math.max(63, ...inherited) + 1;

/** Loads the FFI library. The descriptor stays open: the C library caches libraries by path. */
export function loadLibrary<T extends Record<string, FFIFunction>>(symbols: T) {
  return dlopen(`/proc/self/fd/${memfdOf("reprieve-ffi", libraryFile)}`, symbols).symbols;
}

/**
 * Finds a way to run the core here, each tried by running it with `args`, a role that ends by itself;
 * `privateDir` is made on demand.
 */
export function findCore(
  privateDir: () => string,
  args: readonly string[] = ["version"],
): CoreImage {
  demandPages();
  const refusals: string[] = [];
  const attempt = (from: CoreImage["from"], path: string): CoreImage | undefined => {
    const refusal = whyNotRunning([path, ...args]);
    if (refusal !== undefined) refusals.push(`${from}: ${refusal}`);
    return refusal === undefined ? { path, from } : undefined;
  };
  const fd = memfdOf("reprieve-core", coreFile);
  const found = attempt("memfd", `/proc/self/fd/${fd}`);
  if (found !== undefined) return found;
  closeSync(fd);
  const beside = join(dirname(process.execPath), "reprieve-core");
  const installed = existsSync(beside) ? attempt("installed file", beside) : undefined;
  if (installed !== undefined) return installed;
  const unpacked = attempt("private directory", unpack(privateDir()));
  if (unpacked !== undefined) return unpacked;
  throw new CliError(
    exit.host,
    `cannot run the native core (${refusals.join("; ")}): allow executable memfds ` +
      `(vm.memfd_noexec below 2) or install reprieve-core beside ${process.execPath}`,
  );
}

/** The same open file under a number that no dup2 for a child will hit; the old number is closed. */
export function lifted(fd: number): number {
  const high = libc().fcntl(fd, F_DUPFD_CLOEXEC, LIFTED_LEAST);
  closeSync(fd);
  if (high < 0)
    throw new CliError(exit.host, "cannot get a descriptor: raise the limit (ulimit -n)");
  return high;
}

/** An empty memory file of our own, to be run from or shared with a child. */
export function makeMemfd(name: string): number {
  const { memfd_create } = libc();
  let fd = memfd_create(Buffer.from(`${name}\0`), MFD_CLOEXEC | MFD_EXEC);
  // Kernels before 6.3 do not know MFD_EXEC; with vm.memfd_noexec=2 it is refused, a library still loads.
  if (fd < 0) fd = memfd_create(Buffer.from(`${name}\0`), MFD_CLOEXEC);
  if (fd < 0) {
    throw new CliError(exit.host, "cannot make a memfd: a kernel of 3.17 or later is needed");
  }
  return lifted(fd);
}

// --- internal ---

/** False for Bun's own two, and for the one that readdir had. */
function isInherited(fd: number): boolean {
  try {
    return !/^anon_inode:\[event(poll|fd)\]$/.test(readlinkSync(`/proc/self/fd/${fd}`));
  } catch {
    return false;
  }
}

/** undefined: it runs. The codes are those of `core release`, which also says what it left alone. */
function whyNotRunning(command: string[]): string | undefined {
  try {
    const { exitCode } = Bun.spawnSync(command, { env: {}, stdout: "ignore", stderr: "ignore" });
    const ran: readonly number[] = [exit.ok, exit.internal, exit.inUse];
    return ran.includes(exitCode) ? undefined : `exit ${exitCode}`;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}

function unpack(dir: string): string {
  const path = join(dir, "core");
  try {
    writeFileSync(path, readFileSync(coreFile), { mode: 0o700, flag: "wx" });
    chmodSync(path, 0o700);
    return path;
  } catch (error) {
    throw new CliError(exit.host, `cannot unpack the native core: ${(error as Error).message}`);
  }
}

function memfdOf(name: string, embedded: string): number {
  const fd = makeMemfd(name);
  const bytes = readFileSync(embedded);
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
  return fd;
}

let opened: ReturnType<typeof openLibc> | undefined;

function libc() {
  opened ??= openLibc();
  return opened;
}

function openLibc() {
  const symbols = {
    memfd_create: { args: ["ptr", "u32"], returns: "i32" },
    fcntl: { args: ["i32", "i32", "i32"], returns: "i32" },
  } as const;
  let refusal: unknown;
  for (const name of ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1"]) {
    try {
      return dlopen(name, symbols).symbols;
    } catch (error) {
      refusal = error;
    }
  }
  throw new CliError(exit.host, `cannot load the C library: ${refusal}`);
}
