/** Ranges, sizes and sheets of pictures, as `keras_portrait.inference.imaging`. */

import { bytePicture, copied, picture, rint, writer } from "./picture.js";
import { resizeArea, resizeCubic } from "./opencv/resize.js";

/** @typedef {import("./picture.js").Picture} Picture */

const { fround } = Math;

// Gray level at which an enlarged line has its edge, and the most that it is steepened around it.
const INK_EDGE = 150;
const MOST_STEEPENING = 4;

/**
 * Bytes as a network takes them.
 *
 * @param {Uint8Array} values 0..255.
 * @param {Float32Array} [result] Where to put them; as many, a new one where none is given.
 * @returns {Float32Array} The same in [-1, 1].
 */
export function toSigned(values, result = new Float32Array(values.length)) {
  for (let i = 0; i < values.length; i++) result[i] = SIGNED[values[i]];
  return result;
}

const SIGNED = Float32Array.from({ length: 256 }, (_, level) => fround(level / 127.5) - 1);

/**
 * What a network returns as bytes, rounded and clipped.
 *
 * @param {Float32Array} values In [-1, 1].
 * @returns {Uint8Array} 0..255.
 */
export function fromSigned(values) {
  const result = new Uint8ClampedArray(values.length); // which rounds as NumPy does
  for (let i = 0; i < values.length; i++) result[i] = fround(fround(values[i] + 1) * 127.5);
  return new Uint8Array(result.buffer);
}

/**
 * Resizes a picture: each side by area averages where it shrinks, bicubic where it grows.
 *
 * @param {Picture} image Bytes or floats.
 * @param {number} width New width in pixels, at least 1.
 * @param {number} height New height in pixels, at least 1.
 * @returns {Picture} The same kind, (height, width).
 */
export function resize(image, width, height) {
  if (width === image.width && height === image.height) return copied(image);
  const narrower = width < image.width, lower = height < image.height;
  if ((narrower && height > image.height) || (lower && width > image.width)) {
    return resize(resize(image, width, image.height), width, height);
  }
  return (narrower || lower ? resizeArea : resizeCubic)(image, width, height);
}

/**
 * A picture with a longest side of `side` pixels at most; a smaller one stays as it is.
 *
 * @param {Picture} image Bytes or floats.
 * @param {number} side Pixels, at least 1.
 * @returns {Picture} The same kind.
 */
export function reduced(image, side) {
  const ratio = Math.min(1, side / Math.max(image.height, image.width));
  return resize(
    image, Math.max(1, rint(image.width * ratio)), Math.max(1, rint(image.height * ratio)),
  );
}

/**
 * Resizes a drawing so that its lines stay as sharp as they were.
 *
 * @param {Picture} drawing Bytes (H, W), dark lines on white.
 * @param {number} width Columns of the result.
 * @param {number} height Rows of the result.
 * @returns {Picture} Bytes (height, width); what does not grow is only resized.
 */
export function enlargeDrawing(drawing, width, height) {
  const factor = Math.min(width / drawing.width, height / drawing.height);
  const resized = resize(drawing, width, height);
  if (factor <= 1) return resized;
  const steepness = fround(Math.min(factor, MOST_STEEPENING));
  const curve = new Uint8ClampedArray(256);
  for (let level = 0; level < 256; level++) {
    curve[level] = fround(fround((level - INK_EDGE) * steepness) + INK_EDGE);
  }
  const { data } = resized;
  for (let i = 0; i < data.length; i++) data[i] = curve[data[i]];
  return resized;
}

/**
 * A picture with three channels.
 *
 * @param {Picture} image Bytes, 1, 3 or 4 channels; what is transparent lies over white.
 * @returns {Picture} RGB; the picture itself where it is that already.
 */
export function asRgb(image) {
  if (image.channels === 3) return image;
  const { data, width, height } = image, result = bytePicture(width, height, 3);
  const bytes = result.data, rounded = writer(result);
  if (image.channels === 1) {
    for (let i = 0, j = 0; i < data.length; i++, j += 3) {
      bytes[j] = bytes[j + 1] = bytes[j + 2] = data[i];
    }
    return result;
  }
  for (let i = 0, j = 0; i < data.length; i += 4, j += 3) {
    if (data[i + 3] === 255) {
      bytes[j] = data[i];
      bytes[j + 1] = data[i + 1];
      bytes[j + 2] = data[i + 2];
      continue;
    }
    const alpha = fround(data[i + 3] / 255), paper = fround(255 * fround(1 - alpha));
    for (let k = 0; k < 3; k++) rounded[j + k] = fround(fround(data[i + k] * alpha) + paper);
  }
  return result;
}

/**
 * Lays pictures out as a sheet, row by row.
 *
 * @param {Picture[]} images Bytes, gray or RGB; the largest sets the cell.
 * @param {number} columns Pictures in a row.
 * @param {number} [gap] Pixels between cells.
 * @param {number} [fill] Gray value 0..255 of gaps and empty cells.
 * @returns {Picture} Bytes, RGB.
 */
export function grid(images, columns, gap = 4, fill = 255) {
  const cells = images.map(asRgb);
  const cellHeight = Math.max(...cells.map((cell) => cell.height));
  const cellWidth = Math.max(...cells.map((cell) => cell.width));
  const across = Math.min(columns, cells.length), rows = Math.ceil(cells.length / across);
  const sheet = bytePicture(
    across * (cellWidth + gap) - gap, rows * (cellHeight + gap) - gap, 3, fill,
  );
  cells.forEach((cell, index) => {
    const top = Math.floor(index / across) * (cellHeight + gap);
    layOn(sheet, cell, (index % across) * (cellWidth + gap), top);
  });
  return sheet;
}

/**
 * Writes a picture over a part of another.
 *
 * @param {Picture} sheet What is written to.
 * @param {Picture} image Of the same kind; it must fit.
 * @param {number} left Column of its first pixel.
 * @param {number} top Row of its first pixel.
 */
export function layOn(sheet, image, left, top) {
  const row = image.width * image.channels;
  for (let y = 0; y < image.height; y++) {
    const start = ((top + y) * sheet.width + left) * sheet.channels;
    sheet.data.set(image.data.subarray(y * row, (y + 1) * row), start);
  }
}

/**
 * The picture of a canvas.
 *
 * @param {ImageData} pixels RGBA, what is transparent lies over white.
 * @returns {Picture} Bytes, RGB.
 */
export function fromImageData(pixels) {
  return asRgb(picture(pixels.data, pixels.width, pixels.height, 4));
}

/**
 * The pixels that a canvas takes (`new ImageData(...)`), opaque.
 *
 * @param {Picture} image Bytes, gray or RGB.
 * @returns {Uint8ClampedArray} RGBA, `height * width * 4` values.
 */
export function toRgba(image) {
  const { data, channels } = image, count = image.width * image.height;
  const words = new Uint32Array(count); // of the byte order that all browsers run on
  if (channels === 1) {
    for (let i = 0; i < count; i++) words[i] = (0xff000000 | (data[i] * 0x010101)) >>> 0;
  } else {
    for (let i = 0, j = 0; i < count; i++, j += 3) {
      words[i] = (0xff000000 | (data[j + 2] << 16) | (data[j + 1] << 8) | data[j]) >>> 0;
    }
  }
  return new Uint8ClampedArray(words.buffer);
}
