// SPDX-License-Identifier: MIT
/** The containers of dist/docs/sidecar.md are run, as they stand there, around an app and beside one. */
import { afterEach, expect } from "bun:test";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { makeTree } from "../../src/release/tree.ts";
import { fixture } from "../helpers/build.ts";
import { cleanUp } from "../helpers/clean.ts";
import { makeFolder, removeFolder } from "../helpers/folder.ts";
import { binary } from "../helpers/paths.ts";
import { Pod } from "../helpers/pod.ts";
import { describeWith, kernelTest, onlyOnV1, program } from "../helpers/require.ts";
import { until } from "../helpers/wait.ts";
import { blocksOf, type Commands, commandsOf } from "./blocks.ts";
import { missing } from "./output.ts";

const needs = [...kernelTest, program("runc", "apt install runc"), program("readelf", "binutils")];
const paths = onlyOnV1("the page has v1's paths");

let folder = "";

afterEach(async () => {
  for (const name of ["around", "beside"])
    Bun.spawnSync(["runc", "delete", "--force", `reprieve-${name}-${process.pid}`]);
  await cleanUp();
  removeFolder(folder);
});

describeWith("the sidecar's page", needs, () => {
  paths("its containers run, and say what it shows", async () => {
    const pod = await Pod.set();
    folder = makeFolder("docs-sidecar", "/var/tmp");
    const here = (text: string) =>
      text
        .replaceAll("reprieve-around", `reprieve-around-${process.pid}`)
        .replaceAll("reprieve-beside", `reprieve-beside-${process.pid}`)
        .replaceAll("/sys/fs/cgroup/memory/reprieve-pod", pod.path)
        .replaceAll(
          "/reprieve-pod/sidecar",
          `${pod.path.slice("/sys/fs/cgroup/memory".length)}/sidecar`,
        )
        .replaceAll('"--cgroup", "app"', `"--cgroup", "${pod.appName}"`)
        .replaceAll("/proc/PID/", `/proc/${pod.firstPid}/`);
    for (const { language, words, text } of blocksOf("sidecar")) {
      const [file] = words;
      if (language !== "json" || file === undefined) continue;
      const root = `${folder}/${dirname(file)}/rootfs`;
      makeTree(root, binary, process.arch as "x64" | "arm64");
      copyFileSync(fixture("app"), `${root}/app`);
      for (const { destination } of JSON.parse(text).mounts)
        if (!destination.startsWith("/dev/")) mkdirSync(root + destination, { recursive: true });
      writeFileSync(`${folder}/${file}`, here(text));
    }
    for (const block of commandsOf("sidecar", "runc")) await type(block, here, folder, pod.appName);
    await until("what it changed to be put back", () => !pod.app.oom().held);
  });
});

/** What is started in the background is up in a moment. */
async function type(
  { commands, exits, shown }: Commands,
  here: (text: string) => string,
  cwd: string,
  app: string,
) {
  let told = "";
  for (const command of commands) {
    told = await until(`${command} to end with ${exits}`, () => {
      const { exitCode, stdout, stderr } = Bun.spawnSync(["bash", "-c", here(command)], { cwd });
      return exitCode === exits ? `${stdout}${stderr}` : undefined;
    });
  }
  expect(
    shown === undefined ? undefined : missing(shown, told.replaceAll(app, "app")),
  ).toBeUndefined();
}
