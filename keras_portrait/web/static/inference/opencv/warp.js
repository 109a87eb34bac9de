/**
 * `cv2.warpAffine` with WARP_INVERSE_MAP: the transform maps pixels of the result to the picture's.
 *
 * As OpenCV 5 does it: places are 32-bit floats, those of the linear warp out of fused multiply-adds
 * (a double holds their products exactly).
 */

import { blankLike, bytePicture, writer } from "../picture.js";
import { cubicWeights } from "./resize.js";

/** @typedef {import("../picture.js").Picture} Picture */

const { fround } = Math;

/**
 * Linear interpolation of bytes.
 *
 * @param {Picture} image Bytes, 1 or 3 channels.
 * @param {number[]} matrix Six numbers, from the result's pixels to the image's.
 * @param {number} width Columns of the result.
 * @param {number} height Rows of the result.
 * @param {?number} border Value outside of the image, 0..255; null mirrors it at its edges
 *     (BORDER_REFLECT).
 * @returns {Picture} Bytes.
 */
export function warpLinear(image, matrix, width, height, border) {
  const { channels } = image, result = bytePicture(width, height, channels);
  const out = writer(result), { data } = image, row = image.width * channels;
  const [c0, c1, c2, c3, c4, c5] = matrix.map(fround);
  const lastX = image.width - 1, lastY = image.height - 1;
  const right = channels, below = row, belowRight = row + channels;
  for (let y = 0, o = 0; y < height; y++) {
    const startX = fround(fround(c1 * y) + c2), startY = fround(fround(c4 * y) + c5);
    for (let x = 0; x < width; x++) {
      const placeX = fround(c0 * x + startX), placeY = fround(c3 * x + startY);
      const left = Math.floor(placeX), top = Math.floor(placeY);
      const a = fround(placeX - left), b = fround(placeY - top);
      if (left >= 0 && left < lastX && top >= 0 && top < lastY) {
        let at = top * row + left * channels;
        for (const end = o + channels; o < end; o++, at++) {
          const p = data[at], q = data[at + below];
          const upper = fround(p + a * (data[at + right] - p));
          const lower = fround(q + a * (data[at + belowRight] - q));
          out[o] = fround(upper + b * fround(lower - upper));
        }
      } else {
        for (let k = 0; k < channels; k++, o++) {
          const p = outside(image, left, top, k, border), q = outside(image, left, top + 1, k, border);
          const upper = fround(p + a * (outside(image, left + 1, top, k, border) - p));
          const lower = fround(q + a * (outside(image, left + 1, top + 1, k, border) - q));
          out[o] = fround(upper + b * fround(lower - upper));
        }
      }
    }
  }
  return result;
}

/** A value of a picture that goes on beyond its edges. */
function outside({ data, width, height, channels }, x, y, k, border) {
  const within = x >= 0 && x < width && y >= 0 && y < height;
  if (within) return data[(y * width + x) * channels + k];
  if (border !== null) return border;
  return data[(mirrored(y, height) * width + mirrored(x, width)) * channels + k];
}

/** Where a place on an axis lies when the axis is mirrored at both ends, the last pixel doubled. */
function mirrored(at, length) {
  const period = 2 * length, place = ((at % period) + period) % period;
  return place < length ? place : period - 1 - place;
}

/**
 * Bicubic interpolation (a = -0.75); 0 lies outside of the image.
 *
 * @param {Picture} image Bytes or floats, any channels.
 * @param {number[]} matrix Six numbers, from the result's pixels to the image's.
 * @param {number} width Columns of the result.
 * @param {number} height Rows of the result.
 * @param {number} [firstX] Column of the transform's pixels with which the result begins.
 * @param {number} [firstY] Row likewise.
 * @returns {Picture} The same kind.
 */
export function warpCubic(image, matrix, width, height, firstX = 0, firstY = 0) {
  const { data, channels } = image, result = blankLike(image, width, height);
  const out = writer(result), row = image.width * channels, [a, b, c, d, e, f] = matrix.map(fround);
  const lastX = image.width - 4, lastY = image.height - 4;
  const across = new Float64Array(4), down = new Float64Array(4);
  for (let y = firstY, o = 0; y < firstY + height; y++) {
    const startX = fround(fround(b * y) + c), startY = fround(fround(e * y) + f);
    for (let x = firstX; x < firstX + width; x++, o += channels) {
      const placeX = fround(fround(a * x) + startX), placeY = fround(fround(d * x) + startY);
      const nearX = Math.floor(placeX), nearY = Math.floor(placeY);
      const left = nearX - 1, top = nearY - 1;
      if (left > lastX + 3 || top > lastY + 3 || left < -3 || top < -3) continue;
      cubicWeights(placeX - nearX, across);
      cubicWeights(placeY - nearY, down);
      if (left >= 0 && left <= lastX && top >= 0 && top <= lastY) {
        const [p, q, r, s] = across;
        for (let k = 0, from = top * row + left * channels; k < channels; k++, from++) {
          let sum = 0;
          for (let j = 0, at = from; j < 4; j++, at += row) {
            sum += down[j] * (p * data[at] + q * data[at + channels]
              + r * data[at + 2 * channels] + s * data[at + 3 * channels]);
          }
          out[o + k] = sum;
        }
      } else {
        for (let k = 0; k < channels; k++) out[o + k] = cutCubic(image, left, top, k, across, down);
      }
    }
  }
  return result;
}

/** The same where some of the 4 x 4 pixels lie outside. */
function cutCubic({ data, width, height, channels }, left, top, k, across, down) {
  let sum = 0;
  for (let j = Math.max(0, -top); j < Math.min(4, height - top); j++) {
    for (let i = Math.max(0, -left); i < Math.min(4, width - left); i++) {
      sum += down[j] * across[i] * data[((top + j) * width + left + i) * channels + k];
    }
  }
  return sum;
}
