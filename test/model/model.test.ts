// SPDX-License-Identifier: MIT
/**
 * Runs the searches of reprieve.pml with spin and prints a row for each: what must hold does, and what was broken
 * on purpose is found out.
 */
import { afterAll, expect, test } from "bun:test";
import { cpSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { makeFolder, removeFolder } from "../helpers/folder.ts";
import { describeWith, program } from "../helpers/require.ts";

const BOUND_MS = 300_000;
const MEMORY_MB = 4000;
const root = `${import.meta.dir}/../..`;

interface Search {
  readonly property: string;
  readonly defines: readonly string[];
  readonly holds: boolean;
}

const SAFETY = "the owner writes, and at last the switch is the kernel's";
const LIVENESS = "a group at OOM is answered";

const searches: readonly Search[] = [
  { property: SAFETY, defines: [], holds: true },
  { property: LIVENESS, defines: ["LIVENESS"], holds: true },
  { property: `${LIVENESS}, parent and child`, defines: ["LIVENESS", "TREE"], holds: true },
  { property: SAFETY, defines: ["NO_LEDGER"], holds: false },
  { property: LIVENESS, defines: ["LIVENESS", "TREE", "ONLY_FIRED"], holds: false },
];

interface Result {
  readonly errors: number;
  readonly states: number;
  readonly isExhaustive: boolean;
}

async function run(cwd: string, ...command: string[]): Promise<string> {
  const child = Bun.spawn(command, { cwd, stdout: "pipe", stderr: "pipe" });
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (child.exitCode !== 0) throw new Error(`${command.join(" ")}: ${out}${err}`);
  return out;
}

/** Spin's way: the model becomes a C program, which searches. */
async function search({ defines }: Search): Promise<Result> {
  const dir = makeFolder("model");
  try {
    cpSync(`${import.meta.dir}/reprieve.pml`, join(dir, "reprieve.pml"));
    await run(dir, "spin", "-a", ...defines.map((name) => `-D${name}`), "reprieve.pml");
    const isLive = defines.includes("LIVENESS");
    const kind = isLive ? ["-DNFAIR=3"] : ["-DSAFETY", "-DNOCLAIM"];
    const memory = ["-DCOLLAPSE", `-DMEMLIM=${MEMORY_MB}`];
    await run(dir, "gcc", "-O2", "-w", ...kind, ...memory, "-o", "pan", "pan.c");
    const out = await run(dir, "./pan", "-m5000000", ...(isLive ? ["-a", "-f"] : []));
    return {
      errors: Number(/errors: (\d+)/.exec(out)?.[1] ?? Number.NaN),
      states: Number(/(\d+) states, stored/.exec(out)?.[1] ?? Number.NaN),
      isExhaustive: !/max search depth too small|Search not completed|out of memory/.test(out),
    };
  } finally {
    removeFolder(dir);
  }
}

const gcc = program("gcc", "apt install gcc");
const spin = program("spin", "apt install spin");

describeWith("the model", [spin, gcc], () => {
  const rows: string[] = [];

  for (const one of searches) {
    const name = [one.property, ...one.defines.map((define) => `-D${define}`)].join(" ");
    test(
      `${one.holds ? "holds" : "is found out"}: ${name}`,
      async () => {
        const { errors, states, isExhaustive } = await search(one);
        const result = errors === 0 ? "holds" : "FAILS, as it must";
        rows.push(`${String(states).padStart(9)}  ${result.padEnd(17)}  ${name}`);
        expect(errors).toBe(one.holds ? 0 : 1);
        if (one.holds) expect(isExhaustive).toBe(true);
      },
      BOUND_MS,
    );
  }

  afterAll(() => console.log(["   states  result             property", ...rows].join("\n")));
});

test("the C code names the steps of the model, each of them and no other", () => {
  const model = readFileSync(`${import.meta.dir}/reprieve.pml`, "utf8");
  const ours =
    /^inline ((?:watcher|switch|quiet|near|oom|relief|handed|alarm|handler|release)_\w+)/gm;
  const steps = [...model.matchAll(ours)].map(([, name]) => name);
  const named = readdirSync(`${root}/native`)
    .filter((file) => file.endsWith(".c"))
    .map((file) => readFileSync(`${root}/native/${file}`, "utf8"))
    .flatMap((code) => [...code.matchAll(/\bmodel: (\w+(?:, \w+)*)/g)])
    .flatMap(([, names]) => (names ?? "").split(", "));
  expect([...new Set(named)].sort()).toEqual([...new Set(steps)].sort() as string[]);
});
