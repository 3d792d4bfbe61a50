/**
 * How a state looks and what it is called, everywhere the same: a word, a shape and a colour class.
 *
 * The shape carries the state without the colour; the words are those of the documentation, except where
 * the wire's name needs a space.
 */
import type { SagaState, StepKind, StepState } from "./contract";

type Tone = "quiet" | "moving" | "waiting" | "undoing" | "good" | "undone" | "bad";
export type Shape =
  | "ring" | "arrow" | "loop" | "fence" | "check" | "cross" | "question" | "back" | "back-ended" | "hand"
  | "triangle" | "pivot" | "play" | "over" | "person" | "letter";

interface Look {
  readonly word: string;
  readonly tone: Tone;
  readonly shape: Shape;
}

const SAGA_LOOKS: Record<SagaState, Look> = {
  running: { word: "running", tone: "moving", shape: "play" },
  compensating: { word: "compensating", tone: "undoing", shape: "back" },
  completed: { word: "completed", tone: "good", shape: "check" },
  compensated: { word: "compensated", tone: "undone", shape: "back-ended" },
  stuck: { word: "stuck", tone: "bad", shape: "hand" },
};

const STEP_LOOKS: Record<StepState, Look> = {
  idle: { word: "not sent", tone: "quiet", shape: "ring" },
  in_flight: { word: "in flight", tone: "moving", shape: "arrow" },
  retrying: { word: "retrying", tone: "waiting", shape: "loop" },
  fencing: { word: "fencing", tone: "undoing", shape: "fence" },
  done: { word: "done", tone: "good", shape: "check" },
  skipped: { word: "skipped", tone: "quiet", shape: "over" },
  by_hand: { word: "done by hand", tone: "good", shape: "person" },
  rejected: { word: "rejected", tone: "bad", shape: "cross" },
  unknown: { word: "unknown", tone: "waiting", shape: "question" },
  compensating: { word: "compensating", tone: "undoing", shape: "back" },
  compensated: { word: "compensated", tone: "undone", shape: "back-ended" },
  parked: { word: "parked", tone: "bad", shape: "hand" },
};

/** A newer server may know a state that this page does not: it is shown by its name, as nothing special. */
export function sagaLook(state: SagaState): Look {
  return SAGA_LOOKS[state] ?? { word: String(state), tone: "quiet", shape: "question" };
}

export function stepLook(state: StepState): Look {
  return STEP_LOOKS[state] ?? { word: String(state), tone: "quiet", shape: "question" };
}

export const KINDS: Record<StepKind, { readonly shape: Shape; readonly word: string; readonly meaning: string }> = {
  compensatable: { shape: "back", word: "compensatable", meaning: "has a compensation" },
  pivot: { shape: "pivot", word: "pivot", meaning: "the point of no return: after it the saga only goes forward" },
  retriable: { shape: "loop", word: "retriable", meaning: "is tried until it succeeds" },
  query: { shape: "question", word: "query", meaning: "asks and changes nothing, so there is nothing to compensate" },
  notify: { shape: "letter", word: "notification", meaning: "is sent, and nobody waits for an answer" },
  hint: { shape: "letter", word: "hint", meaning: "is sent without effect, and nobody waits for an answer" },
};

/** What a step's state means, for the panel. */
export const STEP_MEANINGS: Record<StepState, string> = {
  idle: "Nothing was sent to the participant yet.",
  in_flight: "The command was sent; its reply is awaited.",
  retrying: "The last attempt failed; it waits for the next one.",
  fencing: "A person's order waits for the participant, which is asked to make this step final.",
  done: "It took effect once.",
  skipped: "Its condition does not hold, so nothing is sent.",
  by_hand: "A person did it; its command can never take effect.",
  rejected: "The participant rejected it; it has no effect.",
  unknown: "Given up on. Whether it took effect is not known, so it is compensated.",
  compensating: "Its compensation was sent; the reply is awaited.",
  compensated: "It was compensated, or can never take effect any more.",
  parked: "A person must decide how it goes on.",
};

const PATHS: Record<Shape, string> = {
  ring: "M8 2.75a5.25 5.25 0 1 0 0 10.5a5.25 5.25 0 1 0 0-10.5",
  play: "M8 2a6 6 0 1 0 0 12a6 6 0 1 0 0-12M6.75 5.6v4.8L10.6 8z",
  arrow: "M2 8h11M8.5 3.5L13 8l-4.5 4.5",
  loop: "M13.2 6.5A5.5 5.5 0 1 0 13.5 9M13.7 2.8v3.9H9.8",
  fence: "M3 3v10M8 3v10M13 3v10M1.5 6h13M1.5 10.5h13",
  check: "M2.5 8.6l3.6 3.6L13.5 4",
  cross: "M3.5 3.5l9 9M12.5 3.5l-9 9",
  question: "M5 5.6a3 2.9 0 1 1 4.3 2.7c-.9.5-1.3 1-1.3 1.9M8 12.9v.1",
  back: "M5.5 3L2.5 6l3 3M2.5 6H9a4 3.6 0 0 1 0 7.2H6",
  "back-ended": "M5.5 3L2.5 6l3 3M2.5 6H9a4 3.6 0 0 1 0 7.2H6M13.8 2.5v3",
  hand: "M5.5 2h5L14 5.5v5L10.5 14h-5L2 10.5v-5zM8 5v3.6M8 11v.1",
  triangle: "M8 2.2L14.6 13.5H1.4zM8 6.3v3.4M8 11.6v.1",
  pivot: "M8 1.8L14.2 8L8 14.2L1.8 8z",
  over: "M2 11a6 6 0 0 1 11-1M13.4 5.6V10H9",
  person: "M8 2.2a2.6 2.6 0 1 0 0 5.2a2.6 2.6 0 1 0 0-5.2M2.8 13.8a5.2 4.6 0 0 1 10.4 0",
  letter: "M1.8 3.5h12.4v9H1.8zM1.8 4l6.2 5L14.2 4",
};

const DOTTED: ReadonlySet<Shape> = new Set(["ring"]);
const FILLED: ReadonlySet<Shape> = new Set(["pivot"]);

/** Decoration beside a word; what it means is always also text. In SVG it takes `x` and `y`. */
export function Icon({ shape, x, y, size = 16 }: { shape: Shape; x?: number; y?: number; size?: number }) {
  const extra = `${DOTTED.has(shape) ? " dotted" : ""}${FILLED.has(shape) ? " filled" : ""}`;
  return (
    <svg class={`icon${extra}`} x={x} y={y} width={size} height={size} viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path d={PATHS[shape]} />
    </svg>
  );
}

export function SagaChip({ state }: { state: SagaState }) {
  const { word, tone, shape } = sagaLook(state);
  return <span class={`chip tone-${tone}`}><Icon shape={shape} />{word}</span>;
}

export function StepChip({ state }: { state: StepState }) {
  const { word, tone, shape } = stepLook(state);
  return <span class={`chip tone-${tone}`}><Icon shape={shape} />{word}</span>;
}
