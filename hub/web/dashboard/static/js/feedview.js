// The feed of one role on the page: its head, the connection, what is new, and the days below.
import { useEffect, useRef, useState } from "../vendor/preact-hooks.js";
import { Card } from "./card.js";
import { useFeed } from "./feed.js";
import { isPassing } from "./graphql.js";
import { html } from "./html.js";
import { useKeys } from "./keyboard.js";
import { dayInWords, dayOf, plural, sentence } from "./words.js";

const FAR = 120; // scrolled further than this, somebody is reading
const LINGER = 8000;
const WORDS = {
  connecting: () => "Connecting",
  live: ({ caughtUp }) => (caughtUp ? `Live, caught up ${caughtUp}` : "Live"),
  "catching-up": () => "Catching up",
  reconnecting: () => "Reconnecting",
  offline: () => "Not connected",
  refused: ({ message }) => `Not live: ${message}`,
};

function Connection({ connection }) {
  const [shown, setShown] = useState(connection);
  useEffect(() => {
    setShown(connection);
    if (!connection.caughtUp || connection.name !== "live") return undefined;
    const timer = setTimeout(() => setShown({ name: "live" }), LINGER);
    return () => clearTimeout(timer);
  }, [connection]);
  return html`<p class="connection" data-state=${shown.name} role="status">${WORDS[shown.name](shown)}</p>`;
}

function byDay(items) {
  const days = [];
  for (const item of items) {
    const day = dayOf(item.signal);
    if (days.at(-1)?.day !== day) days.push({ day, items: [] });
    days.at(-1).items.push(item);
  }
  return days;
}

const Cards = ({ items, now }) => html`
  <ol>${items.map((item) => html`<li key=${item.signal.id}><${Card} item=${item} now=${now} /></li>`)}</ol>`;

const Group = ({ id, title, note, action, items, now }) => html`
  <section class="group" aria-labelledby=${id}>
    <header><h2 id=${id}>${title}</h2><p>${note}</p>${action}</header>
    <${Cards} items=${items} now=${now} />
  </section>`;

const Loading = () => html`
  <div class="loading">
    <p class="sr">Loading the feed</p>
    ${[1, 2, 3, 4].map(() => html`<div class="bones" aria-hidden="true"><i /><i /><i /></div>`)}
  </div>`;

const Trouble = ({ error, title, onRetry }) => html`
  <div class="trouble" role="alert">
    <h2>${title}</h2>
    <p dir="auto">${error.message}. ${isPassing(error) && "Trying again by itself."}</p>
    <button type="button" onClick=${onRetry}>Try again now</button>
  </div>`;

const Empty = ({ name }) => html`
  <div class="empty">
    <h2>Nothing for ${name} yet</h2>
    <p>Signals appear here by themselves as soon as a source reports something that this role
      should hear. What each role hears is declared in <code>hub.toml</code>.</p>
  </div>`;

// One sentence for a whole burst, so that a screen reader is told and not flooded.
function useAnnouncement(arrivals) {
  const [text, setText] = useState("");
  const told = useRef(0);
  useEffect(() => {
    if (arrivals <= told.current) {
      told.current = arrivals;
      return undefined;
    }
    const timer = setTimeout(() => {
      setText(plural(arrivals - told.current, "new signal"));
      told.current = arrivals;
    }, 1000);
    return () => clearTimeout(timer);
  }, [arrivals]);
  return text;
}

const isReading = () => scrollY > FAR || Boolean(document.activeElement?.closest(".card"));

export function Feed({ role, now, keys }) {
  const name = sentence(role.name);
  const heading = useRef();
  const feed = useFeed(role.name, isReading);
  const { held, fresh, ranked, folded, status, error, connection, more } = feed;
  const announcement = useAnnouncement(held.length + fresh.length + folded);

  const show = () => {
    if (!held.length) return undefined;
    feed.release();
    heading.current.focus({ preventScroll: true });
    scrollTo({ top: 0 });
    return true;
  };
  useKeys({ n: show }, keys);

  useEffect(() => {
    const onScroll = () => held.length > 0 && !isReading() && scrollY < 8 && feed.release();
    addEventListener("scroll", onScroll, { passive: true });
    return () => removeEventListener("scroll", onScroll);
  }, [held.length]);
  useEffect(() => {
    document.title = `${held.length ? `(${held.length}) ` : ""}${name} · Team Signals Hub`;
  }, [name, held.length]);

  const isEmpty = status === "ready" && !held.length && !fresh.length && !ranked.length;
  return html`
    <main id="feed" aria-busy=${String(status === "loading")}>
      <header class="head">
        <h1 ref=${heading} tabindex="-1">${name}</h1>
        <${Connection} connection=${connection} />
        ${role.description && html`<p class="about" dir="auto">${role.description}</p>`}
      </header>
      <p class="sr" role="status">${announcement}</p>
      ${held.length > 0 && html`
        <div class="pill"><button type="button" onClick=${show}>${held.length} new</button></div>`}
      ${status === "ready" && error && more !== "failed" && html`
        <${Trouble} error=${error} title="The feed may be out of date" onRetry=${feed.refresh} />`}
      ${feed.expired && html`
        <p class="note">The gap was too long to catch up with, so the feed was read anew.</p>`}
      ${status === "loading" && html`<${Loading} />`}
      ${status === "failed" && html`
        <${Trouble} error=${error} title="The feed cannot be shown" onRetry=${feed.refresh} />`}
      ${isEmpty && html`<${Empty} name=${name} />`}
      ${fresh.length > 0 && html`
        <${Group} id="just-in" title="Just in" items=${fresh} now=${now}
          note=${folded ? `newest first; ${folded} earlier ones are in the ranking` : "newest first"}
          action=${html`<button type="button" onClick=${feed.refresh}>Rank them</button>`} />`}
      ${byDay(ranked).map(({ day, items }, index) => html`
        <${Group} key=${`${day}-${index}`} id=${`day-${day}-${index}`} title=${dayInWords(day, now)}
          note="most relevant first" items=${items} now=${now} />`)}
      ${status === "ready" && !isEmpty && html`
        <footer class="end">
          ${more === "failed" && html`<p role="alert">Older signals cannot be shown: ${error?.message}.</p>`}
          ${feed.after
            ? html`<button type="button" disabled=${more === "loading"} onClick=${feed.askMore}>
                ${more === "loading" ? "Asking…" : "Show older"}</button>`
            : html`<p>That is all that ${name} has heard.</p>`}
        </footer>`}
    </main>`;
}
