// SPDX-License-Identifier: MIT

/** What a program prints; throws where it fails. */
export function output(...command: string[]): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync(command);
  if (exitCode !== 0) throw new Error(`${command.join(" ")}: exit ${exitCode}\n${stderr}`);
  return stdout.toString();
}
