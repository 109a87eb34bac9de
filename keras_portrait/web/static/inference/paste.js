/** Lays drawn squares on photos and paper, as `keras_portrait.inference.paste`. */

import { extent, invert, pasteBack, scaleOf } from "./geometry.js";
import { enlargeDrawing, resize } from "./imaging.js";
import { warpCubic } from "./opencv/warp.js";
import { bytePicture, copied, picture, rint } from "./picture.js";
import { remembered } from "./remembered.js";

/** @typedef {import("./picture.js").Picture} Picture */

/**
 * Enlarges a drawing to the photo's resolution.
 *
 * @param {Picture} drawing Bytes (S, S).
 * @param {number[]} transform Six numbers, from its pixels to those of the photo.
 * @returns {[Picture, number[]]} The drawing, bytes (F S, F S) for a whole factor F, and its
 *     transform to the photo.
 */
export function atPhotoScale(drawing, transform) {
  const factor = Math.max(1, rint(scaleOf(transform))), side = factor * drawing.height;
  const [a, b, c, d, e, f] = transform;
  // Pixel centres lie at integers, so the outer half pixel has to be counted in.
  const shift = (0.5 * (1 - factor)) / factor;
  return [enlargeDrawing(drawing, side, side), [
    a / factor, b / factor, a * shift + b * shift + c,
    d / factor, e / factor, d * shift + e * shift + f,
  ]];
}

/**
 * What `pasteBack` makes on white paper, to one gray level and with one channel, in less time.
 *
 * @param {?Picture} paper Bytes (height, width), null for white; it stays as it is.
 * @param {number} height Rows of the frame.
 * @param {number} width Columns of the frame.
 * @param {Picture} drawn Bytes (S, S), dark lines on white.
 * @param {number[]} transform Six numbers, from its pixels to those of the frame.
 * @returns {Picture} Bytes (height, width).
 */
export function layInk(paper, height, width, drawn, transform) {
  const result = paper === null ? bytePicture(width, height, 1, 255) : copied(paper);
  const scale = scaleOf(transform);
  // Averaged first, or thin lines would fall between the pixels.
  const side = scale < 0.5 ? Math.max(1, rint(scale * drawn.height)) : drawn.height;
  const factor = drawn.height / side, half = 0.5 * (factor - 1), [a, b, c, d, e, f] = transform;
  const matrix = [
    a * factor, b * factor, c + (a + b) * half, d * factor, e * factor, f + (d + e) * half,
  ];
  // The interpolation reaches two pixels of the square farther.
  const area = extent(matrix, side, 2 * scaleOf(matrix) + 1, result);
  const soft = softSquare(side), shares = soft.data;
  const small = side === drawn.height ? drawn : resize(drawn, side, side);
  const inked = new Uint8ClampedArray(side * side);
  for (let i = 0; i < inked.length; i++) inked[i] = multiplied(255 - small.data[i], shares[i]);
  const ink = warpedInto(area, picture(new Uint8Array(inked.buffer), side, side), matrix);
  const alpha = paper === null ? null : warpedInto(area, soft, matrix).data;
  const out = new Uint8ClampedArray(result.data.buffer);
  for (let y = area.top, i = 0; y < area.bottom; y++) {
    for (let x = area.left, o = y * width + x; x < area.right; x++, i++, o++) {
      const below = alpha === null ? 0 : rint(multiplied(255 - out[o], 255 - alpha[i]));
      out[o] = 255 - ink.data[i] - below;
    }
  }
  return result;
}

/** The product of two bytes as shares of 255, as `cv2.multiply` computes it; not yet rounded. */
function multiplied(first, second) {
  return Math.fround(Math.fround(first * second) * SHARE);
}

const SHARE = Math.fround(1 / 255);

/** A square at its place in a part of a frame. */
function warpedInto({ left, top, right, bottom }, square, matrix) {
  return warpCubic(square, invert(matrix), right - left, bottom - top, left, top);
}

/** The soft edge of `pasteBack`, 255 inside: bytes (side, side). */
const softSquare = remembered((side) => {
  const black = bytePicture(side, side, 3), white = bytePicture(side, side, 1, 255);
  const laid = pasteBack(black, white, [1, 0, 0, 0, 1, 0]).data;
  return picture(Uint8Array.from({ length: side * side }, (_, i) => laid[3 * i]), side, side);
});
