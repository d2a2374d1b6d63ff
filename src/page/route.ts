// SPDX-License-Identifier: MIT
/** Which view the address asks for: all of it is behind the #, so that a link opens the same view again. Pure. */

export type Route =
  | { readonly view: "guards"; readonly query: URLSearchParams }
  | { readonly view: "guard"; readonly name: string }
  | { readonly view: "incidents"; readonly query: URLSearchParams }
  | { readonly view: "incident"; readonly id: string }
  | { readonly view: "unknown" };

export function routeOf(hash: string): Route {
  const [path = "", search] = hash.replace(/^#?\/?/, "").split(/\?(.*)/s);
  const query = new URLSearchParams(search);
  const [place = "", ...rest] = path.split("/");
  const name = decoded(rest.join("/"));
  if (name === undefined) return { view: "unknown" };
  switch (place) {
    case "":
      return { view: "guards", query };
    case "guards":
      return name === "" ? { view: "guards", query } : { view: "guard", name };
    case "incidents":
      return name === "" ? { view: "incidents", query } : { view: "incident", id: name };
    default:
      return { view: "unknown" };
  }
}

export function guardLink(name: string): string {
  return `#/guards/${encodeURIComponent(name)}`;
}

export function incidentLink(id: string): string {
  return `#/incidents/${encodeURIComponent(id)}`;
}

/** Leaves out what is empty. */
export function queryLink(
  view: "guards" | "incidents",
  fields: Readonly<Record<string, string>>,
): string {
  const query = new URLSearchParams(Object.entries(fields).filter(([, value]) => value !== ""));
  return query.size === 0 ? `#/${view}` : `#/${view}?${query}`;
}

// --- internal ---

/** undefined: a % that is none. */
function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
