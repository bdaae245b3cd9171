// The health of the sources: whether the hub still hears them, in words.
import { useEffect, useState } from "../vendor/preact-hooks.js";
import { SOURCES } from "./documents.js";
import { query } from "./graphql.js";
import { html } from "./html.js";
import { before, plural, span } from "./words.js";

const EVERY = 15_000;
const LATE = 120; // seconds behind that are worth a word
const STATES = {
  AUTH_FAILED: "Sign-in refused",
  FAILING: "Failing",
  PAUSED: "Paused",
  WAITING: "First read due",
  OK: "Well",
  REMOVED: "No longer read",
};
const WORST_FIRST = Object.keys(STATES);
const isTrouble = ({ state }) => state === "AUTH_FAILED" || state === "FAILING";

export function useSources() {
  const [health, setHealth] = useState({ sources: null, error: null });
  useEffect(() => {
    const leaving = new AbortController();
    const ask = () => {
      if (document.hidden) return;
      query(SOURCES, {}, leaving.signal).then(
        ({ sources }) => setHealth({ sources, error: null }),
        (error) => leaving.signal.aborted || setHealth((known) => ({ ...known, error })),
      );
    };
    ask();
    const timer = setInterval(ask, EVERY);
    document.addEventListener("visibilitychange", ask);
    return () => {
      leaving.abort();
      clearInterval(timer);
      document.removeEventListener("visibilitychange", ask);
    };
  }, []);
  return health;
}

function details(source, now) {
  const { state, lastSuccessAt, nextPollAt, lagSeconds, signals, quarantined } = source;
  const until = nextPollAt && (Date.parse(nextPollAt) - now) / 1000;
  return [
    lastSuccessAt ? `read ${before(lastSuccessAt, now)}` : nextPollAt && "not read yet",
    isTrouble(source) && until > 0 && `next try in ${span(until)}`,
    state === "OK" && lagSeconds > LATE && `${span(lagSeconds)} behind`,
    plural(signals, "signal"),
    quarantined > 0 && `${plural(quarantined, "record")} set aside`,
  ].filter(Boolean);
}

const Source = ({ source, now }) => html`
  <li class="source" data-state=${source.state}>
    <p class="line">
      <span class="name"><bdi>${source.name}</bdi></span>
      <span class="state">${STATES[source.state] ?? source.state}</span>
    </p>
    <p class="details">${details(source, now).join(" · ")}</p>
    ${isTrouble(source) && source.lastError &&
    html`<p class="error" dir="auto">${source.lastError}</p>`}
  </li>`;

function summary(sources) {
  const trouble = sources.filter(isTrouble).length;
  if (!sources.length) return "none yet";
  if (!trouble) return `${plural(sources.length, "source")}, none in trouble`;
  return `${trouble} of ${sources.length} ${trouble === 1 ? "needs" : "need"} attention`;
}

export function Sources({ sources, error, now }) {
  const [open, setOpen] = useState(false); // on a phone only; a wide page always shows the list
  const rank = ({ state }) => WORST_FIRST.indexOf(state);
  const sorted = [...(sources ?? [])].sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name));
  return html`
    <aside class="sources" aria-labelledby="sources-title" data-open=${String(open)}>
      <header>
        <h2 id="sources-title">Sources</h2>
        ${sources && html`
          <p class=${sources.some(isTrouble) ? "summary in-trouble" : "summary"}>${summary(sources)}</p>`}
        <button type="button" class="fold" aria-expanded=${String(open)} aria-controls="sources-list"
          onClick=${() => setOpen(!open)}>${open ? "Hide" : "Show"}<span class="sr"> sources</span></button>
      </header>
      <div id="sources-list" class="list">
        ${error && html`<p class="error" role="alert">
          ${sources ? "This may be out of date" : "The sources cannot be shown"}: ${error.message}.</p>`}
        ${!sources && !error && html`<p class="details">Asking…</p>`}
        ${sources?.length === 0 && html`
          <p class="details">Declare one in <code>hub.toml</code>; <code>hub connectors list</code> shows
            what the hub can read.</p>`}
        <ul>${sorted.map((source) => html`<${Source} key=${source.name} source=${source} now=${now} />`)}</ul>
      </div>
    </aside>`;
}
