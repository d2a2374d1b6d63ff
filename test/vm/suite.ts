// SPDX-License-Identifier: MIT
/**
 * Runs the test files of one boot and hears of each test. Every file is a run of bun of its own, whose junit.xml comes
 * out before the next one starts: what a panic or a hang takes away is known by name.
 */
import { casesOf } from "../helpers/junit.ts";
import { BOOT_BOUND_S, type Boot, FILE_BOUND_S, type TestFile } from "./boots.ts";
import { consoleOf, boot as run } from "./machine.ts";

interface Verdict {
  readonly file: string;
  readonly name: string;
  /** Its name says why. */
  readonly skipped: boolean;
  /** Null: passed. */
  readonly failure: string | null;
}

/** Beside the lines of an XML file, which start with a tag or with the text of a message. */
const MARK = "@file ";
/** What a version of cgroups cannot have (helpers/require.ts); any other skip is a test that `only` leaves out. */
const CANNOT_BE = /only on v[12]:/;

export async function runBoot(boot: Boot): Promise<Verdict[]> {
  const reports: { code: number; xml: string }[] = [];
  let xml = "";
  const onLine = (line: string) => {
    if (!line.startsWith(MARK)) {
      xml += `${line}\n`;
      return;
    }
    console.log(`${boot.name}: ${boot.files[reports.length]?.file} has ended`);
    reports.push({ code: Number(line.slice(MARK.length)), xml });
    xml = "";
  };
  const script = boot.files.map((file) => lineOf(file)).join("");
  const { broken } = await run(boot, script, BOOT_BOUND_S, onLine);
  const seeConsole = `see ${consoleOf(boot)}`;
  return boot.files.flatMap(({ file }, i) => {
    const report = reports[i];
    if (report !== undefined) return verdictsOf(file, report, seeConsole);
    const failure = `${broken ?? "no result came"}; ${seeConsole}`;
    return [{ file, name: "has a result", failure, skipped: false }];
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
    `code=$?; cat /tmp/junit.xml; echo; echo "${MARK}$code"\n`
  );
}

function verdictsOf(
  file: string,
  { code, xml }: { code: number; xml: string },
  seeConsole: string,
): Verdict[] {
  const cases = casesOf(xml).filter(({ skipped, name }) => !skipped || CANNOT_BE.test(name));
  const verdicts: Verdict[] = cases.map((one) => ({ ...one, file }));
  const ran = verdicts.filter((verdict) => !verdict.skipped);
  if (ran.length === 0 || (code !== 0 && ran.every((verdict) => verdict.failure === null))) {
    const failure = `bun ended with ${code} after ${ran.length} tests; ${seeConsole}`;
    verdicts.push({ file, name: "comes to its end", failure, skipped: false });
  }
  return verdicts;
}
