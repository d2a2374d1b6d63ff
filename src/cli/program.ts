// SPDX-License-Identifier: MIT
/** The command line: every command, argument and flag, and what help says of them. */

import { Command, Option } from "commander";
import type * as v from "valibot";
import { Pattern } from "../config/pattern.ts";
import type { StandingOrder } from "../native/guard-orders.ts";
import type { WeighRule } from "../native/weighing.ts";
import {
  Bound,
  Duration,
  Handler,
  JournalPath,
  Limit,
  Listen,
  Mode,
  Name,
  ProcessId,
  Program,
  parsed,
  Size,
  SocketPath,
  When,
} from "./args.ts";
import { Order } from "./order.ts";
import { say } from "./output.ts";
import { Avoid, Prefer } from "./weigh.ts";

const RUN_HELP = `
Examples:
  reprieve run --limit 512M -- make -j8
  reprieve run --cgroup docker/4f5e --allow-kill --delay 200ms
  reprieve run --config reprieve.toml

Alone, "reprieve run" reads /etc/reprieve/reprieve.toml if it is there. Flags win over the file; with --cgroup the
file's guards say how these groups are guarded, and no others are. [deny] and --deny win over [allow] and --allow.

Exit codes:
  0                done; with CMD: its own
  1                mistakes in the config file
  64, 66           wrong use; no such group
  69               this host lacks something
  73, 75           cannot make the group; it, or the port, is in use
  77, 78           not permitted; refused, for it would be unsafe
  70               a fault of reprieve's own
  125, 126, 127    CMD could not be put in its group, is not executable, was not found
  128 + n          CMD died of signal n
`;

/** What is guarded waits for no other command: where argv begins with run, the others are not there. */
export async function program(
  argv: readonly string[],
  done: (code: number) => void,
): Promise<Command> {
  const reprieve = new Command("reprieve")
    .description(
      "Resolves a memory cgroup's OOM in user space; the kernel's killer is the net below",
    )
    .helpCommand(false)
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({ outputError: (text) => say(text.replace(/^error: /, "").trimEnd()) });
  addRun(reprieve, done);
  if (argv[0] === "run") return reprieve;
  (await import("./telling.ts")).addTelling(reprieve, done);
  (await import("../host/commands.ts")).addHosting(reprieve, done);
  reprieve
    .command("handle")
    .description("answer for a guard of another reprieve, as the group's owner; no root needed")
    .addOption(
      new Option("--guard <name>", "the guard's name, as the feed of that reprieve has it")
        .env("REPRIEVE_GUARD")
        .makeOptionMandatory(),
    )
    .addOption(
      new Option("--socket <path>", "of that reprieve (default: /run/reprieve/handler.sock)")
        .env("REPRIEVE_SOCKET")
        .argParser(parsed(SocketPath)),
    )
    .action(async (options) => done(await (await import("./handle.ts")).handle(options)));
  reprieve
    .command("reload")
    .description(
      "have the reprieves that run with a config file read it anew, unless there are mistakes in it",
    )
    .addHelpText(
      "after",
      "\nExit codes: 0 told, 1 mistakes in a file: that one is left as it is; 66 none runs with a file",
    )
    .option(
      "--main-pid <pid>",
      "only that one, as ExecReload= of systemd; where this is another program, it takes over from it",
      parsed(ProcessId),
    )
    .option("--json", "print one JSON object for each of them")
    .action(async (options) => done(await (await import("./reload.ts")).reload(options)));
  reprieve
    .command("release")
    .description("switch the kernel's killer back on in what dead reprieves left")
    .option("--all", "list every group of the host whose killer is off")
    .option("--force", "with --all: switch it on in each of them")
    .option("--json", "print one JSON object")
    .action(async (options) => done(await (await import("./release.ts")).release(options)));
  return reprieve;
}

// --- internal ---

function addRun(reprieve: Command, done: (code: number) => void): void {
  const add = (given: string, all: string[]) => [...all, given];
  const run = reprieve
    .command("run")
    .description("run CMD in a guarded group of its own, or guard groups that exist")
    .argument("[cmd...]", "the program and its arguments, after --")
    .addHelpText("after", RUN_HELP)
    .addOption(
      new Option(
        "--cgroup <path>",
        "guard this group, absolute or below the memory hierarchy; repeatable",
      )
        .argParser(add)
        .default([], "none"),
    )
    .option("--config <file>", "guard what this file says; flags win over what stands in it")
    .option("--limit <size>", "limit of CMD's group (default: 90 % of what is free)", parsed(Limit))
    .addOption(
      new Option(
        "--delay <time>",
        "the reprieve; then the kernel decides (default: 100ms, on cgroup v2 500ms)",
      ).argParser(parsed(Duration)),
    )
    .option("--when <when>", "at-oom, or before: the margin under the limit", parsed(When))
    .option("--margin <size>", "left under the limit when the guard engages", parsed(Size))
    .option("--name <name>", "of CMD's group (default: the process id)", parsed(Name))
    .addOption(
      new Option(
        "--journal <file>",
        "of incidents, or none (default: /var/lib/reprieve/journal.sqlite, or below ~/.local/state)",
      ).argParser(parsed(JournalPath)),
    )
    .option("--no-token", "let everybody who can connect read the feed")
    .option("--open-metrics", "let everybody who can connect read /metrics")
    .addOption(
      new Option(
        "--handler <where>",
        "outside the guarded group or inside, or designated: who designates itself at a socket",
      )
        .choices(["outside", "inside", "designated"])
        .argParser(parsed(Handler)),
    )
    .option(
      "--handler-socket <path>",
      "for designated handlers (default: /run/reprieve/handler.sock)",
      parsed(SocketPath),
    )
    .option(
      "--handler-command <command>",
      "a handler to be designated: run as each group's owner; words are split at spaces, but in quotes",
    )
    .option(
      "--handler-mode <octal>",
      "of that socket; who may is decided behind it (default: 0666)",
      parsed(Mode),
    )
    .option("--keep", "wait for what CMD leaves behind instead of killing it")
    .option(
      "--replace [pid]",
      "take the groups over from the reprieve that guards them; with =PID from that one, whatever it guards",
      parsed(ProcessId),
    )
    .option("--json", "print one JSON object a line on stdout, which CMD's own output shares")
    .passThroughOptions()
    .action(async (argv, options) => done(await (await import("./run.ts")).run(argv, options)));
  addListening(run);
  addOrders(run);
  addPowers(run);
}

/** Who may see what happens, and where. */
function addListening(run: Command): void {
  run
    .addOption(
      new Option(
        "--listen <addr>",
        "of feed, API and page, repeatable: HOST:PORT, unix:PATH[,MODE], or none (default: 127.0.0.1:7461)",
      ).argParser((given: string, all: v.InferOutput<typeof Listen>[] = []) => [
        ...all,
        parsed(Listen)(given),
      ]),
    )
    .option(
      "--token-file <path>",
      "with the token; made where it is not there: it outlives a restart",
    )
    .option("--tls-cert <file>", "PEM: with --tls-key, addresses of --listen are https")
    .option("--tls-key <file>", "PEM");
}

/** The powers that an order takes. */
function addPowers(run: Command): void {
  const powers = [
    ["kill", "kill in the groups that are guarded; without any power: observe"],
    ["limits", "raise their limits and reclaim, as ordered"],
    ["move", "move a process to the group of move=GROUP"],
    ["hooks", "run the program of hook=PROGRAM"],
  ] as const;
  for (const [power, what] of powers) {
    const [place, schema, where] =
      power === "hooks"
        ? (["path", Program, "only a program there: /usr/local/bin/*"] as const)
        : (["glob", Pattern, "only where that matches, below the hierarchy: /tenants/*"] as const);
    const collect = (given: string, all: true | string[] = []) =>
      all === true ? all : [...all, parsed(schema)(given)];
    run.addOption(
      new Option(
        `--allow-${power} [${place}]`,
        `let it ${what}; with =${place.toUpperCase()} ${where}`,
      ).argParser(collect),
    );
    run.addOption(
      new Option(
        `--deny-${power} [${place}]`,
        "never, or not there, whatever else lets it",
      ).argParser(collect),
    );
  }
}

/** What is tried, and on whom. */
function addOrders(run: Command): void {
  run
    .addOption(
      new Option(
        "--order <order>",
        "what to try at an OOM, repeatable, in this order: raise=SIZE[:MOST], reclaim, freeze, " +
          "move=GROUP, hook=PROGRAM, terminate[=TIME], kill[=largest|newest|fastest|weight], kill-group[=all], " +
          "hand-over; at last the kernel decides",
      )
        .argParser((given: string, all: StandingOrder[]) => [...all, parsed(Order)(given)])
        .default([], "kill"),
    )
    .addOption(
      new Option(
        "--prefer <rule>",
        "whose memory counts for more, repeatable: name=, exe=, cgroup= or uid= (a pattern), weight=4",
      ).argParser((given: string, all: WeighRule[] = []) => [...all, parsed(Prefer)(given)]),
    )
    .addOption(
      new Option(
        "--avoid <rule>",
        "whose memory counts for less, likewise: weight=0.25; 0: the last to be chosen",
      ).argParser((given: string, all: WeighRule[] = []) => [...all, parsed(Avoid)(given)]),
    )
    .option(
      "--hook-bound <time>",
      "how long the next order waits for it (default: 50ms, on cgroup v2 200ms)",
      parsed(Bound),
    );
}
