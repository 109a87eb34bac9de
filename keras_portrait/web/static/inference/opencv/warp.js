/**
 * `cv2.warpAffine` with WARP_INVERSE_MAP: the transform maps pixels of the result to the picture's.
 *
 * Linear interpolation is that of OpenCV 5, in 32-bit floats with fused multiply-adds (a double
 * holds their product exactly). Bicubic interpolation reads at steps of 1/32 pixel.
 */

import { bytePicture, floatPicture, rint, rounding } from "../picture.js";
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
  const out = rounding(result.data), { data } = image, row = image.width * channels;
  const across = fround(matrix[0]), down = fround(matrix[3]);
  const lastX = image.width - 1, lastY = image.height - 1;
  const right = channels, below = row, belowRight = row + channels;
  for (let y = 0, o = 0; y < height; y++) {
    const startX = fround(y * matrix[1] + matrix[2]), startY = fround(y * matrix[4] + matrix[5]);
    for (let x = 0; x < width; x++) {
      const placeX = fround(across * x + startX), placeY = fround(down * x + startY);
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

// Bits of a coordinate of the bicubic warp: 10 while it is computed, 5 where pixels are weighed.
const FINE = 1024;
const STEPS = 32;

/** Places along the result's columns, and the first place of a row, in 1/1024 pixel. */
function fineColumns(scale, width) {
  return Int32Array.from({ length: width }, (_, x) => rint(scale * x * FINE));
}

function fineStart(scale, shift, y) {
  return rint((scale * y + shift) * FINE) + FINE / STEPS / 2;
}

/** Weights of 4 x 4 pixels at each of the 32 x 32 places between pixels. */
const FLOAT_WEIGHTS = (() => {
  const weights = new Float32Array(STEPS * STEPS * 16);
  const rows = Array.from({ length: STEPS }, (_, i) => cubicWeights(fround(i / STEPS)));
  for (let y = 0, o = 0; y < STEPS; y++) {
    for (let x = 0; x < STEPS; x++) {
      for (const down of rows[y]) for (const across of rows[x]) weights[o++] = fround(down * across);
    }
  }
  return weights;
})();

/**
 * Bicubic interpolation of floats; 0 lies outside of the image.
 *
 * @param {Picture} image Floats, any channels.
 * @param {number[]} matrix Six numbers, from the result's pixels to the image's.
 * @param {number} width Columns of the result.
 * @param {number} height Rows of the result.
 * @returns {Picture} Floats.
 */
export function warpCubic(image, matrix, width, height) {
  const { data, channels } = image, result = floatPicture(width, height, channels);
  const out = result.data, row = image.width * channels, w = FLOAT_WEIGHTS;
  const columnX = fineColumns(matrix[0], width), columnY = fineColumns(matrix[3], width);
  for (let y = 0, o = 0; y < height; y++) {
    const startX = fineStart(matrix[1], matrix[2], y), startY = fineStart(matrix[4], matrix[5], y);
    for (let x = 0; x < width; x++, o += channels) {
      const placeX = (startX + columnX[x]) >> 5, placeY = (startY + columnY[x]) >> 5;
      const left = (placeX >> 5) - 1, top = (placeY >> 5) - 1;
      if (left >= image.width || top >= image.height || left < -3 || top < -3) continue;
      const at = ((placeY & 31) * STEPS + (placeX & 31)) * 16;
      if (left >= 0 && left < image.width - 3 && top >= 0 && top < image.height - 3) {
        for (let k = 0, from = top * row + left * channels; k < channels; k++, from++) {
          let sum = fround(0);
          for (let dy = 0, n = at, line = from; dy < 4; dy++, n += 4, line += row) {
            const a = fround(data[line] * w[n]), b = fround(data[line + channels] * w[n + 1]);
            const c = fround(data[line + 2 * channels] * w[n + 2]);
            const d = fround(data[line + 3 * channels] * w[n + 3]);
            sum = fround(sum + fround(fround(fround(a + b) + c) + d));
          }
          out[o + k] = sum;
        }
      } else {
        for (let k = 0; k < channels; k++) out[o + k] = cutCubic(image, left, top, k, at);
      }
    }
  }
  return result;
}

/** The same where some of the 4 x 4 pixels lie outside. */
function cutCubic({ data, width, height, channels }, left, top, k, at) {
  let sum = fround(0);
  for (let dy = 0; dy < 4; dy++) {
    const y = top + dy;
    if (y < 0 || y >= height) continue;
    for (let dx = 0; dx < 4; dx++) {
      const x = left + dx;
      if (x < 0 || x >= width) continue;
      const value = data[(y * width + x) * channels + k];
      sum = fround(sum + fround(value * FLOAT_WEIGHTS[at + dy * 4 + dx]));
    }
  }
  return sum;
}
