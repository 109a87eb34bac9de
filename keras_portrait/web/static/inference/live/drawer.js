/** One frame and the faces in it become a drawing of the same size. */

import { FaceDrawer } from "../drawer.js";
import { boxArea } from "../faces/types.js";
import { layOnPaper } from "./layout.js";

/** @typedef {import("../picture.js").Picture} Picture */

/**
 * The person is told from the background in one of so many frames of a face: in the aligned square
 * the outline moves little, and this network costs more than a small generator.
 */
export const SEGMENT_EVERY = 3;

/** Draws frames, with a generator that may be another one in each. */
export class Drawer {
  #segment;
  #alphas = new Map(); // number of a face -> its alpha in the square, and for how many frames it serves

  /** @param {(square: Picture) => Promise<Picture>} segment tells the person from the background. */
  constructor(segment) {
    this.#segment = segment;
  }

  /**
   * Draws the faces of a frame.
   *
   * @param {import("../generator.js").Generator} generator
   * @param {Picture} photo bytes RGB.
   * @param {import("./tracking.js").TrackedFace[]} faces in pixels of the frame; none gives blank paper.
   * @param {Float32Array} style (K,).
   * @param {import("./timing.js").Stages} stages gets the times of "align", "segment", "stylize" and
   *   "paste".
   * @returns {Promise<Picture>} bytes RGB, as large as the frame.
   */
  async draw(generator, photo, faces, style, stages) {
    this.#alphas = new Map(faces.map(({ number }) => [number, this.#alphas.get(number)]));
    const drawer = new FaceDrawer(generator);
    const squares = [];
    // Where squares overlap the larger face lies on top.
    for (const face of [...faces].sort((one, other) => boxArea(one.box) - boxArea(other.box))) {
      const alpha = (square) =>
        stages.within("segment", "align", () => this.#alpha(face.number, square));
      const aligned = await stages.time("align", () => drawer.align(photo, face.landmarks, alpha));
      const drawn = await stages.time("stylize", () => drawer.generate(aligned, style));
      const drawing = await stages.time("paste", () => drawer.finish(drawn, aligned, true));
      squares.push({ drawing, transform: aligned.transform });
    }
    return stages.time("paste", () => layOnPaper(photo, squares));
  }

  async #alpha(number, square) {
    let { held, left } = this.#alphas.get(number) ?? { left: 0 };
    if (left <= 0 || held.width !== square.width) {
      held = await this.#segment(square);
      left = SEGMENT_EVERY;
    }
    this.#alphas.set(number, { held, left: left - 1 });
    return held;
  }
}
