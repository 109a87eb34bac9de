/** Lays drawn squares on photos and paper, as `keras_portrait.inference.paste`. */

import { scaleOf } from "./geometry.js";
import { enlargeDrawing } from "./imaging.js";
import { rint } from "./picture.js";

/** @typedef {import("./picture.js").Picture} Picture */

/**
 * Enlarges a drawing to the photo's resolution.
 *
 * @param {Picture} drawing Bytes (S, S).
 * @param {number[]} transform Six numbers, from its pixels to those of the photo.
 * @returns {[Picture, number[]]} The drawing, bytes (F S, F S) for a whole factor F, and its transform
 *     to the photo.
 */
export function atPhotoScale(drawing, transform) {
  const factor = Math.max(1, rint(scaleOf(transform))), side = factor * drawing.height;
  const [a, b, c, d, e, f] = transform;
  // Pixel centres lie at integers, so the outer half pixel has to be counted in.
  const shift = (0.5 * (1 - factor)) / factor;
  return [enlargeDrawing(drawing, side, side), [
    a / factor, b / factor, a * shift + b * shift + c, d / factor, e / factor, d * shift + e * shift + f,
  ]];
}
