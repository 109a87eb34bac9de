/** The words of the page: texts.json, in the visitor's language where it has that. */

const DEFAULT = "en";
let texts = {};

/**
 * Loads the texts and puts them into the page where its own language is another one.
 * @returns {Promise<void>}
 */
export async function loadTexts() {
  const all = await (await fetch("texts.json")).json();
  const language = chosen(Object.keys(all), navigator.languages || []);
  texts = { ...all[DEFAULT], ...all[language] };
  if (language === document.documentElement.lang) return;
  document.documentElement.lang = language;
  for (const each of document.querySelectorAll("[data-text]")) each.textContent = say(each.dataset.text);
  for (const each of document.querySelectorAll("[data-label]")) {
    each.setAttribute("aria-label", say(each.dataset.label));
  }
}

function chosen(known, wanted) {
  for (const language of wanted) {
    for (const name of [language, language.split("-")[0]]) {
      if (known.includes(name)) return name;
    }
  }
  return DEFAULT;
}

/**
 * A text, with what its braces name filled in.
 * @param {string} key of texts.json
 * @param {Object<string, string|number>} values
 * @returns {string} the key itself where there is no such text
 */
export function say(key, values = {}) {
  return (texts[key] ?? key).replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
}

/**
 * Whether there is such a text.
 * @param {string} key
 * @returns {boolean}
 */
export const knows = (key) => key in texts;

/**
 * A number as the visitor's language writes it.
 * @param {number} value
 * @param {number} digits after the point
 * @returns {string}
 */
export function number(value, digits = 0) {
  const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return value.toLocaleString(document.documentElement.lang, options);
}
