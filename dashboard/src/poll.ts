/**
 * Asking the server again and again, and knowing how old the answer on the screen is.
 *
 * `advance`, `freshness` and `delay` are pure and hold the rule of the page: an answer is as old as the
 * moment its question was asked, and it is called fresh only while the server keeps answering.
 * `Poller` is the thin shell with the timer. It never has two questions under way.
 */
import { signal, type Signal } from "@preact/signals";
import { Fault } from "./api";

export const EVERY_MS = 1000;
/** A question without an answer for so long is given up; the next one may find another replica. */
export const PATIENCE_MS = 5000;
/** Beyond its interval an answer may be this late (a slow query, a busy phone) before it is called old. */
const GRACE_MS = 2500;
const RETRY_MS_MAX = 4000;

export interface Feed<T> {
  readonly data: T | null;
  /** When `data` was asked for, on the browser's clock. */
  readonly askedAt: number | null;
  readonly fault: Fault | null;
  readonly failures: number;
}

export type Outcome<T> =
  | { readonly kind: "answered"; readonly data: T; readonly askedAt: number }
  | { readonly kind: "failed"; readonly fault: Fault };

export type Freshness = "loading" | "fresh" | "late" | "lost" | "refused";

export function empty<T>(): Feed<T> {
  return { data: null, askedAt: null, fault: null, failures: 0 };
}

/** A definite "no" (4xx) takes the old data away: what is refused is not merely out of reach. */
export function advance<T>(feed: Feed<T>, outcome: Outcome<T>): Feed<T> {
  if (outcome.kind === "answered") {
    return { data: outcome.data, askedAt: outcome.askedAt, fault: null, failures: 0 };
  }
  const { fault } = outcome;
  const failures = feed.failures + 1;
  if (fault.isDefinite) return { data: null, askedAt: null, fault, failures };
  return { ...feed, fault, failures };
}

export function freshness<T>(feed: Feed<T>, now: number, everyMs: number = EVERY_MS): Freshness {
  if (feed.fault !== null) return feed.fault.isDefinite ? "refused" : "lost";
  if (feed.askedAt === null) return "loading";
  return now - feed.askedAt > everyMs + GRACE_MS ? "late" : "fresh";
}

/** Pause before the next question. Short even when the server is away: its return must be seen soon. */
export function delay<T>(feed: Feed<T>, everyMs: number): number {
  if (feed.failures === 0) return everyMs;
  return Math.max(everyMs, Math.min(RETRY_MS_MAX, EVERY_MS * 2 ** (feed.failures - 1)));
}

export type Ask<T> = (abort: AbortSignal) => Promise<T>;

export class Poller<T> {
  readonly feed: Signal<Feed<T>> = signal(empty<T>());
  everyMs = EVERY_MS;
  #key: string | null = null;
  #ask: Ask<T> | null = null;
  #interval: (data: T) => number = () => EVERY_MS;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #underWay: AbortController | null = null;
  #isPaused = false;

  /** Starts on `key`. Another key empties the feed: data of one question never stands under another. */
  watch(key: string, ask: Ask<T>, interval: (data: T) => number = () => EVERY_MS): void {
    if (key === this.#key) return;
    this.#halt();
    this.#key = key;
    this.#ask = ask;
    this.#interval = interval;
    this.everyMs = EVERY_MS;
    this.feed.value = empty<T>();
    this.now();
  }

  stop(): void {
    this.#halt();
    this.#key = null;
    this.#ask = null;
    this.feed.value = empty<T>();
  }

  /** While the page is hidden nobody looks: no question is asked. */
  pause(): void {
    this.#isPaused = true;
    this.#halt();
  }

  resume(): void {
    this.#isPaused = false;
    this.now();
  }

  /** Asks at once instead of at the next interval. */
  now(): void {
    if (this.#ask === null || this.#isPaused || this.#underWay !== null) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    void this.#once(this.#ask);
  }

  async #once(ask: Ask<T>): Promise<void> {
    const abort = new AbortController();
    this.#underWay = abort;
    const askedAt = Date.now();
    const patience = setTimeout(() => abort.abort(new DOMException("no answer in time", "TimeoutError")), PATIENCE_MS);
    let outcome: Outcome<T>;
    try {
      outcome = { kind: "answered", data: await ask(abort.signal), askedAt };
    } catch (error) {
      outcome = { kind: "failed", fault: Fault.from(error) };
    } finally {
      clearTimeout(patience);
    }
    // Halted meanwhile: the answer belongs to a question nobody asks any more.
    if (this.#underWay !== abort) return;
    this.#underWay = null;
    // Before the feed, which makes everybody look at both.
    if (outcome.kind === "answered") this.everyMs = this.#interval(outcome.data);
    this.feed.value = advance(this.feed.value, outcome);
    this.#timer = setTimeout(() => this.now(), delay(this.feed.value, this.everyMs));
  }

  #halt(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const underWay = this.#underWay;
    this.#underWay = null;
    underWay?.abort();
  }
}
