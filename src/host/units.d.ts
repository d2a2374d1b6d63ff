// SPDX-License-Identifier: MIT
/** What dist/systemd holds, as texts. */
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
