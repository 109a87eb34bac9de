/** Person against background, as `keras_portrait.inference.segmentation`. */

import { bytePicture, floatPicture, picture, rint, writer } from "./picture.js";
import { resize } from "./imaging.js";
import { box, connectedRegion, gaussianBlur, grown } from "./opencv/filters.js";
import { resizeLinear } from "./opencv/resize.js";

/** @typedef {import("./picture.js").Picture} Picture */

const { fround } = Math;

/** Side of the network's square input in pixels. */
export const SIDE = 256;
// Alpha is 0 at this value of the blurred mask and 1 at `ALPHA_START + ALPHA_WIDTH`.
const ALPHA_START = 0.25, ALPHA_WIDTH = fround(0.4);
// By what a region is grown: the soft rim lies outside the threshold.
const RIM = box(9);

/**
 * What finds the person in a picture.
 *
 * @param {function(Float32Array): (Float32Array|Promise<Float32Array>)} net Takes (1, 256, 256, 3)
 *     in [0, 1] and returns (256, 256) in [0, 1].
 * @returns {function(Picture): Promise<Picture>} Takes a photo, bytes RGB of any size, and returns
 *     how much each pixel belongs to a person, floats (H, W) in [0, 1].
 */
export function personSegmenter(net) {
  return async (photo) => maskToAlpha(await net(networkInput(photo)), photo.width, photo.height);
}

/**
 * What the network sees of a photo: the whole picture without regard to aspect.
 *
 * @param {Picture} photo Bytes, RGB.
 * @returns {Float32Array} (1, 256, 256, 3) in [0, 1].
 */
export function networkInput(photo) {
  const fits = photo.width === SIDE && photo.height === SIDE;
  const { data } = fits ? photo : resize(photo, SIDE, SIDE);
  const input = new Float32Array(data.length);
  for (let i = 0; i < data.length; i++) input[i] = data[i] / 255;
  return input;
}

/**
 * How much each pixel belongs to a person.
 *
 * @param {Float32Array} mask What the network returned, (256, 256) in [0, 1].
 * @param {number} width Columns of the photo.
 * @param {number} height Rows of the photo.
 * @returns {Picture} Floats (height, width) in [0, 1].
 */
export function maskToAlpha(mask, width, height) {
  const soft = gaussianBlur(picture(mask, SIDE, SIDE), 1);
  const alpha = width === SIDE && height === SIDE ? soft : resizeLinear(soft, width, height);
  const { data } = alpha;
  for (let i = 0; i < data.length; i++) {
    const part = fround(fround(data[i] - ALPHA_START) / ALPHA_WIDTH);
    data[i] = part < 0 ? 0 : part > 1 ? 1 : part;
  }
  return alpha;
}

/**
 * Keeps the connected region that holds a point: flags and strangers beside it go.
 *
 * @param {Picture} alpha Floats (H, W) in [0, 1].
 * @param {number} x Column of the point in pixels.
 * @param {number} y Row of the point in pixels.
 * @returns {Picture} Floats (H, W); `alpha` itself where the point lies on background.
 */
export function keepRegion(alpha, x, y) {
  const { data, width, height } = alpha, person = bytePicture(width, height);
  for (let i = 0; i < data.length; i++) person.data[i] = data[i] > 0.5 ? 1 : 0;
  const region = connectedRegion(person, rint(x), rint(y));
  if (region === null) return alpha;
  const near = grown(region, RIM).data, kept = floatPicture(width, height);
  for (let i = 0; i < data.length; i++) kept.data[i] = near[i] ? data[i] : 0;
  return kept;
}

/**
 * Puts what is not the person to white.
 *
 * @param {Picture} photo Bytes, RGB.
 * @param {Picture} alpha Floats (H, W) in [0, 1], 1 on the person.
 * @returns {Picture} Bytes, RGB.
 */
export function whitenBackground(photo, alpha) {
  const { data } = photo, shares = alpha.data;
  const result = bytePicture(photo.width, photo.height, 3), bytes = result.data;
  const out = writer(result);
  for (let i = 0, o = 0; i < shares.length; i++, o += 3) {
    const share = shares[i];
    if (share === 1) {
      bytes[o] = data[o];
      bytes[o + 1] = data[o + 1];
      bytes[o + 2] = data[o + 2];
    } else {
      const paper = fround(255 * fround(1 - share));
      out[o] = fround(fround(data[o] * share) + paper);
      out[o + 1] = fround(fround(data[o + 1] * share) + paper);
      out[o + 2] = fround(fround(data[o + 2] * share) + paper);
    }
  }
  return result;
}
