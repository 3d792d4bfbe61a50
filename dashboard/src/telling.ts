/** Which step of a saga tells most about its state: it is shown before anybody selected one. Pure. */
import type { Step, StepState } from "./contract";

const ORDER: readonly StepState[] = [
  "parked", "rejected", "unknown", "fencing", "retrying", "compensating", "in_flight", "compensated", "done", "idle",
];

/** The worst state first; among equals the latest one that was sent, for that is where the saga is. */
export function mostTelling(steps: readonly Step[]): Step | undefined {
  const rank = (step: Step) => {
    const at = ORDER.indexOf(step.state);
    // Trouble is a sentence for a person, whatever the state is.
    return (step.trouble === null ? ORDER.length : 0) + (at < 0 ? ORDER.length : at);
  };
  const sentAt = (step: Step) => (step.sent_at === null ? 0 : Date.parse(step.sent_at));
  return [...steps].sort((a, b) => rank(a) - rank(b) || sentAt(b) - sentAt(a))[0];
}
