/** Reading the history of a saga: how an entry looks, and which entries are shown of a long one. Pure. */
import type { HistoryEntry } from "./contract";
import type { Shape } from "./states";

/** Beyond this many entries (a step that was retried all night) the middle is left out at first. */
export const SHOWN_MAX = 100;

export interface EntryLook {
  readonly tone: "moving" | "good" | "bad" | "waiting" | "undoing" | "undone" | "quiet";
  readonly shape: Shape;
}

export function entryLook(entry: HistoryEntry): EntryLook {
  switch (entry.event) {
    case "started":
      return { tone: "moving", shape: "play" };
    case "wake":
      return { tone: "quiet", shape: "loop" };
    case "order":
      return { tone: "undoing", shape: "hand" };
    case "reply":
      return replyLook(entry);
  }
}

function replyLook({ outcome, direction }: HistoryEntry): EntryLook {
  switch (outcome) {
    case "succeeded":
      return direction === "compensate" ? { tone: "undone", shape: "back-ended" } : { tone: "good", shape: "check" };
    case "rejected":
      return { tone: "bad", shape: "cross" };
    case "failed":
      return { tone: "waiting", shape: "loop" };
    case "already-compensated":
    case "fenced":
      return { tone: "undoing", shape: "fence" };
    case "expired":
      return { tone: "bad", shape: "hand" };
    case null:
      return { tone: "quiet", shape: "ring" };
  }
}

/** The first entry (what started it) and the latest ones. */
export function window(history: readonly HistoryEntry[], most: number): { shown: readonly HistoryEntry[]; hidden: number } {
  if (history.length <= most) return { shown: history, hidden: 0 };
  const shown = [...history.slice(0, 1), ...history.slice(history.length - most + 1)];
  return { shown, hidden: history.length - shown.length };
}
