/**
 * Facts as short text: times, durations, ids, reasons, counts.
 *
 * Absolute times are UTC and say so, because logs, Kafka and Postgres are read beside this page. Pure:
 * the present is an argument, and it is the server's, never the browser's.
 */
import { SAGA_STATES, type Reason, type SagaState, type Summary } from "./contract";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Length of time in at most two units: `142 ms`, `1.24 s`, `4 min 12 s`, `3 h 05 min`. */
export function duration(ms: number): string {
  if (!Number.isFinite(ms)) return "–";
  const span = Math.max(0, Math.round(ms));
  if (span < SECOND) return `${span} ms`;
  if (span < 9995) return `${(span / SECOND).toFixed(2)} s`;
  // Rounding first keeps 59.6 s from reading "60 s".
  const seconds = Math.round(span / SECOND);
  if (seconds < 60) return `${seconds} s`;
  if (span < HOUR) return two(Math.floor(seconds / 60), "min", seconds % 60, "s");
  if (span < DAY) return two(Math.floor(span / HOUR), "h", Math.floor((span % HOUR) / MINUTE), "min");
  return `${Math.floor(span / DAY)} d ${Math.floor((span % DAY) / HOUR)} h`;
}

function two(big: number, bigUnit: string, small: number, smallUnit: string): string {
  return `${big} ${bigUnit} ${String(small).padStart(2, "0")} ${smallUnit}`;
}

/** How long ago, in one unit; the future (a clock a little off) reads "now". */
export function ago(at: string, now: number): string {
  const span = now - Date.parse(at);
  if (!Number.isFinite(span)) return "–";
  if (span < SECOND) return "now";
  if (span < MINUTE) return `${Math.floor(span / SECOND)} s ago`;
  if (span < HOUR) return `${Math.floor(span / MINUTE)} min ago`;
  if (span < 2 * DAY) return `${Math.floor(span / HOUR)} h ago`;
  return `${Math.floor(span / DAY)} d ago`;
}

/** `2026-11-23 13:10:36.123 UTC` */
export function absolute(at: string): string {
  const parsed = new Date(at);
  if (Number.isNaN(parsed.getTime())) return at;
  return parsed.toISOString().replace("T", " ").replace("Z", " UTC");
}

/** `13:10:36` of the day in UTC; with milliseconds `13:10:36.123`. */
export function clock(ms: number, withMilliseconds = false): string {
  if (!Number.isFinite(ms)) return "–";
  return new Date(ms).toISOString().slice(11, withMilliseconds ? 23 : 19);
}

/** Offset from the start of the saga, for the timeline: `+0.042 s`, `+4 min 12 s`. */
export function offset(at: string, start: string): string {
  const span = Math.max(0, Date.parse(at) - Date.parse(start));
  return span < 10 * SECOND ? `+${(span / SECOND).toFixed(3)} s` : `+${duration(span)}`;
}

/**
 * The last eight digits: the first eight of a UUIDv7 are its time, and equal for all sagas that
 * started in the same minute.
 */
export function shortId(id: string): string {
  return id.length <= 9 ? id : `…${id.slice(-8)}`;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** The saga id in a pasted text (an id, a URL, a log line), or null if there is not exactly one. */
export function idIn(pasted: string): string | null {
  const text = pasted.trim().toLowerCase();
  if (UUID.test(text)) return text;
  const found = new Set(text.match(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g) ?? []);
  const [only] = found;
  return found.size === 1 && only !== undefined ? only : null;
}

/** `card-declined at authorize-payment: the bank refused the card` */
export function reasonSentence(reason: Reason): string {
  const head = reason.kind === "cancelled"
    ? `cancelled${reason.actor === undefined ? "" : ` by ${reason.actor}`}`
    : `${reason.code}${reason.step === null ? "" : ` at ${reason.step}`}`;
  return reason.message === "" ? head : `${head}: ${reason.message}`;
}

export function count(n: number): string {
  return String(n).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

/** For a tile: exact up to a million, then `1.204 M`. */
export function compact(n: number): string {
  return n < 1_000_000 ? count(n) : `${(Math.floor(n / 1000) / 1000).toFixed(3)}\u202fM`;
}

export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

export function bytes(n: number): string {
  if (n < 1000) return `${n} B`;
  return n < 1_000_000 ? `${(n / 1000).toFixed(1)} kB` : `${(n / 1_000_000).toFixed(1)} MB`;
}

/** The window title: what needs a person comes first, because only its beginning is seen in a tab. */
export function title(summary: Summary | null, isStale: boolean, page: string | null): string {
  const name = page === null ? "sagas" : `${page} · sagas`;
  if (isStale) return `not reached · ${name}`;
  if (summary === null) return name;
  const { stuck, running, compensating } = summary.states;
  if (stuck > 0) return `${count(stuck)} stuck · ${name}`;
  if (summary.attention > 0) return `${count(summary.attention)} need attention · ${name}`;
  const open = running + compensating;
  return open > 0 ? `${count(open)} running · ${name}` : name;
}

export function total(states: Record<SagaState, number>): number {
  return SAGA_STATES.reduce((sum, state) => sum + states[state], 0);
}
