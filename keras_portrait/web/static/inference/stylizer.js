/**
 * A photo in, its drawing out.
 *
 * A drawing in black and white is put back at the face's place. A picture in colour stays the aligned
 * square that the network made: where it ended in a photo its colours would break off.
 */

import { keepPaper, prepareWhole } from "./alignment.js";
import { FaceDrawer } from "./drawer.js";
import { PortraitError } from "./errors.js";
import { largestFace } from "./faces/detector.js";
import { FaceFinder, smallestFaces, sureFaces } from "./faces/finder.js";
import { boxArea } from "./faces/types.js";
import { pasteBack } from "./geometry.js";
import { asRgb, enlargeDrawing, grid, resize } from "./imaging.js";
import { atPhotoScale } from "./paste.js";
import { bytePicture, cropped } from "./picture.js";
import { checkChoice, styleVector } from "./style.js";

/** @typedef {import("./picture.js").Picture} Picture */

const FACES = ["largest", "all"];
const BACKGROUNDS = ["white", "keep"];

/** Draws portraits with one preset; wait for a drawing before the next call. */
export class Stylizer {
  #generator;
  #drawer;
  #finder;
  #segmenter;

  /**
   * @param {import("./generator.js").Generator} generator
   * @param {FaceFinder} finder
   * @param {() => Promise<(photo: Picture) => Promise<Picture>>} segmenter opens what tells the
   *   person from the background, when it is first needed.
   */
  constructor(generator, finder, segmenter) {
    this.#generator = generator;
    this.#drawer = new FaceDrawer(generator);
    this.#finder = finder;
    this.#segmenter = segmenter;
    /** @type {import("./metadata.js").PresetMetadata} what the preset says about itself. */
    this.metadata = generator.metadata;
  }

  /**
   * @param {object} options
   * @param {string} options.preset name of a preset of the page.
   * @param {import("./models.js").Models} options.models networks, which several stylizers may share.
   * @returns {Promise<Stylizer>}
   * @throws {PortraitError} "no-file", "bad-file": a file of the preset is missing or another.
   */
  static async load({ preset, models }) {
    const finder = new FaceFinder(await models.detectors());
    const generator = await models.generator(preset);
    return new Stylizer(generator, finder, () => models.segmenter());
  }

  /**
   * Draws a photo.
   *
   * @param {Picture} photo bytes RGB (H, W, 3), upright.
   * @param {object} [options]
   * @param {null | string | number | number[]} [options.style] as `styleVector` takes it.
   * @param {"largest" | "all"} [options.faces] the largest face, or every face.
   * @param {boolean} [options.crop] return the aligned square instead of putting the drawing back at
   *   the face's place; with all faces the squares side by side, from left to right. Pictures in
   *   colour are always cropped, unless they are drawn whole.
   * @param {boolean} [options.whole] draw the whole picture as it is, without looking for a face;
   *   presets that were made for that do so unless `crop` is asked for.
   * @param {"white" | "keep"} [options.background] people alone on white paper, or what is behind
   *   them too: the photo itself around a drawing that is put back, otherwise the drawn background.
   * @returns {Promise<{drawing: Picture, faces: import("./faces/types.js").Face[]}>} bytes RGB, as large
   *   as the photo, or with `crop` a square of the preset's size; and the faces that were drawn.
   * @throws {PortraitError} "no-face"; "bad-setting": there is no such style, or options that exclude
   *   each other.
   */
  async draw(
    photo,
    { style, faces = "largest", crop = false, whole = false, background = "white" } = {},
  ) {
    checkChoice("faces", faces, FACES);
    checkChoice("background", background, BACKGROUNDS);
    if (crop && whole)
      throw new PortraitError("bad-setting", "Choose either crop or whole. Received: both");
    const vector = styleVector(style, this.metadata.styles);
    if (whole || (this.metadata.framing === "whole" && !crop)) {
      return { drawing: await this.#drawWhole(photo, vector, background), faces: [] };
    }
    const found = await this.findFaces(photo, faces);
    const inPlace = !crop && this.metadata.channels === 1;
    const drawing = inPlace
      ? await this.#drawInPlace(photo, found, vector, background)
      : await this.#drawCrops(photo, found, vector, background);
    return { drawing, faces: found };
  }

  /**
   * Finds what would be drawn, whichever way it is turned.
   *
   * @param {Picture} photo bytes RGB.
   * @param {"largest" | "all"} [faces]
   * @returns {Promise<import("./faces/types.js").Face[]>} one at least, in pixels of the photo.
   * @throws {PortraitError} "no-face".
   */
  async findFaces(photo, faces = "largest") {
    const found = sureFaces(await this.#finder.find(photo));
    if (found.length === 0) {
      const { turned, upright } = smallestFaces(photo);
      const smaller = upright < turned ? `, ${upright} where it stands upright` : "";
      throw new PortraitError(
        "no-face",
        "No face found. Expected a face that looks at the camera, turned in any way, from " +
          `${turned} pixels up in this photo${smaller}. Received: ${photo.width} x ${photo.height} pixels`,
      );
    }
    return faces === "all" ? found : [largestFace(found)];
  }

  async #crop(photo, face, vector, background) {
    const segment = background === "white" ? await this.#segmenter() : null;
    return (await this.#drawer.draw(photo, face.landmarks, vector, segment)).drawing;
  }

  async #drawWhole(photo, vector, background) {
    const { width, height } = photo;
    const segment = background === "white" ? await this.#segmenter() : null;
    const { square, place } = await prepareWhole(photo, this.metadata.size, segment);
    const { left, top, right, bottom } = place;
    const drawing = await this.#generator.draw(square, vector);
    if (this.metadata.channels === 3) {
      return resize(cropped(drawing, left, top, right, bottom), width, height);
    }
    const kept = cropped(keepPaper(drawing, square), left, top, right, bottom);
    return asRgb(enlargeDrawing(kept, width, height));
  }

  async #drawCrops(photo, faces, vector, background) {
    const across = ({ landmarks }) => landmarks.reduce((sum, [x]) => sum + x, 0);
    const squares = [];
    for (const face of [...faces].sort((one, other) => across(one) - across(other))) {
      squares.push(await this.#crop(photo, face, vector, background));
    }
    return grid(squares, squares.length);
  }

  async #drawInPlace(photo, faces, vector, background) {
    const segment = await this.#segmenter();
    let canvas = background === "keep" ? photo : bytePicture(photo.width, photo.height, 3, 255);
    // Where squares overlap the larger face lies on top: its drawing is the more exact one.
    for (const face of [...faces].sort((one, other) => boxArea(one.box) - boxArea(other.box))) {
      const { drawing, transform } = await this.#drawer.draw(
        photo,
        face.landmarks,
        vector,
        segment,
        true,
      );
      const [enlarged, moved] = atPhotoScale(drawing, transform);
      canvas = pasteBack(canvas, enlarged, moved);
    }
    return canvas;
  }
}
