/** Presets: trained generators, each a folder below `models/presets`. */

import { PortraitError } from "./errors.js";
import { Generator } from "./generator.js";
import { Runner } from "./litert/runner.js";
import { FILE_NAME, parseMetadata } from "./metadata.js";

// How far, of 255, a drawing made with WebGPU may lie from that of WebAssembly on average.
const MOST_DIFFERENCE = 1;

/**
 * Loads the generator of a preset.
 *
 * @param {string} preset name of its folder.
 * @param {import("./litert/runner.js").Runtime} runtime what `startRuntime` returned.
 * @param {(path: string) => Promise<Uint8Array>} read content of a file of the folder `models`.
 * @param {object} [options]
 * @param {"wasm" | "auto"} [options.accelerator] "auto" uses WebGPU where the network computes in
 *   floats and draws there what it draws with WebAssembly.
 * @returns {Promise<LoadedGenerator>}
 * @throws {PortraitError} "no-file": there is no such preset; "bad-file": it is altered or not what
 *   its metadata says, or the runtime cannot run it.
 */
export async function loadPreset(preset, runtime, read, { accelerator = "wasm" } = {}) {
  const folder = `presets/${preset}`;
  const text = new TextDecoder().decode(await read(`${folder}/${FILE_NAME}`));
  const metadata = parseMetadata(text, `${folder}/${FILE_NAME}`);
  const model = await read(`${folder}/${metadata.file}`);
  const runner = await Runner.open(runtime, model);
  checkTensors(runner, metadata, folder);
  const generator = new LoadedGenerator(metadata, runner);
  if (accelerator === "auto" && runtime.hasWebGpu && metadata.mode !== "int8") {
    await generator.tryGraphics(runtime, model);
  }
  return generator;
}

/** A generator whose network the runtime runs. */
export class LoadedGenerator extends Generator {
  #runner;
  #graphics; // the same network there, while it is used

  /**
   * @param {import("./metadata.js").PresetMetadata} metadata
   * @param {Runner} runner with WebAssembly.
   */
  constructor(metadata, runner) {
    super(metadata, (arrays) => this.#run(arrays));
    this.#runner = runner;
  }

  /** @returns {"wasm" | "webgpu"} what draws. */
  get accelerator() {
    return this.#graphics === undefined ? "wasm" : "webgpu";
  }

  /** Changes to the graphics processor where it draws the same there, and sooner. */
  async tryGraphics(runtime, model) {
    const arrays = sample(this.metadata);
    let graphics;
    try {
      graphics = await Runner.open(runtime, model, { accelerator: "webgpu" });
      const [wanted, patience] = await timed(this.#runner, arrays);
      await graphics.run(arrays); // the first run prepares
      const [found, milliseconds] = await timed(graphics, arrays);
      const isSooner = graphics.accelerator === "webgpu" && milliseconds < patience;
      if (isSooner && meanDifference(found, wanted) <= MOST_DIFFERENCE) this.#graphics = graphics;
    } catch (error) {
      if (!(error instanceof PortraitError)) throw error; // else it is broken, and not used
    }
    if (this.#graphics === undefined) graphics?.close();
  }

  /** Gives its memory back. */
  close() {
    this.#runner.close();
    this.#graphics?.close();
  }

  async #run(arrays) {
    if (this.#graphics !== undefined) {
      try {
        return onlyOutput(await this.#graphics.run(arrays));
      } catch (error) {
        if (error.code !== "no-runtime") throw error;
        // Graphics processors get lost, such as when a phone sleeps.
        this.#graphics.close();
        this.#graphics = undefined;
      }
    }
    return onlyOutput(await this.#runner.run(arrays));
  }
}

const onlyOutput = (outputs) => Object.values(outputs)[0];

async function timed(runner, arrays) {
  const begun = performance.now();
  const drawing = onlyOutput(await runner.run(arrays));
  return [drawing, performance.now() - begun];
}

/** Rings of light and shade, in all styles at once. */
function sample({ size, styles, inputs }) {
  const image = new Float32Array(3 * size * size);
  for (let at = 0; at < image.length; at += 1) {
    const [x, y] = [Math.floor(at / 3) % size, Math.floor(at / 3 / size)];
    image[at] = Math.sin((20 * Math.hypot(x - size / 2, y - size / 2)) / size + (at % 3));
  }
  const style = new Float32Array(styles.length).fill(1 / styles.length);
  return inputs.includes("style") ? { image, style } : { image };
}

/** Mean difference of two drawings, of 255; not a number where one holds such. */
function meanDifference(one, other) {
  const sum = one.reduce((total, value, index) => total + Math.abs(value - other[index]), 0);
  return (sum / one.length) * 127.5;
}

function checkTensors(runner, metadata, folder) {
  const { size, styles, mode, channels } = metadata;
  const dtype = mode === "int8" ? "uint8" : "float32";
  const shapes = { image: [1, size, size, 3], style: [1, styles.length] };
  const output = runner.outputs[0]?.name;
  const tell = (tensors) =>
    tensors
      .map((tensor) => `${tensor.name} ${tensor.dtype} (${tensor.shape.join(", ")})`)
      .sort()
      .join(", ");
  const wanted = [
    tell(metadata.inputs.map((name) => ({ name, dtype, shape: shapes[name] }))),
    tell([{ name: output, dtype, shape: [1, size, size, channels] }]),
  ].join(" to ");
  const found = `${tell(runner.inputs)} to ${tell(runner.outputs)}`;
  if (found !== wanted) {
    const text = `The model does not fit its metadata: expected ${wanted}. Received: ${found} in ${folder}`;
    throw new PortraitError("bad-file", text);
  }
}
