/**
 * What the page asks the worker for, and what it gets.
 *
 * A request is `{id, type, ...}`; each but "reset" is answered once, in the order in which they came:
 *
 * - `{type: "load", base, preset, threads, accelerator}` by `{type: "loaded", preset, styles, size,
 *   accelerator, threads}`; the first one loads runtime and detector as well.
 * - `{type: "draw", photo, style, faces, crop, whole, background}` by `{type: "drawn", drawing, faces,
 *   turn, milliseconds}`: options as `Stylizer.draw` takes them, how many faces were drawn, and by how
 *   many quarter turns in degrees the largest of them lies in the photo.
 * - `{type: "frame", photo, style, faces}`, the picture of a camera, by `{type: "drawn", drawing, photo,
 *   faces, milliseconds}`: at most so many faces, the same photo again, and no drawing of no face.
 * - `{type: "reset"}`: the next frame has nothing to do with the last one.
 *
 * Photos and drawings are ImageBitmaps, which change hands. While it loads,
 * `{type: "progress", step, loaded, total}` tells bytes of the "runtime" and then of each file of the
 * "networks". What fails is answered by `{type: "error", code, text}`.
 */

import { largestFace } from "./faces/detector.js";
import { quarterTurns } from "./faces/finder.js";
import { PortraitError } from "./errors.js";
import { Live } from "./live/live.js";
import { Models, readerOf } from "./models.js";
import { Stylizer } from "./stylizer.js";
import { instantiator, startRuntime } from "./litert/runner.js";

/** Answers requests, one after the other. */
export class Session {
  #models; // a promise of `Models`
  #stylizer;
  #preset;
  #live;
  #liveFaces;
  #pixels;
  #open;
  #tasks = Promise.resolve();

  /**
   * @param {{read: (photo: ImageBitmap) => import("./picture.js").Picture, make: (picture:
   *   import("./picture.js").Picture) => Promise<ImageBitmap>}} pixels turns pictures into the
   *   browser's and back.
   * @param {(options: object, progress: (step: string, loaded: number, total: number) => void) =>
   *   Promise<Models>} [open] starts the runtime; takes the request "load".
   */
  constructor(pixels, open = openModels) {
    this.#pixels = pixels;
    this.#open = open;
  }

  /**
   * Answers a request when those before it are answered.
   *
   * @param {object} request
   * @param {(answer: object, transferred: object[]) => void} post
   * @returns {Promise<void>} settled when it is answered.
   */
  take(request, post) {
    this.#tasks = this.#tasks.then(async () => {
      const { id } = request;
      try {
        const progress = (step, loaded, total) =>
          post({ id, type: "progress", step, loaded, total }, []);
        const answer = await this.#answer(request, progress);
        if (answer) post({ id, ...answer }, [answer.drawing, answer.photo].filter(Boolean));
      } catch (error) {
        request.photo?.close();
        post({ id, type: "error", code: codeOf(error), text: String(error.message ?? error) }, []);
      }
    });
    return this.#tasks;
  }

  #answer(request, progress) {
    if (request.type === "load") return this.#load(request, progress);
    if (request.type === "draw") return this.#draw(request);
    if (request.type === "frame") return this.#frame(request);
    if (request.type === "reset") this.#live = undefined;
    else throw new PortraitError("bad-setting", `No such request. Received: ${request.type}`);
    return undefined;
  }

  async #load(request, progress) {
    const { preset } = request;
    this.#models ??= this.#open(request, progress);
    this.#models.catch(() => (this.#models = undefined));
    const models = await this.#models;
    await models.segmenter();
    // What fails leaves the preset that was there before.
    this.#stylizer = await Stylizer.load({ models, preset });
    this.#preset = preset;
    const { styles, size } = this.#stylizer.metadata;
    const { accelerator } = await models.generator(preset);
    return { type: "loaded", preset, styles, size, accelerator, threads: models.runtime.threads };
  }

  async #draw({ photo, style, faces, crop, whole, background }) {
    const stylizer = this.#loaded();
    const pixels = this.#read(photo);
    photo.close();
    const begun = performance.now();
    const drawn = await stylizer.draw(pixels, { style, faces, crop, whole, background });
    const milliseconds = { draw: performance.now() - begun };
    const largest = largestFace(drawn.faces);
    return {
      type: "drawn",
      drawing: await this.#pixels.make(drawn.drawing),
      faces: drawn.faces.length,
      turn: largest === undefined ? 0 : quarterTurns(largest),
      milliseconds,
    };
  }

  async #frame({ photo, style, faces = 1 }) {
    this.#loaded();
    const models = await this.#models;
    if (this.#live === undefined || this.#liveFaces !== faces) {
      this.#live = new Live(await models.detectors(), await models.segmenter(), { faces });
      this.#liveFaces = faces;
    }
    const generator = await models.generator(this.#preset);
    const result = await this.#live.draw(
      generator,
      this.#read(photo),
      performance.now() / 1000,
      style,
    );
    const drawing = result.faces > 0 ? await this.#pixels.make(result.drawing) : null;
    return { type: "drawn", drawing, photo, faces: result.faces, milliseconds: result.stages };
  }

  #loaded() {
    if (this.#stylizer === undefined) {
      throw new PortraitError("bad-setting", "Nothing is loaded. Expected a request of type load");
    }
    return this.#stylizer;
  }

  #read(photo) {
    if (!(photo.width > 0 && photo.height > 0)) {
      throw new PortraitError(
        "bad-photo",
        `Expected a picture. Received: ${photo.width} x ${photo.height}`,
      );
    }
    return this.#pixels.read(photo);
  }
}

function codeOf(error) {
  if (error instanceof PortraitError) return error.code;
  return error instanceof RangeError && /alloc|array length|memory/i.test(error.message)
    ? "no-memory"
    : "failed";
}

/** The runtime and the networks of a page. */
async function openModels({ base, threads, accelerator }, progress) {
  let module;
  try {
    module = await import(`${base}runtime/core/dist/index.js`);
  } catch (error) {
    throw new PortraitError(
      "no-runtime",
      `The runtime could not be loaded. Received: ${error.message}`,
      { cause: error },
    );
  }
  const instantiate = instantiator((loaded, total) => progress("runtime", loaded, total));
  const runtime = await startRuntime(module, `${base}runtime/core/wasm/`, { threads, instantiate });
  const read = readerOf(`${base}models/`, (path, bytes) => progress("networks", bytes, bytes));
  return new Models(runtime, read, { accelerator });
}
