/** The choices that depend on what there is to draw with: presets and their styles. */

import { knows, number, say } from "./texts.js";

/**
 * Offers styles; the one that was chosen stays so where it is among them.
 * @param {HTMLFieldSetElement} field
 * @param {string[]} styles
 */
export function styleChips(field, styles) {
  const before = field.querySelector("input:checked")?.value;
  const checked = styles.includes(before) ? before : styles[0];
  field.querySelector(".chips").replaceChildren(...styles.map((style) => {
    const key = `style.${style}`;
    return choice("style", style, style === checked, document.createTextNode(knows(key) ? say(key) : style));
  }));
  field.hidden = styles.length < 2;
}

/**
 * Offers presets, the first of them chosen.
 * @param {HTMLFieldSetElement} field
 * @param {{name: string, title: string, description: string, bytes: number, size: number}[]} presets
 */
export function presetCards(field, presets) {
  field.querySelector(".cards").replaceChildren(...presets.map((preset, index) => {
    const title = document.createElement("b");
    const about = document.createElement("small");
    const key = `preset.${preset.name}.about`;
    title.textContent = preset.title;
    about.textContent = knows(key) ? say(key) : preset.description;
    const label = choice("preset", preset.name, index === 0, title, about);
    label.title = say("preset_size", { megabytes: number(preset.bytes / 1e6, 2), size: preset.size });
    return label;
  }));
  field.hidden = presets.length < 2;
}

function choice(name, value, checked, ...shown) {
  const label = document.createElement("label");
  const input = document.createElement("input");
  const text = document.createElement("span");
  Object.assign(input, { type: "radio", name, value, checked });
  text.append(...shown);
  label.append(input, text);
  return label;
}
