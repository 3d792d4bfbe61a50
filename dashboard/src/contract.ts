/**
 * The REST contract (v1) as types: what the server answers, field by field.
 *
 * Names are the wire's (snake_case), so that a type here can be held against an answer. Instants are
 * RFC 3339 in UTC. Nothing here computes; the page reads and never writes.
 */

export const SAGA_STATES = ["running", "compensating", "completed", "compensated", "stuck"] as const;
export type SagaState = (typeof SAGA_STATES)[number];

export const STEP_STATES = [
  "idle", "in_flight", "retrying", "fencing", "done", "skipped", "by_hand", "rejected", "unknown", "compensating",
  "compensated", "parked",
] as const;
export type StepState = (typeof STEP_STATES)[number];

export type StepKind = "compensatable" | "pivot" | "retriable" | "query" | "notify" | "hint";
export type Instant = string;
/** A payload, reply, input or output: any JSON value, shown and never interpreted. */
export type Json = unknown;

export interface Reason {
  kind: "rejected" | "cancelled" | "exhausted" | "compensated_elsewhere" | "deadline_passed";
  step: string | null;
  code: string;
  message: string;
  actor?: string;
}

export interface Attention {
  since: Instant;
  text: string;
}

export interface Paused {
  since: Instant;
  actor: string;
  reason: string;
}

export interface SagaSummary {
  id: string;
  saga: string;
  version: number;
  state: SagaState;
  revision: number;
  started_at: Instant;
  updated_at: Instant;
  finished_at: Instant | null;
  reason: Reason | null;
  attention: Attention | null;
  paused: Paused | null;
}

export interface Step {
  name: string;
  kind: StepKind;
  participant: string;
  command: string;
  compensation: string | null;
  needs: string[];
  /** Whether it may be skipped. */
  is_conditional: boolean;
  state: StepState;
  attempt: number;
  generation: number;
  sent_at: Instant | null;
  ended_at: Instant | null;
  next_at: Instant | null;
  payload: Json;
  reply: Json;
  rejection: { code: string; message: string } | null;
  compensation_payload: Json;
  compensation_reply: Json;
  /** Why a person must look at this step. */
  trouble: string | null;
  /** What it waits for, which attempt, when the next try is. */
  waits: string | null;
}

export interface HistoryEntry {
  revision: number;
  at: Instant;
  event: "started" | "reply" | "wake" | "order";
  step: string | null;
  direction: "forward" | "compensate" | "fence" | null;
  outcome: "succeeded" | "rejected" | "failed" | "already-compensated" | "fenced" | "expired" | null;
  attempt: number | null;
  text: string;
  sent: string[];
  state: SagaState;
}

export interface Saga extends SagaSummary {
  input: Json;
  output: Json;
  steps: Step[];
  history: HistoryEntry[];
}

export interface SagaPage {
  sagas: SagaSummary[];
  next: string | null;
}

export interface Replica {
  id: string;
  name: string;
  started_at: Instant;
  heartbeat_at: Instant;
  partitions: number;
}

/** A definition that open sagas pin and no live replica has. */
export interface MissingDefinition {
  name: string;
  version: number;
  fingerprint: string;
  /** When a replica last had it; `null` when none is known to have had it. */
  since: Instant | null;
  /** Open sagas that pin it. */
  sagas: number;
  text: string;
}

export interface Summary {
  states: Record<SagaState, number>;
  attention: number;
  missing: MissingDefinition[];
  /** Entries of the list. */
  dead_letters: number;
  /** Dead letters beyond them, of which there is only the number. */
  dead_letters_left_out: number;
  definitions: string[];
  replicas: Replica[];
  now: Instant;
}

/** Records with the same bytes and the same kind of reason; place and reason are the last one's. */
export interface DeadLetter {
  /** When the last of them came. */
  at: Instant;
  first_at: Instant;
  count: number;
  /** The reason in a word. */
  kind: string;
  topic: string;
  partition: number;
  offset: number;
  reason: string;
  key: string | null;
  value: string;
}

/** Dead letters of a kind beyond those that are kept of a day. */
export interface LeftOut {
  /** `2026-11-23`, in UTC. */
  day: string;
  kind: string;
  kept: number;
  count: number;
}

export interface DeadLetterPage {
  dead_letters: DeadLetter[];
  left_out: LeftOut[];
  next: string | null;
}

export interface Definition {
  name: string;
  version: number;
  fingerprint: string;
  input_schema: Json;
  output_schema: Json;
  steps: Pick<Step, "name" | "kind" | "participant" | "command" | "compensation" | "needs">[];
}

/** RFC 9457 body of every error answer. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail?: string;
  errors?: { path: string; message: string }[];
}

/** A saga in one of these states never changes again. */
export function hasEnded(state: SagaState): boolean {
  return state === "completed" || state === "compensated";
}
