// SPDX-License-Identifier: MIT
/** A stage of a service of systemd's, but for systemd: a test hears what it would be told. */
import { FEED, onStageOf, Stage } from "./config.ts";
import { makeFolder, removeFolder } from "./folder.ts";
import { kill } from "./group.ts";
import { NotifySocket } from "./notified.ts";
import { Reprieve } from "./reprieve.ts";
import { isAlive } from "./workload.ts";

export const ALLOWED = `${FEED}[allow]\nkill = true\n`;

class ServiceStage extends Stage {
  readonly systemd = new NotifySocket();
  readonly folder = makeFolder("service");

  service(more: readonly string[] = [], env: Record<string, string> = {}): Reprieve {
    const NOTIFY_SOCKET = this.systemd.name;
    return Reprieve.start(["run", "--config", this.config.path, ...more], {
      env: { NOTIFY_SOCKET, ...env },
    });
  }

  override async end(): Promise<void> {
    // Those that took over are no children of ours.
    for (const pid of this.systemd.heard.map(pidIn)) {
      if (pid > 0 && isAlive(pid)) kill(pid, "SIGTERM");
    }
    this.systemd.close();
    removeFolder(this.folder);
    await super.end();
  }
}

/** Has each test of a file begin on a stage of its own. */
export function onServiceStage(set: (stage: ServiceStage) => void): void {
  onStageOf(() => new ServiceStage(), set);
}

export function pidIn(text: string): number {
  return Number(/MAINPID=(\d+)/.exec(text)?.[1]);
}
