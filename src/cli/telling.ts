// SPDX-License-Identifier: MIT
/** The commands that only tell: of a config file, of this host, of what would be done. */

import { Argument, type Command, Option } from "commander";
import { OUTCOMES } from "../feed/protocol.ts";
import { AgentUrl, CaFile, Count, JournalPath, Moment, parsed } from "./args.ts";

const COMPLETION_HELP = `
Examples:
  source <(reprieve completion bash)         in ~/.bashrc
  source <(reprieve completion zsh)          in ~/.zshrc, behind compinit
  reprieve completion fish | source          in ~/.config/fish/config.fish
`;

export function addTelling(reprieve: Command, done: (code: number) => void): void {
  reprieve
    .command("check")
    .description("say all that is wrong in a config file; nothing is guarded or changed")
    .argument("[file]", "with its drop-ins (default: /etc/reprieve/reprieve.toml)")
    .option("--effective", "print what is in effect, drop-ins and defaults included")
    .option("--json", "print one JSON object")
    .addHelpText("after", "\nExit codes: 0 no mistake, 1 mistakes or no such file")
    .action(async (file, options) =>
      done(await (await import("./check.ts")).checkConfig(file, options)),
    );
  reprieve
    .command("explain")
    .description("say what would be done at a group's OOM, by which rule, and to whom")
    .argument("[what]", "a guard's name, a group or a process id; none: all groups, a line each")
    .option(
      "--config <file>",
      "the guards (default: /etc/reprieve/reprieve.toml where it is there)",
    )
    .option("--json", "print one JSON object a group, each on a line")
    .action(async (what, options) =>
      done(await (await import("./explain.ts")).explain(what, options)),
    );
  reprieve
    .command("rehearse")
    .description("play a guard's orders as at an OOM now, with their timings; nothing is done")
    .argument("<what>", "a guard's name or a group")
    .option(
      "--config <file>",
      "the guards (default: /etc/reprieve/reprieve.toml where it is there)",
    )
    .option("--json", "print one JSON object a group, each on a line")
    .action(async (what, options) =>
      done(await (await import("./rehearse.ts")).rehearse(what, options)),
    );
  reprieve
    .command("version")
    .description("say which build this is: version, commit, date, target")
    .option("--json", "print one JSON object")
    .action(async (options) => done(await (await import("./version.ts")).tellVersion(options)));
  addLive(reprieve, done);
  addIncidents(reprieve, done);
  addReplay(reprieve, done);
  reprieve
    .command("doctor")
    .description("say what this host offers, hold the config against it, prove the promises live")
    .option(
      "--config <file>",
      "the guards (default: /etc/reprieve/reprieve.toml where it is there)",
    )
    .option("--json", "print one JSON object")
    .action(async (options) => done(await (await import("./doctor.ts")).doctor(options)));
  reprieve
    .command("completion")
    .description("print what completes the command line of reprieve in a shell")
    .addArgument(new Argument("<shell>", "the shell").choices(["bash", "zsh", "fish"]))
    .addHelpText("after", COMPLETION_HELP)
    .action(async (shell) =>
      (await import("./output.ts")).print([
        (await import("./completion.ts")).completionOf(shell, reprieve),
      ]),
    );
}

const AGENTS_HELP = `
Without --url all reprieves of this user that run here are asked.
Exit codes: 0, 66 no reprieve runs, or none has that guard; 69 it does not answer, 77 it wants another token`;

const WATCH_KEYS =
  "Keys: arrows, PgUp, PgDn, Home, End; q or Ctrl-C ends it, Ctrl-Z stops it until fg";

/** Of the reprieves that run. */
function addLive(reprieve: Command, done: (code: number) => void): void {
  const asking = (command: Command) =>
    command
      .argument("[guard]", "its name, or a part that no other has; none: all guards")
      .addOption(urlOption("ask the reprieve that serves this"))
      .addOption(tokenOption())
      .addOption(caOption())
      .addHelpText("after", AGENTS_HELP);
  asking(reprieve.command("status"))
    .description("say how the guards stand now, and what happened last; of one its processes too")
    .option("--json", "print what the API says, one JSON object a reprieve, each on a line")
    .action(async (guard, options) =>
      done(await (await import("./status.ts")).status(guard, options)),
    );
  asking(reprieve.command("watch"))
    .description("show the guards as they change, until q is pressed; without a terminal: lines")
    .addHelpText("after", WATCH_KEYS)
    .option("--json", "print the messages of the feed, one JSON object a line")
    .action(async (guard, options) =>
      done(await (await import("./watch.ts")).watch(guard, options)),
    );
}

function urlOption(text: string): Option {
  return new Option("--url <url>", `${text}: http://..., https://..., unix:PATH`).argParser(
    parsed(AgentUrl),
  );
}

function tokenOption(): Option {
  return new Option("--token <token>", "of that reprieve").env("REPRIEVE_TOKEN");
}

function caOption(): Option {
  return new Option(
    "--ca <file>",
    "PEM: where it is https, who its certificate is trusted by, or itself",
  ).argParser(parsed(CaFile));
}

function addReplay(reprieve: Command, done: (code: number) => void): void {
  reprieve
    .command("replay")
    .description("say whom other orders would have killed in an incident of the journal, and when")
    .argument("[id]", "of the incident, or how it begins (default: the newest)")
    .option("--config <file>", "whose orders (default: those that the incident had)")
    .option("--journal <file>", "which journal (default: as for run)", parsed(JournalPath))
    .option("--json", "print one JSON object")
    .addHelpText(
      "after",
      "\nExit codes: 0, 66 no such incident, or nothing is recorded of it; 75 it is open still; 77 the journal cannot be read",
    )
    .action(async (id, options) => done(await (await import("./replay.ts")).replay(id, options)));
}

const INCIDENTS_HELP = `
Without --journal, --config and --url the host's journal is read, and the reprieves of this user that run are asked.
Exit codes: 0, 1 mistakes in FILE, 66 no such incident, 69 it does not answer, 75 it is open still, 77 the journal cannot be read`;

function addIncidents(reprieve: Command, done: (code: number) => void): void {
  reprieve
    .command("incidents")
    .description("list the incidents of the journal, newest first, or show one with all its steps")
    .addArgument(new Argument("[what]", "what to do").choices(["list", "show"]).default("list"))
    .argument("[id]", "of the one to show, or how it begins (default: the newest)")
    .option(
      "--guard <name>",
      "of guards with this in their names, or with *: of this name: 'tenants/*'",
    )
    .addOption(
      new Option("--outcome <outcome>", "that ended so only").choices([...OUTCOMES, "unknown"]),
    )
    .option("--since <time>", "opened since: 2h, 3d, 14:30, 2026-11-30 12:00", parsed(Moment))
    .option("--until <time>", "opened before, likewise", parsed(Moment))
    .addOption(
      new Option("--limit <count>", "so many at most").argParser(parsed(Count)).default(50),
    )
    .option("--journal <file>", "this journal alone (default: as for run)", parsed(JournalPath))
    .option(
      "--config <file>",
      "that of this file's [journal] (default: /etc/reprieve/reprieve.toml)",
    )
    .addOption(
      urlOption("ask the reprieve that serves this instead").conflicts(["journal", "config"]),
    )
    .addOption(tokenOption())
    .addOption(caOption())
    .option("--json", "print one JSON object an incident, each on a line")
    .addHelpText("after", INCIDENTS_HELP)
    .action(async (what, id, options) =>
      done(await (await import("./incidents.ts")).incidents(what, id, options)),
    );
}
