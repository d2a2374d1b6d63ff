// SPDX-License-Identifier: MIT
/**
 * `bun src/release/parts.ts TARGET EPOCH DIR`: sbom.cdx.json (CycloneDX: the packages in the file, and the runtime) and THIRD-PARTY, their
 * licences. Out of package-lock.json alone: Debian 12's npm has no `npm sbom`, and a newer one leaves out what has an optional peer.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { locked, type Named, runtimeOf } from "./lock.ts";

/** In the page, which is built here: no dependencies of what runs. */
const IN_PAGE = ["preact", "uplot"];

const [target = "", epoch = "0", dir = "."] = process.argv.slice(2);
const { own, packages } = locked();
const runtime = runtimeOf(target);
const parts = packages.filter(({ name, dev }) => !dev || IN_PAGE.includes(name));
writeFileSync(`${dir}/sbom.cdx.json`, `${JSON.stringify(bom(), null, 2)}\n`);
writeFileSync(`${dir}/THIRD-PARTY`, [aboutRuntime(), ...parts.map(licenceOf)].join("\n"));

/** Without a serial number, which need not be, and with the commit's time: the same from build to build. */
function bom() {
  const direct = [...Object.keys(own.dependencies ?? {}), ...IN_PAGE];
  return {
    $schema: "http://cyclonedx.org/schema/bom-1.5.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.5",
    version: 1,
    metadata: {
      timestamp: new Date(Number(epoch) * 1000).toISOString(),
      component: {
        "bom-ref": refOf(own),
        type: "application",
        name: own.name,
        version: own.version,
        licenses: [{ license: { id: own.license } }],
      },
    },
    components: [
      ...parts.map((part) => componentOf(part, "library")),
      componentOf(runtime, "platform"),
    ],
    dependencies: [
      { ref: refOf(own), dependsOn: [...refsOf(direct), refOf(runtime)] },
      ...parts.map((part) => ({
        ref: refOf(part),
        dependsOn: refsOf(Object.keys(part.dependencies ?? {})),
      })),
    ],
  };
}

function componentOf(part: Named, type: "library" | "platform") {
  const { name, version, integrity, license } = part;
  const content = Buffer.from(integrity.replace("sha512-", ""), "base64").toString("hex");
  return {
    "bom-ref": refOf(part),
    type,
    name,
    version,
    purl: `pkg:npm/${name.replace("@", "%40")}@${version}`,
    hashes: [{ alg: "SHA-512", content }],
    licenses: [{ license: { id: license } }],
  };
}

function refOf({ name, version }: Named): string {
  return `${name}@${version}`;
}

function refsOf(names: readonly string[]): string[] {
  return parts.filter(({ name }) => names.includes(name)).map(refOf);
}

function aboutRuntime(): string {
  const { name, version } = runtime;
  return `--- ${name} ${version}\n\nMIT, and those of what it links: https://bun.com/docs/project/license\n`;
}

function licenceOf({ name, version }: Named): string {
  const at = `node_modules/${name}`;
  const file = readdirSync(at).find((entry) => /^licen[sc]e/i.test(entry));
  const text = file === undefined ? "See its package.\n" : readFileSync(`${at}/${file}`, "utf8");
  return `--- ${name} ${version}\n\n${text}`;
}
