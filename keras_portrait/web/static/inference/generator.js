/** What draws: a network, with the metadata that says how. */

import { fromSigned, toSigned } from "./imaging.js";
import { picture } from "./picture.js";

/** @typedef {import("./picture.js").Picture} Picture */

/** A generator that can be drawn with, whatever runs it. */
export class Generator {
  /**
   * @param {import("./metadata.js").PresetMetadata} metadata what it takes and returns.
   * @param {(arrays: {image: Uint8Array | Float32Array, style?: Float32Array}) =>
   *   Promise<Uint8Array | Float32Array>} net the network: a square (S, S, 3) and a style (K,), to
   *   (S, S, channels). In mode "int8" squares are bytes, in any other float32 in [-1, 1].
   */
  constructor(metadata, net) {
    this.metadata = metadata;
    this.net = net;
  }

  /**
   * Draws an aligned square.
   *
   * @param {Picture} square bytes RGB (S, S, 3).
   * @param {Float32Array} style (K,), not looked at by a generator without styles.
   * @returns {Promise<Picture>} bytes (S, S, channels).
   */
  async draw(square, style) {
    const exact = this.metadata.mode === "int8";
    const arrays = { image: exact ? square.data : toSigned(square.data) };
    if (this.metadata.inputs.includes("style")) arrays.style = style;
    const drawn = await this.net(arrays);
    const { size, channels } = this.metadata;
    return picture(exact ? drawn : fromSigned(drawn), size, size, channels);
  }
}
