/**
 * The questions the page asks (`/v1`, same origin), and what may go wrong with them in words that say
 * what to do. Only GET: this page gives no orders.
 */
import type { DeadLetterPage, Definition, Problem, Saga, SagaPage, Summary } from "./contract";
import { parse } from "./json";
import { queryOf, type Route } from "./route";

export const PAGE_SIZE = 50;

export type FaultKind = "away" | "slow" | "unavailable" | "not-json" | "server" | "refused";

/** Why there is no answer. `isDefinite`: asking again will not change it, only another question will. */
export class Fault extends Error {
  constructor(
    readonly kind: FaultKind,
    readonly headline: string,
    readonly advice: string,
    readonly status: number | null = null,
  ) {
    super(headline);
  }

  get isDefinite(): boolean {
    return this.kind === "refused";
  }

  static from(error: unknown): Fault {
    if (error instanceof Fault) return error;
    if (error instanceof DOMException && error.name === "TimeoutError") {
      return new Fault("slow", "The server did not answer within 5 seconds.",
        "It may be overloaded, or Postgres may be slow: look at /readyz and at the server's log.");
    }
    return new Fault("away", "The server cannot be reached.",
      "Check that the service (saga serve) runs, and the way from this browser to it.");
  }
}

/** What an answer with an error status means. `body` is null if it was not a problem document. */
export function faultOf(status: number, body: Problem | null): Fault {
  const said = body === null ? null : body.detail ?? body.title;
  if (status === 503) {
    return new Fault("unavailable", said ?? "The server is not ready.",
      "Accepted sagas are kept and go on by themselves. /readyz says which part is in trouble.", status);
  }
  if (status === 401 || status === 403) {
    return new Fault("refused", said ?? "You may not see this.",
      "Sign in again, or ask whoever runs this installation for access.", status);
  }
  if (status === 404) {
    return new Fault("refused", said ?? "There is nothing here.", "Check the id; the whole of it is needed.", status);
  }
  if (status === 429) {
    return new Fault("unavailable", said ?? "The server limits how often it may be asked.",
      "Close other windows with this page; it goes on by itself.", status);
  }
  if (status >= 400 && status < 500) {
    return new Fault("refused", said ?? `The server refused the question (${status}).`,
      "Start again from the newest sagas.", status);
  }
  return new Fault("server", said ?? `The server failed (${status}).`,
    "Its log has the cause, with this time of day.", status);
}

function ask(path: string, abort: AbortSignal, known: HeadersInit = {}): Promise<Response> {
  return fetch(path, {
    signal: abort,
    cache: "no-store",
    headers: { accept: "application/json, application/problem+json", ...known },
  });
}

async function get<T>(path: string, abort: AbortSignal): Promise<T> {
  return read<T>(await ask(path, abort));
}

async function read<T>(answer: Response): Promise<T> {
  const text = await answer.text();
  let body: unknown;
  try {
    body = parse(text);
  } catch {
    body = undefined;
  }
  if (!answer.ok) throw faultOf(answer.status, isProblem(body) ? body : null);
  if (typeof body !== "object" || body === null) {
    throw new Fault("not-json", "The answer was not JSON.",
      "Something between this browser and the server answers in its place: a proxy, a sign-in page?");
  }
  return body as T;
}

function isProblem(body: unknown): body is Problem {
  return typeof body === "object" && body !== null && "title" in body;
}

export function listPath(route: Extract<Route, { page: "overview" }>): string {
  return `/v1/sagas${queryOf({
    state: route.states.join(","),
    definition: route.definition,
    attention: route.attention ? "true" : null,
    limit: PAGE_SIZE,
    cursor: route.cursor,
  })}`;
}

export const askSummary = (abort: AbortSignal) => get<Summary>("/v1/summary", abort);
export const askList = (path: string) => (abort: AbortSignal) => get<SagaPage>(path, abort);
/** A saga that has not changed since this question was last answered is not sent again: it may be large. */
export function askSaga(id: string): (abort: AbortSignal) => Promise<Saga> {
  const path = `/v1/sagas/${encodeURIComponent(id)}`;
  let known: { readonly tag: string; readonly saga: Saga } | null = null;
  return async (abort) => {
    const answer = await ask(path, abort, known === null ? {} : { "if-none-match": known.tag });
    if (answer.status === 304 && known !== null) return known.saga;
    const saga = await read<Saga>(answer);
    const tag = answer.headers.get("etag");
    known = tag === null ? null : { tag, saga };
    return saga;
  };
}
export const askDeadLetters = (cursor: string | null) => (abort: AbortSignal) =>
  get<DeadLetterPage>(`/v1/dead-letters${queryOf({ limit: PAGE_SIZE, cursor })}`, abort);
export const askDefinition = (name: string) => (abort: AbortSignal) =>
  get<Definition>(`/v1/definitions/${encodeURIComponent(name)}`, abort);
