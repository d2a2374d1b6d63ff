// SPDX-License-Identifier: MIT
/**
 * `bun src/release/parts.ts TARGET EPOCH DIR`: sbom.cdx.json (CycloneDX, by `npm sbom`: the packages in the file, and the runtime) and
 * THIRD-PARTY, their licences.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { runtimeOf } from "./lock.ts";

interface Component {
  readonly "bom-ref": string;
  readonly name: string;
  readonly version: string;
}
interface Bom {
  readonly serialNumber: string;
  readonly metadata: { readonly component: Component };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: string[] }[];
}

/** In the page, which is built here: no dependencies of what runs. */
const IN_PAGE = ["preact", "uplot"];

const [target = "", epoch = "0", dir = "."] = process.argv.slice(2);
const runtime = runtimeOf(target);
const all = bom();
const shipped = new Set([...bom("--omit=dev").components.map(({ name }) => name), ...IN_PAGE]);
const parts = all.components.filter(({ name }) => shipped.has(name));
writeFileSync(`${dir}/sbom.cdx.json`, `${JSON.stringify(withRuntime(all), null, 2)}\n`);
writeFileSync(`${dir}/THIRD-PARTY`, [aboutRuntime(), ...parts.map(licenceOf)].join("\n"));

function bom(...options: string[]): Bom {
  const command = ["npm", "sbom", "--package-lock-only", "--sbom-format=cyclonedx", ...options];
  const run = Bun.spawnSync(command, { stderr: "inherit" });
  if (run.exitCode !== 0) throw new Error(`npm sbom: exit ${run.exitCode}`);
  return JSON.parse(run.stdout.toString());
}

/** Without what differs from build to build: a serial number, which need not be, the time, and the folder's name. */
function withRuntime({ serialNumber: _, metadata, dependencies, ...rest }: Bom) {
  const own = metadata.component["bom-ref"];
  const refs = new Set(parts.map((part) => part["bom-ref"]));
  const platform = runtimeComponent();
  return {
    ...rest,
    metadata: {
      ...metadata,
      timestamp: new Date(Number(epoch) * 1000).toISOString(),
      component: { ...metadata.component, type: "application", name: "reprieve" },
    },
    components: [...parts, platform],
    dependencies: dependencies
      .filter(({ ref }) => refs.has(ref) || ref === own)
      .map(({ ref, dependsOn }) => ({
        ref,
        dependsOn: [
          ...dependsOn.filter((on) => refs.has(on)),
          ...(ref === own ? [platform["bom-ref"]] : []),
        ],
      })),
  };
}

function runtimeComponent() {
  const { name, version, integrity } = runtime;
  const content = Buffer.from(integrity.replace("sha512-", ""), "base64").toString("hex");
  return {
    "bom-ref": `${name}@${version}`,
    type: "platform",
    name,
    version,
    purl: `pkg:npm/${name.replace("@", "%40")}@${version}`,
    hashes: [{ alg: "SHA-512", content }],
    licenses: [{ license: { id: "MIT" } }],
  };
}

function aboutRuntime(): string {
  const { name, version } = runtime;
  return `--- ${name} ${version}\n\nMIT, and those of what it links: https://bun.com/docs/project/license\n`;
}

function licenceOf({ name, version }: Component): string {
  const at = `node_modules/${name}`;
  const file = readdirSync(at).find((entry) => /^licen[sc]e/i.test(entry));
  const text = file === undefined ? "See its package.\n" : readFileSync(`${at}/${file}`, "utf8");
  return `--- ${name} ${version}\n\n${text}`;
}
