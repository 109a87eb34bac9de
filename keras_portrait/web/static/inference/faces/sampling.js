/**
 * The pixels that the nets of the face detector see: reduced photos and patches, as
 * `keras_portrait.inference.faces.sampling`.
 */

import { cropped, floatPicture } from "../picture.js";
import { resizeArea } from "../opencv/resize.js";

/** @typedef {import("../picture.js").Picture} Picture */

const { fround } = Math;

// So that the integral image of a large photo is never in memory as a whole.
const SUM_PIXELS = 4_000_000;
// Photo pixels that are averaged in the time in which one area is read from the integral image.
const PIXELS_PER_AREA = 18;

/**
 * Reduces one photo to several sizes; each new pixel is the mean of the area it covers.
 *
 * Small sizes are read from the photo's integral image, which serves all of them.
 */
export class AreaSums {
  #photo;
  #sumPixels;
  #whole;

  /**
   * @param {Picture} photo Bytes, RGB.
   * @param {number} [sumPixels] Pixels that are summed up at a time, which bounds the memory.
   */
  constructor(photo, sumPixels = SUM_PIXELS) {
    this.#photo = photo;
    this.#sumPixels = sumPixels;
    this.#whole = photo.width * photo.height <= sumPixels ? integral(photo) : null;
  }

  /**
   * The photo in another size; neither side may grow.
   *
   * @param {number} height New rows.
   * @param {number} width New columns.
   * @returns {Picture} Floats, RGB in [0, 255].
   */
  shrink(height, width) {
    const photo = this.#photo, result = floatPicture(width, height, 3);
    const columns = evenEdges(photo.width, width), rows = evenEdges(photo.height, height);
    if (this.#whole !== null) {
      if (height * width * PIXELS_PER_AREA >= photo.width * photo.height) {
        return resizeArea(photo, width, height, result);
      }
      areaMeans(this.#whole, photo.width, rows, 0, photo.height, columns, result.data, 0);
      return result;
    }
    const step = Math.max(1, Math.trunc(this.#sumPixels / (photo.width * rows[1])) - 1);
    for (let first = 0; first < height; first += step) {
      const edges = rows.subarray(first, Math.min(first + step, height) + 1);
      const top = Math.trunc(edges[0]), bottom = Math.ceil(edges[edges.length - 1]);
      const sums = integral(cropped(photo, 0, top, photo.width, bottom));
      const start = first * width * 3;
      areaMeans(sums, photo.width, edges, top, bottom - top, columns, result.data, start);
    }
    return result;
  }
}

/** Edges of equal cells: Float64Array (count + 1), from 0 to length. */
function evenEdges(length, count) {
  const step = length / count;
  return Float64Array.from({ length: count + 1 }, (_, i) => (i === count ? length : i * step));
}

/** Sums of all pixels above and left of each corner, (H + 1) rows of (W + 1) times 3. */
function integral({ data, width, height }) {
  const row = (width + 1) * 3, sums = new Int32Array((height + 1) * row);
  for (let y = 0, i = 0, o = row + 3; y < height; y++, o += 3) {
    let red = 0, green = 0, blue = 0;
    for (let x = 0; x < width; x++, i += 3, o += 3) {
      sums[o] = sums[o - row] + (red += data[i]);
      sums[o + 1] = sums[o + 1 - row] + (green += data[i + 1]);
      sums[o + 2] = sums[o + 2 - row] + (blue += data[i + 2]);
    }
  }
  return sums;
}

/**
 * Means over the cells between edges, from an integral image of `height` rows that begins at the
 * photo's row `top`.
 */
function areaMeans(sums, width, rows, top, height, columns, out, start) {
  const count = columns.length, row = (width + 1) * 3, length = (count - 1) * 3;
  const cells = 1 / ((rows[1] - rows[0]) * (columns[1] - columns[0]));
  const lefts = Int32Array.from(columns, (edge) => Math.min(Math.trunc(edge), width - 1));
  let above = new Float64Array(count * 3), line = new Float64Array(count * 3);
  for (let y = 0, o = start; y < rows.length; y++) {
    const edge = rows[y] - top, upper = Math.min(Math.trunc(edge), height - 1), down = edge - upper;
    for (let x = 0, i = 0; x < count; x++) {
      const part = columns[x] - lefts[x];
      for (let k = 0, at = upper * row + lefts[x] * 3; k < 3; k++, at++, i++) {
        const high = sums[at] + part * (sums[at + 3] - sums[at]);
        const low = sums[at + row] + part * (sums[at + row + 3] - sums[at + row]);
        line[i] = high + (low - high) * down;
      }
    }
    if (y > 0) {
      for (let i = 0; i < length; i++) {
        out[o++] = (line[i + 3] - above[i + 3] - (line[i] - above[i])) * cells;
      }
    }
    [above, line] = [line, above];
  }
}

/**
 * What the nets take; works in place.
 *
 * @param {Float32Array} pixels In [0, 255].
 * @returns {Float32Array} The same array in [-1, 1].
 */
export function normalize(pixels) {
  for (let i = 0; i < pixels.length; i++) pixels[i] = fround(pixels[i] - 127.5) * 0.0078125;
  return pixels;
}

/**
 * Cuts boxes out of a photo and resizes them, with linear interpolation between pixels.
 *
 * @param {Picture} photo Bytes, RGB.
 * @param {number[][]} boxes [left, top, right, bottom] each, pixels of the photo.
 * @param {number} size Side of the patches in pixels.
 * @returns {Float32Array} (N, size, size, 3), (value - 127.5) / 128; 0 outside of the photo.
 */
export function cutPatches(photo, boxes, size) {
  const { data, width, height } = photo, patches = new Float32Array(boxes.length * size * size * 3);
  const x = sampledAxis(size), y = sampledAxis(size), row = width * 3;
  boxes.forEach(([left, top, right, bottom], n) => {
    sample(x, left, right, width);
    sample(y, top, bottom, height);
    for (let j = 0, o = n * size * size * 3; j < size; j++) {
      const upper = y.before[j] * row, lower = y.after[j] * row, down = y.part[j];
      for (let i = 0; i < size; i++) {
        if (!x.inside[i] || !y.inside[j]) {
          o += 3;
          continue;
        }
        const near = x.before[i] * 3, far = x.after[i] * 3, across = x.part[i];
        for (let k = 0; k < 3; k++, o++) {
          const p = data[upper + near + k], q = data[lower + near + k];
          const high = fround(p + fround(across * (data[upper + far + k] - p)));
          const low = fround(q + fround(across * (data[lower + far + k] - q)));
          const value = fround(high + fround(fround(low - high) * down));
          patches[o] = fround(value - 127.5) * 0.0078125;
        }
      }
    }
  });
  return patches;
}

function sampledAxis(size) {
  return {
    before: new Int32Array(size),
    after: new Int32Array(size),
    part: new Float32Array(size),
    inside: new Uint8Array(size),
  };
}

/**
 * Where a patch reads along one axis. The scale (length - 1) / length, by which boxes shrink
 * towards the origin, is that of the package the weights come with.
 */
function sample(axis, first, last, length) {
  const size = axis.before.length, from = fround(first / length), to = fround(last / length);
  const step = fround(fround(fround(to - from) * (length - 1)) / (size - 1));
  const start = fround(from * (length - 1));
  for (let i = 0; i < size; i++) {
    const place = fround(start + fround(i * step));
    const inside = place >= 0 && place <= length - 1, before = inside ? Math.trunc(place) : 0;
    axis.inside[i] = inside ? 1 : 0;
    axis.before[i] = before;
    axis.after[i] = Math.min(before + 1, length - 1);
    axis.part[i] = inside ? fround(place - before) : 0;
  }
}
