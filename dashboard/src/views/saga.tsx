/** One saga: what it is doing, its graph, the selected step, its timeline, what went in and came out. */
import { useEffect, useRef } from "preact/hooks";
import { hasEnded, type Saga } from "../contract";
import { absolute, clock, duration, reasonSentence } from "../format";
import { Graph } from "../graph/graph";
import { isStale, now, saga } from "../live";
import { Ago, Copy, FaultView, JsonBlock, Loading } from "../parts";
import { href, type Route } from "../route";
import { Icon, SagaChip } from "../states";
import { mostTelling } from "../telling";
import { StepPanel } from "./step";
import { Timeline } from "./timeline";

type SagaRoute = Extract<Route, { page: "saga" }>;

export function SagaView({ route }: { route: SagaRoute }) {
  const { data, fault } = saga.value;
  return (
    <>
      <nav class="crumbs" aria-label="Where you are"><a href="#/">All sagas</a></nav>
      {data !== null ? <Whole saga={data} route={route} /> : <Missing fault={fault} id={route.id} />}
    </>
  );
}

function Missing({ fault, id }: { fault: typeof saga.value.fault; id: string }) {
  if (fault === null || !fault.isDefinite) return <><h1 class="offscreen">Saga</h1><Loading /></>;
  return (
    <>
      <h1 class="offscreen">Saga</h1>
      <FaultView fault={fault}>
        <p>Asked for <code>{id}</code>.</p>
        {fault.status === 404 && <p>An id may come from another installation, or from a submission that was never answered: submit again with the same <code>Idempotency-Key</code> to learn its id.</p>}
      </FaultView>
    </>
  );
}

function Whole({ saga: one, route }: { saga: Saga; route: SagaRoute }) {
  const panel = useRef<HTMLElement>(null);
  const wasAsked = useRef(false);
  const selected = one.steps.find(({ name }) => name === route.step) ?? mostTelling(one.steps);
  const select = (step: string) => {
    wasAsked.current = true;
    // Replacing keeps "back" the way out of the page, not a way through every step looked at.
    location.replace(href({ ...route, step }));
  };
  useEffect(() => {
    if (!wasAsked.current) return;
    wasAsked.current = false;
    const top = panel.current?.getBoundingClientRect().top ?? 0;
    const isSeen = top >= 0 && top < innerHeight - 200;
    if (!isSeen) panel.current?.scrollIntoView();
  }, [route.step]);
  return (
    <>
      <Head saga={one} />
      <section class="panel" aria-labelledby="graph-head">
        <h2 id="graph-head" class="offscreen">Steps</h2>
        <Graph steps={one.steps} selected={selected?.name ?? null} isLive={!isStale.value && !hasEnded(one.state)}
          hrefOf={(step) => href({ ...route, step })} onSelect={select} />
      </section>
      <div class="columns">
        <section class="panel step-panel" aria-labelledby="step-head" ref={panel}>
          {selected === undefined ? <h2 id="step-head">No steps</h2> : <StepPanel key={selected.name} step={selected} steps={one.steps} />}
        </section>
        <div class="stack">
          <section class="panel" aria-labelledby="timeline-head">
            <h2 id="timeline-head">Timeline <span class="muted">UTC</span></h2>
            <Timeline saga={one} hrefOf={(step) => href({ ...route, step })} onSelect={select} />
          </section>
          <section class="panel" aria-labelledby="result-head">
            <h2 id="result-head">Input and output</h2>
            <JsonBlock name="Input" value={one.input} none="none" />
            <JsonBlock name="Output" value={one.output} none={outputNote(one)} />
          </section>
        </div>
      </div>
    </>
  );
}

function outputNote(one: Saga): string {
  if (one.state === "completed") return "This saga has no output.";
  if (one.state === "compensated") return "None: the saga was compensated.";
  return "Not there yet: it is computed when the saga completes.";
}

function Head({ saga: one }: { saga: Saga }) {
  const end = one.finished_at === null ? now.value : Date.parse(one.finished_at);
  const span = duration(end - Date.parse(one.started_at));
  return (
    <div class="saga-head">
      <div class="saga-name">
        <h1>{one.saga}</h1><span class="version">v{one.version}</span><SagaChip state={one.state} />
      </div>
      <p class="saga-id"><code>{one.id}</code><Copy text={one.id} label="id" /></p>
      <dl class="facts wide">
        <div><dt>Started</dt><dd><Ago at={one.started_at} /> <span class="muted">{absolute(one.started_at)}</span></dd></div>
        <div><dt>{one.finished_at === null ? "Open for" : "Took"}</dt><dd>{span}</dd></div>
        <div><dt>{one.finished_at === null ? "Last change" : "Ended"}</dt><dd><Ago at={one.finished_at ?? one.updated_at} /></dd></div>
        <div><dt>Revision</dt><dd>{one.revision}</dd></div>
      </dl>
      <Callouts saga={one} />
    </div>
  );
}

function Callouts({ saga: one }: { saga: Saga }) {
  return (
    <>
      {one.attention !== null && (
        <div class={`callout ${one.state === "stuck" ? "tone-bad" : "tone-waiting"}`}>
          <Icon shape={one.state === "stuck" ? "hand" : "triangle"} size={20} />
          <p><strong>{one.state === "stuck" ? "A person must decide" : "Needs attention"}</strong> since {clock(Date.parse(one.attention.since))} UTC (<Ago at={one.attention.since} />): {one.attention.text}</p>
        </div>
      )}
      {one.paused !== null && (
        <div class="callout tone-waiting">
          <Icon shape="hand" size={20} />
          <p><strong>Paused by {one.paused.actor}</strong> since {clock(Date.parse(one.paused.since))} UTC (<Ago at={one.paused.since} />): {one.paused.reason}</p>
        </div>
      )}
      {one.reason !== null && (
        <div class={`callout ${one.state === "compensated" ? "tone-undone" : "tone-undoing"}`}>
          <Icon shape={one.state === "compensated" ? "back-ended" : "back"} size={20} />
          <p><strong>{backwards(one)}</strong> {reasonSentence(one.reason)}</p>
        </div>
      )}
    </>
  );
}

function backwards(one: Saga): string {
  switch (one.state) {
    case "compensated":
      return "Compensated because:";
    case "stuck":
      return "It was compensating because:";
    default:
      return "Compensating because:";
  }
}
