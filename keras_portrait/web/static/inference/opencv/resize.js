/**
 * `cv2.resize`, with the arithmetic of OpenCV's own code: 32-bit floats where it has them, and
 * whole numbers of 11 bits for bytes that are interpolated.
 */

import { blankLike, hasBytes, rint, writer } from "../picture.js";

/** @typedef {import("../picture.js").Picture} Picture */

const { fround } = Math;
const COEFFICIENT = 2048; // INTER_RESIZE_COEF_SCALE

/**
 * Means of the areas that the new pixels cover (INTER_AREA); neither side may grow.
 *
 * @param {Picture} image Bytes or floats.
 * @param {number} width New columns.
 * @param {number} height New rows.
 * @param {Picture} [result] Where the means are put, (height, width): floats take those of bytes,
 *     too, unrounded.
 * @returns {Picture} The result; of the same kind where none is given.
 */
export function resizeArea(image, width, height, result = blankLike(image, width, height)) {
  const across = image.width / width, down = image.height / height;
  if (Number.isInteger(across) && Number.isInteger(down)) wholeBlocks(image, result, across, down);
  else cutBlocks(image, result);
  return result;
}

/** Areas of whole pixels. */
function wholeBlocks(image, result, across, down) {
  if (hasBytes(result) && across === 2 && down === 2) return halved(image, result);
  const { data, width, channels } = image, out = writer(result);
  const row = width * channels, step = across * channels, length = result.width * channels;
  const share = fround(1 / (across * down)), sums = new Float32Array(length);
  for (let y = 0; y < result.height; y++) {
    sums.fill(0);
    for (let dy = 0; dy < down; dy++) {
      for (let dx = 0; dx < across; dx++) {
        let at = (y * down + dy) * row + dx * channels;
        for (let o = 0; o < length; at += step) {
          for (let k = 0; k < channels; k++, o++) sums[o] = fround(sums[o] + data[at + k]);
        }
      }
    }
    for (let o = 0, i = y * length; o < length; o++, i++) out[i] = fround(sums[o] * share);
  }
}

/** Bytes at half the size; halves of a level are rounded up. */
function halved({ data, width, channels }, result) {
  const row = width * channels, length = result.width * channels, out = result.data;
  for (let y = 0, i = 0; y < result.height; y++) {
    for (let at = 2 * y * row, end = i + length; i < end; at += channels) {
      for (let k = 0; k < channels; k++, i++, at++) {
        const below = at + row;
        out[i] = (data[at] + data[at + channels] + data[below] + data[below + channels] + 2) >> 2;
      }
    }
  }
}

/** Which pixels each new one covers along an axis, and by what share: first, count, shares. */
function coverage(length, newLength) {
  const scale = length / newLength, most = Math.ceil(scale) + 2;
  const first = new Int32Array(newLength), count = new Int32Array(newLength);
  const shares = new Float32Array(newLength * most);
  for (let i = 0; i < newLength; i++) {
    const start = i * scale, stop = start + scale, cell = Math.min(scale, length - start);
    const last = Math.min(Math.floor(stop), length - 1);
    const whole = Math.min(Math.ceil(start), last);
    let n = 0;
    first[i] = whole;
    if (whole - start > 1e-3) {
      first[i] = whole - 1;
      shares[i * most + n++] = (whole - start) / cell;
    }
    for (let at = whole; at < last; at++) shares[i * most + n++] = 1 / cell;
    if (stop - last > 1e-3) {
      shares[i * most + n++] = Math.min(Math.min(stop - last, 1), cell) / cell;
    }
    count[i] = n;
  }
  return { first, count, shares, most };
}

/** Areas with cut pixels: rows are averaged one by one and added up. */
function cutBlocks(image, result) {
  const { data, channels } = image, { width, height } = result;
  const out = writer(result), row = image.width * channels, length = width * channels;
  const columns = coverage(image.width, width), rows = coverage(image.height, height);
  const line = new Float32Array(length), sum = new Float32Array(length);
  const average = channels === 3 ? averageRgbRow : averageRow;
  let averaged = -1; // neighbours share the row that is cut between them
  for (let y = 0; y < height; y++) {
    for (let n = 0; n < rows.count[y]; n++) {
      const from = rows.first[y] + n, share = rows.shares[y * rows.most + n];
      if (from !== averaged) average(data, from * row, columns, line, channels);
      averaged = from;
      if (n === 0) for (let i = 0; i < length; i++) sum[i] = fround(share * line[i]);
      else for (let i = 0; i < length; i++) sum[i] = fround(sum[i] + fround(share * line[i]));
    }
    out.set(sum, y * length);
  }
  return result;
}

function averageRow(data, from, columns, line, channels) {
  const { first, count, shares, most } = columns;
  for (let x = 0, o = 0; x < first.length; x++) {
    for (let k = 0; k < channels; k++, o++) {
      let value = 0;
      for (let n = 0, at = from + first[x] * channels + k; n < count[x]; n++, at += channels) {
        value = fround(value + fround(data[at] * shares[x * most + n]));
      }
      line[o] = value;
    }
  }
}

function averageRgbRow(data, from, columns, line) {
  const { first, count, shares, most } = columns;
  for (let x = 0, o = 0; x < first.length; x++, o += 3) {
    let red = fround(0), green = fround(0), blue = fround(0);
    const end = x * most + count[x];
    for (let n = x * most, at = from + first[x] * 3; n < end; n++, at += 3) {
      const share = shares[n];
      red = fround(red + fround(data[at] * share));
      green = fround(green + fround(data[at + 1] * share));
      blue = fround(blue + fround(data[at + 2] * share));
    }
    line[o] = red;
    line[o + 1] = green;
    line[o + 2] = blue;
  }
}

/**
 * Linear interpolation (INTER_LINEAR).
 *
 * @param {Picture} image Bytes or floats.
 * @param {number} width New columns.
 * @param {number} height New rows.
 * @param {{left: number, top: number, right: number, bottom: number}} [area] The part of the result
 *     that is computed, as `cropped` takes it; all where none is given.
 * @returns {Picture} The same kind, as large as the area.
 */
export function resizeLinear(image, width, height, area) {
  return interpolated(image, width, height, 2, (part) => [fround(1 - part), part], area);
}

/**
 * Bicubic interpolation (INTER_CUBIC, a = -0.75).
 *
 * @param {Picture} image Bytes or floats.
 * @param {number} width New columns.
 * @param {number} height New rows.
 * @returns {Picture} The same kind, (height, width).
 */
export function resizeCubic(image, width, height) {
  return interpolated(image, width, height, 4, cubicWeights);
}

/**
 * Weights of the four pixels around a point between the second and the third.
 *
 * @param {number} part Distance from the second, [0, 1).
 * @returns {number[]} Four weights; their sum is 1.
 */
export function cubicWeights(part) {
  const first = outerWeight(part), second = innerWeight(part), fourth = outerWeight(1 - part);
  return [first, second, 1 - first - second - fourth, fourth];
}

/**
 * The weight of the first of the four pixels.
 *
 * @param {number} part Distance from the second, [0, 1).
 * @returns {number}
 */
export function outerWeight(part) {
  return -0.75 * part * (1 - part) * (1 - part);
}

/**
 * The weight of the second of the four pixels.
 *
 * @param {number} part Distance from it, [0, 1).
 * @returns {number}
 */
export function innerWeight(part) {
  return (1.25 * part - 2.25) * part * part + 1;
}

/**
 * For each new place of an axis from `first` to `stop` the pixels that it is made of, and their
 * weights. Beyond the ends the last pixel is repeated; where `whole`, it then has all of the
 * weight, which rounds otherwise.
 */
function taps(length, newLength, count, weigh, first, stop, whole) {
  const indices = new Int32Array((stop - first) * count);
  const weights = new Float32Array(indices.length);
  const scale = 1 / (newLength / length), before = count / 2 - 1;
  for (let i = first, o = 0; i < stop; i++) {
    const place = fround((i + 0.5) * scale - 0.5);
    let from = Math.floor(place), part = fround(place - from);
    if (whole && (from < 0 || from >= length - 1)) {
      from = from < 0 ? 0 : length - 1;
      part = 0;
    }
    const weight = weigh(part);
    for (let k = 0; k < count; k++, o++) {
      indices[o] = Math.min(Math.max(from + k - before, 0), length - 1);
      weights[o] = weight[k];
    }
  }
  return { indices, weights };
}

function interpolated(image, width, height, count, weigh, area) {
  const { left, top, right, bottom } = area ?? { left: 0, top: 0, right: width, bottom: height };
  const columns = taps(image.width, width, count, weigh, left, right, count === 2);
  const rows = taps(image.height, height, count, weigh, top, bottom, false);
  const bytes = hasBytes(image), Line = bytes ? Int32Array : Float32Array;
  if (bytes) for (const axis of [columns, rows]) axis.weights = Line.from(axis.weights, inSteps);
  const length = (right - left) * image.channels, row = image.width * image.channels;
  // The last rows that were interpolated across, at their number modulo as many as are kept.
  const kept = Array.from({ length: count }, () => new Line(length));
  const number = new Int32Array(count).fill(-1), lines = new Array(count);
  const across = count === 4 ? cubicRow : bytes ? linearByteRow : linearRow;
  const down = count === 4 ? cubicLines : bytes ? linearByteLines : linearLines;
  const result = blankLike(image, right - left, bottom - top), out = writer(result);
  for (let y = 0; y < result.height; y++) {
    for (let k = 0; k < count; k++) {
      const from = rows.indices[y * count + k], at = from % count;
      if (number[at] !== from) across(image.data, from * row, columns, kept[at], image.channels);
      number[at] = from;
      lines[k] = kept[at];
    }
    let weights = rows.weights.subarray(y * count, (y + 1) * count);
    if (bytes && count === 4) weights = Array.from(weights, asShare);
    down(lines, weights, out, y * length, length);
  }
  return result;
}

const inSteps = (weight) => rint(fround(weight * COEFFICIENT));
const asShare = (weight) => weight / (COEFFICIENT * COEFFICIENT);

function linearRow(data, start, { indices, weights }, line, channels) {
  for (let i = 0, o = 0; o < line.length; i += 2) {
    let left = start + indices[i] * channels, right = start + indices[i + 1] * channels;
    const a = weights[i], b = weights[i + 1];
    for (let k = 0; k < channels; k++) {
      line[o++] = fround(fround(data[left++] * a) + fround(data[right++] * b));
    }
  }
}

function linearByteRow(data, start, { indices, weights }, line, channels) {
  for (let i = 0, o = 0; o < line.length; i += 2) {
    let left = start + indices[i] * channels, right = start + indices[i + 1] * channels;
    const a = weights[i], b = weights[i + 1];
    for (let k = 0; k < channels; k++) line[o++] = data[left++] * a + data[right++] * b;
  }
}

function cubicRow(data, start, { indices, weights }, line, channels) {
  for (let i = 0, o = 0; o < line.length; i += 4) {
    for (let k = 0, from = start; k < channels; k++, from++) {
      const a = fround(data[from + indices[i] * channels] * weights[i]);
      const b = fround(data[from + indices[i + 1] * channels] * weights[i + 1]);
      const c = fround(data[from + indices[i + 2] * channels] * weights[i + 2]);
      const d = fround(data[from + indices[i + 3] * channels] * weights[i + 3]);
      line[o++] = fround(fround(fround(a + b) + c) + d);
    }
  }
}

function linearLines([upper, lower], [a, b], out, start, length) {
  for (let i = 0; i < length; i++) {
    out[start + i] = fround(fround(upper[i] * a) + fround(lower[i] * b));
  }
}

/** The sums are cut to 16 bits on the way, as the vector units of processors multiply them. */
function linearByteLines([upper, lower], [a, b], out, start, length) {
  for (let i = 0; i < length; i++) {
    out[start + i] = ((((upper[i] >> 4) * a) >> 16) + (((lower[i] >> 4) * b) >> 16) + 2) >> 2;
  }
}

function cubicLines([first, second, third, fourth], [a, b, c, d], out, start, length) {
  for (let i = 0; i < length; i++) {
    const low = fround(fround(third[i] * c) + fround(fourth[i] * d));
    out[start + i] = fround(fround(first[i] * a) + fround(fround(second[i] * b) + low));
  }
}
