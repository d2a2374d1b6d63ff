// SPDX-License-Identifier: MIT
/**
 * `make screenshot`: dist/docs/page.png, the page of a real OOM after half a minute's growth, on a little host of its own
 * (test/docs). It takes 40 s.
 */
import { rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Setting } from "../docs/setting.ts";
import { Shell } from "../docs/shell.ts";
import { launch, Tab } from "../helpers/browser.ts";
import { MB } from "../helpers/group.ts";
import { repository } from "../helpers/paths.ts";
import { until } from "../helpers/wait.ts";

const OUT = `${repository}/dist/docs/page.png`;
const SIZE = { width: 900, height: 720 };
const LIMIT = 200 * MB;
/** 256 KiB each 60 ms: the group is full after some 30 s. */
const LEAK = { means: "touch", kb: 180 * 1024, chunkKb: 256, pauseUs: 60_000 } as const;

const setting = new Setting();
const shell = new Shell(setting.root);
const wrapper = join(tmpdir(), `reprieve-chromium-${process.pid}`);
try {
  const { output: pid } = await shell.run("echo $$");
  const web = setting.group("/tenants/web", LIMIT);
  const guarded = "--cgroup tenants/web --allow-kill --no-token";
  const running = await shell.start(`reprieve run ${guarded}`, undefined);
  await setting.process(web, "postgres", { means: "steady", beforeKb: 48 * 1024 });
  await setting.process(web, "nginx", { means: "steady", beforeKb: 12 * 1024 });
  const server = await setting.process(web, "node", {
    means: "touch",
    beforeKb: 20 * 1024,
    kb: 30 * 1024,
    chunkKb: 64,
    pauseUs: 90_000,
  });
  server.go();
  const leaker = await setting.process(web, "import", LEAK);
  leaker.go();
  await until("the leaker's death", () => !leaker.isAlive(), 60_000, 100);
  const { output: shown } = await shell.run("sleep 1; reprieve incidents --json");
  const [incident] = shown.split("\n").filter((line) => line.startsWith("{"));
  const id = JSON.parse(incident ?? "").id as string;
  writeFileSync(wrapper, `#!/bin/sh\nexec nsenter -t ${pid.trim()} -n chromium "$@"\n`, {
    mode: 0o755,
  });
  const browser = await launch(wrapper);
  const tab = await Tab.open(browser, `http://127.0.0.1:7461/#/incidents/${id}`);
  await tab.page.setViewportSize(SIZE);
  await tab.page.locator("canvas").waitFor();
  await Bun.sleep(1000); // the chart is drawn in a frame of its own
  await tab.page.screenshot({ path: OUT, fullPage: true });
  await tab.close();
  await browser.close();
  await shell.stop(running);
} finally {
  rmSync(wrapper, { force: true });
  await shell.end();
  await setting.end();
}
console.log(OUT);
