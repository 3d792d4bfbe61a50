/** What happened, in the order in which it was committed, the newest last. */
import { Fragment } from "preact";
import { useState } from "preact/hooks";
import type { HistoryEntry, Saga } from "../contract";
import { absolute, clock, count, offset } from "../format";
import { entryLook, SHOWN_MAX, window } from "../history";
import { Icon } from "../states";

interface Links {
  readonly hrefOf: (step: string) => string;
  readonly onSelect: (step: string) => void;
}

export function Timeline({ saga, ...links }: { saga: Saga } & Links) {
  const [isWhole, setWhole] = useState(false);
  const { shown, hidden } = window(saga.history, isWhole ? Infinity : SHOWN_MAX);
  return (
    <ol class="timeline">
      {shown.map((entry, i) => (
        <Fragment key={entry.revision}>
          {i === 1 && hidden > 0 && (
            <li class="hidden"><button type="button" onClick={() => setWhole(true)}>Show {count(hidden)} between</button></li>
          )}
          <Entry entry={entry} saga={saga} {...links} />
        </Fragment>
      ))}
    </ol>
  );
}

function Entry({ entry, saga, hrefOf, onSelect }: { entry: HistoryEntry; saga: Saga } & Links) {
  const { tone, shape } = entryLook(entry);
  const link = (step: string) => {
    if (!saga.steps.some(({ name }) => name === step)) return step;
    return <a href={hrefOf(step)} onClick={(event) => { event.preventDefault(); onSelect(step); }}>{step}</a>;
  };
  const hasSent = entry.sent.length > 0;
  // A step that is sent again is named once.
  const about = entry.step !== null && !entry.sent.includes(entry.step) ? entry.step : null;
  return (
    <li class={`tone-${tone}`}>
      <span class="mark"><Icon shape={shape} size={14} /></span>
      <time dateTime={entry.at} title={absolute(entry.at)}>
        {clock(Date.parse(entry.at), true)}<span class="muted">{offset(entry.at, saga.started_at)}</span>
      </time>
      <div class="what">
        <p>{entry.text}</p>
        {(about !== null || hasSent) && (
          <p class="muted">
            {about !== null && link(about)}
            {about !== null && hasSent && " · "}
            {hasSent && "sent "}
            {entry.sent.map((step, i) => <Fragment key={step}>{i > 0 && ", "}{link(step)}</Fragment>)}
          </p>
        )}
      </div>
    </li>
  );
}
