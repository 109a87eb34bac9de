/** What a user says about style and other choices, checked. */

import { PortraitError } from "./errors.js";

const NUMBER = /^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i;
const WHOLE = /^\s*[+-]?\d+\s*$/;

/**
 * What a user says about style as the network's style vector.
 *
 * @param {null | undefined | string | number | number[]} style nothing, a name, an index from 0, or
 *   one weight for each style. A text may hold any, or names with commas between them, each with its
 *   weight after a colon or with 1.
 * @param {string[]} styles names of the preset's styles.
 * @returns {Float32Array} (K,) with a sum of 1.
 * @throws {PortraitError} "bad-setting": no such style, or weights that do not fit.
 */
export function styleVector(style, styles) {
  let chosen = style ?? 0;
  if (typeof chosen === "string") {
    chosen = styles.includes(chosen) ? styles.indexOf(chosen) : parseStyle(chosen, styles);
  }
  if (Number.isInteger(chosen)) {
    if (!(chosen in styles)) {
      throw new PortraitError(
        "bad-setting",
        `The preset has ${styles.length} style(s), counted from 0: ${styles.join(", ")}. Received: ${style}`,
      );
    }
    return Float32Array.from(styles, (_, index) => (index === chosen ? 1 : 0));
  }
  const fits =
    chosen.length === styles.length &&
    chosen.every((weight) => Number.isFinite(weight) && weight >= 0);
  const sum = fits ? chosen.reduce((total, weight) => total + weight, 0) : 0;
  if (!(sum > 0)) {
    throw new PortraitError(
      "bad-setting",
      `A mix needs ${styles.length} weight(s) from 0 up, not all 0, one for each of: ` +
        `${styles.join(", ")}. Received: ${style}`,
    );
  }
  return Float32Array.from(chosen, (weight) => weight / sum);
}

/** An index, or the weight of each style. */
function parseStyle(text, styles) {
  const parts = text.split(",").map((part) => part.trim());
  if (parts.length === 1 && WHOLE.test(text)) return Number(text);
  if (parts.length > 1 && parts.every((part) => NUMBER.test(part))) return parts.map(Number);
  const weights = styles.map(() => 0);
  for (const part of parts) {
    const colon = styles.includes(part) ? -1 : part.indexOf(":");
    const name = (colon < 0 ? part : part.slice(0, colon)).trim();
    const weight = colon < 0 ? "1" : part.slice(colon + 1);
    if (!styles.includes(name)) {
      throw new PortraitError(
        "bad-setting",
        `No such style. Known: ${styles.join(", ")}. Received: ${text}`,
      );
    }
    if (!NUMBER.test(weight)) {
      throw new PortraitError(
        "bad-setting",
        `The weight of a style must be a number, as in ${name}:0.7. Received: ${text}`,
      );
    }
    weights[styles.indexOf(name)] += Number(weight);
  }
  return weights;
}

/**
 * @param {string} name what is chosen, for the text.
 * @param {string} value what was chosen.
 * @param {string[]} choices what may be.
 * @throws {PortraitError} "bad-setting": the value is none of the choices.
 */
export function checkChoice(name, value, choices) {
  if (!choices.includes(value)) {
    throw new PortraitError(
      "bad-setting",
      `No such ${name}. Known: ${choices.join(", ")}. Received: ${value}`,
    );
  }
}
