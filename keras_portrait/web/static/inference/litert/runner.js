/** Runs a LiteRT (`.tflite`) model with LiteRT.js, the npm package `@litertjs/core`. */

import { PortraitError } from "../errors.js";
import { rint } from "../picture.js";
import { describeModel } from "./graph.js";

const ARRAYS = { float32: Float32Array, int32: Int32Array, uint8: Uint8Array };
const THREADED = "litert_wasm_threaded_internal.js";

/**
 * Loads the WebAssembly of LiteRT.js.
 *
 * In a worker it must be a classic one: LiteRT.js loads its script with `importScripts`, which a
 * module worker has not. A classic worker takes modules by `import()`.
 *
 * @param {object} module the runtime's module, `await import(".../core/dist/index.js")`.
 * @param {string} folder whole address of the folder of its WebAssembly files, ended by a slash.
 * @param {object} [options]
 * @param {number} [options.threads] threads to use; more than one needs a page that is isolated from
 *   other origins, and is one everywhere else.
 * @returns {Promise<Runtime>}
 * @throws {PortraitError} "no-runtime": the browser is too old, or a file is missing.
 */
export async function startRuntime(module, folder, { threads = 1 } = {}) {
  const used = globalThis.crossOriginIsolated ? threads : 1;
  // Read by the loader of the WebAssembly: in a worker it would look beside the worker's script.
  globalThis.Module = {
    locateFile: (name) => folder + name,
    mainScriptUrlOrBlob: used > 1 ? folder + THREADED : undefined,
    print() {},
    printErr(line) {
      if (/^(ERROR|FATAL)/.test(line)) console.error(line);
    },
  };
  try {
    await module.loadLiteRt(folder, { threads: used > 1 });
  } catch (error) {
    const text = `The runtime did not start. Received: ${firstLine(error)}`;
    throw new PortraitError("no-runtime", text, { cause: error });
  }
  return { module, threads: used };
}

/**
 * @typedef {object} Runtime what runs models.
 * @property {object} module LiteRT.js, loaded.
 * @property {number} threads threads of one call.
 */

/**
 * A loaded model.
 *
 * A model that computes in 8 bits takes and returns float arrays as any other does: they are
 * quantized and dequantized at the border. Arrays of its own integer type are taken as they are;
 * where there is one among its inputs, integers are returned.
 */
export class Runner {
  #module;
  #model;

  /** Use `Runner.open`. */
  constructor(module, model, inputs, outputs, accelerator) {
    this.#module = module;
    this.#model = model;
    /** @type {import("./graph.js").Tensor[]} the model's inputs, in its order. */
    this.inputs = inputs;
    /** @type {import("./graph.js").Tensor[]} the model's outputs, in its order. */
    this.outputs = outputs;
    /** @type {"wasm" | "webgpu"} what computes. */
    this.accelerator = accelerator;
  }

  /**
   * @param {Runtime} runtime what `startRuntime` returned.
   * @param {Uint8Array} model content of a `.tflite` file without open sizes.
   * @param {object} [options]
   * @param {"wasm" | "webgpu"} [options.accelerator] what computes.
   * @returns {Promise<Runner>}
   * @throws {PortraitError} "bad-file": the runtime cannot run it.
   */
  static async open(runtime, model, { accelerator = "wasm" } = {}) {
    const { inputs, outputs } = describeModel(model);
    const odd = [...inputs, ...outputs].find(({ shape, dtype }) => shape.includes(-1) || !ARRAYS[dtype]);
    if (odd) {
      const received = `${odd.dtype} (${odd.shape.join(", ")})`;
      throw new PortraitError("bad-file", `The model's ${odd.name} cannot be used. Received: ${received}`);
    }
    const cpuOptions = { numThreads: runtime.threads };
    try {
      const compiled = await runtime.module.loadAndCompile(model, { accelerator, cpuOptions });
      return new Runner(runtime.module, compiled, inputs, outputs, compiled.options.accelerator);
    } catch (error) {
      const text = `The runtime cannot run the model. Received: ${firstLine(error)}`;
      throw new PortraitError("bad-file", text, { cause: error });
    }
  }

  /**
   * Runs the model once; wait for the result before the next call.
   *
   * @param {Object<string, Float32Array | Int32Array | Uint8Array>} arrays inputs by name, row by row.
   * @returns {Promise<Object<string, Float32Array | Int32Array | Uint8Array>>} outputs by name.
   * @throws {PortraitError} "bad-setting": an input is missing or has the wrong length or type;
   *   "no-runtime": the runtime failed, such as for want of memory.
   */
  async run(arrays) {
    const encoded = this.inputs.map((tensor) => encode(arrays[tensor.name], tensor));
    const raw = this.inputs.some(
      ({ name, scale, dtype }) => scale > 0 && arrays[name] instanceof ARRAYS[dtype],
    );
    const held = [];
    try {
      for (const [index, { shape }] of this.inputs.entries()) {
        held.push(new this.#module.Tensor(encoded[index], shape));
      }
      // By name: the runtime has an order of its own.
      const named = this.inputs.map(({ name }, index) => [name, held[index]]);
      const results = await this.#model.run(Object.fromEntries(named));
      held.push(...Object.values(results));
      const decoded = {};
      for (const tensor of this.outputs) {
        const array = await results[tensor.name].data();
        decoded[tensor.name] = raw ? array : decode(array, tensor);
      }
      return decoded;
    } catch (error) {
      const text = `The runtime could not run the model. Received: ${firstLine(error)}`;
      throw new PortraitError("no-runtime", text, { cause: error });
    } finally {
      held.forEach((tensor) => tensor.delete());
    }
  }

  /** Gives its memory back. */
  close() {
    this.#model.delete();
  }
}

function encode(array, { name, shape, dtype, scale, zeroPoint }) {
  const length = shape.reduce((product, side) => product * side, 1);
  if (array?.length !== length) {
    const received = array === undefined ? "nothing" : `${array.length} values`;
    throw new PortraitError("bad-setting", `The model's ${name} has ${length} values. Received: ${received}`);
  }
  if (array instanceof ARRAYS[dtype]) return array;
  if (!(array instanceof Float32Array && scale > 0 && dtype === "uint8")) {
    const received = array.constructor.name;
    throw new PortraitError("bad-setting", `The model's ${name} is ${dtype}. Received: ${received}`);
  }
  const steps = (value) => rint(Math.fround(value / scale)) + zeroPoint;
  return new Uint8Array(Uint8ClampedArray.from(array, steps).buffer);
}

function decode(array, { scale, zeroPoint }) {
  if (!scale) return array;
  const step = Math.fround(scale);
  return Float32Array.from(array, (value) => (value - zeroPoint) * step);
}

function firstLine(error) {
  return String(error?.message ?? error?.type ?? error).split("\n")[0];
}
