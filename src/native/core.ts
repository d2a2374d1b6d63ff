// SPDX-License-Identifier: MIT
/** What the agent calls in the FFI library (native/ffi.h), as plain functions that throw on failure. */

import { type Pointer, ptr, toArrayBuffer } from "bun:ffi";
import { constants } from "node:os";
import { lifted, loadLibrary } from "./embed.ts";
import { at, limit, size } from "./layout.ts";
import { numberOf } from "./run-id.ts";

/** A native call that failed: `errno` is its name, like "ENOENT". */
export class NativeError extends Error {
  readonly errno: string;

  constructor(what: string, result: number) {
    const errno = errnoName(result);
    super(`${what}: ${errno}`);
    this.name = "NativeError";
    this.errno = errno;
  }
}

/** What a region has that not every one needs. */
export interface RegionParts {
  /** What the door tells designated handlers. */
  readonly isRanked: boolean;
  /** Other orders than "kill". */
  readonly isOrdered: boolean;
  /** The flight recorder. */
  readonly isRecorded: boolean;
  /** So many different lists of what processes count for. */
  readonly weighings: number;
}

interface RegionPlace {
  /** Of tmpfs, in a directory of ours alone; it is not there yet. */
  readonly file?: string | undefined;
  /** By which the incidents of this run are told from others'. */
  readonly run: string;
}

export type Core = ReturnType<typeof openCore>;

/** The library's functions, native/ffi.h. */
const SYMBOLS = {
  rpv_region_create: {
    args: ["ptr", "u64", "u32", "u32", "i32", "i32", "i32", "u32"],
    returns: "i32",
  },
  rpv_now_ns: { args: [], returns: "u64" },
  rpv_glob_matches: { args: ["ptr", "ptr"], returns: "i32" },
  rpv_region_map: { args: ["i32"], returns: "ptr" },
  rpv_region_view: { args: ["i32"], returns: "ptr" },
  rpv_explain: { args: ["ptr", "u32", "ptr", "u32"], returns: "u32" },
  rpv_replay: { args: ["ptr", "u32", "u32", "ptr", "ptr"], returns: "u32" },
  rpv_history_open: { args: ["ptr", "ptr", "u32", "u64"], returns: "i32" },
  rpv_history_next: { args: ["ptr"], returns: "i32" },
  rpv_history_who: { args: ["ptr", "u32", "ptr"], returns: "void" },
  rpv_hour_kills: { args: ["ptr", "u32"], returns: "u32" },
  rpv_eventfd: { args: [], returns: "i32" },
  rpv_system_create: { args: ["u32"], returns: "i32" },
  rpv_system_map: { args: ["i32"], returns: "ptr" },
  rpv_pipe: { args: ["ptr"], returns: "i32" },
  rpv_wake: { args: ["i32"], returns: "i32" },
  rpv_group_lock: { args: ["ptr"], returns: "i32" },
  rpv_ledger_create: { args: ["ptr", "u32"], returns: "i32" },
  rpv_ledger_add: { args: ["i32", "u32", "ptr", "i32"], returns: "i32" },
  rpv_ledger_remove: { args: ["i32", "u32"], returns: "i32" },
  rpv_inotify_create: { args: [], returns: "i32" },
  rpv_inotify_add: { args: ["i32", "ptr", "u32"], returns: "i32" },
  rpv_inotify_remove: { args: ["i32", "i32"], returns: "i32" },
  rpv_listen: { args: ["ptr", "ptr", "u32"], returns: "i32" },
  rpv_listen_rename: { args: ["ptr", "ptr", "ptr"], returns: "i32" },
  rpv_send_datagram: { args: ["ptr", "ptr", "u32"], returns: "i32" },
  rpv_become: { args: ["ptr", "ptr"], returns: "i32" },
  rpv_ledger_owns: { args: ["i32"], returns: "i32" },
  rpv_ledger_put_back: { args: ["i32", "ptr"], returns: "i32" },
  rpv_lock_is_held: { args: ["i32"], returns: "i32" },
  rpv_lock_take: { args: ["i32"], returns: "i32" },
  rpv_pidfd_open: { args: ["i32"], returns: "i32" },
  rpv_pidfd_signal: { args: ["i32", "i32"], returns: "i32" },
  rpv_pidfd_dead: { args: ["i32"], returns: "i32" },
  rpv_zombie: { args: [], returns: "i32" },
  rpv_reap: { args: ["i32"], returns: "i32" },
  rpv_signals_catch: { args: ["u64"], returns: "i32" },
  rpv_pageout: { args: ["u64", "u64"], returns: "i32" },
  rpv_file_forget: { args: ["ptr", "ptr", "u32"], returns: "i32" },
  rpv_kernel_log_open: { args: ["i32"], returns: "i32" },
  rpv_try_pidfd: { args: [], returns: "i32" },
  rpv_try_mrelease: { args: [], returns: "i32" },
  rpv_try_real_time: { args: [], returns: "i32" },
} as const;

/** Loads the library; called once a process. */
export function openCore() {
  const lib = loadLibrary(SYMBOLS);
  return {
    ...regionsBy(lib),
    /** The wall clock in ms, of a time of the logs; to the microsecond, as far as a double goes. */
    wallMs: (tNs: number) =>
      Math.round(Date.now() * 1000 - (Number(lib.rpv_now_ns()) - tNs) / 1000) / 1000,
    /** And back. */
    logNs: (wallMs: number) => Number(lib.rpv_now_ns()) - (Date.now() - wallMs) * 1e6,
    /** Of CLOCK_MONOTONIC. */
    nowUs: () => Math.floor(Number(lib.rpv_now_ns()) / 1000),
    /** Is it what the pattern of a name or path means? As the core has it. */
    globMatches: (pattern: string, text: string) =>
      lib.rpv_glob_matches(cstring(pattern), cstring(text)) === 1,
    ...ranksBy(lib),
    /** Of a system guard. */
    createSystem: (agentPid: number) => createSystem(lib, agentPid),
    mapSystem: (fd: number) => mappedAs(lib.rpv_system_map(fd), size.system_page),
    eventfd: () => lifted(check("make an eventfd", lib.rpv_eventfd())),
    /** For a child's output: `read` does not block. */
    pipe: () => pipe(lib),
    wake: (fd: number) => void lib.rpv_wake(fd),
    lockGroup: (path: string) => check(`lock ${path}`, lib.rpv_group_lock(cstring(path))),
    createLedger: (file: string, guards: number) =>
      lifted(check(`make ${file}`, lib.rpv_ledger_create(cstring(file), guards))),
    addToLedger: (fd: number, index: number, path: string, owned: boolean) =>
      void check(`record ${path}`, lib.rpv_ledger_add(fd, index, cstring(path), Number(owned))),
    removeFromLedger: (fd: number, index: number) =>
      void check(`remove record ${index}`, lib.rpv_ledger_remove(fd, index)),
    ...inotifyBy(lib),
    /** The socket for designated handlers. */
    listen: (dir: string, name: string, mode: number) =>
      lifted(check(`listen at ${dir}/${name}`, lib.rpv_listen(cstring(dir), cstring(name), mode))),
    renameListener: (dir: string, from: string, to: string) =>
      void check(
        `listen at ${dir}/${to}`,
        lib.rpv_listen_rename(cstring(dir), cstring(from), cstring(to)),
      ),
    /** To another program's socket, "@name" for an abstract one; throws where that cannot be done at once. */
    sendDatagram: (path: string, bytes: Uint8Array) =>
      void check(`send to ${path}`, lib.rpv_send_datagram(cstring(path), bytes, bytes.length)),
    /** Does not return; -errno where it fails. */
    become(path: string, argv: readonly string[]): number {
      const strings = argv.map(cstring);
      const pointers = new BigUint64Array([...strings.map((text) => BigInt(ptr(text))), 0n]);
      return lib.rpv_become(cstring(path), pointers);
    },
    /** Of an open ledger: its reprieve made a group for a command. EPROTO: it is of another version. */
    ledgerOwns: (fd: number) => check("read a ledger", lib.rpv_ledger_owns(fd)) === 1,
    /** What the reprieve of an open ledger has left held; the group's lock is ours. */
    putBack: (ledger: number, path: string) =>
      void check(`put back ${path}`, lib.rpv_ledger_put_back(ledger, cstring(path))),
    isLocked: (fd: number) => lib.rpv_lock_is_held(fd) === 1,
    /** As long as it is open. */
    lock: (fd: number) => check("lock a file", lib.rpv_lock_take(fd)),
    ...processesBy(lib),
    /** A pipe of pairs of i32: signal, si_code. Signal n is bit n - 1. */
    catchSignals: (which: bigint) => lifted(check("catch signals", lib.rpv_signals_catch(which))),
    ...textBy(lib),
    /** Reads all that is there, or what is logged from now on; -errno where it may not be read. */
    openKernelLog(from: "begin" | "end") {
      const fd = lib.rpv_kernel_log_open(from === "begin" ? 1 : 0);
      return fd < 0 ? fd : lifted(fd);
    },
    /** What this kernel, and whatever filters our calls, lets us do: 0 or -errno. */
    tryPidfd: () => lib.rpv_try_pidfd(),
    tryMrelease: () => lib.rpv_try_mrelease(),
    tryRealTime: () => lib.rpv_try_real_time(),
  };
}

/** "ENOENT" for -2. */
export function errnoName(result: number): string {
  const entry = Object.entries(constants.errno).find(([, number]) => number === -result);
  return entry?.[0] ?? `errno ${-result}`;
}

/** What the core calls "no limit" is UINT64_MAX; the kernel's own is 2^63 less a page. */
export function limitOf(bytes: number): number | undefined {
  return bytes >= 2 ** 62 ? undefined : bytes;
}

// --- internal ---

type Library = ReturnType<typeof loadLibrary<typeof SYMBOLS>>;

function processesBy(lib: Library) {
  return {
    openPidfd: (pid: number) => check(`open process ${pid}`, lib.rpv_pidfd_open(pid)),
    /** 0 or -errno. */
    signal: (pidfd: number, signal: NodeJS.Signals) =>
      lib.rpv_pidfd_signal(pidfd, constants.signals[signal]),
    isDead: (pidfd: number) => lib.rpv_pidfd_dead(pidfd) === 1,
    /** A child that has ended and waits; 0: there is none. */
    zombie: () => lib.rpv_zombie(),
    reap: (pid: number) => void lib.rpv_reap(pid),
  };
}

/** This binary's own pages. */
function textBy(lib: Library) {
  return {
    /** 0 or -errno: only the binary's owner and root may. */
    pageout: (from: bigint, to: bigint) => lib.rpv_pageout(from, to - from),
    /** Of a file and those of its mappings, which are read again where they are needed. 0 or -errno: they stay. */
    forgetFile(path: string, mappings: readonly { from: bigint; to: bigint }[] = []) {
      const pairs = new BigUint64Array([
        ...mappings.flatMap(({ from, to }) => [from, to - from]),
        0n,
      ]);
      return lib.rpv_file_forget(cstring(path), ptr(pairs), mappings.length);
    },
  };
}

function regionsBy(lib: Library) {
  return {
    /** `place`: where it outlives us; undefined: it goes with us. */
    createRegion(guards: number, agentPid: number, parts: RegionParts, place?: RegionPlace) {
      const { file, run = "0" } = place ?? {};
      const path = file === undefined ? null : cstring(file);
      const { isRanked, isOrdered, isRecorded, weighings } = parts;
      const flags = [Number(isRanked), Number(isOrdered), Number(isRecorded)] as const;
      const number = numberOf(run);
      const fd = lib.rpv_region_create(path, number, guards, agentPid, ...flags, weighings);
      return lifted(check("make the shared region", fd));
    },
    mapRegion: (fd: number) => mapped(lib.rpv_region_map(fd)),
    /** To be read only; undefined: it is of another version. */
    viewRegion(fd: number): ArrayBuffer | undefined {
      const address = lib.rpv_region_view(fd);
      return address === null ? undefined : mapped(address);
    },
    /** Of its flight recorder: a history of native/history.h, from `sinceUs` of CLOCK_MONOTONIC on. */
    openHistory: (history: Uint8Array, region: Uint8Array, guard: number, sinceUs: number) =>
      lib.rpv_history_open(history, region, guard, BigInt(Math.floor(Math.max(0, sinceUs)))) === 1,
    /** Its next frame is in there. */
    nextFrame: (history: Uint8Array) => lib.rpv_history_next(history) === 1,
    /** A snapshot. */
    whoIs: (history: Uint8Array, who: number, out: Uint8Array) =>
      lib.rpv_history_who(history, who, out),
  };
}

function ranksBy(lib: Library) {
  return {
    /** Writes one struct explained after the other; how many. */
    explain: (region: Uint8Array, guard: number, out: Uint8Array) =>
      lib.rpv_explain(region, guard, out, Math.floor(out.byteLength / size.explained)),
    /** Of structs replayed, their numbers: the first to be killed foremost. */
    replay(processes: Uint8Array, by: number, weighing: Uint8Array | null): number[] {
      const order = new Uint32Array(limit.CANDIDATES_MAX);
      const n = processes.length / size.replayed;
      return [
        ...order.subarray(0, n === 0 ? 0 : lib.rpv_replay(processes, n, by, weighing, order)),
      ];
    },
    /** By the guard's orders; without a guard, by those of all. */
    hourKills: (region: Uint8Array, guard = 2 ** 32 - 1) => lib.rpv_hour_kills(region, guard),
  };
}

function inotifyBy(lib: Library) {
  return {
    inotify: () => lifted(check("make an inotify", lib.rpv_inotify_create())),
    /** The watch, or -errno. */
    addWatch: (fd: number, path: string, mask: number) =>
      lib.rpv_inotify_add(fd, cstring(path), mask),
    /** Of one that has ended by itself nothing is left to do. */
    removeWatch: (fd: number, watch: number) => void lib.rpv_inotify_remove(fd, watch),
  };
}

function createSystem(lib: Library, agentPid: number): number {
  return lifted(check("make a page", lib.rpv_system_create(agentPid)));
}

function pipe(lib: Library) {
  const ends = new Int32Array(2);
  check("make a pipe", lib.rpv_pipe(ends));
  const [read = -1, write = -1] = ends;
  return { read, write };
}

function check(what: string, result: number): number {
  if (result < 0) throw new NativeError(`cannot ${what}`, result);
  return result;
}

/** Passed as an object, so that it lives as long as the call. */
function cstring(text: string) {
  return Buffer.from(`${text}\0`);
}

function mappedAs(address: Pointer | bigint | null, bytes: number): ArrayBuffer {
  if (typeof address !== "number")
    throw new NativeError("cannot map a page", -constants.errno.ENOMEM);
  return toArrayBuffer(address, 0, bytes);
}

/** The whole region as one live view; made once and never unmapped. */
function mapped(address: Pointer | bigint | null): ArrayBuffer {
  if (typeof address !== "number")
    throw new NativeError("cannot map the shared region", -constants.errno.ENOMEM);
  const head = new BigUint64Array(toArrayBuffer(address, 0, at.region_size_bytes + 8));
  return toArrayBuffer(address, 0, Number(head[at.region_size_bytes / 8]));
}
