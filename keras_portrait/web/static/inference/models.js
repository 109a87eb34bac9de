/** The files of the folder `models`, and the networks made of them: each is loaded when it is first needed. */

import { PortraitError } from "./errors.js";
import { openNets } from "./faces/detector.js";
import { Mtcnn } from "./faces/mtcnn.js";
import { Runner } from "./litert/runner.js";
import { loadPreset } from "./presets.js";
import { personSegmenter } from "./segmentation.js";

/** All networks of a page. */
export class Models {
  /** @type {import("./litert/runner.js").Runtime} what runs them. */
  runtime;
  #read;
  #accelerator;
  #nets;
  #segmenter;
  #generator;
  #preset;

  /**
   * @param {import("./litert/runner.js").Runtime} runtime what `startRuntime` returned.
   * @param {(path: string) => Promise<Uint8Array>} read content of a file of the folder `models`,
   *   such as what `readerOf` returns.
   * @param {object} [options]
   * @param {"wasm" | "auto"} [options.accelerator] as `loadPreset` takes it.
   */
  constructor(runtime, read, { accelerator = "wasm" } = {}) {
    this.runtime = runtime;
    this.#read = read;
    this.#accelerator = accelerator;
  }

  /** @returns {Promise<(minFace: number) => Mtcnn>} makes face detectors, which share their networks. */
  async detectors() {
    this.#nets ??= forgetting(openNets(this.runtime, this.#read), () => (this.#nets = undefined));
    const nets = await this.#nets;
    return (minFace) => new Mtcnn(nets, minFace);
  }

  /** @returns {Promise<(photo: Picture) => Promise<Picture>>} tells the person from the background. */
  segmenter() {
    this.#segmenter ??= forgetting(this.#openSegmenter(), () => (this.#segmenter = undefined));
    return this.#segmenter;
  }

  /**
   * @param {string} preset name of a preset; the one asked for before is given up.
   * @returns {Promise<import("./generator.js").Generator>}
   */
  async generator(preset) {
    if (this.#preset !== preset) {
      const options = { accelerator: this.#accelerator };
      const generator = await loadPreset(preset, this.runtime, this.#read, options);
      this.#generator?.close();
      this.#generator = generator;
      this.#preset = preset;
    }
    return this.#generator;
  }

  async #openSegmenter() {
    const runner = await Runner.open(this.runtime, await this.#read("selfie_segmentation.tflite"));
    const [input, output] = [runner.inputs[0].name, runner.outputs[0].name];
    return personSegmenter(async (image) => (await runner.run({ [input]: image }))[output]);
  }
}

/** A promise that is tried again when it is next asked for, where it fails. */
function forgetting(promise, forget) {
  promise.catch(forget);
  return promise;
}

/**
 * Reads files and holds them to the list that was written with them.
 *
 * @param {string} folder whole address of the folder `models`, ended by a slash.
 * @param {(path: string, bytes: number) => void} [progress] told of each file that has come.
 * @returns {(path: string) => Promise<Uint8Array>}
 *   throws {PortraitError} "no-file": it cannot be fetched; "bad-file": it is another one than the
 *   list says.
 */
export function readerOf(folder, progress = () => {}) {
  let list;

  /** The file, or undefined where it is another one than the list says. */
  async function read(path, cache) {
    if (cache === "reload") list = undefined;
    list ??= forgetting(fetchBytes(folder, "index.json", cache), () => (list = undefined));
    const { files } = JSON.parse(new TextDecoder().decode(await list));
    const bytes = await fetchBytes(folder, path, cache);
    const expected = files[`models/${path}`];
    const isSame = expected?.bytes === bytes.length && (await hasHash(bytes, expected.sha256));
    return isSame ? bytes : undefined;
  }

  return async (path) => {
    // A browser may have kept one of both from before the page was brought up to date.
    const bytes = (await read(path, "default")) ?? (await read(path, "reload"));
    if (bytes === undefined) {
      throw new PortraitError("bad-file", `A file is not the one of this page. Received: ${path}`);
    }
    progress(path, bytes.length);
    return bytes;
  };
}

async function fetchBytes(folder, path, cache) {
  let response;
  try {
    response = await fetch(folder + path, { cache });
  } catch (error) {
    throw new PortraitError("no-file", `A file could not be loaded. Received: ${path}`, {
      cause: error,
    });
  }
  if (!response.ok) {
    throw new PortraitError(
      "no-file",
      `A file could not be loaded. Received: ${response.status} for ${path}`,
    );
  }
  return new Uint8Array(await response.arrayBuffer());
}

async function hasHash(bytes, expected) {
  // Browsers have it where the address is secure; elsewhere the size has to do.
  if (!globalThis.crypto?.subtle) return true;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("") === expected;
}
