/**
 * Where a face lies: similarity transforms, warping, pasting back, as
 * `keras_portrait.inference.geometry`.
 *
 * Points are [x, y] in pixels, 0-based, with pixel centres at integers. A transform is an array of
 * 6 numbers, row by row, that maps (x, y, 1) to (x, y). `squareToPhoto` always maps the aligned
 * square to the photo.
 */

import { bytePicture, copied, cropped, floatPicture, rint, writer } from "./picture.js";
import { resize } from "./imaging.js";
import { warpCubic, warpLinear } from "./opencv/warp.js";

/** @typedef {import("./picture.js").Picture} Picture */

const { fround } = Math;

/**
 * Left eye, right eye, nose tip, left and right mouth corner as seen in the picture, 1-based pixels
 * of a 512 x 512 square: the alignment of Yi et al., CVPR 2020.
 */
export const TEMPLATE_512 = [
  [201.142857, 246.857143],
  [310.857143, 246.857143],
  [256.0, 311.771429],
  [206.628571, 370.834286],
  [305.371429, 370.834286],
];

/** The longer side in pixels at which a drawing is shown to the face detector. */
export const DRAWING_DETECTION_SIDE = 320;

/**
 * The five template points in an aligned square.
 *
 * @param {number} size Side of the square in pixels.
 * @returns {number[][]} Five [x, y], 0-based.
 */
export function faceTemplate(size) {
  return TEMPLATE_512.map((point) => point.map((value) => ((value - 0.5) * size) / 512 - 0.5));
}

/**
 * Least-squares similarity (turn, scale, shift, no mirror) that maps source to target.
 *
 * @param {number[][]} source Two points at least.
 * @param {number[][]} target As many.
 * @returns {number[]} Six numbers.
 * @throws {RangeError} Points that are not finite, or source points that all coincide.
 */
export function fitSimilarity(source, target) {
  if (![...source, ...target].every((point) => point.every(Number.isFinite))) {
    throw new RangeError("Landmarks must be finite numbers. Received: NaN or infinity");
  }
  const [sx, sy] = mean(source), [tx, ty] = mean(target);
  let spread = 0, real = 0, imaginary = 0;
  source.forEach(([x, y], i) => {
    const u = x - sx, v = y - sy, p = target[i][0] - tx, q = target[i][1] - ty;
    spread += u * u + v * v;
    real += u * p + v * q;
    imaginary += u * q - v * p;
  });
  if (spread === 0) {
    throw new RangeError("Landmarks must not all be the same point. Received: one point");
  }
  const a = real / spread, b = imaginary / spread;
  return [a, -b, tx - (a * sx - b * sy), b, a, ty - (a * sy + b * sx)];
}

function mean(points) {
  const sum = points.reduce(([x, y], point) => [x + point[0], y + point[1]], [0, 0]);
  return sum.map((value) => value / points.length);
}

/**
 * The transform from an aligned size x size square to the photo, fitted from the template to the
 * landmarks.
 *
 * @param {number[][]} landmarks Five [x, y], pixels of the photo, in the order of `TEMPLATE_512`.
 * @param {number} size Side of the square in pixels.
 * @returns {number[]} Six numbers.
 * @throws {RangeError} Landmarks that are not five finite points.
 */
export function squareToPhoto(landmarks, size) {
  if (landmarks.length !== 5) {
    throw new RangeError(`Landmarks must be five points. Received: ${landmarks.length}`);
  }
  return fitSimilarity(faceTemplate(size), landmarks);
}

/**
 * Points mapped through a transform.
 *
 * @param {number[][]} points [x, y] each.
 * @param {number[]} matrix Six numbers.
 * @returns {number[][]} As many.
 */
export function transformPoints(points, matrix) {
  const [a, b, c, d, e, f] = matrix;
  return points.map(([x, y]) => [a * x + b * y + c, d * x + e * y + f]);
}

/**
 * The inverse of a similarity.
 *
 * @param {number[]} matrix Six numbers.
 * @returns {number[]} Six numbers.
 */
export function invert(matrix) {
  const [a, b, c, d, e, f] = matrix, determinant = a * e - b * d;
  const inverse = determinant === 0 ? 0 : 1 / determinant;
  const p = e * inverse, q = b * -inverse, r = d * -inverse, s = a * inverse;
  return [p, q, -p * c - q * f, r, s, -r * c - s * f];
}

/**
 * Pixels of the target for each pixel of the source.
 *
 * @param {number[]} matrix Six numbers.
 * @returns {number}
 */
export function scaleOf(matrix) {
  return Math.hypot(matrix[0], matrix[3]);
}

/**
 * Cuts the aligned square out of a photo: bilinear, averaged over areas first where it shrinks by
 * more than 2.
 *
 * @param {Picture} photo Bytes, gray or RGB.
 * @param {number[]} squareToPhoto Six numbers.
 * @param {number} size Side of the square in pixels.
 * @param {?number} [fill] Value outside of the photo, 0..255; null mirrors the photo at its edges.
 * @returns {Picture} Bytes (size, size).
 */
export function warp(photo, squareToPhoto, size, fill = 255) {
  // Bilinear interpolation reads the next pixel, the area average those of two steps.
  const margin = 2 * scaleOf(squareToPhoto) + 2;
  const [window, shifted] = touchedWindow(photo, squareToPhoto, size, margin);
  if (window.data.length === 0) return bytePicture(size, size, photo.channels, fill ?? 255);
  const [small, matrix] = prefiltered(window, shifted);
  return warpLinear(small, matrix, size, size, fill);
}

/**
 * The part of a photo that an aligned square can touch.
 *
 * @param {Picture} photo Any.
 * @param {number[]} squareToPhoto Six numbers.
 * @param {number} size Side of the square in pixels.
 * @param {number} margin Pixels of the photo to be had around the square too.
 * @returns {[Picture, number[]]} The part, empty where the square lies outside, and the transform to
 *     its pixels.
 */
export function touchedWindow(photo, squareToPhoto, size, margin) {
  const { left, top, right, bottom } = extent(squareToPhoto, size, margin, photo);
  const matrix = [...squareToPhoto];
  matrix[2] -= left;
  matrix[5] -= top;
  return [cropped(photo, left, top, right, bottom), matrix];
}

/**
 * The photo's pixels that a square covers.
 *
 * @param {number[]} matrix Six numbers, from pixels of the square to those of the photo.
 * @param {number} size Side of the square in pixels.
 * @param {number} margin Pixels of the photo to be counted in around the square.
 * @param {{width: number, height: number}} photo Its sides in pixels.
 * @returns {{left: number, top: number, right: number, bottom: number}} As `cropped` takes them.
 */
export function extent(matrix, size, margin, photo) {
  const low = -0.5, high = size - 0.5;
  const corners = transformPoints([[low, low], [high, low], [high, high], [low, high]], matrix);
  const limited = (value, limit) => Math.min(Math.max(value, 0), limit);
  const first = (axis, limit) =>
    limited(Math.floor(Math.min(...corners.map((corner) => corner[axis])) - margin), limit);
  const last = (axis, limit) =>
    limited(Math.ceil(Math.max(...corners.map((corner) => corner[axis])) + margin) + 1, limit);
  return {
    left: first(0, photo.width),
    top: first(1, photo.height),
    right: last(0, photo.width),
    bottom: last(1, photo.height),
  };
}

/** The image shrunk so that `matrix` (to the image) skips at most 2 of its pixels a step. */
function prefiltered(image, matrix) {
  const scale = scaleOf(matrix);
  if (scale <= 2) return [image, matrix];
  const { width, height } = image;
  const small = resize(
    image, Math.max(1, rint(width / scale)), Math.max(1, rint(height / scale)),
  );
  const across = small.width / width, down = small.height / height;
  const [a, b, c, d, e, f] = matrix;
  // Pixel centres lie at integers: p' = (p + 1/2) ratio - 1/2.
  return [small, [
    a * across, b * across, c * across + (across - 1) / 2,
    d * down, e * down, f * down + (down - 1) / 2,
  ]];
}

/**
 * Puts an aligned square back at its place in the photo, bicubic where it grows.
 *
 * @param {Picture} canvas Bytes, RGB, as large as the photo; it stays as it is.
 * @param {Picture} square Bytes (S, S), gray or RGB.
 * @param {number[]} squareToPhoto Six numbers, as the square was cut out.
 * @param {number} [feather] Width of the soft edge as a part of the square's side.
 * @returns {Picture} Bytes, RGB: the canvas with the square on it.
 */
export function pasteBack(canvas, square, squareToPhoto, feather = 0.06) {
  const size = square.height, result = copied(canvas);
  const { left, top, right, bottom } = extent(squareToPhoto, size, 0, canvas);
  if (left >= right || top >= bottom) return result;
  const toSquare = invert(squareToPhoto);
  toSquare[2] += toSquare[0] * left + toSquare[1] * top;
  toSquare[5] += toSquare[3] * left + toSquare[4] * top;
  const [layer, matrix] = prefiltered(featheredLayer(square, feather), toSquare);
  const width = right - left, rim = Math.ceil(feather * layer.width) + 1;
  const warped = warpCubic(layer, matrix, width, bottom - top, 0, 0, rim);
  const rounded = writer(result);
  for (let y = top; y < bottom; y++) {
    layRow(rounded, (y * canvas.width + left) * 3, warped, (y - top) * width);
  }
  return result;
}

/** The colours (one for gray) times how much of the square lies there, and that share. */
function featheredLayer(square, feather) {
  const { data, channels } = square, size = square.height;
  const edge = featheredEdge(size, feather);
  const layer = floatPicture(size, size, channels + 1), values = layer.data;
  for (let y = 0, i = 0, o = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const share = fround(edge[y] * edge[x]);
      for (let k = 0; k < channels; k++) values[o++] = data[i++] * share;
      values[o++] = share;
    }
  }
  return layer;
}

/** Mixes a row of a warped layer into a row of the photo. */
function layRow(photo, start, layer, from) {
  const { data, channels } = layer, step = channels === 2 ? 0 : 1;
  const end = (from + layer.width) * channels;
  for (let i = from * channels, o = start; i < end; i += channels, o += 3) {
    const share = data[i + channels - 1];
    const rest = share >= 1 ? 0 : share <= 0 ? 1 : fround(1 - share);
    photo[o] = fround(data[i] + fround(photo[o] * rest));
    photo[o + 1] = fround(data[i + step] + fround(photo[o + 1] * rest));
    photo[o + 2] = fround(data[i + 2 * step] + fround(photo[o + 2] * rest));
  }
}

/** 1 inside, falling to 0 over the outer `feather` x size pixels; Float32Array (size). */
function featheredEdge(size, feather) {
  const width = Math.max(feather * size, 0.5);
  return Float32Array.from(borderDistance(size), (distance) => smoothStep(distance / width));
}

/**
 * How far each of a row of pixels lies from the nearer end of the row.
 *
 * @param {number} size Pixels.
 * @returns {Float64Array} (size), pixels.
 */
export function borderDistance(size) {
  return Float64Array.from({ length: size }, (_, i) => Math.min(i + 0.5, size - i - 0.5));
}

/**
 * A soft step.
 *
 * @param {number} part Any number.
 * @returns {number} 0 up to 0, 1 from 1, and 3 x^2 - 2 x^3 in between.
 */
export function smoothStep(part) {
  const x = Math.min(Math.max(part, 0), 1);
  return x * x * (3 - 2 * x);
}
