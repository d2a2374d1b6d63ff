// SPDX-License-Identifier: MIT
export async function doctor(_options: { json?: true }): Promise<number> {
  return 0;
}
