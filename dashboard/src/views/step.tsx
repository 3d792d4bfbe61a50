/** The selected step: what it waits for, what was said to the participant, and what it answered. */
import type { Step } from "../contract";
import { absolute, ago, clock, duration } from "../format";
import { now } from "../live";
import { JsonBlock } from "../parts";
import { Icon, KINDS, STEP_MEANINGS, StepChip } from "../states";

export function StepPanel({ step, steps }: { step: Step; steps: readonly Step[] }) {
  const settled = ["done", "skipped", "by_hand"];
  const missing = step.needs.filter((need) => !settled.includes(steps.find(({ name }) => name === need)?.state ?? ""));
  return (
    <>
      <div class="step-head">
        <h2 id="step-head">{step.name}</h2>
        <StepChip state={step.state} />
        <button type="button" class="link to-graph" onClick={() => document.getElementById("graph-head")?.parentElement?.scrollIntoView()}>Graph</button>
      </div>
      <p class="lead">{STEP_MEANINGS[step.state]}</p>
      {step.trouble !== null && (
        <div class={`callout ${step.state === "parked" ? "tone-bad" : "tone-waiting"}`}><Icon shape="triangle" size={20} /><p>{step.trouble}</p></div>
      )}
      {step.rejection !== null && (
        <div class="callout tone-bad"><Icon shape="cross" size={20} /><p><strong>{step.rejection.code}</strong> {step.rejection.message}</p></div>
      )}
      {step.waits !== null && <div class="callout tone-moving"><Icon shape="arrow" size={20} /><p>{step.waits}</p></div>}
      <Facts step={step} missing={missing} />
      <JsonBlock name="Payload" value={step.payload} />
      <JsonBlock name="Reply" value={step.reply} />
      <JsonBlock name="Compensation payload" value={step.compensation_payload} />
      <JsonBlock name="Compensation reply" value={step.compensation_reply} />
    </>
  );
}

function Facts({ step, missing }: { step: Step; missing: readonly string[] }) {
  const { sent_at: sent, ended_at: ended, next_at: next } = step;
  const isDue = next !== null && Date.parse(next) > now.value;
  return (
    <dl class="facts">
      <div><dt>Participant</dt><dd>{step.participant}</dd></div>
      <div><dt>Command</dt><dd><code>{step.command}</code></dd></div>
      {step.compensation !== null && <div><dt>Compensation</dt><dd><code>{step.compensation}</code></dd></div>}
      <div><dt>Kind</dt><dd>{step.kind}: {KINDS[step.kind]?.meaning}</dd></div>
      <div>
        <dt>Needs</dt>
        <dd>
          {step.needs.length === 0 ? "nothing: it starts with the saga" : step.needs.join(", ")}
          {step.state === "idle" && missing.length > 0 && <span class="muted"> (not done: {missing.join(", ")})</span>}
        </dd>
      </div>
      {step.attempt > 0 && sent !== null && (
        <div><dt>Attempt</dt><dd>{step.attempt}{step.generation > 1 && `, generation ${step.generation}`}</dd></div>
      )}
      {sent !== null && (
        <div>
          <dt>Sent</dt>
          <dd><time dateTime={sent} title={absolute(sent)}>{clock(Date.parse(sent), true)} UTC</time>{ended === null && `, ${ago(sent, now.value)}`}</dd>
        </div>
      )}
      {sent !== null && ended !== null && (
        <div><dt>Ended</dt><dd><time dateTime={ended} title={absolute(ended)}>{clock(Date.parse(ended), true)} UTC</time>, after {duration(Date.parse(ended) - Date.parse(sent))}</dd></div>
      )}
      {next !== null && (
        <div><dt>Next try</dt><dd>{clock(Date.parse(next))} UTC, {isDue ? `in ${duration(Date.parse(next) - now.value)}` : `due ${ago(next, now.value)}`}</dd></div>
      )}
    </dl>
  );
}
