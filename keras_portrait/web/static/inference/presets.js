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
 * @returns {Promise<Generator & {accelerator: string, close: () => void}>}
 * @throws {PortraitError} "no-file": there is no such preset; "bad-file": it is altered or not what
 *   its metadata says, or the runtime cannot run it.
 */
export async function loadPreset(preset, runtime, read, { accelerator = "wasm" } = {}) {
  const folder = `presets/${preset}`;
  const text = new TextDecoder().decode(await read(`${folder}/${FILE_NAME}`));
  const metadata = parseMetadata(text, `${folder}/${FILE_NAME}`);
  const model = await read(`${folder}/${metadata.file}`);
  let runner = await Runner.open(runtime, model);
  checkTensors(runner, metadata, folder);
  if (accelerator === "auto" && runtime.hasWebGpu && metadata.mode !== "int8") {
    runner = await onGraphics(runner, runtime, model, metadata);
  }
  const output = runner.outputs[0].name;
  const generator = new Generator(metadata, async (arrays) => (await runner.run(arrays))[output]);
  return Object.assign(generator, { accelerator: runner.accelerator, close: () => runner.close() });
}

/** The same model on the graphics processor, if it draws the same there; otherwise as it was. */
async function onGraphics(runner, runtime, model, metadata) {
  let other;
  try {
    other = await Runner.open(runtime, model, { accelerator: "webgpu" });
    if ((await difference(runner, other, metadata)) <= MOST_DIFFERENCE) {
      runner.close();
      return other;
    }
  } catch (error) {
    if (!(error instanceof PortraitError)) throw error; // else it has no WebGPU, or a broken one
  }
  other?.close();
  return runner;
}

/** Mean difference, of 255, of two drawings of rings of light and shade. */
async function difference(one, other, { size, styles, inputs }) {
  const image = new Float32Array(3 * size * size);
  for (let at = 0; at < image.length; at += 1) {
    const [x, y] = [Math.floor(at / 3) % size, Math.floor(at / 3 / size)];
    image[at] = Math.sin((20 * Math.hypot(x - size / 2, y - size / 2)) / size + (at % 3));
  }
  const style = new Float32Array(styles.length).fill(1 / styles.length);
  const arrays = inputs.includes("style") ? { image, style } : { image };
  const [first, second] = [await one.run(arrays), await other.run(arrays)].map((all) => Object.values(all)[0]);
  const sum = first.reduce((total, value, index) => total + Math.abs(value - second[index]), 0);
  return (sum / first.length) * 127.5;
}

function checkTensors(runner, metadata, folder) {
  const { size, styles, mode, channels } = metadata;
  const dtype = mode === "int8" ? "uint8" : "float32";
  const shapes = { image: [1, size, size, 3], style: [1, styles.length] };
  const tell = (tensors) => tensors.map(({ name, shape }) => `${name} ${dtype} (${shape.join(", ")})`).sort().join(", ");
  const wanted = tell(metadata.inputs.map((name) => ({ name, shape: shapes[name] })));
  const told = (tensors) =>
    tensors.map(({ name, dtype: type, shape }) => `${name} ${type} (${shape.join(", ")})`).sort().join(", ");
  const output = runner.outputs[0];
  const outputWanted = tell([{ name: output.name, shape: [1, size, size, channels] }]);
  if (told(runner.inputs) !== wanted || runner.outputs.length !== 1 || told(runner.outputs) !== outputWanted) {
    throw new PortraitError(
      "bad-file",
      `The model does not fit its metadata: expected ${wanted} and ${outputWanted}. ` +
        `Received: ${told(runner.inputs)} and ${told(runner.outputs)} in ${folder}`,
    );
  }
}
