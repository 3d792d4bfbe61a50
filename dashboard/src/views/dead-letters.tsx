/** Records that could not be applied to any saga, those that came last first, with the reason. */
import type { DeadLetter, LeftOut } from "../contract";
import { absolute, count, plural } from "../format";
import { deadLetters, isStale, summary } from "../live";
import { Ago, Empty, FaultView, JsonBlock, Loading } from "../parts";
import { href, type Route } from "../route";

export function DeadLetters({ route }: { route: Extract<Route, { page: "dead-letters" }> }) {
  const known = summary.value.data?.dead_letters ?? null;
  return (
    <>
      <nav class="crumbs" aria-label="Where you are"><a href="#/">All sagas</a></nav>
      <h1>Dead letters{known !== null && <span class="muted"> {count(known)}</span>}</h1>
      <p class="lead">Records on the reply topic that belong to no saga, or that nobody can read. The partition went on; nothing waits for them.</p>
      <Letters cursor={route.cursor} />
    </>
  );
}

function Letters({ cursor }: { cursor: string | null }) {
  const { data, fault } = deadLetters.value;
  if (data === null) {
    return fault === null || !fault.isDefinite ? <Loading /> : <FaultView fault={fault}><p><a href="#/dead-letters">The newest dead letters</a></p></FaultView>;
  }
  if (data.dead_letters.length === 0) {
    return <Empty title={cursor === null ? "No dead letters." : "Nothing older."}><p>Every record that arrived could be read and belonged to a saga.</p></Empty>;
  }
  return (
    <section class="panel" aria-label="Dead letters">
      {data.left_out.map((one) => <Counted key={`${one.day}/${one.kind}`} of={one} />)}
      <ul class="letters">
        {data.dead_letters.map((one) => <Letter key={`${one.topic}/${one.partition}/${one.offset}/${one.at}`} letter={one} />)}
      </ul>
      <nav class="paging" aria-label="Pages of the list">
        {cursor !== null && <a class="button" href="#/dead-letters">Newest</a>}
        <span class="muted">{plural(data.dead_letters.length, "dead letter")} shown</span>
        {data.next !== null && !isStale.value && <a class="button" href={href({ page: "dead-letters", cursor: data.next })}>Older</a>}
      </nav>
    </section>
  );
}

/** Where only a number goes on. */
function Counted({ of }: { of: LeftOut }) {
  return (
    <div class="callout tone-waiting" role="status">
      <p>{count(of.count)} more on {of.day} of the kind <code>{of.kind}</code> were only counted: {count(of.kept)} of it are kept of that day.</p>
    </div>
  );
}

function Letter({ letter }: { letter: DeadLetter }) {
  return (
    <li>
      <h2 class="letter-reason">{letter.reason}</h2>
      <dl class="facts">
        <div><dt>Seen</dt><dd><Ago at={letter.at} /> <span class="muted">{absolute(letter.at)}</span></dd></div>
        {letter.count > 1 && <div><dt>Times</dt><dd>{count(letter.count)} <span class="muted">since {absolute(letter.first_at)}</span></dd></div>}
        <div><dt>{letter.count > 1 ? "Last record" : "Record"}</dt><dd><code>{letter.topic}</code> partition {letter.partition} offset {letter.offset}</dd></div>
        <div><dt>Key</dt><dd>{letter.key === null ? <span class="muted">none</span> : <code>{letter.key}</code>}</dd></div>
      </dl>
      <JsonBlock name="Value" value={letter.value === "" ? null : letter.value} none="empty" />
    </li>
  );
}
