/** Pictures of the browser, and back. */

import { PortraitError } from "./errors.js";
import { fromImageData, toRgba } from "./imaging.js";

/** @typedef {import("./picture.js").Picture} Picture */

/**
 * The pixels of a picture of the browser.
 *
 * @param {ImageBitmap} bitmap it stays as it is.
 * @returns {Picture} bytes RGB; what is transparent lies over white.
 * @throws {PortraitError} "too-large": the browser has no canvas of that size.
 */
export function read(bitmap) {
  const { width, height } = bitmap;
  try {
    const pen = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
    pen.drawImage(bitmap, 0, 0);
    return fromImageData(pen.getImageData(0, 0, width, height));
  } catch (error) {
    const text = `The browser cannot hold such a picture. Received: ${width} x ${height} pixels`;
    throw new PortraitError("too-large", text, { cause: error });
  }
}

/**
 * A picture of the browser.
 *
 * @param {Picture} picture bytes, gray or RGB.
 * @returns {Promise<ImageBitmap>} opaque.
 */
export function make(picture) {
  return createImageBitmap(new ImageData(toRgba(picture), picture.width, picture.height));
}
