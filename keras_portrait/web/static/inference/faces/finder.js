/**
 * Faces of photos that may lie on their side, hold tilted heads, or are very large.
 *
 * MTCNN learned upright faces, and often "finds" a face in a photo that lies on its side, with wrong
 * landmarks. What can tell: an upright face is found again in crops that are mirrored or turned by
 * 25 degrees. Figures behind the constants: `keras_portrait/inference/faces/finder.py`.
 */

import { transformPoints } from "../geometry.js";
import { reduced } from "../imaging.js";
import { warpLinear } from "../opencv/warp.js";
import { largestFace } from "./detector.js";
import { boxArea, turnOf } from "./types.js";

/** @typedef {import("./types.js").Face} Face */
/** @typedef {import("../picture.js").Picture} Picture */

/** Faces are looked for in a photo of at most this longest side: landmarks gain nothing above it. */
export const DETECTION_SIDE = 1024;
/** Side in pixels of the smallest face that is looked for at first. */
export const LEAST_FACE = 40;
// Where nothing else was found: faces of 60 pixels in a photo of 48 million.
const LARGE_SIDE = 4096;
// Mean score of the crops from which a face counts as upright, so that no other turn is looked at.
const STEADY = 0.995;
// How much surer a turned face must be: its mean must come at least twice as near to 1 as the
// upright one's; and the least mean with which it counts.
const TURNED_LACK = 0.5;
const TURNED_LEAST = 0.98;
// Below this score some finds are no faces; they count only where there is no better one.
const SURE_SCORE = 0.9;
// Degrees by which two faces that are turned in different ways differ at least.
const ANOTHER_WAY = 45;
// The largest faces of a view that are looked at again.
const MOST_TRIED = 3;
// Degrees by which crops are turned, mirrored and not; their side in pixels, and in sides of the
// face; and the smallest face that is looked for in them.
const JITTER = [-25, 0, 25];
const CROP = 160;
const CROP_FACES = 2.2;
const LEAST_IN_CROP = 50;
// Degrees from upright up to which a head may be tilted in a photo that is upright itself.
const TILT = 60;
// Landmarks of a face that is turned by more are taken from a crop in which it stands upright.
const REFINED_FROM = 20;
const FINE_CROP = 320;

// Ways to look for faces, taken in this order until one finds something: the longest side of the
// photo as it is looked at and the side of the smallest face there, in pixels; and the degrees by
// which the photo is turned, one after the other until a face is steady.
const LOOKS = [
  { side: DETECTION_SIDE, least: LEAST_FACE, turns: [0, 90, 180, 270, 45, 135, 225, 315] },
  { side: DETECTION_SIDE, least: 20, turns: [0, 90, 180, 270] },
  { side: LARGE_SIDE, least: 20, turns: [0] }, // takes seconds
];

/** Finds faces whichever way they are turned. */
export class FaceFinder {
  #detectorFor;
  #smaller;
  #detectors = new Map();

  /**
   * @param {(minFace: number) => {detect: (photo: Picture) => Promise<Face[]>}} detectorFor makes what
   *   looks for faces from so many pixels up.
   * @param {boolean} [smaller] whether smaller faces are looked for where there is none of
   *   `LEAST_FACE` pixels in the photo reduced to `DETECTION_SIDE`.
   */
  constructor(detectorFor, smaller = true) {
    this.#detectorFor = detectorFor;
    this.#smaller = smaller;
  }

  /**
   * Finds the faces of one photo.
   *
   * @param {Picture} photo bytes RGB, turned and tilted in any way.
   * @returns {Promise<Face[]>} in pixels of the photo, best score first; `turnOf` says which way they
   *   stand. Empty where there is none.
   */
  async find(photo) {
    for (const look of this.#smaller ? LOOKS : LOOKS.slice(0, 1)) {
      // The last one shows no more of a photo that was not reduced for the others.
      if (look.side > DETECTION_SIDE && Math.max(photo.width, photo.height) <= DETECTION_SIDE)
        continue;
      const small = reduced(photo, look.side);
      const found = await this.#look(small, look);
      if (found.length > 0) return found.map((face) => enlarged(face, small, photo));
    }
    return [];
  }

  /** Faces in pixels of the reduced photo. */
  async #look(small, look) {
    let best = [];
    let bestMean = 0;
    for (const turn of look.turns) {
      const [view, toSmall] = turned(small, turn);
      const seen = await this.#detector(look.least).detect(view);
      const mean = await this.#steadiness(view, seen);
      const found = seen.map((face) => moved(face, toSmall));
      if (turn === 0 || (mean >= TURNED_LEAST && isBetter(found, mean, best, bestMean))) {
        best = found;
        bestMean = mean;
      }
      if (bestMean >= STEADY) break;
    }
    const refined = [];
    for (const face of best) refined.push(await this.#refined(small, face));
    return refined;
  }

  /** The highest mean score, 0 to 1, of crops around one of the larger faces. */
  async #steadiness(view, found) {
    const largest = [...sureFaces(found)].sort(bySize).slice(0, MOST_TRIED);
    let highest = 0;
    for (const face of largest) highest = Math.max(highest, await this.#meanScore(view, face));
    return highest;
  }

  async #meanScore(view, face) {
    let sum = 0;
    for (const mirrored of [false, true]) {
      for (const angle of JITTER) {
        const [crop] = cutCrop(view, face, CROP, turnOf(face) + angle, mirrored);
        const found = await this.#detector(LEAST_IN_CROP).detect(crop);
        sum += found.length > 0 ? found[0].score : 0;
      }
    }
    return sum / (2 * JITTER.length);
  }

  /** The face with landmarks as exact as those of an upright one. */
  async #refined(small, face) {
    if (Math.abs(turnOf(face)) <= REFINED_FROM) return face;
    let refined = face;
    // Twice: the first crop is turned by what distorted landmarks tell.
    for (let time = 0; time < 2; time += 1) {
      const [crop, toSmall] = cutCrop(small, refined, FINE_CROP, turnOf(refined));
      const found = largestFace(await this.#detector(LEAST_IN_CROP).detect(crop));
      if (found !== undefined) refined = moved(found, toSmall);
    }
    return refined;
  }

  #detector(least) {
    if (!this.#detectors.has(least)) this.#detectors.set(least, this.#detectorFor(least));
    return this.#detectors.get(least);
  }
}

/** Whether what a turned view shows is surer than what was found before, and something else. */
function isBetter(found, mean, best, bestMean) {
  if (best.length === 0) return true;
  const [turn, bestTurn] = [found, best].map((faces) => turnOf(largestFace(sureFaces(faces))));
  const apart = Math.abs(modulo(turn - bestTurn + 180, 360) - 180);
  return apart >= ANOTHER_WAY && 1 - mean <= TURNED_LACK * (1 - bestMean);
}

/**
 * Finds faces that stand upright, in the time of one search.
 *
 * @param {Picture} photo bytes RGB, of any size.
 * @param {{detect: (photo: Picture) => Promise<Face[]>}} detector it sees the photo reduced to at
 *   most `DETECTION_SIDE`.
 * @returns {Promise<Face[]>} in pixels of the photo as given, best score first.
 */
export async function findFaces(photo, detector) {
  const small = reduced(photo, DETECTION_SIDE);
  const found = await detector.detect(small);
  return found.map((face) => enlarged(face, small, photo));
}

/**
 * Sides of the smallest faces that `FaceFinder` looks for.
 *
 * @param {{width: number, height: number}} photo
 * @returns {{turned: number, upright: number}} of faces that are turned in any way and of upright
 *   ones, in pixels of the photo.
 */
export function smallestFaces({ width, height }) {
  const side = Math.max(width, height);
  const [turnedLeast, uprightLeast] = LOOKS.slice(1).map((look) =>
    Math.round(look.least * Math.max(1, side / look.side)),
  );
  return { turned: turnedLeast, upright: uprightLeast };
}

/**
 * How far a face is turned, in degrees of quarter turns.
 *
 * @param {Face} face
 * @returns {number} 0 of a tilted head, 90 or 180.
 */
export function quarterTurns(face) {
  const turn = Math.abs(turnOf(face));
  return turn <= TILT ? 0 : Math.max(90, Math.round(turn / 90) * 90);
}

/**
 * Those that surely are faces, or the best one where none is.
 *
 * @param {Face[]} found best first.
 * @returns {Face[]}
 */
export function sureFaces(found) {
  const sure = found.filter(({ score }) => score >= SURE_SCORE);
  return sure.length > 0 ? sure : found.slice(0, 1);
}

function bySize(one, other) {
  return boxArea(other.box) - boxArea(one.box);
}

/** A face of the reduced photo in pixels of the photo. */
function enlarged({ box, landmarks, score }, small, photo) {
  const [across, down] = [photo.width / small.width, photo.height / small.height];
  return {
    box: {
      left: box.left * across,
      top: box.top * down,
      width: box.width * across,
      height: box.height * down,
    },
    landmarks: landmarks.map(([x, y]) => [
      Math.fround((x + 0.5) * across - 0.5),
      Math.fround((y + 0.5) * down - 0.5),
    ]),
    score,
  };
}

/**
 * A photo in which what stood turned by so many degrees stands upright: the photo on white, and the
 * transform from its pixels to those of the one given.
 */
function turned(small, turn) {
  if (turn === 0) return [small, [1, 0, 0, 0, 1, 0]];
  const { width, height } = small;
  const turning = turningBy(turn);
  const [a, b, c, d] = turning;
  // Of quarter turns whole numbers: no pixel is interpolated.
  const columns = Math.ceil(Math.abs(a) * width + Math.abs(b) * height - 1e-6);
  const rows = Math.ceil(Math.abs(c) * width + Math.abs(d) * height - 1e-6);
  const matrix = around([(width - 1) / 2, (height - 1) / 2], turning, [
    (columns - 1) / 2,
    (rows - 1) / 2,
  ]);
  return [warpLinear(small, matrix, columns, rows, 255), matrix];
}

/** The surroundings of a face, (side, side), as `turned` returns them. */
function cutCrop(view, { box }, side, turn, mirrored = false) {
  const centre = [box.left + box.width / 2, box.top + box.height / 2];
  const scale = (CROP_FACES * Math.max(box.width, box.height)) / side;
  const [a, b, c, d] = turningBy(turn).map((value) => value * scale);
  const matrix = around(centre, mirrored ? [-a, b, -c, d] : [a, b, c, d], [
    (side - 1) / 2,
    (side - 1) / 2,
  ]);
  return [warpLinear(view, matrix, side, side, 255), matrix];
}

/** The transform that turns, and maps a point to the centre. */
function around([x, y], [a, b, c, d], [fromX, fromY]) {
  return [a, b, x - (a * fromX + b * fromY), c, d, y - (c * fromX + d * fromY)];
}

/** Four numbers, row by row, from upright to turned clockwise. */
function turningBy(degrees) {
  const radians = (degrees * Math.PI) / 180;
  const [cosine, sine] = [Math.cos(radians), Math.sin(radians)].map(
    (value) => Math.round(value * 1e12) / 1e12,
  );
  return [cosine, -sine, sine, cosine];
}

/** A face in pixels of another picture; its box stays upright there, around the corners. */
function moved({ box, landmarks, score }, matrix) {
  const [right, bottom] = [box.left + box.width, box.top + box.height];
  const corners = [
    [box.left, box.top],
    [right, box.top],
    [box.left, bottom],
    [right, bottom],
  ];
  // A box has sides where pixels end, landmarks lie at their centres.
  const there = transformPoints(
    corners.map((corner) => corner.map((side) => side - 0.5)),
    matrix,
  );
  const [left, top] = [0, 1].map((axis) => Math.min(...there.map((corner) => corner[axis])) + 0.5);
  const [last, low] = [0, 1].map((axis) => Math.max(...there.map((corner) => corner[axis])) + 0.5);
  return {
    box: { left, top, width: last - left, height: low - top },
    landmarks: transformPoints(landmarks, matrix).map((point) => point.map(Math.fround)),
    score,
  };
}

function modulo(value, divisor) {
  return ((value % divisor) + divisor) % divisor;
}
