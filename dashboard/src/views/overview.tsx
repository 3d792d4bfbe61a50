/** All sagas: how many are in which state, and the list, newest first. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { SAGA_STATES, type SagaPage, type SagaState, type SagaSummary, type Summary } from "../contract";
import { absolute, clock, compact, count, duration, plural, reasonSentence, shortId, total } from "../format";
import { changed, released, unseen, type Cause, type Hold } from "../hold";
import { atServer, isStale, list, now, summary } from "../live";
import { Ago, Copy, FaultView, Loading } from "../parts";
import { href, OVERVIEW, type Route } from "../route";
import { Icon, SagaChip, sagaLook } from "../states";
import { FirstSaga } from "./first-saga";

type OverviewRoute = Extract<Route, { page: "overview" }>;

export function Overview({ route }: { route: OverviewRoute }) {
  const known = summary.value.data;
  return (
    <>
      <h1 class="offscreen">All sagas</h1>
      {known !== null && <Counts summary={known} route={route} />}
      {known !== null && <Missing summary={known} />}
      <List route={route} summary={known} key={href(route)} />
      {known !== null && <Replicas summary={known} />}
    </>
  );
}

function Counts({ summary: known, route }: { summary: Summary; route: OverviewRoute }) {
  const all = route.states.length === 0 && !route.attention;
  return (
    <div class="counts">
      <nav class="tiles" aria-label="Sagas by state">
        <a class="tile" href={href({ ...route, states: [], attention: false, cursor: null })} aria-current={all ? "true" : undefined}>
          <Amount of={total(known.states)} /><span class="word">all</span>
        </a>
        {SAGA_STATES.map((state) => <StateTile key={state} state={state} amount={known.states[state]} route={route} />)}
      </nav>
      <div class="tiles health">
        <a class={`tile ${known.attention > 0 ? "tone-waiting loud" : "tone-quiet"}`}
          href={href({ ...OVERVIEW, attention: !route.attention })} aria-current={route.attention ? "true" : undefined}
          title="Shows the sagas that need attention, and why">
          <Amount of={known.attention} />
          <span class="word"><Icon shape="triangle" />{known.attention === 1 ? "needs" : "need"} attention</span>
        </a>
        <a class={`tile ${known.dead_letters > 0 ? "tone-waiting loud" : "tone-quiet"}`} href="#/dead-letters">
          <Amount of={known.dead_letters} />
          <span class="word">dead {known.dead_letters === 1 ? "letter" : "letters"}</span>
        </a>
        <ReplicaTile summary={known} />
      </div>
    </div>
  );
}

/** What a person must deploy before some sagas move again. */
function Missing({ summary: known }: { summary: Summary }) {
  return (
    <>
      {known.missing.map((one) => (
        <div class="callout tone-waiting" role="status" key={`${one.name} ${one.version} ${one.fingerprint}`}>
          <Icon shape="triangle" size={20} />
          <p>
            <strong>{plural(one.sagas, "saga")} {one.sagas === 1 ? "waits" : "wait"}</strong>
            {one.since !== null && <> since {clock(Date.parse(one.since))} UTC (<Ago at={one.since} />)</>}: {one.text}
          </p>
        </div>
      ))}
    </>
  );
}

function Amount({ of }: { of: number }) {
  return <span class="number" title={count(of)}>{compact(of)}</span>;
}

function StateTile({ state, amount, route }: { state: SagaState; amount: number; route: OverviewRoute }) {
  const { word, tone, shape } = sagaLook(state);
  const isCurrent = route.states.includes(state);
  const isOnly = isCurrent && route.states.length === 1;
  const isLoud = state === "stuck" && amount > 0;
  return (
    <a class={`tile tone-${tone} ${amount === 0 ? "zero" : ""} ${isLoud ? "loud" : ""}`}
      href={href({ ...route, states: isOnly ? [] : [state], cursor: null })} aria-current={isCurrent ? "true" : undefined}>
      <Amount of={amount} /><span class="word"><Icon shape={shape} />{word}</span>
    </a>
  );
}

/** A replica writes its heartbeat every 500 ms and counts as dead after 2 s. */
const DEAD_AFTER_MS = 2000;

function isAlive(heartbeat: string, at: string): boolean {
  return Date.parse(at) - Date.parse(heartbeat) <= DEAD_AFTER_MS;
}

function ReplicaTile({ summary: known }: { summary: Summary }) {
  const alive = known.replicas.filter((one) => isAlive(one.heartbeat_at, known.now)).length;
  return (
    <a class={`tile ${alive === 0 ? "tone-bad loud" : "tone-quiet"}`} href="#replicas"
      onClick={(event) => { event.preventDefault(); document.getElementById("replicas")?.scrollIntoView({ block: "center" }); }}>
      <Amount of={alive} /><span class="word">{alive === 1 ? "replica" : "replicas"} alive</span>
    </a>
  );
}

function List({ route, summary: known }: { route: OverviewRoute; summary: Summary | null }) {
  const hold = useSignal<Hold<{ page: SagaPage; askedAt: number }>>(released());
  const { data, fault, askedAt } = list.value;
  const latest = data === null || askedAt === null ? null : { page: data, askedAt };
  const shown = hold.value.kept ?? latest;
  const set = (cause: Cause, isOn: boolean) => { hold.value = changed(hold.value, cause, isOn, latest); };
  // The pointer can leave the window without leaving the list.
  useEffect(() => {
    const leave = () => { hold.value = changed(hold.value, "pointer", false, null); };
    addEventListener("blur", leave);
    return () => removeEventListener("blur", leave);
  }, []);

  if (shown === null) {
    if (fault === null || !fault.isDefinite) return <Loading />;
    return <FaultView fault={fault}><p><a href={href(OVERVIEW)}>All sagas, newest first</a></p></FaultView>;
  }
  const { sagas, next } = shown.page;
  const isEmptyInstallation = sagas.length === 0 && known !== null && total(known.states) === 0 && route.definition === null;
  if (isEmptyInstallation) return <FirstSaga definitions={known.definitions} />;
  return (
    <section class="panel list" aria-label="Sagas">
      <div class="list-head">
        <Definitions route={route} names={known?.definitions ?? []} />
        <HoldNote hold={hold.value} latest={latest?.page ?? null} />
        <button type="button" aria-pressed={hold.value.causes.has("button")} title="Keeps the list still while you read it"
          onClick={() => set("button", !hold.value.causes.has("button"))}>
          {hold.value.causes.has("button") ? "Go live" : "Hold"}
        </button>
      </div>
      {sagas.length === 0
        ? <NoneMatch route={route} />
        : <Rows sagas={sagas} set={set} />}
      <Paging route={route} next={next} />
    </section>
  );
}

function HoldNote({ hold, latest }: { hold: Hold<{ page: SagaPage; askedAt: number }>; latest: SagaPage | null }) {
  if (hold.kept === null) return <p class="hold-note" />;
  const more = latest === null ? 0 : unseen(hold.kept.page.sagas, latest.sagas);
  return (
    <p class="hold-note held">
      Held at {clock(atServer(hold.kept.askedAt))} UTC{more > 0 && ` · ${more === latest?.sagas.length ? "more than " : ""}${more} newer`}
    </p>
  );
}

function Definitions({ route, names }: { route: OverviewRoute; names: readonly string[] }) {
  const choose = (event: Event) => {
    const { value } = event.currentTarget as HTMLSelectElement;
    location.hash = href({ ...route, definition: value === "" ? null : value, cursor: null });
  };
  const isForeign = route.definition !== null && !names.includes(route.definition);
  return (
    <label class="definitions">
      <span>Saga</span>
      <select value={route.definition ?? ""} onChange={choose}>
        <option value="">all definitions</option>
        {names.map((name) => <option key={name} value={name}>{name}</option>)}
        {isForeign && <option value={route.definition ?? ""}>{route.definition}</option>}
      </select>
    </label>
  );
}

function Rows({ sagas, set }: { sagas: readonly SagaSummary[]; set: (cause: Cause, isOn: boolean) => void }) {
  const focused = (event: FocusEvent) => set("focus", (event.target as Element).matches(":focus-visible"));
  return (
    <table role="table">
      <thead role="rowgroup">
        <tr role="row">
          <th role="columnheader" scope="col">State</th>
          <th role="columnheader" scope="col">Saga</th>
          <th role="columnheader" scope="col">Id</th>
          <th role="columnheader" scope="col">Started</th>
          <th role="columnheader" scope="col" class="right">Duration</th>
          <th role="columnheader" scope="col">Reason</th>
        </tr>
      </thead>
      <tbody role="rowgroup" onPointerEnter={(event) => set("pointer", event.pointerType === "mouse")} onPointerLeave={() => set("pointer", false)}
        onFocusIn={focused} onFocusOut={() => set("focus", false)}>
        {sagas.map((one) => <Row key={one.id} saga={one} />)}
      </tbody>
    </table>
  );
}

function Row({ saga }: { saga: SagaSummary }) {
  const end = saga.finished_at === null ? now.value : Date.parse(saga.finished_at);
  return (
    <tr role="row">
      <td role="cell" class="c-state"><SagaChip state={saga.state} /></td>
      <td role="cell" class="c-saga">{saga.saga}</td>
      <td role="cell" class="c-id">
        <a class="row-link" href={href({ page: "saga", id: saga.id, step: null })}>
          {shortId(saga.id)}<span class="offscreen"> {saga.saga}, {saga.state}</span>
        </a>
        <Copy text={saga.id} label={`id ${shortId(saga.id)}`} />
      </td>
      <td role="cell" class="c-started"><Ago at={saga.started_at} /></td>
      <td role="cell" class="c-duration right">{duration(end - Date.parse(saga.started_at))}</td>
      <td role="cell" class="c-reason"><Why saga={saga} /></td>
    </tr>
  );
}

/** One line: what needs a person first, then why it went backwards. */
function Why({ saga }: { saga: SagaSummary }) {
  const { attention, reason } = saga;
  if (attention !== null) {
    return (
      <span class={`why tone-${saga.state === "stuck" ? "bad" : "waiting"}`} title={`needs attention since ${absolute(attention.since)}: ${attention.text}`}>
        <Icon shape="triangle" /><span class="offscreen">needs attention: </span>{attention.text}
      </span>
    );
  }
  return reason === null ? null : <span class="why" title={reasonSentence(reason)}>{reasonSentence(reason)}</span>;
}

function NoneMatch({ route }: { route: OverviewRoute }) {
  const words = route.states.map((state) => sagaLook(state).word).join(" or ");
  const what = route.definition === null ? "saga" : `saga of ${route.definition}`;
  if (route.attention && route.cursor === null && words === "") {
    return <div class="none"><p>No {what} needs attention.</p><p><a href={href(OVERVIEW)}>Show all sagas</a></p></div>;
  }
  return (
    <div class="none">
      <p>{route.cursor !== null ? "Nothing older." : words === "" ? `No ${what} yet.` : `No ${what} is ${words}.`}</p>
      <p><a href={href(OVERVIEW)}>Show all sagas</a></p>
    </div>
  );
}

function Paging({ route, next }: { route: OverviewRoute; next: string | null }) {
  if (next === null && route.cursor === null) return null;
  return (
    <nav class="paging" aria-label="Pages of the list">
      {route.cursor !== null && <a class="button" href={href({ ...route, cursor: null })}>Newest</a>}
      <span />
      {next !== null && !isStale.value && <a class="button" href={href({ ...route, cursor: next })}>Older</a>}
    </nav>
  );
}

function Replicas({ summary: known }: { summary: Summary }) {
  return (
    <section class="panel replicas" id="replicas" aria-labelledby="replicas-head">
      <h2 id="replicas-head">Replicas</h2>
      {known.replicas.length === 0
        ? <p class="tone-bad">No replica is alive. Accepted sagas are kept and wait. Start one with <code>saga serve</code>.</p>
        : (
          <ul>
            {known.replicas.map((one) => {
              const alive = isAlive(one.heartbeat_at, known.now);
              return (
                <li key={one.id}>
                  <span class={`replica-name tone-${alive ? "good" : "bad"}`}><Icon shape={alive ? "check" : "cross"} />{one.name}</span>
                  <span>{plural(one.partitions, "reply partition")}</span>
                  <span>up {duration(Date.parse(known.now) - Date.parse(one.started_at))}</span>
                  {alive
                    ? <span class="muted">heartbeat {duration(Date.parse(known.now) - Date.parse(one.heartbeat_at))} ago</span>
                    : <span class="tone-bad">silent since {clock(Date.parse(one.heartbeat_at))} UTC; its sagas go on elsewhere</span>}
                </li>
              );
            })}
          </ul>
        )}
    </section>
  );
}
