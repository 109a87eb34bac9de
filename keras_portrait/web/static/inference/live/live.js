/** The live picture: one frame after the other becomes a drawing. */

import { styleVector } from "../style.js";
import { Drawer } from "./drawer.js";
import { Stages } from "./timing.js";
import { Tracker } from "./tracking.js";

/** @typedef {import("../picture.js").Picture} Picture */

/**
 * @typedef {object} Result one frame and what was drawn of it.
 * @property {Picture} drawing bytes RGB, as large as the frame: lines on white paper, blank of no face.
 * @property {number} faces how many were drawn.
 * @property {number} found how many of them the last search saw; the others are drawn where they were.
 * @property {Object<string, number>} stages wall time of each stage that was run, milliseconds.
 */

/** Draws a sequence of frames; wait for a result before the next one. */
export class Live {
  #tracker;
  #drawer;

  /**
   * @param {(minFace: number) => import("../faces/mtcnn.js").Mtcnn} detectorFor as `Tracker` takes it.
   * @param {(square: Picture) => Promise<Picture>} segment tells the person from the background.
   * @param {object} [options] as `Tracker` takes them.
   */
  constructor(detectorFor, segment, options) {
    this.#tracker = new Tracker(detectorFor, options);
    this.#drawer = new Drawer(segment);
  }

  /**
   * Finds the faces of a frame and draws them.
   *
   * @param {import("../generator.js").Generator} generator which may be another one than before.
   * @param {Picture} photo bytes RGB.
   * @param {number} captured when the frame was there, seconds of a clock that never goes back.
   * @param {null | string | number | number[]} [style] as `styleVector` takes it.
   * @returns {Promise<Result>}
   * @throws {PortraitError} "bad-setting": there is no such style.
   */
  async draw(generator, photo, captured, style) {
    const vector = styleVector(style, generator.metadata.styles);
    const stages = new Stages();
    const name = this.#tracker.due(photo, captured) ? "detect" : "track";
    const faces = await stages.time(name, () => this.#tracker.update(photo, captured));
    const drawing = await this.#drawer.draw(generator, photo, faces, vector, stages);
    const found = faces.filter((face) => face.found).length;
    return { drawing, faces: faces.length, found, stages: stages.ms };
  }
}
