// SPDX-License-Identifier: MIT
/** `reprieve version` */
import { exit } from "../errors.ts";
import { build, identity } from "./identity.ts";
import { print } from "./output.ts";

export async function tellVersion({ json }: { readonly json?: true }): Promise<number> {
  await print([json ? JSON.stringify(build()) : identity()]);
  return exit.ok;
}
