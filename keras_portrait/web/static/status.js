/** What the page says of itself: what it is doing, what it sees, what went wrong. */

import { knows, say } from "./texts.js";

const get = (id) => document.getElementById(id);
let retry = () => {};

/**
 * Says something over the picture.
 * @param {string} text empty for nothing
 */
export function tell(text) {
  // Only a change is read aloud.
  if (get("message").textContent !== text) get("message").textContent = text;
  get("message").hidden = !text || !get("busy").hidden;
}

/**
 * Says what is being done.
 * @param {string} text empty where it is done
 * @param {?number} done how much of it
 * @param {?number} total of how much; null where that is not known
 */
export function busy(text, done = null, total = null) {
  get("busy").hidden = !text;
  if (get("busy-text").textContent !== text) get("busy-text").textContent = text;
  if (total) Object.assign(get("progress"), { max: total, value: done });
  else get("progress").removeAttribute("value");
  if (text) get("message").hidden = true;
}

/**
 * Says what went wrong, in one line.
 * @param {{code?: string}} error its code ends a key of texts.json, `error.CODE`
 * @param {?() => void} again what the button does that tries again; null for no button
 */
export function fail(error, again = null) {
  console.warn(error);
  busy("");
  const key = `error.${error.code || "failed"}`;
  get("problem").firstElementChild.textContent = say(knows(key) ? key : "error.failed");
  get("problem").hidden = false;
  get("retry").hidden = !again;
  retry = again || (() => {});
}

/** Takes back what was said to be wrong. */
export function settle() {
  get("problem").hidden = true;
}

get("retry").addEventListener("click", () => {
  settle();
  retry();
});
