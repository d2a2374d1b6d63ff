// SPDX-License-Identifier: MIT
/** What the Makefile builds and the binary holds: the default export is the file's path, of the page its text. */
declare module "#native/core" {
  const path: string;
  export default path;
}
declare module "#native/core.so" {
  const path: string;
  export default path;
}
declare module "*/dist/build/page.html" {
  const text: string;
  export default text;
}
