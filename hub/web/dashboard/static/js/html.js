import { h } from "../vendor/preact.js";
import htm from "../vendor/htm.js";

// Templates become Preact elements: whatever a signal contains is text, never markup.
export const html = htm.bind(h);
