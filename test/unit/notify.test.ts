// SPDX-License-Identifier: MIT
/** sd_notify(3) where systemd does not read for a while (test/kernel/service.test.ts has the rest). */
import { expect, test } from "bun:test";
import { Notify } from "../../src/agent/notify.ts";
import { type Core, NativeError } from "../../src/native/core.ts";
import { until } from "../helpers/wait.ts";

const EAGAIN = -11;

test("what it could not read at once comes in order, and READY after a reload that failed", async () => {
  const heard: string[] = [];
  let isFull = true;
  const core = {
    nowUs: () => 0,
    sendDatagram(_: string, text: Buffer) {
      if (isFull) throw new NativeError("send", EAGAIN);
      heard.push(text.toString().split("\n")[0] ?? "");
    },
  };
  const notify = new Notify(core as unknown as Core, { NOTIFY_SOCKET: "@" });
  const reload = () => {
    isFull = false;
    throw new Error("no reload");
  };
  expect(() => notify.reloading(reload)).toThrow("no reload");
  await until("both", () => heard.length === 2);
  expect(heard).toEqual(["RELOADING=1", "READY=1"]);
});
