/**
 * Pictures in memory, and the rounding that NumPy and Python do.
 *
 * @typedef {Object} Picture Rows of interleaved channels.
 * @property {Uint8Array|Float32Array} data Values, `height * width * channels` of them: 0..255 in a
 *     Uint8Array; a Float32Array says its range itself.
 * @property {number} width Columns.
 * @property {number} height Rows.
 * @property {number} channels 3 for RGB, 1 for gray or one share each pixel.
 */

/**
 * A picture around data that is there already.
 *
 * @param {Uint8Array|Float32Array} data `height * width * channels` values.
 * @param {number} width Columns.
 * @param {number} height Rows.
 * @param {number} [channels] Values of each pixel.
 * @returns {Picture}
 */
export function picture(data, width, height, channels = 1) {
  return { data, width, height, channels };
}

/**
 * A new picture of bytes.
 *
 * @param {number} width Columns.
 * @param {number} height Rows.
 * @param {number} [channels] Values of each pixel.
 * @param {number} [fill] Value of all, 0..255.
 * @returns {Picture}
 */
export function bytePicture(width, height, channels = 1, fill = 0) {
  const data = new Uint8Array(width * height * channels);
  return picture(fill ? data.fill(fill) : data, width, height, channels);
}

/**
 * A new picture of floats.
 *
 * @param {number} width Columns.
 * @param {number} height Rows.
 * @param {number} [channels] Values of each pixel.
 * @param {number} [fill] Value of all.
 * @returns {Picture}
 */
export function floatPicture(width, height, channels = 1, fill = 0) {
  const data = new Float32Array(width * height * channels);
  return picture(fill ? data.fill(fill) : data, width, height, channels);
}

/**
 * A new picture of bytes or floats, as another one is.
 *
 * @param {Picture} image Any.
 * @param {number} width Columns.
 * @param {number} height Rows.
 * @returns {Picture} With as many channels, all 0.
 */
export function blankLike(image, width, height) {
  return (hasBytes(image) ? bytePicture : floatPicture)(width, height, image.channels);
}

/**
 * Whether a picture has bytes, not floats.
 *
 * @param {Picture} image Any.
 * @returns {boolean}
 */
export function hasBytes(image) {
  return !(image.data instanceof Float32Array);
}

/**
 * What computed values are assigned to: rounds bytes as `rint` does and clips them to 0..255, takes
 * floats as they are.
 *
 * @param {Picture} image Any.
 * @returns {Uint8ClampedArray|Float32Array} A view of its data.
 */
export function writer(image) {
  const { data } = image;
  if (!hasBytes(image)) return data;
  return new Uint8ClampedArray(data.buffer, data.byteOffset, data.length);
}

/**
 * A copy of a picture with data of its own.
 *
 * @param {Picture} image Any.
 * @returns {Picture} The same kind.
 */
export function copied(image) {
  return { ...image, data: image.data.slice() };
}

/**
 * The pixels of some rows and columns.
 *
 * @param {Picture} image Any.
 * @param {number} left First column.
 * @param {number} top First row.
 * @param {number} right Column after the last.
 * @param {number} bottom Row after the last.
 * @returns {Picture} The same kind, (bottom - top, right - left); whole rows share the picture's
 *     data.
 */
export function cropped(image, left, top, right, bottom) {
  const { data, width, channels } = image;
  if (left === 0 && right === width) {
    const rows = data.subarray(top * width * channels, bottom * width * channels);
    return picture(rows, width, bottom - top, channels);
  }
  const row = Math.max(0, right - left) * channels;
  const part = new data.constructor(Math.max(0, bottom - top) * row);
  for (let y = top; y < bottom; y++) {
    const from = (y * width + left) * channels;
    part.set(data.subarray(from, from + row), (y - top) * row);
  }
  return picture(part, Math.max(0, right - left), Math.max(0, bottom - top), channels);
}

/**
 * Rounds as Python does: halves to the even neighbour.
 *
 * @param {number} value Any finite number below 2^51.
 * @returns {number} A whole number.
 */
export function rint(value) {
  const low = Math.floor(value), rest = value - low;
  if (rest !== 0.5) return rest < 0.5 ? low : low + 1;
  return low % 2 === 0 ? low : low + 1;
}
