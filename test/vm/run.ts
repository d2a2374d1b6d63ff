// SPDX-License-Identifier: MIT
/** `make vm BOOT=v2 RUN='...'`: one command in the VM, with its output and its exit code. */
import { boot, type Cgroups, consoleOf } from "./machine.ts";

const BOUND_S = Number(process.env.BOUND_S ?? 540);

const [cgroups = "v2"] = process.argv.slice(2);
const command = process.env.RUN ?? "";
const machine = { name: cgroups, cgroups: cgroups as Cgroups };
const { code, broken } = await boot(machine, command, BOUND_S, (line) => console.log(line));
if (broken !== null) console.error(`${broken}; see ${consoleOf(machine)}`);
process.exit(code ?? 1);
