/** What a face detector returns. */

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
 *   (0, 0), rounded to float32: left eye, right eye, nose tip, left and right corner of the mouth, left and right
 *   as seen in the picture.
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
  const [[leftX, leftY], [rightX, rightY], , [cornerX, cornerY], [otherX, otherY]] = landmarks;
  const across = (cornerX + otherX - leftX - rightX) / 2;
  const down = (cornerY + otherY - leftY - rightY) / 2;
  return (Math.atan2(-across, down) * 180) / Math.PI;
}
