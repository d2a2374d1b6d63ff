// SPDX-License-Identifier: MIT
/**
 * Runs the test files of one boot and hears of each test. Every file is a run of bun of its own, whose junit.xml comes
 * out before the next one starts: what a panic or a hang takes away is known by name.
 */
import { casesOf } from "../helpers/junit.ts";
import { BOOT_BOUND_S, type Boot, FILE_BOUND_S, type TestFile } from "./boots.ts";
import { boot, consoleOf } from "./machine.ts";

export interface Verdict {
  readonly file: string;
  readonly name: string;
  /** Null: passed. */
  readonly failure: string | null;
}

/** Beside the lines of an XML file, which start with a tag or with the text of a message. */
const MARK = "@file ";

export async function runBoot({ cgroups, files }: Boot): Promise<Verdict[]> {
  const reports = new Map<string, { code: number; xml: string }>();
  let xml = "";
  const onLine = (line: string) => {
    if (!line.startsWith(MARK)) {
      xml += `${line}\n`;
      return;
    }
    const [code = "", file = ""] = line.slice(MARK.length).split(" ");
    reports.set(file, { code: Number(code), xml });
    xml = "";
    console.log(`${cgroups}: ${file} has ended`);
  };
  const script = files.map((file) => lineOf(file)).join("");
  const { broken } = await boot(cgroups, script, BOOT_BOUND_S, onLine);
  const seeConsole = `see ${consoleOf(cgroups)}`;
  return files.flatMap(({ file }) => {
    const report = reports.get(file);
    if (report !== undefined) return verdictsOf(file, report, seeConsole);
    return [
      { file, name: "has a result", failure: `${broken ?? "no result came"}; ${seeConsole}` },
    ];
  });
}

/** What bun prints is for the console; only its report comes out. */
function lineOf({ file, only, env = {} }: TestFile): string {
  const words = [
    ...["env", ...Object.entries(env).map(([name, value]) => `${name}=${value}`)],
    ...["timeout", "-s", "KILL", String(FILE_BOUND_S), "bun", "test", `./${file}`],
    ...["--reporter=junit", "--reporter-outfile=/tmp/junit.xml"],
    ...(only === undefined ? [] : ["-t", only]),
  ];
  const command = words.map((word) => `'${word}'`).join(" ");
  return (
    `rm -f /tmp/junit.xml; echo '== ${file}' >/dev/console; ${command} >/dev/console 2>&1\n` +
    `code=$?; cat /tmp/junit.xml; echo; echo "${MARK}$code ${file}"\n`
  );
}

function verdictsOf(
  file: string,
  { code, xml }: { code: number; xml: string },
  seeConsole: string,
): Verdict[] {
  // Skipped is what `only` leaves out: what cannot run is a failure there.
  const cases = casesOf(xml).filter(({ skipped }) => !skipped);
  const verdicts: Verdict[] = cases.map(({ name, failure }) => ({ file, name, failure }));
  if (verdicts.length === 0 || (code !== 0 && verdicts.every((v) => v.failure === null))) {
    const failure = `bun ended with ${code} after ${verdicts.length} tests; ${seeConsole}`;
    verdicts.push({ file, name: "comes to its end", failure });
  }
  return verdicts;
}
