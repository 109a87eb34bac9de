/**
 * Follows faces from frame to frame, so that drawings neither tremble nor need a search each time.
 *
 * Faces are looked for in every few frames only, and in each while one is missed. In between each face
 * glides towards where it was found last: an exponential moving average of its box and landmarks.
 */

import { PortraitError } from "../errors.js";
import { DETECTION_SIDE, findFaces } from "../faces/finder.js";
import { boxArea } from "../faces/types.js";

/** @typedef {import("../picture.js").Picture} Picture */

/** Part of the way to where a face was found last that is gone in a frame: 88 % in five. */
export const SMOOTHING = 0.35;
/** Two boxes with less in common, as a part of their union, are not the same face. */
export const LEAST_OVERLAP = 0.3;
/**
 * Seconds from the first search that misses a face until it is given up: heads turn, eyes blink.
 * Until then it keeps its place, and only a face that is clearly larger is drawn instead.
 */
export const KEPT_SECONDS = 1;
/** Seconds after which faces are looked for whatever the number of frames. */
export const SEARCH_SECONDS = 0.5;
// A face found so near to one that was missed, from centre to centre, in sides of the smaller box,
// is that one, which has jumped.
const NEAR = 1;
// Below this score some finds are no faces.
const LEAST_SCORE = 0.9;
// The smallest face looked for, as a part of the frame's shorter side: 80 pixels of 480.
const LEAST_PART = 1 / 6;
// A face that is followed already counts this much larger, so that two of nearly the same size do
// not take turns.
const LOYALTY = 1.3;

/**
 * @typedef {object} TrackedFace a face as it is drawn in one frame.
 * @property {number} number the same for the same face as long as it is followed.
 * @property {import("../faces/types.js").Box} box where it is, in pixels of the frame.
 * @property {number[][]} landmarks five [x, y] as in `Face`.
 * @property {boolean} found whether the last search saw it; one that was missed is drawn where it was.
 */

/** Follows the largest faces of a sequence of frames. */
export class Tracker {
  #detectorFor;
  #every;
  #most;
  #detector;
  #size = "";
  #wait = 0;
  #count = 0;
  #searched = 0; // when the frame of the last search was captured
  #tracks = [];

  /**
   * @param {(minFace: number) => {detect: (photo: Picture) => Promise<import("../faces/types.js").Face[]>}}
   *   detectorFor makes what looks for faces from so many pixels up.
   * @param {object} [options]
   * @param {number} [options.every] faces are looked for in one of so many frames, but after
   *   `SEARCH_SECONDS` at the latest; in each frame while there is none or one is missed.
   * @param {number} [options.faces] how many are followed at most, the largest first.
   * @throws {PortraitError} "bad-setting": a number is not from 1 up.
   */
  constructor(detectorFor, { every = 5, faces = 1 } = {}) {
    for (const [name, value] of Object.entries({ every, faces })) {
      if (!(value >= 1)) {
        throw new PortraitError("bad-setting", `${name} must be from 1 up. Received: ${value}`);
      }
    }
    this.#detectorFor = detectorFor;
    this.#every = every;
    this.#most = faces;
  }

  /**
   * Whether `update` will look for faces in this frame; takes what that takes.
   *
   * @param {{width: number, height: number}} photo
   * @param {number} captured
   * @returns {boolean}
   */
  due({ width, height }, captured) {
    return (
      this.#wait <= 0 ||
      captured - this.#searched >= SEARCH_SECONDS ||
      this.#tracks.length === 0 ||
      !this.#tracks.every((track) => track.found) ||
      `${width} ${height}` !== this.#size
    );
  }

  /**
   * Takes the next frame.
   *
   * @param {Picture} photo bytes RGB; another size than before starts over.
   * @param {number} captured when the frame was there, seconds of a clock that never goes back.
   * @returns {Promise<TrackedFace[]>} the faces in it, largest first.
   */
  async update(photo, captured) {
    if (this.due(photo, captured)) {
      this.#start(photo);
      this.#match(await findFaces(photo, this.#detector), captured);
      this.#wait = this.#every;
      this.#searched = captured;
    }
    this.#wait -= 1;
    return this.#tracks.map((track) => track.step());
  }

  #start({ width, height }) {
    if (this.#size === `${width} ${height}`) return;
    this.#size = `${width} ${height}`;
    this.#tracks = [];
    const shorter = Math.min(width, height) * Math.min(1, DETECTION_SIDE / Math.max(width, height));
    this.#detector = this.#detectorFor(Math.max(20, shorter * LEAST_PART));
  }

  /** Tells which face is which; new ones get a number, lost ones are kept for a while. */
  #match(seen, now) {
    const found = seen.filter(({ score }) => score >= LEAST_SCORE);
    const known = [];
    const missed = [];
    for (const track of this.#tracks) {
      const overlaps = found.map(({ box }) => overlapOf(track.box, box));
      const best = overlaps.indexOf(Math.max(...overlaps));
      if (best >= 0 && overlaps[best] >= LEAST_OVERLAP) {
        track.aim(found.splice(best, 1)[0]);
        known.push(track);
      } else if (track.miss(now) < KEPT_SECONDS) {
        missed.push(track);
      }
    }
    known.push(...missed.filter((one) => !found.some(({ box }) => isNear(one.box, box))));
    const weight = (track) => boxArea(track.box) * (known.includes(track) ? LOYALTY : 1);
    this.#tracks = [...known, ...found.map((face) => this.#track(face))]
      .sort((one, other) => weight(other) - weight(one))
      .slice(0, this.#most);
  }

  #track(face) {
    this.#count += 1;
    return new Track(this.#count, face);
  }
}

/** One face: where it was found last, and how far it has glided there. */
class Track {
  #target;
  #now;
  #missed; // when it was first missed in a row

  constructor(number, face) {
    this.number = number;
    this.aim(face);
    this.#now = this.#target;
  }

  get found() {
    return this.#missed === undefined;
  }

  aim({ box, landmarks }) {
    this.box = box;
    this.#target = [box.left, box.top, box.width, box.height, ...landmarks.flat()];
    this.#missed = undefined;
  }

  /** Notes a search that missed it; seconds since the first one in a row. */
  miss(now) {
    this.#missed ??= now;
    return now - this.#missed;
  }

  step() {
    this.#now = this.#now.map((value, index) => value + SMOOTHING * (this.#target[index] - value));
    const [left, top, width, height, ...points] = this.#now;
    const landmarks = [0, 1, 2, 3, 4].map((k) => points.slice(2 * k, 2 * k + 2).map(Math.fround));
    return { number: this.number, box: { left, top, width, height }, landmarks, found: this.found };
  }
}

function overlapOf(one, other) {
  const width =
    Math.min(one.left + one.width, other.left + other.width) - Math.max(one.left, other.left);
  const height =
    Math.min(one.top + one.height, other.top + other.height) - Math.max(one.top, other.top);
  const common = Math.max(0, width) * Math.max(0, height);
  return common / Math.max(boxArea(one) + boxArea(other) - common, 1e-9);
}

function isNear(one, other) {
  const across = one.left + one.width / 2 - other.left - other.width / 2;
  const down = one.top + one.height / 2 - other.top - other.height / 2;
  return (
    Math.hypot(across, down) < NEAR * Math.min(one.width, one.height, other.width, other.height)
  );
}
