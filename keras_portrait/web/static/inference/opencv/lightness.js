/** The lightness of colours: channel L of `cv2.cvtColor(..., cv2.COLOR_RGB2Lab)` for bytes. */

import { rint } from "../picture.js";

// Bits of the whole numbers that OpenCV computes with: of light, of the weights, of the cube root.
const LIGHT_BITS = 3, WEIGHT_BITS = 12, ROOT_BITS = WEIGHT_BITS + LIGHT_BITS;
// What red, green and blue add to luminance: sRGB, white D65.
const WEIGHTS = [0.212671, 0.71516, 0.072169].map((weight) => rint(weight * (1 << WEIGHT_BITS)));
const SCALE = (116 * 255 + 50) / 100 | 0;
const SHIFT = -((16 * 255 * (1 << ROOT_BITS) + 50) / 100 | 0);

const LIGHT = Int32Array.from({ length: 256 }, (_, level) => {
  const part = level / 255;
  const light = part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  return rint(255 * (1 << LIGHT_BITS) * light);
});

const LIGHTNESS = Uint8Array.from({ length: 255 * (1 << LIGHT_BITS) + 1 }, (_, light) => {
  const part = light / (255 * (1 << LIGHT_BITS));
  const root = part < 216 / 24389 ? (part * 841) / 108 + 16 / 116 : Math.cbrt(part);
  const fixed = rint(root * (1 << ROOT_BITS));
  return (SCALE * fixed + SHIFT + (1 << (ROOT_BITS - 1))) >> ROOT_BITS;
});

/**
 * The lightness of a colour.
 *
 * @param {number} red 0..255.
 * @param {number} green 0..255.
 * @param {number} blue 0..255.
 * @returns {number} L of CIE Lab, scaled to 0..255 and rounded.
 */
export function labLightness(red, green, blue) {
  const light = LIGHT[red] * WEIGHTS[0] + LIGHT[green] * WEIGHTS[1] + LIGHT[blue] * WEIGHTS[2];
  return LIGHTNESS[(light + (1 << (WEIGHT_BITS - 1))) >> WEIGHT_BITS];
}
