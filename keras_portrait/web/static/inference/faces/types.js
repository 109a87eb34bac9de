/** What a face detector returns. */

const { fround } = Math;
const DEGREES = fround(180 / fround(Math.PI));

/**
 * @typedef {object} Box an upright rectangle in pixels of the photo; x to the right, y down, from 0.
 * @property {number} left x of the left side.
 * @property {number} top y of the upper side.
 * @property {number} width extent along x.
 * @property {number} height extent along y.
 */

/**
 * @typedef {object} Face a face found in a photo.
 * @property {Box} box where the face is.
 * @property {number[][]} landmarks five [x, y] in pixels of the photo, centre of the first pixel at
 *   (0, 0), rounded to float32: left eye, right eye, nose tip, left and right corner of the mouth,
 *   left and right as seen in the picture.
 * @property {number} score how sure the detector is, 0 to 1.
 */

/**
 * @param {Box} box
 * @returns {number} square pixels.
 */
export function boxArea(box) {
  return box.width * box.height;
}

/**
 * @param {Face} face
 * @returns {number} degrees by which the face is turned clockwise in the photo, above -180 up to 180.
 */
export function turnOf({ landmarks }) {
  // In 32 bits, as NumPy has it: crops are turned by it, and what is found in them moves with its
  // last bit.
  const middle = (one, other, axis) =>
    fround(fround(landmarks[one][axis] + landmarks[other][axis]) / 2);
  const across = fround(middle(3, 4, 0) - middle(0, 1, 0));
  const down = fround(middle(3, 4, 1) - middle(0, 1, 1));
  return fround(fround(Math.atan2(-across, down)) * DEGREES);
}
