// SPDX-License-Identifier: MIT
/** What the Makefile builds and embed.ts embeds: the default export is the file's path. */
declare module "*/dist/build/core" {
  const path: string;
  export default path;
}
declare module "*/dist/build/core.so" {
  const path: string;
  export default path;
}
