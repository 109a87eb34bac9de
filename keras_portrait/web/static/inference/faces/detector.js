/** The nets of the face detector, opened, and what is asked of its results. */

import { fixSize } from "../litert/graph.js";
import { Runner } from "../litert/runner.js";
import { boxArea } from "./types.js";

// Pixels of all levels for which PNet stays prepared: those of a photo of 1024 x 1024, and of crops
// around its faces. Each takes about 180 bytes; to prepare a level takes milliseconds.
const PREPARED_PIXELS = 300_000;

/**
 * Opens the three nets that `Mtcnn` calls.
 *
 * PNet takes levels of any size and LiteRT.js fixed sizes only: a model is made for each size that
 * is asked for, and kept while it is among the last ones.
 *
 * @param {import("../litert/runner.js").Runtime} runtime what `startRuntime` returned.
 * @param {(path: string) => Promise<Uint8Array>} read content of a file of the folder `models`.
 * @returns {Promise<import("./mtcnn.js").Nets>}
 */
export async function openNets(runtime, read) {
  const files = await Promise.all(["pnet", "rnet", "onet"].map((name) => read(`${name}.tflite`)));
  const rnet = await Runner.open(runtime, files[1]);
  const onet = await Runner.open(runtime, files[2]);
  const pnets = new Map();

  async function prepared(height, width) {
    const size = `${height} ${width}`;
    const kept = pnets.get(size) ?? {
      runner: await Runner.open(runtime, fixSize(files[0], height, width)),
      pixels: height * width,
    };
    pnets.delete(size);
    forgetOldest(PREPARED_PIXELS - kept.pixels);
    pnets.set(size, kept); // the last one used comes last
    return kept.runner;
  }

  function forgetOldest(left) {
    let pixels = 0;
    for (const [size, kept] of [...pnets].reverse()) {
      pixels += kept.pixels;
      if (pixels <= left) continue;
      pnets.delete(size);
      kept.runner.close();
    }
  }

  return {
    pnet: async ({ data, width, height }) => (await prepared(height, width)).run({ image: data }),
    rnet: (patch) => rnet.run({ image: patch }),
    onet: (patch) => onet.run({ image: patch }),
  };
}

/**
 * @param {import("./types.js").Face[]} faces
 * @returns {import("./types.js").Face | undefined} the face with the largest box; undefined of none.
 */
export function largestFace(faces) {
  let largest;
  for (const face of faces) {
    if (largest === undefined || boxArea(face.box) > boxArea(largest.box)) largest = face;
  }
  return largest;
}
