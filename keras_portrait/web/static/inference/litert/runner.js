/** Runs a LiteRT (`.tflite`) model with LiteRT.js, the npm package `@litertjs/core`. */

import { PortraitError } from "../errors.js";
import { rint } from "../picture.js";
import { describeModel } from "./graph.js";

const ARRAYS = { float32: Float32Array, int32: Int32Array, uint8: Uint8Array };

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
 * @param {(address: string, imports: object) => Promise<WebAssembly.WebAssemblyInstantiatedSource>}
 *   [options.instantiate] fetches and compiles, such as what `instantiator` returns; where there is
 *   none, the runtime does it.
 * @returns {Promise<Runtime>}
 * @throws {PortraitError} "no-runtime": the browser is too old, or a file is missing.
 */
export async function startRuntime(module, folder, { threads = 1, instantiate } = {}) {
  try {
    const isQuick = await module.supportsFeature("relaxedSimd");
    const used = isQuick && globalThis.crossOriginIsolated ? threads : 1;
    const name = `litert_wasm_${isQuick ? (used > 1 ? "threaded_" : "") : "compat_"}internal`;
    await new Promise((resolve, reject) => {
      // Read by the loader of the WebAssembly, which would look beside the worker's script.
      globalThis.Module = {
        locateFile: (file) => folder + file,
        mainScriptUrlOrBlob: `${folder}${name}.js`,
        instantiateWasm:
          instantiate &&
          ((imports, receive) => {
            const received = ({ instance, module: compiled }) => receive(instance, compiled);
            instantiate(`${folder}${name}.wasm`, imports).then(received).catch(reject);
            return {};
          }),
        print() {},
        printErr(line) {
          if (/^(ERROR|FATAL)/.test(line)) console.error(line);
        },
      };
      module.loadLiteRt(folder, { threads: used > 1 }).then(resolve, reject);
    });
    return { module, threads: used, hasWebGpu: isGraphics(module.getWebGpuDevice()) };
  } catch (error) {
    throw asPortraitError(error, "The runtime did not start.");
  }
}

/** Whether a device is a graphics processor, and not a slow stand-in for one. */
function isGraphics(device) {
  const { isFallbackAdapter = false, architecture = "" } = device?.adapterInfo ?? {};
  return Boolean(device) && !isFallbackAdapter && architecture !== "swiftshader";
}

/**
 * What fetches and compiles WebAssembly, and tells how far it is.
 *
 * @param {(loaded: number, total: number) => void} progress told of bytes; the total is 0 where the
 *   server does not tell it.
 * @returns {(address: string, imports: object) => Promise<WebAssembly.WebAssemblyInstantiatedSource>}
 */
export function instantiator(progress) {
  return async (address, imports) => {
    const response = await fetch(address, { credentials: "same-origin" });
    if (!response.ok) throw new Error(`${response.status} for ${address}`);
    const [counted, spare] = [response.clone(), response.clone()];
    const counting = count(counted, progress);
    try {
      // Compiles while it comes.
      return await WebAssembly.instantiateStreaming(response, imports);
    } catch (error) {
      // A server that calls it something else than application/wasm.
      if (!(error instanceof TypeError)) throw error;
      return await WebAssembly.instantiate(await spare.arrayBuffer(), imports);
    } finally {
      await counting;
    }
  };
}

async function count(response, progress) {
  const isPacked = Boolean(response.headers.get("Content-Encoding"));
  const total = isPacked ? 0 : Number(response.headers.get("Content-Length") ?? 0);
  let loaded = 0;
  const reader = response.body.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    loaded += part.value.length;
    progress(loaded, total);
  }
}

/**
 * @typedef {object} Runtime what runs models.
 * @property {object} module LiteRT.js, loaded.
 * @property {number} threads threads of one call.
 * @property {boolean} hasWebGpu whether models may be opened with the accelerator "webgpu".
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
   * @throws {PortraitError} "bad-file": the runtime cannot run it; "no-memory".
   */
  static async open(runtime, model, { accelerator = "wasm" } = {}) {
    const { inputs, outputs } = describeModel(model);
    const odd = [...inputs, ...outputs].find(
      ({ shape, dtype }) => shape.includes(-1) || !ARRAYS[dtype],
    );
    if (odd) {
      const received = `${odd.dtype} (${odd.shape.join(", ")})`;
      throw new PortraitError(
        "bad-file",
        `The model's ${odd.name} cannot be used. Received: ${received}`,
      );
    }
    const cpuOptions = { numThreads: runtime.threads };
    const gpuOptions = { precision: "fp32" }; // drawings are to be the same everywhere
    try {
      const compiled = await runtime.module.loadAndCompile(model, {
        accelerator,
        cpuOptions,
        gpuOptions,
      });
      return new Runner(runtime.module, compiled, inputs, outputs, compiled.options.accelerator);
    } catch (error) {
      throw asPortraitError(error, "The runtime cannot run the model.", "bad-file");
    }
  }

  /**
   * Runs the model once; wait for the result before the next call.
   *
   * @param {Object<string, Float32Array | Int32Array | Uint8Array>} arrays inputs by name, row by row.
   * @returns {Promise<Object<string, Float32Array | Int32Array | Uint8Array>>} outputs by name.
   * @throws {PortraitError} "bad-setting": an input is missing or has the wrong length or type;
   *   "no-runtime": the runtime failed; "no-memory".
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
      throw asPortraitError(error, "The runtime could not run the model.");
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
    throw new PortraitError(
      "bad-setting",
      `The model's ${name} has ${length} values. Received: ${received}`,
    );
  }
  if (array instanceof ARRAYS[dtype]) return array;
  if (!(array instanceof Float32Array && scale > 0 && dtype === "uint8")) {
    const received = array.constructor.name;
    throw new PortraitError(
      "bad-setting",
      `The model's ${name} is ${dtype}. Received: ${received}`,
    );
  }
  const steps = (value) => rint(Math.fround(value / scale)) + zeroPoint;
  return new Uint8Array(Uint8ClampedArray.from(array, steps).buffer);
}

function decode(array, { scale, zeroPoint }) {
  if (!scale) return array;
  const step = Math.fround(scale);
  return Float32Array.from(array, (value) => (value - zeroPoint) * step);
}

/** What the runtime threw, as one line; an error of another kind where memory has run out. */
function asPortraitError(error, text, code = "no-runtime") {
  const received = String(error?.message ?? error?.type ?? error).split("\n")[0];
  const isFull =
    error instanceof RangeError ||
    /out of memory|memory access|allocat|enlarge memory/i.test(received);
  return new PortraitError(isFull ? "no-memory" : code, `${text} Received: ${received}`, {
    cause: error,
  });
}
