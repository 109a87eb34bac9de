/** Where drawn squares are placed in a frame. */

import { asRgb, grid, layOn, resize } from "../imaging.js";
import { atPhotoScale, layInk } from "../paste.js";
import { bytePicture, rint } from "../picture.js";

/** @typedef {import("../picture.js").Picture} Picture */

/**
 * Lays drawn squares on paper as large as the frame: drawings in black and white at their faces'
 * places, pictures in colour as squares in the middle.
 *
 * @param {{width: number, height: number}} photo the frame.
 * @param {{drawing: Picture, transform: number[]}[]} squares what was made of each face, bytes (S, S)
 *   or (S, S, 3), with the transform from it to the frame; the largest face is last.
 * @returns {Picture} bytes RGB (H, W, 3), blank of no square.
 */
export function layOnPaper({ width, height }, squares) {
  if (squares.length === 0) return bytePicture(width, height, 3, 255);
  if (squares[0].drawing.channels === 3) {
    const fromLeft = [...squares].sort((one, other) => across(one) - across(other));
    return fitFrame(
      grid(
        fromLeft.map(({ drawing }) => drawing),
        squares.length,
      ),
      width,
      height,
    );
  }
  const lay = (paper, { drawing, transform }) =>
    layInk(paper, height, width, ...atPhotoScale(drawing, transform));
  return asRgb(squares.reduce(lay, null));
}

function across({ transform: [a, b, x] }) {
  return a + b + x;
}

/**
 * A picture as large as fits into a frame, in its middle, on white.
 *
 * @param {Picture} picture bytes RGB.
 * @param {number} width columns of the frame in pixels.
 * @param {number} height rows of the frame in pixels.
 * @returns {Picture} bytes RGB (height, width, 3).
 */
export function fitFrame(picture, width, height) {
  const ratio = Math.min(width / picture.width, height / picture.height);
  const [columns, rows] = [picture.width, picture.height].map((side) =>
    Math.max(1, rint(side * ratio)),
  );
  const frame = bytePicture(width, height, 3, 255);
  const small = resize(picture, columns, rows);
  layOn(frame, small, Math.floor((width - columns) / 2), Math.floor((height - rows) / 2));
  return frame;
}
