// Calls the page's modules with what Python has written, and says how far the results are from
// Python's: node check_pixels.mjs MODULES CASES, where CASES is a folder with cases.json and
// data.bin.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [modules, folder] = process.argv.slice(2);
const imported = (name) => import(pathToFileURL(join(modules, `${name}.js`)).href);
const { personSegmenter } = await imported("segmentation");
const bytes = readFileSync(join(folder, "data.bin"));
const TYPES = { uint8: Uint8Array, float32: Float32Array, float64: Float64Array };

/** An argument: pictures and arrays lie in data.bin, anything else is there as it is. */
function argument(value) {
  if (Array.isArray(value)) return value.map(argument);
  if (value === null || typeof value !== "object" || !("type" in value)) return value;
  const { type, offset, length, shape } = value, Type = TYPES[type];
  // A copy: some functions work in place.
  const start = bytes.byteOffset + offset;
  const data = new Type(bytes.buffer.slice(start, start + length * Type.BYTES_PER_ELEMENT));
  if (value.kind === "segmenter") return personSegmenter(() => data);
  if (value.kind !== "picture") return data;
  return { data, height: shape[0], width: shape[1], channels: shape[2] ?? 1 };
}

/** Numbers of a result, whatever it is, and its shape where it has one. */
function numbers(value) {
  if (typeof value === "number") return { data: [value] };
  if (value.data) return { data: value.data, shape: [value.height, value.width, value.channels] };
  if (ArrayBuffer.isView(value)) return { data: value };
  return { data: (Array.isArray(value) ? value : Object.values(value)).flat(Infinity) };
}

/** How far numbers are from those that are wanted. */
function difference({ data, shape }, wanted) {
  const fits = data.length === wanted.data.length
    && (!shape || !wanted.shape || `${shape}` === `${wanted.shape}`);
  let largest = 0, different = 0;
  for (let i = 0; fits && i < data.length; i++) {
    const off = Math.abs(data[i] - wanted.data[i]);
    if (!(off === 0)) different++;
    if (!(off <= largest)) largest = Number.isNaN(off) ? Number.MAX_VALUE : off;
  }
  return { fits, shape, count: data.length, different, largest };
}

const cases = JSON.parse(readFileSync(join(folder, "cases.json"), "utf8")), results = {};
let last = {}; // several cases may look at parts of one result
for (const { name, module, call, args, pick, expected } of cases) {
  const key = JSON.stringify([module, call, args]);
  if (last.key !== key) {
    const [owner, method] = call.split("."), found = (await imported(module))[owner];
    const given = args.map(argument);
    const result = method ? new found(...given.shift())[method](...given) : found(...given);
    last = { key, result: await result };
  }
  const { result } = last;
  results[name] = difference(numbers(pick ? result[pick] : result), numbers(argument(expected)));
}
console.log(JSON.stringify(results));
