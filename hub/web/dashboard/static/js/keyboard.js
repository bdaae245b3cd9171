// Single-key shortcuts: off while somebody types, and off for good for whoever prefers that.
import { useEffect, useRef, useState } from "../vendor/preact-hooks.js";
import { html } from "./html.js";
import { recall, remember } from "./remember.js";

const SHORTCUTS = [
  ["j, k", "Next, previous signal"],
  ["Enter", "Open the signal where it comes from"],
  ["w", "Why this role hears it"],
  ["n", "Show what is new"],
  ["1 to 9", "Choose a role"],
  ["t", "Light, dark or as the system"],
  ["?", "This list"],
];

export function useKeys(actions, enabled) {
  const latest = useRef();
  latest.current = enabled ? actions : {};
  useEffect(() => {
    const onKey = (event) => {
      const typing = event.target.closest("input, select, textarea, dialog");
      if (typing || event.metaKey || event.ctrlKey || event.altKey) return;
      const action = latest.current[event.key];
      if (action?.() !== undefined) event.preventDefault();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
}

export function useShortcutsWanted() {
  const [wanted, setWanted] = useState(recall("shortcuts", "on") === "on");
  const want = (yes) => {
    remember("shortcuts", yes ? "on" : "off");
    setWanted(yes);
  };
  return [wanted, want];
}

export function Shortcuts({ onClose, wanted, onWant }) {
  const dialog = useRef();
  const close = useRef();
  useEffect(() => {
    dialog.current.showModal();
    close.current.focus();
  }, []);
  return html`
    <dialog ref=${dialog} class="shortcuts" aria-labelledby="shortcuts-title" onClose=${onClose}>
      <h2 id="shortcuts-title">Keyboard</h2>
      <dl>${SHORTCUTS.map(([keys, what]) => html`<div><dt><kbd>${keys}</kbd></dt><dd>${what}</dd></div>`)}</dl>
      <label><input type="checkbox" checked=${wanted} onChange=${(event) => onWant(event.target.checked)} />
        Use these keys</label>
      <button ref=${close} type="button" onClick=${() => dialog.current.close()}>Close</button>
    </dialog>`;
}

// j and k move between cards; Enter and w act on the one that has the focus.
const cards = () => [...document.querySelectorAll(".card")];
let last = -1; // where the reader was, should that card be withdrawn meanwhile

export function step(by) {
  const all = cards();
  const current = all.indexOf(document.activeElement?.closest(".card"));
  const from = current === -1 ? last : current;
  const next = all[Math.max(0, Math.min(all.length - 1, from + by))];
  if (!next) return undefined;
  last = all.indexOf(next);
  next.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
  return next;
}

export function pressIn(selector) {
  const card = document.activeElement?.closest(".card");
  const target = card?.querySelector(selector);
  target?.click();
  return target;
}
