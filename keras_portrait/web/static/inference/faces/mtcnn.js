/**
 * MTCNN: a cascade of three small nets, which are handed in as functions.
 *
 * Method: Zhang, Zhang, Li, Qiao, "Joint Face Detection and Alignment using Multi-task Cascaded
 * Convolutional Networks", IEEE Signal Processing Letters 23(10), 2016. PNet proposes windows on a
 * pyramid of reduced photos, RNet sorts out and moves them, ONet gives the boxes and landmarks.
 *
 * Constants and conventions are those of `keras_portrait/inference/faces/mtcnn.py`, and of the PyPI
 * package `mtcnn` 1.0.0 (MIT). Candidates are arrays of left, top, right, bottom in pixels of the photo.
 */

import { PortraitError } from "../errors.js";
import { AreaSums, cutPatches, normalize } from "./sampling.js";

// PNet looks at windows of 12 px, two pixels apart, and can run on 11 px.
const CELL = 12;
const STRIDE = 2;
const SMALLEST_LEVEL = 11;

// From one level of the pyramid to the next: about half the area.
const SCALE_FACTOR = 0.709;

/** Scores that PNet, RNet and ONet must exceed. */
export const THRESHOLDS = [0.6, 0.7, 0.8];

// Overlaps from which the weaker of two candidates is dropped: within a level, across levels,
// after RNet, after ONet.
const OVERLAP_LEVEL = 0.5;
const OVERLAP_PYRAMID = 0.7;
const OVERLAP_RNET = 0.7;
const OVERLAP_ONET = 0.7;

// Sides of the patches that RNet and ONet see.
const RNET_SIDE = 24;
const ONET_SIDE = 48;

// What is done at a time, so that a large photo needs little memory: pixels of a level that PNet
// sees, and patches that are cut.
const LEVEL_PIXELS = 60_000;
const PATCHES = 64;

/**
 * @typedef {object} Nets the three nets, float32 arrays row by row; scores are pairs whose second
 *   one is that of a face, offsets are moves of the four sides.
 * @property {(level: {data: Float32Array, width: number, height: number, channels: 3}) =>
 *   Promise<{offsets: Float32Array, scores: Float32Array}>} pnet (h, w, 4) and (h, w, 2) of a level's windows.
 * @property {(patch: Float32Array) => Promise<{offsets: Float32Array, scores: Float32Array}>} rnet
 *   (4,) and (2,) of a patch (24, 24, 3).
 * @property {(patch: Float32Array) => Promise<{offsets: Float32Array, scores: Float32Array,
 *   landmarks: Float32Array}>} onet (4,), (2,) and (10,), five x and then five y, of a patch (48, 48, 3).
 */

/** Detects faces and their five landmarks. */
export class Mtcnn {
  #nets;

  /**
   * @param {Nets} nets
   * @param {number} [minFace] side in pixels of the smallest face to look for, from 12 up.
   * @param {number[]} [thresholds] scores that PNet, RNet and ONet must exceed.
   * @throws {PortraitError} "bad-setting": `minFace` is too small.
   */
  constructor(nets, minFace = 20, thresholds = THRESHOLDS) {
    if (!(minFace >= CELL)) {
      throw new PortraitError(
        "bad-setting",
        `minFace must be ${CELL} or more. Received: ${minFace}`,
      );
    }
    this.#nets = nets;
    this.minFace = minFace;
    this.thresholds = thresholds;
  }

  /**
   * Finds the faces of one photo.
   *
   * @param {{data: Uint8Array, width: number, height: number, channels: 3}} photo RGB.
   * @returns {Promise<import("./types.js").Face[]>} in pixels of the photo, best score first; boxes do
   *   not leave the photo.
   */
  async detect(photo) {
    const proposed = await this.#propose(photo);
    const refined = await this.#refine(photo, proposed);
    const found = await this.#finish(photo, refined);
    const { width, height } = photo;
    return found.map(({ box, landmarks, score }) => {
      const [left, top, right, bottom] = box.map((side, index) =>
        Math.min(Math.max(side, 0), (index % 2 ? height : width) - 1),
      );
      return { box: { left, top, width: right - left, height: bottom - top }, landmarks, score };
    });
  }

  /** PNet over the pyramid: square candidates. */
  async #propose(photo) {
    const { width, height } = photo;
    const sums = new AreaSums(photo);
    const boxes = [];
    const scores = [];
    for (const scale of pyramidScales(height, width, this.minFace)) {
      const level = sums.shrink(Math.trunc(height * scale), Math.trunc(width * scale));
      normalize(level.data);
      const found = await this.#windows(level, scale);
      for (const index of suppress(found.boxes, found.scores, OVERLAP_LEVEL)) {
        boxes.push(found.boxes[index]);
        scores.push(found.scores[index]);
      }
    }
    return suppress(boxes, scores, OVERLAP_PYRAMID).map((index) => square(boxes[index]));
  }

  /** What PNet takes for faces in one level, in pixels of the photo. */
  async #windows(level, scale) {
    const least = Math.fround(this.thresholds[0]);
    const columns = windowCount(level.width);
    const boxes = [];
    const scores = [];
    for (const [top, bottom] of bands(level.height, level.width)) {
      const row = 3 * level.width;
      const band = {
        ...level,
        height: bottom - top,
        data: level.data.subarray(row * top, row * bottom),
      };
      const result = await this.#nets.pnet(band);
      for (let index = 0; index < result.scores.length / 2; index += 1) {
        const score = result.scores[2 * index + 1];
        if (!(score > least)) continue;
        const x = STRIDE * (index % columns);
        const y = top + STRIDE * Math.floor(index / columns);
        const window = [x + 1, y + 1, x + CELL, y + CELL];
        boxes.push(
          window.map(
            (side, k) => (side + Math.fround(result.offsets[4 * index + k] * (CELL - 1))) / scale,
          ),
        );
        scores.push(score);
      }
    }
    return { boxes, scores };
  }

  /** RNet: fewer and better square candidates. */
  async #refine(photo, candidates) {
    const boxes = [];
    const scores = [];
    await forEachPatch(photo, candidates, RNET_SIDE, async (patch, box) => {
      const result = await this.#nets.rnet(patch);
      if (!(result.scores[1] > this.thresholds[1])) return;
      boxes.push(move(box, result.offsets));
      scores.push(result.scores[1]);
    });
    return suppress(boxes, scores, OVERLAP_RNET).map((index) => square(boxes[index]));
  }

  /** ONet: boxes, landmarks and scores, best first. */
  async #finish(photo, candidates) {
    const found = [];
    await forEachPatch(photo, candidates, ONET_SIDE, async (patch, box) => {
      const result = await this.#nets.onet(patch);
      const score = result.scores[1];
      if (!(score > this.thresholds[2])) return;
      const sides = [box[2] - box[0] + 1, box[3] - box[1] + 1];
      // Fractions of the candidate.
      const landmarks = Array.from({ length: 5 }, (_, point) =>
        sides.map((side, axis) =>
          Math.fround(result.landmarks[5 * axis + point] * side + box[axis] - 1),
        ),
      );
      found.push({ box: move(box, result.offsets), landmarks, score });
    });
    const [boxes, scores] = [found.map(({ box }) => box), found.map(({ score }) => score)];
    return suppress(boxes, scores, OVERLAP_ONET, true).map((index) => found[index]);
  }
}

async function forEachPatch(photo, boxes, size, take) {
  for (let first = 0; first < boxes.length; first += PATCHES) {
    const some = boxes.slice(first, first + PATCHES);
    const patches = cutPatches(photo, some, size);
    const length = 3 * size * size;
    for (const [index, box] of some.entries()) {
      await take(patches.subarray(length * index, length * (index + 1)), box);
    }
  }
}

/** Windows along a side of a level; an odd last pixel gives one too. */
function windowCount(side) {
  return Math.floor((side - 1) / STRIDE) - 4;
}

/**
 * Cuts a level into bands of rows from which PNet makes what it makes of the whole level.
 *
 * @param {number} height rows of the level.
 * @param {number} width columns of the level.
 * @returns {number[][]} [top, bottom] of each band; they overlap by what a window needs.
 */
export function bands(height, width) {
  const overlap = CELL - STRIDE;
  const windows = windowCount(height);
  const step = Math.max(1, Math.floor(Math.floor(LEVEL_PIXELS / width) / STRIDE));
  const cut = [];
  for (let top = 0; top < windows; top += step) {
    const bottom = top + step >= windows ? height : (top + step) * STRIDE + overlap;
    cut.push([top * STRIDE, bottom]);
  }
  return cut;
}

/**
 * Factors by which a photo is reduced for PNet, largest first.
 *
 * @param {number} height rows of the photo.
 * @param {number} width columns of the photo.
 * @param {number} minFace side in pixels of the smallest face.
 * @returns {number[]}
 */
export function pyramidScales(height, width, minFace) {
  const shorter = Math.min(height, width);
  const count = Math.round(-(Math.log(shorter / CELL) / Math.log(SCALE_FACTOR) + 1));
  return Array.from(
    { length: Math.max(count, 0) },
    (_, level) => (CELL / minFace) * SCALE_FACTOR ** level,
  ).filter((scale) => Math.trunc(shorter * scale) >= SMALLEST_LEVEL);
}

/**
 * Leaves out each candidate that overlaps with a better one.
 *
 * Unlike the usual greedy way, a candidate that is itself left out still suppresses others.
 *
 * @param {number[][]} boxes left, top, right, bottom of each.
 * @param {number[]} scores of each.
 * @param {number} overlap largest permitted share of common area.
 * @param {boolean} [ofSmaller] whether that is a share of the smaller box, not of the union.
 * @returns {number[]} indices of the candidates kept, best score first.
 */
export function suppress(boxes, scores, overlap, ofSmaller = false) {
  const order = scores.map((_, index) => index).sort((a, b) => scores[b] - scores[a] || b - a);
  // One array of numbers: there are thousands of candidates, and each is compared with all better ones.
  const sides = Float64Array.from(order.flatMap((index) => boxes[index]));
  const areas = order.map(
    (_, i) => (sides[4 * i + 2] - sides[4 * i]) * (sides[4 * i + 3] - sides[4 * i + 1]),
  );
  return order.filter((_, one) => {
    for (let better = 0; better < one; better += 1) {
      const across =
        Math.min(sides[4 * one + 2], sides[4 * better + 2]) -
        Math.max(sides[4 * one], sides[4 * better]);
      const down =
        Math.min(sides[4 * one + 3], sides[4 * better + 3]) -
        Math.max(sides[4 * one + 1], sides[4 * better + 1]);
      const common = Math.max(across, 0) * Math.max(down, 0);
      const whole = ofSmaller
        ? Math.min(areas[one], areas[better])
        : areas[one] + areas[better] - common;
      if (common > overlap * whole) return false;
    }
    return true;
  });
}

/**
 * Widens a box to a square around the same centre.
 *
 * @param {number[]} box
 * @returns {number[]}
 */
export function square([left, top, right, bottom]) {
  const sides = [right - left, bottom - top];
  const side = Math.max(...sides);
  const x = left + sides[0] * 0.5 - side * 0.5;
  const y = top + sides[1] * 0.5 - side * 0.5;
  return [x, y, x + side, y + side];
}

/**
 * Moves each side of a box by a fraction of the box's size.
 *
 * @param {number[]} box
 * @param {ArrayLike<number>} offsets four fractions.
 * @returns {number[]}
 */
export function move(box, offsets) {
  const sides = [box[2] - box[0] + 1, box[3] - box[1] + 1];
  return box.map((side, index) => side + offsets[index] * sides[index % 2]);
}
