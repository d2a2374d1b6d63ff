// SPDX-License-Identifier: MIT
/** How often the handler looks at the processes of a group. */
import { expect, test } from "bun:test";
import { type ConfigFile, FEED, guard, onStage, type Tenants } from "../helpers/config.ts";
import { SharedRegion } from "../helpers/region.ts";
import { describeWith, kernelTest } from "../helpers/require.ts";
import { LIMIT } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";

let config: ConfigFile;
let tenants: Tenants;
onStage((stage) => {
  ({ config, tenants } = stage);
});

describeWith("sampling", kernelTest, () => {
  /** Of one guard with such rates. */
  async function sampled(rates: string, body: (region: SharedRegion) => Promise<void>) {
    tenants.child("a", LIMIT);
    config.write(`${FEED}${guard("a", `${tenants.at}/a`, `sampling = { ${rates} }\n`)}`);
    const reprieve = await config.start(1);
    const region = new SharedRegion(await reprieve.helper("handler"));
    await body(region);
    region.close();
    expect(await reprieve.stop()).toBe(0);
  }

  test("a guard's processes are looked at as often as it says", async () => {
    await sampled('far = "20ms"', async (region) => {
      const before = region.scans();
      await until("60 looks", () => region.scans() >= before + 60);
    });
    await sampled('far = "10s", near = "1s"', async (region) => {
      const before = region.scans();
      await Bun.sleep(3000);
      expect(region.scans()).toBeLessThanOrEqual(before + 4); // on v2 it is near
    });
  });
});
