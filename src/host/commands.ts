// SPDX-License-Identifier: MIT
/** The commands that make reprieve a service of this host, and no longer one. */

import type { Command } from "commander";

const INSTALL_HELP = `
With --root only files are written, where a package has them: usr/bin, usr/lib/systemd/system, usr/share/man, etc/reprieve below DIR.
Exit codes: 0 done, or it was; 1 mistakes in FILE, 69 no systemd, 73 a file cannot be written, 77 not root`;

const UPGRADE_HELP = `
For packages. Nothing is written or enabled, and a service that does not run stays so.
Exit codes: 0 done, or nothing to do; 1 mistakes in the config file: the program that runs guards on; 69 no systemd, 77 not root`;

const UNINSTALL_HELP = `
Exit codes: 0 done, or nothing was installed; 69 no systemd, 75 release left something alone: the service is stopped, and nothing is removed before that is mended;
77 not root, 78 a package has brought it`;

export function addHosting(reprieve: Command, done: (code: number) => void): void {
  reprieve
    .command("install")
    .description(
      "make this program a service of systemd's; a config file that is there stays, a running service is taken over",
    )
    .option("--root <dir>", "write the files below this directory, and nothing else")
    .option(
      "--config <file>",
      "becomes /etc/reprieve/reprieve.toml where there is none (default: an example that only observes)",
    )
    .option("--no-start", "neither start the service nor enable it")
    .addHelpText("after", INSTALL_HELP)
    .action(async (options) => done(await (await import("./install.ts")).install(options)));
  reprieve
    .command("upgrade")
    .description(
      "have this program take over from the service's that runs, with no group unwatched",
    )
    .addHelpText("after", UPGRADE_HELP)
    .action(async () => done(await (await import("./install.ts")).upgrade()));
  reprieve
    .command("uninstall")
    .description("undo install: put back what is guarded, stop the service and remove it")
    .option("--purge", "the config files, the journal and the logs too")
    .addHelpText("after", UNINSTALL_HELP)
    .action(async (options) => done(await (await import("./uninstall.ts")).uninstall(options)));
}
