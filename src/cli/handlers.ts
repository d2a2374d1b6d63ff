// SPDX-License-Identifier: MIT
/** What `run` does about handlers that are not reprieve's own: their flags, the door, the programs it starts. */

import { type Door, openDoor } from "../agent/door.ts";
import { demandOwner, UserHandlers } from "../agent/user-handlers.ts";
import { CliError, exit } from "../errors.ts";
import type { Core } from "../native/core.ts";
import type { CoreImage } from "../native/embed.ts";
import { QUOTES, wordsOf } from "../native/words.ts";
import { findProgram } from "./command.ts";
import { say } from "./output.ts";

export interface HandlerOptions {
  readonly handler: "outside" | "inside" | "designated";
  readonly handlerSocket?: string;
  readonly handlerMode?: number;
  readonly handlerCommand?: string;
}

const NO_POWER = "a designated handler goes with --allow-kill: who only observes holds no group";

interface Needs {
  readonly options: HandlerOptions;
  readonly core: Core;
  readonly undo: AsyncDisposableStack;
}

interface Guarded {
  readonly name: string;
  readonly path: string;
}

/** Right one by one and wrong together; of one group or several, with or without the power to kill in all of them. */
export function checkHandlers(options: HandlerOptions, isOne: boolean, allowKill: boolean): void {
  const wrong = (why: string) => new CliError(exit.usage, why);
  const isOpen = wantsDoor(options);
  if (options.handler === "inside" && !isOne) {
    throw wrong("--handler inside goes with one group only: the handler lives in that");
  }
  if (options.handler === "inside" && options.handlerCommand !== undefined) {
    throw wrong("give either --handler inside or --handler-command, not both");
  }
  for (const flag of ["socket", "mode"] as const) {
    if (!isOpen && options[flag === "socket" ? "handlerSocket" : "handlerMode"] !== undefined) {
      throw wrong(`--handler-${flag} goes with --handler designated or --handler-command`);
    }
  }
  if (isOpen && !allowKill) throw wrong(NO_POWER);
}

/** The same of a group that is found later. */
export function demandHandler(options: HandlerOptions, path: string, allowKill: boolean): void {
  if (wantsDoor(options) && !allowKill) throw new CliError(exit.usage, NO_POWER);
  if (options.handlerCommand !== undefined) demandOwner(path);
}

/** undefined: nobody may be designated. */
export function openDoorIfWanted(needs: Needs, base: string): Door | undefined {
  return wantsDoor(needs.options) ? openDoor(needs, base) : undefined;
}

/** Called before anything is armed: a command that cannot be run is a mistake of the caller's. */
export function userCommand({ handlerCommand }: HandlerOptions, guards: readonly Guarded[]) {
  if (handlerCommand === undefined) return undefined;
  const argv = wordsOf(handlerCommand);
  if (argv === undefined) throw new CliError(exit.usage, `--handler-command: ${QUOTES}`);
  const [name] = argv;
  if (name === undefined) throw new CliError(exit.usage, "--handler-command names no program");
  for (const { path } of guards) demandOwner(path);
  return { program: findProgram(name), argv };
}

export function startUserHandlers(
  { undo }: Needs,
  image: CoreImage,
  { path: socket }: Door,
  command: NonNullable<ReturnType<typeof userCommand>>,
  guards: readonly Guarded[],
): UserHandlers {
  const handlers = new UserHandlers({ image, command, socket, say }, guards);
  undo.defer(() => handlers.stop());
  return handlers;
}

/** May another than reprieve's own handler answer? */
export function wantsDoor({ handler, handlerCommand }: HandlerOptions): boolean {
  return handler === "designated" || handlerCommand !== undefined;
}
