import { render } from "../vendor/preact.js";
import { useEffect, useState } from "../vendor/preact-hooks.js";
import { SIGNED_OUT, isPassing } from "./graphql.js";
import { html } from "./html.js";
import { Page } from "./page.js";
import { door, signOut, viewer } from "./session.js";
import { SignIn } from "./signin.js";

const RETRY = 3000;

const Waiting = ({ error, onRetry }) => html`
  <main class="door">
    <h1>Team Signals Hub</h1>
    ${error
      ? html`<p class="error" role="alert">${error.message}.</p>
          <button type="button" onClick=${onRetry}>Try again</button>`
      : html`<p role="status">Opening…</p>`}
  </main>`;

function App() {
  const [state, setState] = useState({ at: "start" });

  const open = async () => {
    const { signedIn, demo, keys, provider } = await door();
    if (signedIn) setState({ at: "page", demo, keys, who: await viewer() });
    else setState((before) => ({ at: "door", demo, keys, provider, ended: before.ended }));
  };
  const enter = () => open().catch((error) => setState({ at: "start", error }));
  const leave = () =>
    signOut().then(
      () => setState({ at: "start" }),
      (signOutError) => setState((before) => ({ ...before, signOutError })),
    );

  useEffect(() => {
    if (state.at !== "start") return undefined;
    if (!state.error) enter();
    else if (isPassing(state.error)) {
      const timer = setTimeout(enter, RETRY);
      return () => clearTimeout(timer);
    }
    return undefined;
  }, [state]);
  useEffect(() => {
    const end = () =>
      setState((before) => (before.at === "page" ? { at: "start", ended: true } : before));
    addEventListener(SIGNED_OUT, end);
    return () => removeEventListener(SIGNED_OUT, end);
  }, []);

  if (state.at === "page") {
    return html`<${Page} who=${state.who} demo=${state.demo} onSignOut=${leave}
      signOutError=${state.signOutError} />`;
  }
  if (state.at === "door") {
    return html`<${SignIn} keys=${state.demo ? state.keys : null} provider=${state.provider}
      ended=${state.ended} onSignedIn=${enter} />`;
  }
  return html`<${Waiting} error=${state.error} onRetry=${enter} />`;
}

const root = document.getElementById("app");
root.textContent = "";
render(html`<${App} />`, root);
