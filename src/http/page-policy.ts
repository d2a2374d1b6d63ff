// SPDX-License-Identifier: MIT
/** The content security policy of the page: its own script and style, by their hashes, and nothing else. */

let known: { readonly page: string; readonly sources: string } | undefined;

/** `host`: as the browser has it: for the feed, which not every browser takes for the page's own. */
export function policyOf(page: string, host: string): string {
  if (known?.page !== page) known = { page, sources: sourcesOf(page) };
  return (
    `default-src 'none'; ${known.sources}; img-src data:; connect-src 'self' ws://${host} wss://${host}; ` +
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
  );
}

// --- internal ---

function sourcesOf(page: string): string {
  return [
    ["script", /<script[^>]*>([\s\S]*?)<\/script>/g] as const,
    ["style", /<style[^>]*>([\s\S]*?)<\/style>/g] as const,
  ]
    .map(([kind, pattern]) => {
      const hashes = [...page.matchAll(pattern)].map(([, text = ""]) => hashOf(text));
      return `${kind}-src ${hashes.join(" ") || "'none'"}`;
    })
    .join("; ");
}

function hashOf(text: string): string {
  return `'sha256-${new Bun.CryptoHasher("sha256").update(text).digest("base64")}'`;
}
