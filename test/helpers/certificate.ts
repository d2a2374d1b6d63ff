// SPDX-License-Identifier: MIT
/** A certificate that is its own authority, for 127.0.0.1. */
import { join } from "node:path";
import { program } from "./require.ts";

export const openssl = program("openssl", "apt-get install openssl");

export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** Its files, in that directory. */
export function certificateIn(dir: string): Certificate {
  const [cert, key] = [join(dir, "cert.pem"), join(dir, "key.pem")];
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"];
  const make = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  Bun.spawnSync(["openssl", ...make, "-keyout", key, "-out", cert, ...subject]);
  return { cert, key };
}
