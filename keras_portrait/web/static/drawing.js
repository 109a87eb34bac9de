/** Hands pictures to the worker that draws, and starts it again where it died. */

import { PortraitError } from "./inference/errors.js";

/** One worker with one preset. Requests are answered in their order. */
export class Drawing {
  #worker = null;
  #waiting = new Map(); // id -> {resolve, reject, progress}
  #number = 0;
  #address = "";
  #threads = threadsHere();
  #preset = "";

  /**
   * Loads a preset, and with the first one the runtime and the face detector.
   * @param {string} preset name of one of the page's presets
   * @param {(step: string, loaded: number, total: number) => void} progress told of bytes
   * @returns {Promise<{preset: string, styles: string[], size: number, accelerator: string, threads: number}>}
   */
  async load(preset, progress) {
    this.#preset = preset;
    const base = new URL("./", document.baseURI).href;
    const ask = (threads) => {
      if (!this.#worker) this.#start();
      return this.#ask({ type: "load", base, preset, threads, accelerator: "auto" }, [], progress);
    };
    try {
      return await ask(this.#threads);
    } catch (error) {
      // Without a network the form of the runtime that uses threads may be missing, where the page
      // was first loaded without them.
      if (error.code !== "no-runtime" || this.#threads === 1) throw error;
      this.#threads = 1;
      return ask(1);
    }
  }

  /**
   * Draws a photo.
   * @param {ImageBitmap} photo is taken away
   * @param {{style: string, faces: string, crop: boolean, whole: boolean, background: string}} options
   * @returns {Promise<{drawing: ImageBitmap, faces: number, turn: number, milliseconds: object}>}
   */
  async draw(photo, options) {
    if (!this.#worker) await this.load(this.#preset);
    return this.#ask({ type: "draw", photo, ...options }, [photo]);
  }

  /**
   * Draws one picture of a camera.
   * @param {ImageBitmap} photo is taken away, and comes back in the answer
   * @param {{style: string, faces: number}} options
   * @returns {Promise<{drawing: ?ImageBitmap, photo: ImageBitmap, faces: number, milliseconds: object}>}
   */
  async frame(photo, options) {
    if (!this.#worker) await this.load(this.#preset);
    return this.#ask({ type: "frame", photo, ...options }, [photo]);
  }

  /** Forgets where the last picture of the camera had its face. */
  reset() {
    if (this.#worker) this.#worker.postMessage({ type: "reset" });
  }

  #start() {
    // A worker from an address would have no Content-Security-Policy where the server sends none;
    // one made of a blob has that of the page.
    const script = new URL("worker.js", document.baseURI).href;
    const code = new Blob([`importScripts(${JSON.stringify(script)});`], { type: "text/javascript" });
    this.#address = URL.createObjectURL(code);
    this.#worker = new Worker(this.#address);
    this.#worker.addEventListener("message", ({ data }) => this.#hear(data));
    this.#worker.addEventListener("error", (event) => {
      event.preventDefault();
      this.#end(new PortraitError("no-runtime", event.message));
    });
    this.#worker.addEventListener("messageerror", () => this.#end(new PortraitError("failed", "What the worker sent cannot be read.")));
  }

  #ask(message, transferred, progress) {
    if (!this.#worker) return Promise.reject(new PortraitError("no-runtime", "There is no worker."));
    const id = ++this.#number;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject, progress });
      this.#worker.postMessage({ id, ...message }, transferred);
    });
  }

  #hear(answer) {
    const request = this.#waiting.get(answer.id);
    if (!request) return;
    if (answer.type === "progress") {
      if (request.progress) request.progress(answer.step, answer.loaded, answer.total);
      return;
    }
    this.#waiting.delete(answer.id);
    if (answer.type !== "error") return request.resolve(answer);
    const error = new PortraitError(answer.code, answer.text);
    request.reject(error);
    // A runtime whose memory ran out does not recover.
    if (answer.code === "no-memory" || answer.code === "no-runtime") this.#end(error);
  }

  #end(error) {
    if (this.#worker) this.#worker.terminate();
    this.#worker = null;
    URL.revokeObjectURL(this.#address);
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}

// Threads share memory, which browsers give to isolated pages only; see service-worker.js.
const threadsHere = () => (self.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency || 1) : 1);

// (module (func (result v128) i32.const 0 i8x16.splat i8x16.popcnt)): WebAssembly with SIMD.
const SIMD = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11];

/**
 * Whether this browser has what drawing needs.
 * @returns {boolean}
 */
export function canDraw() {
  return typeof WebAssembly === "object" && WebAssembly.validate(new Uint8Array(SIMD))
    && typeof OffscreenCanvas === "function" && typeof createImageBitmap === "function";
}
