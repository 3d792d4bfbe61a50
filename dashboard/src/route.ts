/**
 * The address after `#` as a value, and back. Everything that one would send to a colleague is in it:
 * filter, page of the list, saga, selected step.
 */
import { SAGA_STATES, type SagaState } from "./contract";

export type Route =
  | { readonly page: "overview"; readonly states: readonly SagaState[]; readonly definition: string | null; readonly attention: boolean; readonly cursor: string | null }
  | { readonly page: "saga"; readonly id: string; readonly step: string | null }
  | { readonly page: "dead-letters"; readonly cursor: string | null }
  | { readonly page: "unknown"; readonly address: string };

export const OVERVIEW: Extract<Route, { page: "overview" }> = { page: "overview", states: [], definition: null, attention: false, cursor: null };

export function parseRoute(hash: string): Route {
  const address = hash.replace(/^#/, "");
  const [path = "", query = ""] = address.split("?", 2);
  const parameters = new URLSearchParams(query);
  const parts = path.split("/").filter((part) => part !== "");
  const [first, second] = parts;
  if (first === undefined) {
    const named = (parameters.get("state") ?? "").split(",");
    return {
      page: "overview",
      states: SAGA_STATES.filter((state) => named.includes(state)),
      definition: parameters.get("definition"),
      attention: parameters.get("attention") === "true",
      cursor: parameters.get("cursor"),
    };
  }
  if (first === "dead-letters" && parts.length === 1) {
    return { page: "dead-letters", cursor: parameters.get("cursor") };
  }
  if (first === "sagas" && second !== undefined && parts.length === 2) {
    const id = decoded(second);
    if (id !== null) return { page: "saga", id, step: parameters.get("step") };
  }
  return { page: "unknown", address };
}

function decoded(part: string): string | null {
  try {
    return decodeURIComponent(part);
  } catch {
    return null;
  }
}

export function href(route: Exclude<Route, { page: "unknown" }>): string {
  switch (route.page) {
    case "overview":
      return `#/${queryOf({ state: route.states.join(","), definition: route.definition, attention: route.attention ? "true" : null, cursor: route.cursor })}`;
    case "saga":
      return `#/sagas/${encodeURIComponent(route.id)}${queryOf({ step: route.step })}`;
    case "dead-letters":
      return `#/dead-letters${queryOf({ cursor: route.cursor })}`;
  }
}

/** `?a=1&b=2` of what is neither null nor empty; commas stay readable. */
export function queryOf(parameters: Record<string, string | number | null>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== null && value !== "") query.set(name, String(value));
  }
  const text = query.toString().replaceAll("%2C", ",");
  return text === "" ? "" : `?${text}`;
}

/** Two addresses of the same page: moving between them keeps scroll position and focus. */
export function isSamePlace(a: Route, b: Route): boolean {
  if (a.page !== b.page) return false;
  if (a.page === "saga" && b.page === "saga") return a.id === b.id;
  return true;
}
