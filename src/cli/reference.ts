// SPDX-License-Identifier: MIT
/**
 * The man page of the command line, made from commander's own tree of commands: what `--help` says, in one page.
 *
 * `make docs` writes it; test/unit/man.test.ts fails where it is stale. Not part of the binary.
 */

import type { Command, Help, Option } from "commander";
import { item, manPage, roff, verbatim } from "../release/roff.ts";
import { program } from "./program.ts";

/** By their names in dist/. */
export async function documents(): Promise<Readonly<Record<string, string>>> {
  const reprieve = await program([], () => {});
  return { "man/reprieve.1": manPage("reprieve", 1, "src/cli/program.ts", body(reprieve)) };
}

// --- internal ---

const ABOUT = `When a Linux memory cgroup (v1 or v2) runs out of memory, \`reprieve\` resolves it in user space, by rules that you give,
within a bounded delay. If that does not happen, for whatever reason, the kernel's OOM killer takes over.
It acts only with powers that it was given: without \`--allow-kill\`, or \`[allow]\` in the config file, it observes, and says what it would have done.

All that prints data takes \`--json\`; every command takes \`--help\`.`;

const FILES = [
  ["/etc/reprieve/reprieve.toml", "What is guarded, and how: `reprieve.toml`(5)."],
  ["/etc/reprieve/reprieve.d/*.toml", "Its drop-ins."],
  ["/run/reprieve", "What runs, what has been changed and is to be put back."],
  [
    "/var/lib/reprieve/journal.sqlite",
    "Incidents. Not root's: `reprieve/journal.sqlite` in `$XDG_STATE_HOME`, or `~/.local/state`.",
  ],
] as const;

const SIGNALS = [
  ["SIGTERM, SIGINT", "`run` puts back what was there before, and ends. CMD gets them too."],
  ["SIGHUP", "With a config file `run` reads it anew, as `reprieve reload` asks for."],
] as const;

function body(reprieve: Command): string {
  const help = reprieve.createHelp();
  const commands = help.visibleCommands(reprieve);
  const usages = commands.map((command) =>
    roff(`\`reprieve ${command.name()}\` ${command.usage()}`),
  );
  return [
    `.SH NAME\nreprieve \\- ${roff(reprieve.description())}`,
    `.SH SYNOPSIS\n.nf\n${usages.join("\n")}\n.fi`,
    `.SH DESCRIPTION\n${paragraphs(ABOUT)}`,
    `.SH COMMANDS\n${commands.map((command) => section(command, help)).join("\n")}`,
    `.SH ENVIRONMENT\n${items(environment(commands))}`,
    `.SH FILES\n${items(FILES)}`,
    `.SH SIGNALS\n${items(SIGNALS)}`,
    ".SH SEE ALSO\n.BR reprieve.toml (5),\n.BR cgroups (7),\n.BR systemd\\-oomd.service (8)",
  ].join("\n");
}

/** What stands for a flag that is not given. */
function environment(commands: readonly Command[]): [string, string][] {
  const told = new Map([["NO_COLOR", "No colours in a terminal."]]);
  for (const { options } of commands)
    for (const { envVar, long } of options)
      if (envVar !== undefined) told.set(envVar, `For \`${long}\`.`);
  return [...told].sort();
}

function section(command: Command, help: Help): string {
  const told = [
    ...help
      .visibleArguments(command)
      .map((one) => [`<${one.name()}>`, help.argumentDescription(one)] as const),
    ...help
      .visibleOptions(command)
      .filter(({ long }) => long !== "--help")
      .map((one) => [term(one), help.optionDescription(one)] as const),
  ];
  const text = sentence(command.description());
  return `.SS ${roff(command.name())}\n${roff(text)}\n${items(told)}${behind(command)}`;
}

/** A value that may be left out stands behind a =. */
function term({ flags }: Option): string {
  return flags.replace(/^--\S+/, "`$&`").replace(/ \[(.+)\]/, "[=<$1>]");
}

/** What --help says below the flags. */
function behind(command: Command): string {
  let all = "";
  const writeOut = (text: string) => {
    all += text;
  };
  command.configureOutput({ writeOut }).outputHelp();
  const text = all.slice(command.helpInformation().length).trim();
  return text === "" ? "" : `\n.PP\n${paragraphs(text)}`;
}

/** Lines that are indented are shown as they are. */
function paragraphs(text: string): string {
  const parts = text.match(/(?:^ .*\n?)+|(?:^[^ \n].*\n?)+/gm) ?? [];
  return parts
    .map((part) => part.trimEnd())
    .map((part) => (part.startsWith(" ") ? verbatim(part) : roff(part)))
    .join("\n.PP\n");
}

function items(told: readonly (readonly [string, string])[]): string {
  return told.map(([name, text]) => item(name, text)).join("\n");
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

if (import.meta.main) {
  for (const [name, text] of Object.entries(await documents()))
    await Bun.write(`dist/${name}`, text);
}
