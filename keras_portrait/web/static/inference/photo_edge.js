/**
 * Squares that reach beyond the photo: what is filled in, and where the drawing ends, as
 * `keras_portrait.inference.photo_edge`. All of it in 32-bit floats, as there.
 */

import { copied, floatPicture, writer } from "./picture.js";
import { scaleOf } from "./geometry.js";
import { gaussianBlur } from "./opencv/filters.js";
import { resizeArea, resizeLinear } from "./opencv/resize.js";

/** @typedef {import("./picture.js").Picture} Picture */

const { fround } = Math;

/** Part of the square's side over which the drawing fades before the photo's edge. */
export const FADE = 0.03;
// Beyond the edge the blur sets in over `NEAR` and is full at `NEAR + FAR`, parts of the side; so
// are the deviations of the two blurs, which are computed in a picture smaller by `SHRINK`.
const NEAR = 0.03, FAR = 0.12;
const NEAR_BLUR = 0.015, FAR_BLUR = 0.05;
const SHRINK = 4;
// Part of a pixel by which a square must reach beyond an edge, so that rounding alone never counts.
const LEAST = 1e-3;
// What OpenCV adds to the sum of two weights before it divides by it.
const WEIGHT_EPSILON = fround(1e-5);

/**
 * Blurs what lies outside of the photo, the more the farther out.
 *
 * @param {Picture} square Bytes, RGB (S, S), cut out by `warp`, the photo mirrored at its edges.
 * @param {{width: number, height: number}} shape Of the photo, pixels.
 * @param {number[]} squareToPhoto Six numbers, a similarity.
 * @returns {Picture} Bytes, RGB (S, S), the same within the photo; the square itself where all of
 *     it lies there.
 */
export function blurOutside(square, shape, squareToPhoto) {
  const size = square.height, edges = crossed(shape, squareToPhoto, size);
  if (edges.length === 0) return square;
  const outside = outsideOf(edges, size), { area } = outside;
  const near = blurred(square, NEAR_BLUR * size, area).data;
  // Nothing lies so far out where a face just leaves the photo.
  const far = outside.most > fround(NEAR) ? blurred(square, FAR_BLUR * size, area).data : near;
  const result = copied(square), { data } = square, out = writer(result);
  for (let y = area.top, i = 0; y < area.bottom; y++) {
    for (let x = area.left; x < area.right; x++, i += 3) {
      const part = outside.parts[y * size + x], o = (y * size + x) * 3;
      if (part <= 0) continue;
      const soft = step32(fround(part / fround(NEAR)));
      const softer = step32(fround(fround(part - fround(NEAR)) / fround(FAR)));
      for (let k = 0; k < 3; k++) {
        const blur = softer > 0 ? blendedByte(near[i + k], far[i + k], softer) : near[i + k];
        out[o + k] = soft < 1 ? blended(data[o + k], blur, soft) : blur;
      }
    }
  }
  return result;
}

/**
 * How far outside of the photo the pixels of a square lie, in parts of its side: `parts`,
 * Float32Array (size, size), 0 inside; the largest one, `most`; and the `area` of those outside.
 */
function outsideOf(edges, size) {
  const parts = new Float32Array(size * size);
  let most = 0, left = size, right = 0, top = size, bottom = 0;
  for (const edge of edges) {
    for (let y = 0, o = 0; y < size; y++) {
      const down = fround(edge.down * y);
      for (let x = 0; x < size; x++, o++) {
        const distance = fround(down + fround(fround(edge.across * x) + edge.offset));
        if (distance >= 0) continue;
        const part = fround(distance / -size);
        if (part > parts[o]) parts[o] = part;
        if (part > most) most = part;
        if (x < left) left = x;
        if (x >= right) right = x + 1;
        if (y < top) top = y;
        if (y >= bottom) bottom = y + 1;
      }
    }
  }
  const area = { left, top, right: Math.max(left, right), bottom: Math.max(top, bottom) };
  return { parts, most, area };
}

/** The mean of two values, weighed by 1 - share and share, as `cv2.blendLinear` has it. */
function blended(first, second, share) {
  const rest = fround(1 - share);
  const sum = fround(fround(first * rest) + fround(second * share));
  return fround(sum / fround(fround(rest + share) + WEIGHT_EPSILON));
}

const byte = new Uint8ClampedArray(1);

function blendedByte(first, second, share) {
  byte[0] = blended(first, second, share);
  return byte[0];
}

/** `smoothStep` in 32-bit floats. */
function step32(part) {
  if (part <= 0) return 0;
  if (part >= 1) return 1;
  return fround(fround(part * part) * fround(3 - fround(2 * part)));
}

/**
 * How much of a drawing is kept at each place of a square.
 *
 * @param {{width: number, height: number}} shape Of the photo, pixels.
 * @param {number[]} squareToPhoto Six numbers, a similarity.
 * @param {number} size Side of the square in pixels.
 * @returns {Picture} Floats (size, size) in [0, 1]: 0 from the photo's edge outwards, 1 at `FADE`
 *     of the side before it; all 1 where the square lies in the photo.
 */
export function insidePhoto(shape, squareToPhoto, size) {
  const inside = floatPicture(size, size, 1, 1), { data } = inside;
  for (const edge of crossed(shape, squareToPhoto, size)) {
    const width = fround(Math.min(FADE * size, -least(edge, size)));
    for (let y = 0, o = 0; y < size; y++) {
      for (let x = 0; x < size; x++, o++) {
        data[o] = fround(data[o] * step32(fround(distanceAt(edge, x, y) / width)));
      }
    }
  }
  return inside;
}

/**
 * The edges of the photo that a square reaches beyond: how far inside them its pixels lie, in
 * pixels of the square, is `y * down + (x * across + offset)`.
 */
function crossed({ width, height }, matrix, size) {
  const scale = fround(scaleOf(matrix)), last = size - 1, found = [];
  for (const [axis, length] of [[0, width], [3, height]]) {
    const start = matrix[axis + 2];
    // Each axis has two edges, half a pixel outside the first and the last centre.
    for (const [sign, offset] of [[1, start + 0.5], [-1, length - 0.5 - start]]) {
      const across = fround(fround(sign * matrix[axis]) / scale);
      const down = fround(fround(sign * matrix[axis + 1]) / scale);
      const edge = { across, down, offset: fround(fround(offset) / scale) };
      if (edge.offset + Math.min(0, across * last) + Math.min(0, down * last) < -LEAST) {
        found.push(edge);
      }
    }
  }
  return found;
}

function distanceAt({ across, down, offset }, x, y) {
  return fround(fround(down * y) + fround(fround(across * x) + offset));
}

function least(edge, size) {
  const last = size - 1;
  return distanceAt(edge, edge.across < 0 ? last : 0, edge.down < 0 ? last : 0);
}

/** A part of a square, blurred by a Gaussian of so many pixels. */
function blurred(square, deviation, area) {
  const size = square.height, side = Math.max(1, Math.floor(size / SHRINK));
  const small = gaussianBlur(resizeArea(square, side, side), (deviation * side) / size);
  return resizeLinear(small, size, size, area);
}
