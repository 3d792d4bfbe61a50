/**
 * Keeping the list still while somebody aims at it.
 *
 * Under load every second brings fifty other sagas; a row that moves away under the pointer, or takes the
 * keyboard's focus with it, cannot be opened. Whoever holds the list is told since when it is old. Pure.
 */
export type Cause = "button" | "pointer" | "focus";

export interface Hold<T> {
  readonly causes: ReadonlySet<Cause>;
  /** What was on the screen when the hold began. */
  readonly kept: T | null;
}

export function released<T>(): Hold<T> {
  return { causes: new Set(), kept: null };
}

/** `shown` is what is on the screen now; it is kept only by the first cause. */
export function changed<T>(hold: Hold<T>, cause: Cause, isOn: boolean, shown: T | null): Hold<T> {
  if (hold.causes.has(cause) === isOn) return hold;
  const causes = new Set(hold.causes);
  if (isOn) causes.add(cause);
  else causes.delete(cause);
  if (causes.size === 0) return released();
  return { causes, kept: hold.kept ?? shown };
}

/** How many of the newer rows the held list does not show. */
export function unseen(kept: readonly { id: string }[], latest: readonly { id: string }[]): number {
  const known = new Set(kept.map(({ id }) => id));
  return latest.filter(({ id }) => !known.has(id)).length;
}
