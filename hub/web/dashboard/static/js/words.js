// How the hub's names read on a page: kinds, departments, roles, times.

const KINDS = {
  "sales.deal.created": "Deal opened",
  "sales.deal.stage": "Deal moved",
  "sales.lead.created": "New lead",
  "sales.lead.source": "Lead sources",
  "support.csat": "Support rating",
  "support.faq": "Frequent question",
  "support.issue.recurring": "Recurring issue",
  "customer.nps": "NPS answer",
  "ops.error.new": "New error",
  "ops.error.regressed": "Error is back",
  "ops.maintenance": "Planned work",
  "brand.coverage": "Press coverage",
  "brand.sentiment": "Tone about us",
  "brand.sentiment.shift": "Tone has changed",
  "market.competitor": "Competitor move",
  "people.hire": "New colleague",
  "policy.compliance": "Compliance change",
  "policy.regulatory": "Regulation change",
  "policy.legal": "Legal matter",
  "goal.sales": "Sales goal",
  "goal.strategic": "Company goal",
  "partner.announced": "New partner",
  "partner.changed": "Partner change",
  "community.speaking": "Public talk",
  "content.post": "Blog post",
  "mail.thread": "Mail thread",
  "hub.source.auth_failed": "Source sign-in refused",
};

export const sentence = (name) => {
  const words = name.replaceAll(/[._-]/g, " ").trim().toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
};

// A kind that this list lacks reads well enough without its domain: ops.incident.resolved.
export const kindInWords = (kind) => KINDS[kind] ?? sentence(kind.slice(kind.indexOf(".") + 1));

// Many titles begin with the kind, for where they stand alone: ["Deal won: ", "Acme"].
export function titleParts({ kind, title }) {
  const lead = `${kindInWords(kind)}: `;
  return title.startsWith(lead) && title.length > lead.length
    ? [lead, title.slice(lead.length)]
    : ["", title];
}

export const SEVERITIES = { HIGH: "High", CRITICAL: "Critical" };
export const STATUSES = {
  OPEN: "Open",
  ACKNOWLEDGED: "Acknowledged",
  RESOLVED: "Resolved",
  DELETED: "Removed at its source",
};

export const toneInWords = (sentiment) =>
  sentiment >= 0.3 ? "positive" : sentiment <= -0.3 ? "negative" : null;

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export function span(seconds) {
  if (seconds < MINUTE) return `${Math.max(0, Math.round(seconds))} s`;
  if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)} min`;
  if (seconds < 2 * DAY) return `${Math.floor(seconds / HOUR)} h`;
  return `${Math.floor(seconds / DAY)} d`;
}

const secondsSince = (iso, now) => (now - Date.parse(iso)) / 1000;
const date = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });

export function ago(iso, now) {
  const seconds = secondsSince(iso, now);
  if (seconds < -MINUTE) return `in ${span(-seconds)}`;
  if (seconds < MINUTE) return "now";
  return seconds < 30 * DAY ? span(seconds) : date.format(Date.parse(iso));
}

export const before = (iso, now) => {
  const seconds = secondsSince(iso, now);
  return seconds < 5 ? "just now" : `${span(seconds)} ago`;
};

const moment = new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeStyle: "long" });
export const inFull = (iso) => moment.format(Date.parse(iso));

// A feed is ranked within UTC days, so its headings are UTC days as well. As in the hub's own
// order, what has yet to happen stands under the day on which it was heard.
const utcDay = (time) => new Date(time).toISOString().slice(0, 10);
export const dayOf = ({ occurredAt, receivedAt }) =>
  utcDay(Math.min(Date.parse(occurredAt), Date.parse(receivedAt)));
const weekday = new Intl.DateTimeFormat("en-GB", {
  weekday: "long", day: "numeric", month: "long", timeZone: "UTC",
});

export function dayInWords(day, now) {
  const back = Math.round((Date.parse(utcDay(now)) - Date.parse(day)) / (DAY * 1000));
  if (back === 0) return "Today";
  return back === 1 ? "Yesterday" : weekday.format(Date.parse(day));
}

export const plural = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;
