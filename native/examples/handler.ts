// SPDX-License-Identifier: MIT
/**
 * A designated handler for Bun: at OOM it kills the largest process of the group that it may. See dist/docs/handler-protocol.md.
 *
 *   bun handler.ts GUARD GROUP_DIRECTORY [SOCKET]
 *
 * It must live outside the group: inside, JavaScript needs memory at the very moment when there is none. Bun cannot
 * receive descriptors, so libc does (glibc on x86-64).
 */
import { dlopen, type Pointer, ptr, toArrayBuffer } from "bun:ffi";
import { existsSync, readFileSync } from "node:fs";

const libc = dlopen("libc.so.6", {
  socket: { args: ["i32", "i32", "i32"], returns: "i32" },
  connect: { args: ["i32", "ptr", "u32"], returns: "i32" },
  send: { args: ["i32", "ptr", "usize", "i32"], returns: "i64" },
  recvmsg: { args: ["i32", "ptr", "i32"], returns: "i64" },
  mmap: { args: ["ptr", "usize", "i32", "i32", "i32", "i64"], returns: "ptr" },
  poll: { args: ["ptr", "u64", "i32"], returns: "i32" },
  read: { args: ["i32", "ptr", "usize"], returns: "i64" },
  pread: { args: ["i32", "ptr", "usize", "i64"], returns: "i64" },
}).symbols;

const MAGIC = 0x76727072;
const PAGE_BYTES = 4096;
const PROCESSES_AT = 56;
const PROCESS_BYTES = 40;
/** What CPUs have in stock, and file memory too little to matter. */
const SLACK_BYTES = 5 << 18;

const [guard = "", group = "", socket = "/run/reprieve/handler.sock"] = process.argv.slice(2);
const isV1 = existsSync(`${group}/memory.oom_control`);
const door = libc.socket(1 /* AF_UNIX */, 5 /* SOCK_SEQPACKET */, 0);
const { event, page } = designate();
for (;;) {
  const wait = new Int32Array([event, isV1 ? 1 /* POLLIN */ : 2 /* POLLPRI */, door, 1]);
  if (libc.poll(wait, 2, 100) > 0 && (wait[3] ?? 0) >> 16) process.exit(2); // the door is closed
  const seen = new Uint8Array(256);
  if (isV1) libc.read(event, seen, 8);
  else libc.pread(event, seen, seen.length, 0n);
  await relieve();
}

function designate() {
  const request = Buffer.alloc(528);
  request.writeUInt32LE(MAGIC, 0);
  request.writeUInt16LE(1, 4); // version
  request.writeUInt16LE(1, 6); // designate me
  request.write(guard, 16);
  const address = Buffer.concat([Buffer.from([1, 0]), Buffer.alloc(108)]);
  address.write(socket, 2);
  const answer = Buffer.alloc(256);
  const control = new DataView(new ArrayBuffer(24)); // struct cmsghdr, and two descriptors
  const iov = new BigUint64Array([BigInt(ptr(answer)), 256n]);
  const msg = new BigUint64Array([0n, 0n, at(iov), 1n, at(control), 24n, 0n]);
  if (libc.connect(door, address, address.length) < 0) throw new Error(`no reprieve at ${socket}`);
  libc.send(door, request, request.length, 0x4000 /* MSG_NOSIGNAL */);
  libc.recvmsg(door, msg, 0);
  if (answer.readUInt16LE(6) !== 3) throw new Error(`refused: ${answer.toString("utf8", 16)}`);
  const mapped = libc.mmap(null, PAGE_BYTES, 1, 1, control.getInt32(20, true), 0);
  return {
    event: control.getInt32(16, true),
    page: new DataView(toArrayBuffer(mapped as Pointer, 0, PAGE_BYTES)),
  };
}

function at(view: NodeJS.TypedArray | DataView): bigint {
  return BigInt(ptr(view));
}

function read(file: string): string {
  return readFileSync(`${group}/${file}`, "utf8");
}

/** v2: what is over memory.high ("max": NaN) cannot be reclaimed. */
function isInOom(): boolean {
  if (isV1) return read("memory.oom_control").includes("under_oom 1");
  const file = read("memory.stat").matchAll(/^(?:in)?active_file (\d+)/gm);
  const reclaimable = [...file].reduce((sum, [, bytes]) => sum + Number(bytes), 0);
  const used = Number(read("memory.current")) + SLACK_BYTES;
  return used >= Number(read("memory.high")) + reclaimable;
}

/** The pids, largest first, of a copy that was not written meanwhile. */
function ranking(): number[] {
  for (;;) {
    const before = page.getUint32(8, true);
    const copy = new DataView(page.buffer.slice(0));
    if (before % 2 === 1 || page.getUint32(8, true) !== before) continue;
    const pids = Array.from({ length: copy.getUint32(52, true) }, (_, i) => i);
    return pids.map((i) => copy.getUint32(PROCESSES_AT + i * PROCESS_BYTES + 16, true));
  }
}

async function relieve() {
  while (isInOom()) {
    const killed = ranking().some(kill);
    for (let ms = 0; ms < (killed ? 50 : 1) && isInOom(); ms++) await Bun.sleep(1);
  }
}

/** What is not ours the kernel does not let us kill. */
function kill(pid: number): boolean {
  try {
    return process.kill(pid, "SIGKILL");
  } catch {
    return false;
  }
}
