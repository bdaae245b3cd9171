// The page of somebody who is signed in: roles on one side, the feed, the sources on the other.
import { useEffect, useState } from "../vendor/preact-hooks.js";
import { Feed } from "./feedview.js";
import { html } from "./html.js";
import { Shortcuts, pressIn, step, useKeys, useShortcutsWanted } from "./keyboard.js";
import { recall, remember } from "./remember.js";
import { Sources, useSources } from "./sources.js";
import { sentence } from "./words.js";

const TICK = 10_000;
const THEMES = { system: "light", light: "dark", dark: "system" };

function useTheme() {
  const [theme, setTheme] = useState(document.documentElement.dataset.theme ?? "system");
  const change = () => {
    const next = THEMES[theme];
    if (next === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    remember("theme", next);
    setTheme(next);
    return true;
  };
  return [theme, change];
}

// The role is in the address: a feed can be bookmarked, and Back leads to the one before.
const roleInAddress = () => new URLSearchParams(location.search).get("role");
const addressOf = (name) => `?role=${encodeURIComponent(name)}`;

function useRole(choices) {
  const find = (name) => choices.find((role) => role.name === name);
  const [name, setName] = useState(roleInAddress() ?? recall("role"));
  useEffect(() => {
    const onBack = () => setName(roleInAddress());
    addEventListener("popstate", onBack);
    return () => removeEventListener("popstate", onBack);
  }, []);
  const choose = (next) => {
    if (!find(next)) return undefined;
    history.pushState(null, "", addressOf(next));
    remember("role", next);
    setName(next);
    scrollTo(0, 0);
    return true;
  };
  return [find(name) ?? choices[0], choose];
}

function useNow() {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), TICK);
    return () => clearInterval(timer);
  }, []);
  return now;
}

const Brand = () => html`
  <p class="brand"><img src="/static/icon.svg" alt="" width="22" height="22" /><span>Team Signals Hub</span></p>`;

const Roles = ({ choices, chosen, onChoose }) => html`
  <nav class="roles" aria-label="Roles">
    <ul>
      ${choices.map(({ name }) => html`
        <li><a href=${addressOf(name)} aria-current=${name === chosen.name ? "page" : undefined}
          onClick=${(event) => {
            if (event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
            event.preventDefault();
            onChoose(name);
          }}>${sentence(name)}</a></li>`)}
    </ul>
  </nav>
  <label class="role-select"><span class="sr">Role</span>
    <select value=${chosen.name} onChange=${(event) => onChoose(event.target.value)}>
      ${choices.map(({ name }) => html`<option value=${name}>${sentence(name)}</option>`)}
    </select></label>`;

const NoRole = ({ who }) => html`
  <main id="feed"><div class="empty"><h1>No role yet</h1>
    <p>The key “${who.name}” belongs to no role, so there is no feed to show. Whoever runs the hub
      can make one that does: <code>hub keys create</code>.</p></div></main>`;

export function Page({ who, demo, onSignOut, signOutError }) {
  const now = useNow();
  const health = useSources();
  const [role, choose] = useRole(who.choices);
  const [theme, changeTheme] = useTheme();
  const [help, setHelp] = useState(false);
  const [wanted, want] = useShortcutsWanted();

  useKeys({
    j: () => step(1),
    k: () => step(-1),
    w: () => pressIn(".why"),
    Enter: () => (document.activeElement.matches(".card") ? pressIn(".title a") : undefined),
    t: changeTheme,
    "?": () => {
      setHelp(true);
      return true;
    },
    ...Object.fromEntries(who.choices.slice(0, 9).map(({ name }, at) => [at + 1, () => choose(name)])),
  }, wanted);

  return html`
    <a class="skip" href="#feed">Skip to the feed</a>
    <div class="page">
      <header class="rail">
        <${Brand} />
        ${role && html`<${Roles} choices=${who.choices} chosen=${role} onChoose=${choose} />`}
        <div class="tools">
          ${demo && html`<p class="demo">Demo data: nothing leaves this machine.</p>`}
          <button type="button" class="theme" onClick=${changeTheme}>Theme: ${theme}</button>
          <button type="button" class="keys" onClick=${() => setHelp(true)}>Keyboard</button>
          <button type="button" class="out" onClick=${onSignOut}>Sign out</button>
          <p class="who">Signed in as <bdi>${who.name}</bdi></p>
          ${signOutError && html`<p class="error" role="alert">${signOutError.message}.</p>`}
        </div>
      </header>
      <${Sources} ...${health} now=${now} />
      ${role
        ? html`<${Feed} key=${role.name} role=${role} now=${now} keys=${wanted} />`
        : html`<${NoRole} who=${who} />`}
    </div>
    ${help && html`<${Shortcuts} onClose=${() => setHelp(false)} wanted=${wanted} onWant=${want} />`}`;
}
