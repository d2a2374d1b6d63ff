// SPDX-License-Identifier: MIT
/** The commands of dist/docs/kubernetes.md against a server that is not there: kubectl takes all but that. */
import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeFolder, removeFolder } from "../helpers/folder.ts";
import { repository } from "../helpers/paths.ts";
import { describeWith, kustomize } from "../helpers/require.ts";
import { commandsOf } from "./blocks.ts";

const nowhere = {
  apiVersion: "v1",
  kind: "Config",
  "current-context": "none",
  clusters: [{ name: "none", cluster: { server: "http://127.0.0.1:1" } }],
  contexts: [{ name: "none", context: { cluster: "none", user: "none" } }],
  users: [{ name: "none", user: {} }],
};

describeWith(
  "dist/docs/kubernetes.md",
  [],
  () => {
    const commands = commandsOf("kubernetes", "kubernetes").flatMap((block) => block.commands);
    test.each(commands)("%s", (command) => {
      const dir = makeFolder("kube");
      const KUBECONFIG = join(dir, "config");
      writeFileSync(KUBECONFIG, JSON.stringify(nowhere));
      const env = { ...process.env, KUBECONFIG, HOME: dir };
      const { stderr } = Bun.spawnSync(["sh", "-c", command], { cwd: repository, env });
      removeFolder(dir);
      expect(String(stderr)).toMatch(/127\.0\.0\.1:1.* refused/);
    });
  },
  kustomize,
);
