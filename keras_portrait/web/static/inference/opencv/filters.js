/**
 * Blurs, growing and regions of OpenCV: `cv2.GaussianBlur`, `cv2.dilate`, `cv2.connectedComponents`.
 */

import { bytePicture, floatPicture, rint } from "../picture.js";

/** @typedef {import("../picture.js").Picture} Picture */

const { fround } = Math;

/**
 * A Gaussian's weights, their sum 1.
 *
 * @param {number} size Odd number of pixels.
 * @param {number} deviation Pixels.
 * @returns {Float64Array} (size).
 */
export function gaussianKernel(size, deviation) {
  const kernel = new Float64Array(size), scale = -0.5 / (deviation * deviation);
  let sum = 0;
  for (let i = 0; i < size; i++) {
    const x = i - (size - 1) / 2;
    sum += kernel[i] = Math.exp(scale * x * x);
  }
  return kernel.map((weight) => weight / sum);
}

/**
 * Blurs by a Gaussian; the picture is mirrored at its edges, the last pixel not doubled.
 *
 * @param {Picture} image Bytes or floats.
 * @param {number} deviation Standard deviation in pixels.
 * @returns {Picture} The same kind.
 */
export function gaussianBlur(image, deviation) {
  const bytes = image.data instanceof Uint8Array;
  // Bytes end after three deviations, floats after four.
  const size = rint(deviation * (bytes ? 3 : 4) * 2 + 1) | 1;
  const kernel = gaussianKernel(size, deviation);
  return bytes ? blurredBytes(image, fixedKernel(kernel)) : blurredFloats(image, kernel);
}

/** The weights in 1/256; what one is rounded by goes to the next, the middle takes the rest. */
function fixedKernel(kernel) {
  const weights = new Int32Array(kernel.length), middle = kernel.length >> 1;
  let error = 0, sum = 0;
  for (let i = 0; i < middle; i++) {
    const wanted = kernel[i] * 256 + error;
    weights[i] = weights[kernel.length - 1 - i] = rint(wanted);
    error = wanted - weights[i];
    sum += weights[i];
  }
  weights[middle] = 256 - 2 * sum;
  return weights;
}

/** For each place of an axis with a margin at both ends, where it is read. */
function margined(length, margin) {
  const period = Math.max(1, 2 * length - 2);
  return Int32Array.from({ length: length + 2 * margin }, (_, i) => {
    const place = (((i - margin) % period) + period) % period;
    return place < length ? place : period - place;
  });
}

/** Reads rows with a margin at both ends: a function of the row's number that returns its values. */
function marginedRows({ data, width, channels }, margin) {
  const columns = margined(width, margin), row = new data.constructor(columns.length * channels);
  return (y) => {
    const start = y * width * channels, from = margin * channels;
    row.set(data.subarray(start, start + width * channels), from);
    for (let i = 0; i < columns.length; i++) {
      if (i === margin) i += width;
      for (let k = 0; k < channels && i < columns.length; k++) {
        row[i * channels + k] = data[start + columns[i] * channels + k];
      }
    }
    return row;
  };
}

function blurredBytes(image, weights) {
  const { width, height, channels } = image, result = bytePicture(width, height, channels);
  const size = weights.length, half = size >> 1, length = width * channels;
  const rows = margined(height, half), read = marginedRows(image, half);
  const lines = new Int32Array(length * height), sums = new Int32Array(length);
  for (let y = 0; y < height; y++) {
    const row = read(y), line = lines.subarray(y * length, (y + 1) * length);
    for (let x = 0, at = half * channels; x < length; x++, at++) line[x] = weights[half] * row[at];
    for (let i = 0; i < half; i++) {
      const weight = weights[i], from = i * channels, to = (size - 1 - i) * channels;
      for (let x = 0; x < length; x++) line[x] += weight * (row[from + x] + row[to + x]);
    }
  }
  for (let y = 0; y < height; y++) {
    sums.fill(1 << 15); // a half, of what is shifted away
    for (let i = 0; i < half; i++) {
      const weight = weights[i], above = rows[y + i] * length, below = rows[y + size - 1 - i] * length;
      for (let x = 0; x < length; x++) sums[x] += weight * (lines[above + x] + lines[below + x]);
    }
    const middle = y * length, weight = weights[half];
    for (let x = 0, o = middle; x < length; x++, o++) {
      result.data[o] = (sums[x] + weight * lines[o]) >> 16;
    }
  }
  return result;
}

function blurredFloats(image, kernel) {
  const { width, height, channels } = image, result = floatPicture(width, height, channels);
  const weights = Float32Array.from(kernel), size = weights.length, length = width * channels;
  const lines = new Float32Array(length * height), read = marginedRows(image, size >> 1);
  for (let y = 0, o = 0; y < height; y++) {
    const row = read(y);
    for (let x = 0; x < length; x++, o++) {
      let sum = fround(0);
      for (let i = 0, at = x; i < size; i++, at += channels) sum = fround(sum + weights[i] * row[at]);
      lines[o] = sum;
    }
  }
  blurDown(lines, length, height, weights, result.data);
  return result;
}

/**
 * The second half of a Gaussian blur of floats: down the columns.
 *
 * @param {Float32Array} lines Rows that are blurred across, `row * height` values.
 * @param {number} row Values of a row.
 * @param {number} height Rows.
 * @param {Float32Array} weights An odd number of them, the same from both ends.
 * @param {Float32Array} out Where the result is put, as many as `lines`.
 */
export function blurDown(lines, row, height, weights, out) {
  const half = weights.length >> 1, rows = margined(height, half);
  for (let y = 0; y < height; y++) {
    const sums = out.subarray(y * row, (y + 1) * row), middle = y * row, central = weights[half];
    for (let x = 0; x < row; x++) sums[x] = central * lines[middle + x];
    for (let i = 1; i <= half; i++) {
      const weight = weights[half + i];
      const above = rows[y + half - i] * row, below = rows[y + half + i] * row;
      for (let x = 0; x < row; x++) {
        sums[x] = fround(sums[x] + weight * fround(lines[below + x] + lines[above + x]));
      }
    }
  }
}

/**
 * Grows the marked pixels of a mask by a shape that is convex and the same in all four quarters.
 *
 * @param {Picture} mask Bytes (H, W), 0 or 1.
 * @param {number[]} widths By how many columns it grows in its own row, in the next one above and
 *     below, and so on; they fall.
 * @returns {Picture} Bytes (H, W), 0 or 1.
 */
export function grown(mask, widths) {
  const { data, width, height } = mask, result = bytePicture(width, height);
  const out = result.data, most = widths[0] + 1;
  // By how many rows a pixel reaches that lies so many columns from a marked one, plus 1.
  const reaches = Uint8Array.from({ length: most + 1 }, (_, away) =>
    widths.filter((columns) => columns >= away).length);
  const reach = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    const start = y * width, end = start + width;
    for (let i = start, away = most; i < end; i++) {
      away = data[i] ? 0 : away < most ? away + 1 : most;
      reach[i] = away;
    }
    for (let i = end - 1, away = most; i >= start; i--) {
      away = Math.min(reach[i], away < most ? away + 1 : most);
      reach[i] = reaches[away];
    }
  }
  const left = new Uint8Array(width);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      const rows = Math.max(reach[i], left[x]);
      out[i] = rows > 0 ? 1 : 0;
      left[x] = rows > 0 ? rows - 1 : 0;
    }
  }
  left.fill(0);
  for (let y = height - 1, i = out.length - 1; y >= 0; y--) {
    for (let x = width - 1; x >= 0; x--, i--) {
      const rows = Math.max(reach[i], left[x]);
      if (rows > 0) out[i] = 1;
      left[x] = rows > 0 ? rows - 1 : 0;
    }
  }
  return result;
}

/**
 * The widths of an ellipse, as `cv2.getStructuringElement` has it, for `grown`.
 *
 * @param {number} side Odd number of pixels.
 * @returns {number[]}
 */
export function ellipseWidths(side) {
  const radius = side >> 1;
  return Array.from({ length: radius + 1 }, (_, down) =>
    rint(radius * Math.sqrt((radius * radius - down * down) / (radius * radius))));
}

/**
 * The pixels of a mask that hang together with one of them, corners counted in.
 *
 * @param {Picture} mask Bytes (H, W), 0 or 1.
 * @param {number} x Column.
 * @param {number} y Row.
 * @returns {?Picture} Bytes (H, W), 0 or 1; null where that pixel is 0.
 */
export function connectedRegion(mask, x, y) {
  const { data, width, height } = mask;
  if (!data[y * width + x]) return null;
  const region = bytePicture(width, height), out = region.data, seeds = [y * width + x];
  while (seeds.length > 0) {
    const seed = seeds.pop();
    if (out[seed]) continue;
    const row = Math.floor(seed / width), start = row * width;
    let first = seed, last = seed;
    while (first > start && data[first - 1]) first--;
    while (last < start + width - 1 && data[last + 1]) last++;
    out.fill(1, first, last + 1);
    const from = Math.max(first - 1, start) - start, to = Math.min(last + 1, start + width - 1) - start;
    for (const next of [row - 1, row + 1]) {
      if (next < 0 || next >= height) continue;
      for (let i = next * width + from, inRun = false; i <= next * width + to; i++) {
        const fits = data[i] && !out[i];
        if (fits && !inRun) seeds.push(i);
        inRun = fits;
      }
    }
  }
  return region;
}
