// The door: a key is pasted once; a demo on loopback offers its own keys, one for each role.
import { useRef, useState } from "../vendor/preact-hooks.js";
import { html } from "./html.js";
import { signIn } from "./session.js";
import { sentence } from "./words.js";

export function SignIn({ keys, provider, ended, onSignedIn }) {
  const field = useRef();
  const [trying, setTrying] = useState(null);
  const [error, setError] = useState(null);

  const enter = (key) => {
    setTrying(key);
    setError(null);
    signIn(key).then(onSignedIn, (failure) => {
      setError(failure);
      setTrying(null);
      field.current?.focus();
    });
  };
  const onSubmit = (event) => {
    event.preventDefault();
    const key = field.current.value.trim();
    if (key) enter(key);
  };

  return html`
    <main class="door">
      <img src="/static/icon.svg" alt="" width="40" height="40" />
      <h1>Team Signals Hub</h1>
      <p class="lead">What happens around the company, told to those whom it concerns, and why.</p>
      ${ended && html`<p class="note" role="status">Your session has ended. Please sign in again.</p>`}
      ${keys && html`
        <section aria-labelledby="demo-title">
          <h2 id="demo-title">Look around the demo as</h2>
          <ul class="demo-roles">
            ${Object.entries(keys).map(([name, key]) => html`
              <li><button type="button" disabled=${trying !== null} onClick=${() => enter(key)}>
                ${sentence(name)}</button></li>`)}
          </ul>
        </section>`}
      ${provider && html`
        <p><a class="provider" href="/session/provider">Sign in with your company's account</a></p>`}
      <form onSubmit=${onSubmit}>
        <input type="text" autocomplete="username" value="Team Signals Hub" hidden readonly />
        <label for="key">${keys || provider ? "or with an API key" : "API key"}</label>
        <div class="field">
          <input id="key" ref=${field} type="password" required autocomplete="current-password"
            spellcheck="false" aria-describedby=${error ? "key-error" : "key-hint"}
            aria-invalid=${error ? "true" : undefined} />
          <button type="submit" disabled=${trying !== null}>${trying === null ? "Sign in" : "Signing in…"}</button>
        </div>
        ${error
          ? html`<p class="error" id="key-error" role="alert">${sentence(error.message)}.</p>`
          : html`<p class="hint" id="key-hint">Whoever runs the hub makes one: <code>hub keys create</code></p>`}
      </form>
    </main>`;
}
