/** The frame round every page: header, the state of the connection, and which page is shown. */
import { useEffect, useRef, useState } from "preact/hooks";
import { clock, idIn } from "./format";
import { atServer, connection, isStale, now, retryNow, route } from "./live";
import { href, isSamePlace, OVERVIEW, type Route } from "./route";
import { Icon } from "./states";
import { DeadLetters } from "./views/dead-letters";
import { Overview } from "./views/overview";
import { SagaView } from "./views/saga";
import { Empty } from "./parts";

export function App() {
  const main = useMovedFocus(route.value);
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => { event.preventDefault(); main.current?.focus(); }}>Skip to content</a>
      <Header />
      <Connection />
      <main id="main" tabIndex={-1} ref={main} class={isStale.value ? "stale" : ""}>
        <Page />
      </main>
      <footer class="foot">
        What you see was committed. If Postgres fails over, some of it may be taken back; an answer to a submission is not.
      </footer>
    </>
  );
}

function Page() {
  const to = route.value;
  switch (to.page) {
    case "overview":
      return <Overview route={to} />;
    case "saga":
      return <SagaView key={to.id} route={to} />;
    case "dead-letters":
      return <DeadLetters route={to} />;
    case "unknown":
      return (
        <>
          <h1 class="offscreen">No such page</h1>
          <Empty title="There is no such page.">
            <p>The address <code>#{to.address}</code> leads nowhere. <a href={href(OVERVIEW)}>All sagas</a></p>
          </Empty>
        </>
      );
  }
}

/** Another page starts at its top, with the keyboard in it; another filter or step stays where one is. */
function useMovedFocus(to: Route) {
  const main = useRef<HTMLElement>(null);
  const before = useRef(to);
  useEffect(() => {
    if (!isSamePlace(before.current, to)) {
      main.current?.focus({ preventScroll: true });
      scrollTo(0, 0);
    }
    before.current = to;
  }, [to]);
  return main;
}

function Header() {
  return (
    <header class="top">
      <a class="brand" href="#/">
        <svg width="22" height="22" viewBox="0 0 22 22" aria-hidden="true">
          <path d="M5 11h3M14 7h3M14 15h3M8 11c3 0 2.5-4 6-4M8 11c3 0 2.5 4 6 4" />
          <circle cx="4" cy="11" r="2.2" /><circle cx="18" cy="7" r="2.2" /><circle cx="18" cy="15" r="2.2" />
        </svg>
        Sagas
      </a>
      <Find />
      <Indicator />
    </header>
  );
}

function Find() {
  const [isWrong, setWrong] = useState(false);
  const find = (event: SubmitEvent) => {
    event.preventDefault();
    const field = (event.currentTarget as HTMLFormElement).elements.namedItem("id") as HTMLInputElement;
    const id = idIn(field.value);
    setWrong(id === null);
    if (id === null) return;
    field.value = "";
    location.hash = href({ page: "saga", id, step: null });
  };
  return (
    <form class="find" role="search" onSubmit={find}>
      <label class="offscreen" for="find-id">Find a saga by its id</label>
      <input id="find-id" name="id" type="text" placeholder="Find by saga id" autocomplete="off" spellcheck={false}
        aria-invalid={isWrong} aria-describedby="find-said" onInput={() => setWrong(false)} />
      <button type="submit">Find</button>
      <span id="find-said" class="find-said" role="status">
        {isWrong ? "Paste one whole id: 32 digits with 4 hyphens." : ""}
      </span>
    </form>
  );
}

function Indicator() {
  const { freshness } = connection.value;
  switch (freshness) {
    case "fresh":
      return <p class="indicator tone-good"><span class="dot" />Live<span class="clock">{clock(now.value)} UTC</span></p>;
    case "loading":
    case "refused":
      return <p class="indicator tone-quiet"><span class="dot hollow" />{freshness === "loading" ? "Asking…" : "No answer to show"}</p>;
    case "late":
    case "lost":
      return <p class="indicator tone-bad"><Icon shape="triangle" />{freshness === "late" ? "Late" : connection.value.isAnswering ? "Not ready" : "Not reached"}</p>;
  }
}

function silence(freshness: "late" | "lost", isAnswering: boolean, when: string | null): string {
  const since = when === null ? "yet" : `since ${when}`;
  if (freshness === "late") return `No answer ${since}, still asking.`;
  return isAnswering ? `No news ${since}, retrying.` : `Not reached ${since}, retrying.`;
}

/** Says at once and plainly that what is below is old. */
function Connection() {
  const { freshness, since, isAnswering, headline, advice } = connection.value;
  const isShown = freshness === "late" || freshness === "lost";
  const when = since === null ? null : `${clock(atServer(since))} UTC`;
  return (
    <div class="banner-place" role="alert">
      {isShown && (
        <div class={`banner ${freshness}`}>
          <Icon shape="triangle" size={20} />
          <div>
            <p class="banner-head">
              {silence(freshness, isAnswering, when)}
              {when !== null && " What you see below is from then."}
            </p>
            {headline !== null && <p>{headline} {advice}</p>}
          </div>
          <button type="button" onClick={retryNow}>Try now</button>
        </div>
      )}
    </div>
  );
}
