/**
 * `cv2.warpAffine` with WARP_INVERSE_MAP: the transform maps pixels of the result to the picture's.
 *
 * As OpenCV 5 does it: places are 32-bit floats, those of the linear warp out of fused
 * multiply-adds (a double holds their products exactly).
 */

import { blankLike, bytePicture, writer } from "../picture.js";
import { cubicWeights, innerWeight, outerWeight } from "./resize.js";

/** @typedef {import("../picture.js").Picture} Picture */

const { fround } = Math;

/**
 * Linear interpolation of bytes.
 *
 * @param {Picture} image Bytes, any channels.
 * @param {number[]} matrix Six numbers, from the result's pixels to the image's.
 * @param {number} width Columns of the result.
 * @param {number} height Rows of the result.
 * @param {?number} border Value outside of the image, 0..255; null mirrors it at its edges
 *     (BORDER_REFLECT).
 * @returns {Picture} Bytes.
 */
export function warpLinear(image, matrix, width, height, border) {
  const { channels } = image, result = bytePicture(width, height, channels), out = writer(result);
  const { data, left: firstX, top: firstY, row } = readable(image, matrix, width, height, border);
  const [a, b, c, d, e, f] = matrix.map(fround), below = row + channels;
  for (let y = 0, o = 0; y < height; y++) {
    const startX = fround(fround(b * y) + c), startY = fround(fround(e * y) + f);
    for (let x = 0; x < width; x++) {
      const placeX = fround(a * x + startX), placeY = fround(d * x + startY);
      const nearX = Math.floor(placeX), nearY = Math.floor(placeY);
      const right = fround(placeX - nearX), down = fround(placeY - nearY);
      let at = (nearY - firstY) * row + (nearX - firstX) * channels;
      for (const end = o + channels; o < end; o++, at++) {
        const p = data[at], q = data[at + row];
        const upper = fround(p + right * (data[at + channels] - p));
        const lower = fround(q + right * (data[at + below] - q));
        out[o] = fround(upper + down * fround(lower - upper));
      }
    }
  }
  return result;
}

/** The pixels that a warp reads, those beyond the image's edges, too. */
function readable(image, [a, b, c, d, e, f], width, height, border) {
  const { data, channels } = image, lastX = width - 1, lastY = height - 1;
  const sideways = [0, a * lastX, b * lastY, a * lastX + b * lastY].map((shift) => c + shift);
  const downwards = [0, d * lastX, e * lastY, d * lastX + e * lastY].map((shift) => f + shift);
  // One more at each side for what is rounded, and the next pixel.
  const [left, right] = [Math.min(...sideways) - 1, Math.max(...sideways) + 3].map(Math.floor);
  const [top, bottom] = [Math.min(...downwards) - 1, Math.max(...downwards) + 3].map(Math.floor);
  if (left >= 0 && right <= image.width && top >= 0 && bottom <= image.height) {
    return { data, left: 0, top: 0, row: image.width * channels };
  }
  const row = (right - left) * channels, read = new Uint8Array((bottom - top) * row);
  if (border) read.fill(border);
  const columns = Int32Array.from({ length: right - left }, (_, i) =>
    placed(left + i, image.width, border));
  for (let y = top; y < bottom; y++) {
    const from = placed(y, image.height, border);
    if (from < 0) continue;
    for (let i = 0, o = (y - top) * row; i < columns.length; i++, o += channels) {
      if (columns[i] < 0) continue;
      const at = (from * image.width + columns[i]) * channels;
      for (let k = 0; k < channels; k++) read[o + k] = data[at + k];
    }
  }
  return { data: read, left, top, row };
}

/**
 * Where a place on an axis is read: beyond the ends -1, or where there is no border value as if the
 * axis were mirrored there, the last pixel doubled.
 */
function placed(at, length, border) {
  if (at >= 0 && at < length) return at;
  if (border !== null) return -1;
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
 * @param {number} [rim] Pixels from the image's border from which on its last channel is 1
 *     throughout: that is not computed then.
 * @returns {Picture} The same kind.
 */
export function warpCubic(image, matrix, width, height, firstX = 0, firstY = 0, rim = Infinity) {
  const { data, channels } = image, result = blankLike(image, width, height);
  const out = writer(result), [a, b, c, d, e, f] = matrix.map(fround);
  const lastX = image.width - 4, lastY = image.height - 4;
  const one = channels, two = 2 * channels, three = 3 * channels;
  const row = image.width * channels, secondRow = 2 * row, thirdRow = 3 * row;
  for (let y = firstY, o = 0; y < firstY + height; y++) {
    const startX = fround(fround(b * y) + c), startY = fround(fround(e * y) + f);
    for (let x = firstX; x < firstX + width; x++, o += channels) {
      const placeX = fround(fround(a * x) + startX), placeY = fround(fround(d * x) + startY);
      const nearX = Math.floor(placeX), nearY = Math.floor(placeY);
      const left = nearX - 1, top = nearY - 1;
      if (left > lastX + 3 || top > lastY + 3 || left < -3 || top < -3) continue;
      const right = placeX - nearX, down = placeY - nearY;
      if (left < 0 || left > lastX || top < 0 || top > lastY) {
        cutCubic(image, left, top, cubicWeights(right), cubicWeights(down), out, o);
        continue;
      }
      const w0 = outerWeight(right), w1 = innerWeight(right), w3 = outerWeight(1 - right);
      const v0 = outerWeight(down), v1 = innerWeight(down), v3 = outerWeight(1 - down);
      const w2 = 1 - w0 - w1 - w3, v2 = 1 - v0 - v1 - v3;
      const inner = left >= rim && left <= lastX - rim && top >= rim && top <= lastY - rim;
      const computed = inner ? channels - 1 : channels;
      if (inner) out[o + computed] = 1;
      for (let k = 0, i = top * row + left * channels; k < computed; k++, i++) {
        const m = i + row, n = i + secondRow, l = i + thirdRow;
        const p = w0 * data[i] + w1 * data[i + one] + w2 * data[i + two] + w3 * data[i + three];
        const q = w0 * data[m] + w1 * data[m + one] + w2 * data[m + two] + w3 * data[m + three];
        const r = w0 * data[n] + w1 * data[n + one] + w2 * data[n + two] + w3 * data[n + three];
        const s = w0 * data[l] + w1 * data[l + one] + w2 * data[l + two] + w3 * data[l + three];
        out[o + k] = v0 * p + v1 * q + v2 * r + v3 * s;
      }
    }
  }
  return result;
}

/** The same where some of the 4 x 4 pixels lie outside. */
function cutCubic({ data, width, height, channels }, left, top, across, down, out, o) {
  for (let k = 0; k < channels; k++) {
    let sum = 0;
    for (let j = Math.max(0, -top); j < Math.min(4, height - top); j++) {
      for (let i = Math.max(0, -left); i < Math.min(4, width - left); i++) {
        sum += down[j] * across[i] * data[((top + j) * width + left + i) * channels + k];
      }
    }
    out[o + k] = sum;
  }
}
