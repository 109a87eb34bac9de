/**
 * Blurs, growing and regions of OpenCV: `cv2.GaussianBlur`, `cv2.dilate`,
 * `cv2.connectedComponents`.
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

/**
 * Reads rows with a margin at both ends: a function of the row's number that returns its values.
 */
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
      const above = rows[y + i] * length, below = rows[y + size - 1 - i] * length;
      const weight = weights[i];
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
      for (let i = 0, at = x; i < size; i++, at += channels) {
        sum = fround(sum + weights[i] * row[at]);
      }
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
  const half = weights.length >> 1, rows = margined(height, half), central = weights[half];
  for (let y = 0; y < height; y++) {
    const start = y * row, end = start + row;
    for (let o = start; o < end; o++) out[o] = central * lines[o];
    for (let i = 1; i <= half; i++) {
      const weight = weights[half + i];
      let above = rows[y + half - i] * row, below = rows[y + half + i] * row;
      for (let o = start; o < end; o++, above++, below++) {
        out[o] = fround(out[o] + weight * fround(lines[below] + lines[above]));
      }
    }
  }
}

/**
 * What a mask is grown by: convex, and the same in all four quarters.
 *
 * @typedef {Object} Shape
 * @property {number} half Columns that it reaches to each side.
 * @property {Uint8Array} reaches For the marks that lie so near in a row, the first one as the
 *     highest bit: by how many rows they reach, plus 1.
 */

/**
 * By how many columns a shape reaches in its own row, in the next one, and so on: falling numbers.
 */
function shapeOf(widths) {
  const half = widths[0], reaches = new Uint8Array(1 << (2 * half + 1));
  for (let marks = 0; marks < reaches.length; marks++) {
    const reach = (columns) => (marks >> (half - columns)) & ((2 << (2 * columns)) - 1);
    reaches[marks] = widths.filter(reach).length;
  }
  return { half, reaches };
}

/**
 * A box, as a shape for `grown`.
 *
 * @param {number} side Odd number of pixels, up to 15.
 * @returns {Shape}
 */
export function box(side) {
  const half = side >> 1;
  return shapeOf(new Array(half + 1).fill(half));
}

/**
 * An ellipse as `cv2.getStructuringElement` has it, as a shape for `grown`.
 *
 * @param {number} side Odd number of pixels, up to 15.
 * @returns {Shape}
 */
export function ellipse(side) {
  const radius = side >> 1, square = radius * radius;
  return shapeOf(Array.from({ length: radius + 1 }, (_, down) =>
    rint(radius * Math.sqrt((square - down * down) / square))));
}

/**
 * Grows the marked pixels of a mask (`cv2.dilate`).
 *
 * @param {Picture} mask Bytes (H, W), 0 or 1.
 * @param {Shape} shape By what.
 * @returns {Picture} Bytes (H, W), 0 or 1.
 */
export function grown(mask, { half, reaches }) {
  const { data, width, height } = mask, result = bytePicture(width, height), out = result.data;
  const most = reaches.length - 1;
  const reach = new Uint8Array(width * height);
  for (let y = 0, i = 0; y < height; y++) {
    const start = y * width;
    let marks = 0;
    for (let x = 0; x < half && x < width; x++) marks = (marks << 1) | data[start + x];
    if (width < half) marks <<= half - width;
    for (let x = half; x < width; x++, i++) {
      marks = ((marks << 1) | data[start + x]) & most;
      reach[i] = reaches[marks];
    }
    for (let x = Math.max(0, width - half); x < width; x++, i++) {
      marks = (marks << 1) & most;
      reach[i] = reaches[marks];
    }
  }
  const left = new Uint8Array(width);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      const rows = reach[i] > left[x] ? reach[i] : left[x];
      out[i] = rows > 0 ? 1 : 0;
      left[x] = rows > 0 ? rows - 1 : 0;
    }
  }
  left.fill(0);
  for (let y = height - 1; y >= 0; y--) {
    for (let x = 0, i = y * width; x < width; x++, i++) {
      const rows = reach[i] > left[x] ? reach[i] : left[x];
      if (rows > 0) {
        out[i] = 1;
        left[x] = rows - 1;
      }
    }
  }
  return result;
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
    const from = Math.max(first - 1, start) - start;
    const to = Math.min(last + 1, start + width - 1) - start;
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
