/** From a face in a photo to its drawing: the one way of photos and frames. */

import { fadeRim, keepPaper, prepareFace } from "./alignment.js";

/** @typedef {import("./picture.js").Picture} Picture */

/** Draws faces with one generator, in three steps that may be timed one by one. */
export class FaceDrawer {
  /** @param {import("./generator.js").Generator} generator of drawings or pictures in colour, from photos. */
  constructor(generator) {
    this.generator = generator;
  }

  /**
   * Turns a face upright, as the generator was trained to see faces.
   *
   * @param {Picture} photo bytes RGB (H, W, 3).
   * @param {number[][]} landmarks five [x, y], pixels of the photo.
   * @param {?((square: Picture) => Picture | Promise<Picture>)} segment function of a square to the
   *   share of the person at each pixel, float (S, S); null keeps the background.
   * @returns {Promise<import("./alignment.js").AlignedFace>}
   */
  align(photo, landmarks, segment) {
    const { size, alignment } = this.generator.metadata;
    return prepareFace(photo, landmarks, size, segment, alignment);
  }

  /**
   * Lets the generator draw.
   *
   * @param {import("./alignment.js").AlignedFace} aligned what `align` returned.
   * @param {Float32Array} style (K,).
   * @returns {Promise<Picture>} bytes (S, S, channels).
   */
  generate(aligned, style) {
    return this.generator.draw(aligned.square, style);
  }

  /**
   * Keeps paper blank where the square is.
   *
   * @param {Picture} drawing what `generate` returned.
   * @param {import("./alignment.js").AlignedFace} aligned what `align` returned.
   * @param {boolean} inPlace whether it is put back into a photo, where strokes fade before the rim.
   * @returns {Picture} bytes (S, S), or (S, S, 3) in colour, as it came.
   */
  finish(drawing, aligned, inPlace) {
    // The network may well draw larger hair than the photo's, and colours are no lines.
    if (drawing.channels === 3) return drawing;
    const kept = keepPaper(drawing, aligned.square, aligned.inside);
    return inPlace && this.generator.metadata.alignment > 1 ? fadeRim(kept) : kept;
  }

  /**
   * All three steps.
   *
   * @param {Picture} photo as `align` takes it.
   * @param {number[][]} landmarks as `align` takes them.
   * @param {Float32Array} style (K,).
   * @param {?((square: Picture) => Picture | Promise<Picture>)} segment as `align` takes it.
   * @param {boolean} [inPlace] as `finish` takes it.
   * @returns {Promise<{drawing: Picture, transform: number[]}>} the drawing, and the transform from
   *   its pixels to those of the photo.
   */
  async draw(photo, landmarks, style, segment, inPlace = false) {
    const aligned = await this.align(photo, landmarks, segment);
    const drawing = await this.generate(aligned, style);
    return { drawing: this.finish(drawing, aligned, inPlace), transform: aligned.transform };
  }
}
