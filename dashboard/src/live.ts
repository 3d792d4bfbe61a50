/**
 * The page's live state: where we are, what the server last said, what time it is there.
 *
 * Two questions run: the summary (on every page) and what the route needs. The server's clock is taken
 * from the summary; while the server is out of reach it stands still, so that nothing seems to age or
 * to go on that nobody can see.
 */
import { computed, effect, signal } from "@preact/signals";
import { askDeadLetters, askList, askSaga, askSummary, listPath } from "./api";
import { hasEnded, type DeadLetterPage, type Saga, type SagaPage, type Summary } from "./contract";
import { shortId, title } from "./format";
import { EVERY_MS, freshness, Poller, type Feed, type Freshness } from "./poll";
import { parseRoute, type Route } from "./route";

/** An ended saga does not change; it is asked for again only to notice a server that went away. */
const ENDED_EVERY_MS = 5000;

const summaries = new Poller<Summary>();
const lists = new Poller<SagaPage>();
const sagas = new Poller<Saga>();
const letters = new Poller<DeadLetterPage>();

export const summary = summaries.feed;
export const list = lists.feed;
export const saga = sagas.feed;
export const deadLetters = letters.feed;
export const route = signal<Route>(parseRoute(location.hash));

/** The browser's clock in ticks; only differences to `askedAt` are taken of it. */
const tick = signal(Date.now());
/** Server time minus browser time, at the last summary. */
const ahead = computed(() => {
  const { data, askedAt } = summary.value;
  return data === null || askedAt === null ? 0 : Date.parse(data.now) - askedAt;
});

const pageFeed = computed((): { feed: Feed<unknown>; everyMs: number } | null => {
  switch (route.value.page) {
    case "overview":
      return { feed: list.value, everyMs: lists.everyMs };
    case "saga":
      return { feed: saga.value, everyMs: sagas.everyMs };
    case "dead-letters":
      return { feed: deadLetters.value, everyMs: letters.everyMs };
    case "unknown":
      return null;
  }
});

export interface Connection {
  readonly freshness: Freshness;
  /** Browser time of the oldest answer on the screen. */
  readonly since: number | null;
  /** The server did answer, only not with what was asked for. */
  readonly isAnswering: boolean;
  readonly headline: string | null;
  readonly advice: string | null;
}

/** A part that is still loading says so in its own place. */
const RANK: readonly Freshness[] = ["refused", "loading", "fresh", "late", "lost"];

/** The worse of the two feeds: one part that is old makes the page old. */
export const connection = computed((): Connection => {
  const now = tick.value;
  const feeds = [{ feed: summary.value as Feed<unknown>, everyMs: EVERY_MS }];
  if (pageFeed.value !== null) feeds.push(pageFeed.value);
  const judged = feeds.map(({ feed, everyMs }) => ({ feed, state: freshness(feed, now, everyMs) }));
  const worst = judged.reduce((a, b) => (RANK.indexOf(b.state) > RANK.indexOf(a.state) ? b : a));
  const asked = judged.flatMap(({ feed }) => (feed.askedAt === null ? [] : [feed.askedAt]));
  return {
    freshness: worst.state,
    since: asked.length === 0 ? null : Math.min(...asked),
    isAnswering: worst.feed.fault?.status != null,
    headline: worst.feed.fault?.headline ?? null,
    advice: worst.feed.fault?.advice ?? null,
  };
});

export const isStale = computed(() => connection.value.freshness === "late" || connection.value.freshness === "lost");

/** The server's present, or the last moment at which it was heard. */
export const now = computed(() => {
  const { since } = connection.value;
  return (isStale.value && since !== null ? since : tick.value) + ahead.value;
});

/** Browser time of an answer as the server's time of day. */
export function atServer(browserMs: number): number {
  return browserMs + ahead.value;
}

export function retryNow(): void {
  for (const poller of [summaries, lists, sagas, letters]) poller.now();
}

function follow(to: Route): void {
  if (to.page === "overview") {
    const path = listPath(to);
    lists.watch(path, askList(path));
  } else lists.stop();
  if (to.page === "saga") sagas.watch(to.id, askSaga(to.id), (one) => (hasEnded(one.state) ? ENDED_EVERY_MS : EVERY_MS));
  else sagas.stop();
  if (to.page === "dead-letters") letters.watch(to.cursor ?? "", askDeadLetters(to.cursor));
  else letters.stop();
}

function pageName(to: Route): string | null {
  switch (to.page) {
    case "saga":
      return saga.value.data === null ? shortId(to.id) : `${saga.value.data.saga} ${saga.value.data.state} ${shortId(to.id)}`;
    case "dead-letters":
      return "dead letters";
    default:
      return null;
  }
}

export function start(): void {
  const pollers = [summaries, lists, sagas, letters];
  addEventListener("hashchange", () => { route.value = parseRoute(location.hash); });
  setInterval(() => { if (!document.hidden) tick.value = Date.now(); }, 1000);
  document.addEventListener("visibilitychange", () => {
    tick.value = Date.now();
    for (const poller of pollers) document.hidden ? poller.pause() : poller.resume();
  });
  if (document.hidden) for (const poller of pollers) poller.pause();
  effect(() => follow(route.value));
  effect(() => {
    // An answer is also a moment: without it a fresh answer would be in the future of the last tick.
    if (summary.value.askedAt !== null) tick.value = Date.now();
  });
  effect(() => { document.title = title(summary.value.data, isStale.value, pageName(route.value)); });
  summaries.watch("summary", askSummary);
}
