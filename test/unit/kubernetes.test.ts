// SPDX-License-Identifier: MIT
/**
 * dist/kubernetes against the published schemas, without a cluster: values by their validator, names by its types, to which a field that is
 * not there is an error.
 */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { load } from "../../src/config/load.ts";
import { programOf, repository } from "../helpers/paths.ts";
import { describeWith, kustomize } from "../helpers/require.ts";

const manifests = `${repository}/dist/kubernetes`;
const built = `${repository}/dist/build/kubernetes`;
const bun = `${repository}/node_modules/.bin/bun`;

/** The compiler takes its time on a busy machine. */
setDefaultTimeout(60_000);

/** Which package has the schemas of which API. */
const MODELS: Readonly<Record<string, string>> = {
  "apps/v1": "kubernetes-models/apps/v1",
  "monitoring.coreos.com/v1": "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1",
  "networking.k8s.io/v1": "kubernetes-models/networking.k8s.io/v1",
  v1: "kubernetes-models/v1",
};

interface Resource {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
}

type Model = new (resource: Resource) => { validate(): void };

describe("dist/kubernetes", () => {
  test("the schemas refuse what they should", async () => {
    const pod = {
      containers: [{ name: "a", image: "b", resources: { limits: { memory: "1Mi" } } }],
    };
    const of = (spec: object) => ({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "a" },
      spec: { ...pod, ...spec },
    });
    expect(await mistakesOf([of({})], "good")).toEqual([]);
    const unknown = await mistakesOf([of({ hostPids: true })], "unknown");
    expect(unknown.join()).toContain("hostPids");
    const wrong = await mistakesOf([of({ hostPID: "yes" })], "wrong");
    expect(wrong.join()).toContain("spec/hostPID must be boolean");
  });

  test("each manifest is what its schema allows", async () => {
    const whole = filesOf(manifests, ".yaml").filter((file) => !isPatch(file));
    const resources = whole.flatMap((file) => documentsOf(readFileSync(file, "utf8")));
    expect(resources.map(({ kind }) => kind)).toContain("DaemonSet");
    expect(await mistakesOf(resources, "files")).toEqual([]);
  });

  test("what a kustomization names is there", () => {
    for (const file of filesOf(manifests, "kustomization.yaml", true)) {
      for (const name of namedIn(file)) expect(statSync(join(file, "..", name))).toBeDefined();
    }
  });

  test("the config is right, with and without its powers", () => {
    const file = `${built}/reprieve.toml`;
    mkdirSync(`${built}/reprieve.d`, { recursive: true });
    writeFileSync(file, readFileSync(`${manifests}/base/reprieve.toml`));
    writeFileSync(`${built}/reprieve.d/powers.toml`, "");
    expect(load(file).mistakes).toEqual([]);
    const powers = readFileSync(`${manifests}/components/act/powers.toml`);
    writeFileSync(`${built}/reprieve.d/powers.toml`, powers);
    const { mistakes, config } = load(file);
    expect(mistakes).toEqual([]);
    expect(config?.allow.kill).toBeArrayOfSize(2);
  });
});

describeWith(
  "dist/kubernetes, built by kustomize",
  [],
  () => {
    test("is what the schemas allow, the components applied", async () => {
      const all = `${built}/all`;
      mkdirSync(all, { recursive: true });
      const to = (path: string) => relative(all, `${manifests}/${path}`);
      const components = ["act", "outlive", "pod-monitor"].map((name) => to(`components/${name}`));
      writeFileSync(
        `${all}/kustomization.yaml`,
        JSON.stringify({ resources: [to("base")], components }),
      );
      const resources = [`${manifests}/base`, `${manifests}/act`, all].flatMap((dir) => {
        const { stdout, stderr } = Bun.spawnSync([programOf("kubectl"), "kustomize", dir]);
        expect(String(stderr)).toBe("");
        return documentsOf(String(stdout));
      });
      expect(await mistakesOf(resources, "kustomized")).toEqual([]);
      expect(resources.filter(({ kind }) => kind === "DaemonSet")).toBeArrayOfSize(3);
    });
  },
  kustomize,
);

/** All that is wrong, in words. */
async function mistakesOf(resources: readonly Resource[], name: string): Promise<string[]> {
  const wrong: string[] = [];
  for (const resource of resources) {
    const exported = (await import(modelOf(resource))) as Record<string, Model>;
    const KubeModel = exported[resource.kind];
    if (KubeModel === undefined) throw new Error(`there is no ${resource.kind} to go by`);
    try {
      new KubeModel(resource).validate();
    } catch (error) {
      wrong.push(`${resource.kind} ${resource.metadata.name}: ${(error as Error).message}`);
    }
  }
  return [...wrong, ...unknownIn(resources, name)];
}

/** As literals of TypeScript, which may have no more keys than their type. */
function unknownIn(resources: readonly Resource[], name: string): string[] {
  mkdirSync(built, { recursive: true });
  const lines = resources.flatMap((resource, index) => [
    `import type { I${resource.kind} as T${index} } from "${modelOf(resource)}";`,
    `export const r${index}: T${index} = ${JSON.stringify(resource)};`,
  ]);
  const file = `${built}/${name}.ts`;
  writeFileSync(file, lines.join("\n"));
  const check = [bun, "check", "--no-script", file];
  const { stdout, success } = Bun.spawnSync(check, { cwd: repository });
  return success ? [] : String(stdout).trim().split("\n");
}

function modelOf({ apiVersion, kind }: Resource): string {
  const models = MODELS[apiVersion];
  if (models === undefined) throw new Error(`no schema is known of ${apiVersion} ${kind}`);
  return `${models}/${kind}`;
}

function documentsOf(text: string): Resource[] {
  return [Bun.YAML.parse(text)].flat() as Resource[];
}

function filesOf(dir: string, end: string, areKustomizations = false): string[] {
  return readdirSync(dir, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(end))
    .filter((name) => name.endsWith("kustomization.yaml") === areKustomizations)
    .map((name) => `${dir}/${name}`);
}

/** It is a part only, and what it is merged into is looked at. */
function isPatch(file: string): boolean {
  const text = readFileSync(join(file, "../kustomization.yaml"), "utf8");
  const { patches = [] } = Bun.YAML.parse(text) as { patches?: { path: string }[] };
  return patches.some(({ path }) => file.endsWith(`/${path}`));
}

interface Kustomization {
  readonly resources?: readonly string[];
  readonly components?: readonly string[];
  readonly patches?: readonly { readonly path: string }[];
  readonly configMapGenerator?: readonly { readonly files: readonly string[] }[];
}

function namedIn(file: string): string[] {
  const all = Bun.YAML.parse(readFileSync(file, "utf8")) as Kustomization;
  const { resources = [], components = [], patches = [], configMapGenerator = [] } = all;
  const files = configMapGenerator.flatMap((one) => one.files);
  return [...resources, ...components, ...patches.map(({ path }) => path), ...files];
}
