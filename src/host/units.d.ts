// SPDX-License-Identifier: MIT
/** What dist/systemd and dist/man hold, as texts. */
declare module "*.service" {
  const text: string;
  export default text;
}
declare module "*.slice" {
  const text: string;
  export default text;
}
declare module "*/dist/systemd/reprieve.toml" {
  const text: string;
  export default text;
}
declare module "*/dist/man/reprieve.1" {
  const text: string;
  export default text;
}
declare module "*/dist/man/reprieve.toml.5" {
  const text: string;
  export default text;
}
