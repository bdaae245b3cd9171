// One signal as a card: what happened, about whom, how much it matters here, and why.
import { useState } from "../vendor/preact-hooks.js";
import { html } from "./html.js";
import { SEVERITIES, STATUSES, ago, inFull, kindInWords, sentence, titleParts, toneInWords } from "./words.js";

// What a source says is a link only if it leads to the web; anything else is text.
const isWebAddress = (url) => /^https?:\/\//i.test(url ?? "");
const points = (part) => Math.round(part * 100);

const Bar = ({ part }) => html`
  <svg class="bar" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
    <rect class="track" width="100" height="4" />
    <rect class="level" width=${Math.min(100, points(Math.abs(part)))} height="4" />
  </svg>`;

function Title({ signal, id }) {
  const [lead, rest] = titleParts(signal);
  // The line above says the kind already; only ears hear it twice. It must not set the direction.
  const text = html`${lead && html`<span class="sr" dir="ltr">${lead}</span>`}${rest}`;
  return html`
    <h3 id=${id} class="title" dir="auto">
      ${isWebAddress(signal.url)
        ? html`<a href=${signal.url} target="_blank" rel="noopener noreferrer">${text}</a>`
        : text}
    </h3>`;
}

const Reasons = ({ id, reasons }) => html`
  <div class="reasons" id=${id}>
    ${reasons.length === 0 && html`<p>The hub gave no reasons.</p>`}
    <dl>
      ${reasons.map(({ name, weight, evidence }) => html`
        <div class=${weight < 0 ? "against" : ""}>
          <dt>${sentence(name)}</dt>
          <dd dir="auto">${evidence}</dd>
          <dd class="weight">
            ${weight < 0 ? "−" : "+"}${Math.abs(points(weight))}<${Bar} part=${weight} />
          </dd>
        </div>`)}
    </dl>
  </div>`;

export function Card({ item, now }) {
  const { signal, score, reasons, beat } = item;
  const [why, setWhy] = useState(false);
  const id = `signal-${signal.id}`;
  const tone = signal.sentiment === null ? null : toneInWords(signal.sentiment);
  // Two names for one animation: changing between them plays it again.
  const flash = beat === 0 ? "" : beat % 2 ? " flash-odd" : " flash-even";
  return html`
    <article class=${`card${flash}`} id=${id} tabindex="-1" aria-labelledby=${`${id}-title`}
      data-signal=${signal.id} data-department=${signal.department}
      data-status=${signal.status} data-severity=${signal.severity} data-outline=${signal.outline}>
      <p class="score" title=${`Relevance ${points(score)} of 100`}>
        <span class="sr">Relevance </span>${points(score)}<span class="sr"> of 100</span>
        <${Bar} part=${score} />
      </p>
      <div class="what">
        <p class="meta">
          <span class="kind">${kindInWords(signal.kind)}</span>
          <span class="department">${sentence(signal.department)}</span>
          ${SEVERITIES[signal.severity] &&
          html`<span class="severity">${SEVERITIES[signal.severity]}</span>`}
          ${STATUSES[signal.status] && html`<span class="status">${STATUSES[signal.status]}</span>`}
          <time datetime=${signal.occurredAt} title=${inFull(signal.occurredAt)}>
            ${ago(signal.occurredAt, now)}
          </time>
        </p>
        <${Title} signal=${signal} id=${`${id}-title`} />
        ${signal.outline && html`<p class="withheld">You may know that this is there; what it says is for other roles.</p>`}
        ${signal.summary && html`<p class="summary" dir="auto">${signal.summary}</p>`}
        <div class="foot">
          <ul class="facts">
            ${signal.account && html`<li class="account"><bdi>${signal.account.name}</bdi></li>`}
            ${signal.author && html`<li><bdi>${signal.author.name}</bdi></li>`}
            <li>${signal.source.name}</li>
            ${tone && html`<li class=${`tone ${tone}`}>${tone}</li>`}
            ${signal.labels.map((label) => html`<li class="label"><bdi>${label}</bdi></li>`)}
          </ul>
          <button type="button" class="why" aria-expanded=${String(why)}
            aria-controls=${`${id}-why`} aria-label=${`Why: ${signal.title}`}
            onClick=${() => setWhy(!why)}>Why</button>
        </div>
        ${why && html`<${Reasons} id=${`${id}-why`} reasons=${reasons} />`}
      </div>
    </article>`;
}
