// SPDX-License-Identifier: MIT
/**
 * What a shell completes of reprieve's command line, from commander's own tree of commands. Pure. Behind `--` it is CMD's;
 * where nothing of ours fits, files.
 */

import type { Command, Option } from "commander";

export type Shell = "bash" | "zsh" | "fish";

/** To be sourced, or put where the shell finds it. */
export function completionOf(shell: Shell, reprieve: Command): string {
  const script = { bash, zsh, fish }[shell];
  return script(reprieve.createHelp().visibleCommands(reprieve));
}

// --- internal ---

function bash(commands: readonly Command[]): string {
  const cases = commands.flatMap((command) => {
    const name = command.name();
    const options = optionsOf(command);
    const [chosen, given] = [true, false].map((has) =>
      options.filter((one) => takesValue(one) && (one.argChoices !== undefined) === has),
    );
    const values = (given ?? []).map(({ long }) => `${name}:${long}:*`);
    const flags = options.map(({ long }) => long).join(" ");
    const choices = choicesOf(command);
    return [
      ...(chosen ?? []).map(
        ({ long, argChoices = [] }) => `${name}:${long}:*) words="${argChoices.join(" ")}" ;;`,
      ),
      ...(values.length > 0 ? [`${values.join("|")}) return ;;`] : []),
      `${name}:*:-*) words="${flags}" ;;`,
      ...(choices.length > 0 ? [`${name}:*) words="${choices.join(" ")}" ;;`] : []),
    ];
  });
  const names = commands.map((command) => command.name()).join(" ");
  return `_reprieve() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} words="" i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    if [[ \${COMP_WORDS[i]} == -- ]]; then
      if ((i == COMP_CWORD - 1)); then COMPREPLY=($(compgen -c -- "$cur")); fi
      return
    fi
  done
  if ((COMP_CWORD == 1)); then
    words="${names} --help --version"
  else
    case \${COMP_WORDS[1]}:$prev:$cur in
      ${cases.join("\n      ")}
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _reprieve reprieve`;
}

function zsh(commands: readonly Command[]): string {
  const named = commands.map((one) => quoted(`${one.name()}:${one.description()}`));
  const cases = commands.map((command) => {
    const specs = optionsOf(command).map((option) => quoted(zshSpec(option)));
    return `${command.name()}) _arguments -S ${[...specs, zshRest(command)].join(" ")} ;;`;
  });
  return `#compdef reprieve
_reprieve() {
  local command=$words[2]
  local -a commands=(
    ${named.join("\n    ")}
  )
  if ((CURRENT == 2)); then
    _describe command commands
    return
  fi
  shift words
  ((CURRENT--))
  case $command in
    ${cases.join("\n    ")}
  esac
}
# From $fpath this file is the function itself at its first call.
if [[ $funcstack[1] == _reprieve ]]; then _reprieve "$@"; else compdef _reprieve reprieve; fi`;
}

function zshSpec(option: Option): string {
  const { long, argChoices } = option;
  const text = option.description.replace(/[[\]:\\]/g, "\\$&");
  if (!takesValue(option)) return `${long}[${text}]`;
  return `*${long}[${text}]:${valueName(option)}:${argChoices ? `(${argChoices.join(" ")})` : "_files"}`;
}

function zshRest(command: Command): string {
  if (command.name() === "run") return "'*::command:_normal'";
  const choices = choicesOf(command);
  return quoted(
    choices.length > 0 ? `1:${command.name()}:(${choices.join(" ")})` : "*:file:_files",
  );
}

function fish(commands: readonly Command[]): string {
  const first = "__fish_use_subcommand";
  const lines = commands.flatMap((command) => {
    const inside = `__fish_seen_subcommand_from ${command.name()}`;
    const line = (when: string, rest: string) => `complete -c reprieve -n ${quoted(when)} ${rest}`;
    return [
      line(first, `-f -a ${command.name()} -d ${quoted(command.description())}`),
      ...optionsOf(command).map((option) => {
        const choices = option.argChoices ? ` -f -a ${quoted(option.argChoices.join(" "))}` : "";
        const value = takesValue(option) ? ` -r${choices}` : "";
        return line(inside, `-l ${option.long?.slice(2)}${value} -d ${quoted(option.description)}`);
      }),
      ...choicesOf(command).map((choice) => line(inside, `-f -a ${choice}`)),
    ];
  });
  return lines.join("\n");
}

function optionsOf(command: Command): Option[] {
  return command.createHelp().visibleOptions(command);
}

/** One that may go without takes it behind a =. */
function takesValue({ required }: Option): boolean {
  return required;
}

function valueName({ flags }: Option): string {
  return /[<[]([^>\]]+)[>\]]/.exec(flags)?.[1] ?? "value";
}

/** Of its first argument. */
function choicesOf(command: Command): readonly string[] {
  return command.registeredArguments[0]?.argChoices ?? [];
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
