/**
 * Reading and printing JSON without changing it: what the page shows is what was stored.
 *
 * `JSON.parse` rounds numbers beyond 2^53 and forgets how a number was written. Browsers that hand the
 * reviver the source text keep such numbers as written; others show what JavaScript makes of them.
 */

interface Source { readonly source?: string }
interface RawJson { rawJSON?: (text: string) => unknown }
type Reviver = (this: unknown, key: string, value: unknown, context?: Source) => unknown;

/** A number that does not print as it was written becomes a raw value that does. */
export function keepWritten(value: unknown, source: string | undefined, raw: RawJson["rawJSON"]): unknown {
  if (typeof value !== "number" || source === undefined || raw === undefined) return value;
  return String(value) === source ? value : raw(source);
}

export function parse(text: string): unknown {
  const raw = (JSON as RawJson).rawJSON;
  if (raw === undefined) return JSON.parse(text);
  const reviver: Reviver = (_key, value, context) => keepWritten(value, context?.source, raw);
  return JSON.parse(text, reviver);
}

/** Above this many characters a payload starts collapsed: it would push everything else away. */
export const COLLAPSED_ABOVE = 4096;
/** Above this many characters only the beginning is put on the page; copying still gives all of it. */
export const CUT_ABOVE = 200_000;

export interface Printed {
  readonly text: string;
  readonly collapsed: boolean;
  /** Characters left out at the end of `shown`. */
  readonly cut: number;
  readonly shown: string;
}

export function print(value: unknown): Printed {
  const text = typeof value === "string" ? value : (JSON.stringify(value, null, 2) ?? "null");
  const shown = text.length > CUT_ABOVE ? text.slice(0, CUT_ABOVE) : text;
  return { text, shown, cut: text.length - shown.length, collapsed: text.length > COLLAPSED_ABOVE };
}
