// SPDX-License-Identifier: MIT
/** What dist/prometheus ships, by Prometheus's own tool: rules by series that are written down (fixtures/prometheus), configs by its check. */
import { afterAll, expect, test } from "bun:test";
import { cpSync, mkdtempSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { reason } from "../../src/native/layout.ts";
import { makeFolder, removeFolder } from "../helpers/folder.ts";
import { fixtures, repository } from "../helpers/paths.ts";
import { promtool, SHIPPED } from "../helpers/prometheus.ts";
import { describeWith, prometheusPackage } from "../helpers/require.ts";

const RULE_TESTS = readFileSync(`${fixtures}/prometheus/rules.test.yml`, "utf8").replaceAll(
  "../../../dist/prometheus/",
  "",
);

interface Rule {
  readonly record?: string;
  readonly alert?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

interface Rules {
  readonly groups: readonly { readonly rules: Rule[] }[];
}

const dir = makeFolder("promtool");
afterAll(() => removeFolder(dir));

const read = (file: string) => Bun.YAML.parse(readFileSync(`${SHIPPED}/${file}`, "utf8")) as Rules;
const nameOf = ({ record, alert }: Rule) => record ?? alert ?? "";
const namesIn = (file: string) =>
  read(file).groups.flatMap(({ rules }) => rules.map((rule) => nameOf(rule)));
const ALERTS = namesIn("alerts.yml");

/** The tests that speak of a rule, where that one is missing; "": all tests, and no rule is missing. */
async function testedWithout(name: string) {
  const at = mkdtempSync(join(dir, "rules-"));
  for (const file of ["recording.yml", "alerts.yml"]) {
    const { groups } = read(file);
    const left = groups.map((group) => ({
      ...group,
      rules: group.rules.filter((rule) => nameOf(rule) !== name),
    }));
    await Bun.write(`${at}/${file}`, JSON.stringify({ groups: left }));
  }
  const [head, ...tests] = RULE_TESTS.split(/^(?= {2}- name:)/m);
  const ofIt = tests.filter((one) => one.includes(name));
  expect(ofIt).not.toEqual([]);
  await Bun.write(`${at}/test.yml`, [head, ...ofIt].join(""));
  return promtool(["test", "rules", `${at}/test.yml`]);
}

describeWith("dist/prometheus", [prometheusPackage], () => {
  test("its rules say what they should of series that are written down", async () => {
    const { code, out } = await testedWithout("");
    expect(out).toContain("SUCCESS");
    expect(code).toBe(0);
  });

  test.each([...namesIn("recording.yml"), ...ALERTS])("%s has a test", async (name) => {
    expect((await testedWithout(name)).code).toBe(1);
  });

  test("its rules have nothing that the tool would not have", async () => {
    const files = ["recording.yml", "alerts.yml"].map((file) => `${SHIPPED}/${file}`);
    const { code, out } = await promtool([
      "check",
      "rules",
      "--lint=all",
      "--lint-fatal",
      ...files,
    ]);
    expect(out).not.toContain("FAILED");
    expect(code).toBe(0);
  });

  const withChoices = (file: string, isOn: (line: string) => boolean) =>
    readFileSync(`${SHIPPED}/${file}`, "utf8").replace(/^.*#: .*$/gm, (line) =>
      isOn(line) ? line.replace("#: ", "") : line,
    );

  test.each([
    ["prometheus.yml", false, []],
    ["prometheus.yml", true, []],
    ["global.yml", false, []],
    ["agent.yml", false, ["--agent"]],
  ] as const)("%s is a right config, its choices on: %p", async (file, areOn, flags) => {
    cpSync(SHIPPED, dir, { recursive: true });
    const isKubernetes = (line: string) => line.includes("kubernetes_sd_configs"); // not in Debian's
    await Bun.write(
      `${dir}/${file}`,
      withChoices(file, (line) => areOn && !isKubernetes(line)).replaceAll(
        /\/etc\/(prometheus|reprieve)\/[a-z.-]+/g,
        `${dir}/${file}`, // any file that is there
      ),
    );
    const { code, out } = await promtool(["check", "config", ...flags, `${dir}/${file}`]);
    expect(out).toContain("SUCCESS");
    expect(code).toBe(0);
  });
});

test("no reprieve says more than the limits of the configs allow", () => {
  const most = 59 + Object.keys(reason).length - 1 + 4 * 500; // fleet.test.ts counts them
  for (const file of ["prometheus.yml", "agent.yml"]) {
    const [, limit] = /sample_limit: (\d+)/.exec(readFileSync(`${SHIPPED}/${file}`, "utf8")) ?? [];
    expect(most).toBeLessThan(Number(limit));
    expect(most * 1.1).toBeGreaterThan(Number(limit));
  }
});

test.each(ALERTS)("%s says where the runbook has it, and there it is", (alert) => {
  const rule = read("alerts.yml")
    .groups.flatMap(({ rules }) => rules)
    .find((one) => one.alert === alert);
  expect(rule?.annotations?.runbook).toBe(`dist/docs/runbook.md#${alert.toLowerCase()}`);
  const runbook = readFileSync(`${repository}/dist/docs/runbook.md`, "utf8");
  expect(runbook.split("\n")).toContain(`### ${alert}`);
});
