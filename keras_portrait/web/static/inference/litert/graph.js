/**
 * What a model file is made of: its tensors, and sizes that it leaves open.
 *
 * A `.tflite` file is a FlatBuffer. Only what drawing needs is read, by hand: a table knows where
 * each of its fields lies, and the numbers of fields and operators are those of TensorFlow's
 * `schema.fbs`. Sizes are changed in place.
 */

import { PortraitError } from "../errors.js";

const TYPES = { 0: "float32", 2: "int32", 3: "uint8" };
const CONV_2D = 3;
const MAX_POOL_2D = 17;
// Operators whose result is as large as their first input.
const SAME_SIZE = new Set([25, 54]); // SOFTMAX, PRELU
const VALID = 1; // padding: none

/**
 * @typedef {object} Tensor an input or output of a model.
 * @property {string} name name in the model's signature, or of the tensor where there is none.
 * @property {number[]} shape sizes of the axes; -1 where the model leaves one open.
 * @property {string} dtype "float32", "int32" or "uint8"; the schema's number of any other type.
 * @property {number} scale real value of one step of a quantized tensor; 0 when it is not quantized.
 * @property {number} zeroPoint quantized value that stands for 0.
 */

/**
 * What goes into a model and comes out of it.
 *
 * @param {Uint8Array} model content of a `.tflite` file.
 * @returns {{inputs: Tensor[], outputs: Tensor[]}} in the order of the model's signature.
 * @throws {PortraitError} "bad-file": not a model.
 */
export function describeModel(model) {
  return reading(model, (root) => {
    const graph = root.table(2).items()[0];
    const tensors = graph.table(0).items();
    const signatures = root.table(7)?.items() ?? [];
    const named = (field, indices) =>
      signatures.length > 0
        ? signatures[0]
            .table(field)
            .items()
            .map((map) => [map.table(0).text(), map.unsigned(1)])
        : indices.map((index) => [tensors[index].table(3).text(), index]);
    const describe = ([name, index]) => describeTensor(tensors[index], name);
    return {
      inputs: named(0, graph.table(1).integers()).map(describe),
      outputs: named(1, graph.table(2).integers()).map(describe),
    };
  });
}

/**
 * A copy of a convolutional model with one image input, with its open height and width fixed.
 *
 * LiteRT.js refuses open sizes. With every tensor's size written into the file it computes what
 * Python's runtime computes after `resize_tensor_input`, to the bit.
 *
 * @param {Uint8Array} model content of a `.tflite` file; its input is (1, -1, -1, C).
 * @param {number} height rows of the input.
 * @param {number} width columns of the input.
 * @returns {Uint8Array} content of a `.tflite` file without open sizes.
 * @throws {PortraitError} "bad-file": not a model, or one with other operators than convolutions,
 *   maximum pooling, PReLU and softmax.
 */
export function fixSize(model, height, width) {
  const fixed = model.slice();
  reading(fixed, (root) => {
    const graph = root.table(2).items()[0];
    const tensors = graph.table(0).items();
    const codes = root
      .table(1)
      .items()
      .map((code) => Math.max(code.byte(0), code.signed(3)));
    const sizes = new Map([[graph.table(1).integers()[0], [height, width]]]);
    for (const operator of graph.table(3).items()) {
      const inputs = operator.table(1).integers();
      const size = resultSize(codes[operator.unsigned(0)], operator, sizes.get(inputs[0]), () =>
        tensors[inputs[1]].table(0).integers().slice(1, 3),
      );
      operator
        .table(2)
        .integers()
        .forEach((index) => sizes.set(index, size));
    }
    for (const [index, size] of sizes) {
      for (const field of [0, 7]) {
        // the shape, and the one that says what is open
        size.forEach((side, axis) => tensors[index].table(field).setInteger(1 + axis, side));
      }
    }
  });
  return fixed;
}

function resultSize(code, operator, size, kernelSize) {
  if (SAME_SIZE.has(code)) return size;
  if (code !== CONV_2D && code !== MAX_POOL_2D) {
    throw new PortraitError("bad-file", `The size of operator ${code} is not known.`);
  }
  const options = operator.table(4);
  const kernel = code === CONV_2D ? kernelSize() : [options.signed(4), options.signed(3)];
  const steps = [options.signed(2), options.signed(1)];
  return size.map((side, axis) => {
    const room = options.byte(0) === VALID ? side - kernel[axis] + 1 : side;
    return Math.ceil(room / steps[axis]);
  });
}

function describeTensor(tensor, name) {
  const type = tensor.byte(1);
  const quantization = tensor.table(4);
  const scales = quantization?.table(2)?.floats() ?? [];
  const zeroPoints = quantization?.table(3)?.longs() ?? [];
  const shape = tensor.table(7) ?? tensor.table(0);
  return {
    name,
    shape: shape?.integers() ?? [],
    dtype: TYPES[type] ?? String(type),
    scale: scales[0] ?? 0,
    zeroPoint: zeroPoints[0] ?? 0,
  };
}

function reading(bytes, read) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    return read(new Place(view, view.getUint32(0, true)));
  } catch (error) {
    if (error instanceof PortraitError) throw error;
    const text = `This is not a model file. Received: ${bytes.byteLength} bytes`;
    throw new PortraitError("bad-file", text, { cause: error });
  }
}

/** A place in a FlatBuffer: a table, or a vector of anything. */
class Place {
  constructor(view, start) {
    this.view = view;
    this.start = start;
  }

  /** Where a field of the table lies; 0 where it has the default value. */
  field(number) {
    const fields = this.start - this.view.getInt32(this.start, true);
    const entry = 4 + 2 * number;
    const offset =
      entry < this.view.getUint16(fields, true) ? this.view.getUint16(fields + entry, true) : 0;
    return offset && this.start + offset;
  }

  follow(at) {
    return new Place(this.view, at + this.view.getUint32(at, true));
  }

  /** The table or vector that a field points to; undefined where there is none. */
  table(number) {
    const at = this.field(number);
    return at ? this.follow(at) : undefined;
  }

  byte(number) {
    const at = this.field(number);
    return at ? this.view.getInt8(at) : 0;
  }

  signed(number) {
    const at = this.field(number);
    return at ? this.view.getInt32(at, true) : 0;
  }

  unsigned(number) {
    const at = this.field(number);
    return at ? this.view.getUint32(at, true) : 0;
  }

  read(size, get) {
    const length = this.view.getUint32(this.start, true);
    return Array.from({ length }, (_, index) => get(this.start + 4 + size * index));
  }

  items() {
    return this.read(4, (at) => this.follow(at));
  }

  integers() {
    return this.read(4, (at) => this.view.getInt32(at, true));
  }

  floats() {
    return this.read(4, (at) => this.view.getFloat32(at, true));
  }

  longs() {
    return this.read(8, (at) => Number(this.view.getBigInt64(at, true)));
  }

  text() {
    const bytes = this.read(1, (at) => this.view.getUint8(at));
    return new TextDecoder().decode(Uint8Array.from(bytes));
  }

  setInteger(index, value) {
    this.view.setInt32(this.start + 4 + 4 * index, value, true);
  }
}
