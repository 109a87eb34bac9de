// Runs what of the page's modules needs networks, with stand-ins for them, and prints what came out:
// node check_networks.mjs MODULES FOLDER, where FOLDER holds given.json and what it names.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [modules, folder] = process.argv.slice(2);
const imported = (name) => import(pathToFileURL(join(modules, `${name}.js`)).href);
const given = JSON.parse(readFileSync(join(folder, "given.json"), "utf8"));
const read = (path) => new Uint8Array(readFileSync(path));
const { fround } = Math;
const results = {};

/** What a call returned, or the code of the error that it threw. */
async function tried(call) {
  try {
    return await call();
  } catch (error) {
    return { code: error.code ?? String(error) };
  }
}

// ---- styles ----

const { styleVector } = await imported("style");
results.styles = [];
for (const style of given.styles) {
  results.styles.push(await tried(() => [...styleVector(style, ["ink", "line", "pen"])]));
}

// ---- metadata ----

const { parseMetadata } = await imported("metadata");
results.metadata = [];
for (const text of given.metadata)
  results.metadata.push(await tried(() => parseMetadata(text, "a preset").name));

// ---- model files ----

const { describeModel, fixSize } = await imported("litert/graph");
results.models = await Promise.all(
  given.models.map((path) => tried(() => describeModel(read(path)))),
);
for (const [height, width] of given.sizes) {
  writeFileSync(
    join(folder, `pnet-${height}-${width}.tflite`),
    fixSize(read(given.pnet), height, width),
  );
}
results.unsized = await tried(() => fixSize(read(given.models.at(-2)), 100, 100));

// ---- the cascade ----

const { Mtcnn, bands, pyramidScales, suppress } = await imported("faces/mtcnn");
const photo = { ...given.photo, data: read(join(folder, "photo.bin")), channels: 3 };

/** Nets that take two pixels of a window for all. */
const standIns = {
  async pnet({ data, width, height }) {
    const [rows, columns] = [height, width].map((side) => Math.floor((side - 1) / 2) - 4);
    const result = {
      offsets: new Float32Array(4 * rows * columns),
      scores: new Float32Array(2 * rows * columns),
    };
    for (let y = 0, at = 0; y < rows; y += 1) {
      for (let x = 0; x < columns; x += 1, at += 1)
        fill(result, at, data, width, 2 * y + 5, 2 * x + 5);
    }
    return result;
  },
  rnet: async (patch) =>
    fill({ offsets: new Float32Array(4), scores: new Float32Array(2) }, 0, patch, 24, 12, 12),
  async onet(patch) {
    const landmarks = Float32Array.from(
      { length: 10 },
      (_, k) => fround(patch[3 * (48 * 24 + 24)] * 0.125) * (k + 1),
    );
    return fill(
      { offsets: new Float32Array(4), scores: new Float32Array(2), landmarks },
      0,
      patch,
      48,
      24,
      24,
    );
  },
};

function fill(result, at, data, width, y, x) {
  const first = 3 * (width * y + x);
  const value = fround(fround(data[first] * 0.75) + data[first + 4] * 0.25);
  for (let k = 0; k < 4; k += 1) result.offsets[4 * at + k] = value * 0.25 * (k - 1.5);
  result.scores[2 * at + 1] = value * 0.5 + 0.5;
  return result;
}

results.bands = given.levels.map(([height, width]) => bands(height, width));
results.scales = given.levels.map(([height, width]) => pyramidScales(height, width, 20));
results.kept = [false, true].map((ofSmaller) =>
  suppress(given.boxes, given.scores, 0.5, ofSmaller),
);
results.faces = await new Mtcnn(standIns, 24).detect(photo);
results.tooSmall = await tried(() => new Mtcnn(standIns, 11));

const finder = await imported("faces/finder");
const { turnOf } = await imported("faces/types");
const { picture } = await imported("picture");

/** Finds eyes and mouth by their colours, and no face that is turned by more than 60 degrees. */
const colours = {
  async detect({ data, width, height }) {
    const sums = [0, 1, 2].map(() => [0, 0, 0]);
    for (let at = 0; at < width * height; at += 1) {
      const channel = [0, 1, 2].find((k) =>
        [0, 1, 2].every((other) => data[3 * at + other] > 128 === (other === k)),
      );
      if (channel !== undefined)
        [at % width, Math.floor(at / width), 1].forEach((value, k) => (sums[channel][k] += value));
    }
    if (sums.some(([, , count]) => count < 9)) return [];
    const [left, right, mouth] = sums.map(([x, y, count]) => [x / count, y / count]);
    const nose = [0, 1].map((axis) => (left[axis] + right[axis] + mouth[axis]) / 3);
    const landmarks = [left, right, nose, mouth, mouth].map((point) => point.map(fround));
    const turn = Math.abs(turnOf({ landmarks }));
    const box = { left: nose[0] - 30, top: nose[1] - 40, width: 60, height: 80 };
    return turn > 60 ? [] : [{ box, landmarks, score: 0.9999 - turn / 3600 }];
  },
};
results.found = [];
for (const [index, [height, width]] of given.colours.entries()) {
  const seen = picture(read(join(folder, `colours-${index}.bin`)), width, height, 3);
  results.found.push(await new finder.FaceFinder(() => colours).find(seen));
}
results.smallest = given.levels.map(([height, width]) =>
  Object.values(finder.smallestFaces({ height, width })),
);
results.quarters = given.turned.map((landmarks) => finder.quarterTurns({ landmarks }));

// ---- following faces ----

const { Tracker } = await imported("live/tracking");
const frame = { width: 640, height: 480, channels: 3, data: new Uint8Array(640 * 480 * 3) };
results.tracked = [];
for (const { options, steps } of given.videos) {
  const detector = { asked: 0, detect: async () => ((detector.asked += 1), detector.faces) };
  const tracker = new Tracker(() => detector, options);
  const frames = [];
  for (const [captured, faces] of steps) {
    detector.faces = faces;
    frames.push(await tracker.update(frame, captured));
  }
  results.tracked.push({ asked: detector.asked, frames });
}

// ---- frames ----

const { Drawer, SEGMENT_EVERY } = await imported("live/drawer");
const { Stages } = await imported("live/timing");
const { Generator } = await imported("generator");
const metadata = { ...given.metadataOfStandIn, inputs: ["image"] };

/** A generator that draws the red of each pixel. */
const reds = new Generator(metadata, async ({ image }) =>
  image.filter((_, index) => index % 3 === 0),
);
let segmented = 0;
const drawer = new Drawer(async ({ width, height }) => {
  segmented += 1;
  return { width, height, channels: 1, data: new Float32Array(width * height).fill(1) };
});
const stages = new Stages();
const drawn = [];
for (let time = 0; time < 2 * SEGMENT_EVERY; time += 1) {
  drawn.push(await drawer.draw(reds, photo, given.tracked, new Float32Array([1]), stages));
}
results.live = {
  segmented,
  stages: Object.keys(stages.ms),
  size: [drawn[0].width, drawn[0].height],
};
results.live.same = drawn.every(({ data }) =>
  data.every((value, index) => value === drawn[0].data[index]),
);
writeFileSync(join(folder, "live.bin"), drawn[0].data);
results.empty = (await drawer.draw(reds, photo, [], new Float32Array([1]), stages)).data.every(
  (value) => value === 255,
);

// ---- a photo ----

const { Stylizer } = await imported("stylizer");
const stylizer = new Stylizer(
  reds,
  { find: async () => given.photoFaces },
  async () =>
    async ({ width, height }) => ({
      width,
      height,
      channels: 1,
      data: new Float32Array(width * height).fill(1),
    }),
);
results.photos = [];
for (const [index, options] of given.options.entries()) {
  results.photos.push(
    await tried(async () => {
      const { drawing, faces } = await stylizer.draw(photo, options);
      writeFileSync(join(folder, `photo-${index}.bin`), drawing.data);
      return { shape: [drawing.height, drawing.width, drawing.channels], faces: faces.length };
    }),
  );
}

// ---- what goes into a network, and comes out ----

const { Runner } = await imported("litert/runner");
const seen = [];
let fails = "";
const echo = {
  threads: 1,
  module: {
    Tensor: class {
      constructor(values, shape) {
        seen.push([...values.slice(0, 999)]);
        this.shape = shape;
      }
      async data() {
        return Uint8Array.from({ length: 512 * 512 }, (_, index) => index % 256);
      }
      delete() {
        seen.push("deleted");
      }
    },
    async loadAndCompile() {
      const run = async ({ image }) => {
        if (fails) throw new Error(fails);
        return { drawing: image };
      };
      return { options: { accelerator: "wasm" }, run, delete() {} };
    },
  },
};
const runner = await Runner.open(echo, read(given.models[3]));
const pixels = new Uint8Array(512 * 512 * 3).fill(7);
const levels = Float32Array.from(
  { length: pixels.length },
  (_, index) => (index % 999) / 400 - 1.2,
);
const mix = new Float32Array([0.7, 0.3, 2]);
const first = (result) => [...result.drawing.slice(0, 256)];
results.raw = {
  drawn: first(await runner.run({ image: pixels, style: mix })),
  seen: seen.splice(0),
};
results.real = {
  drawn: first(await runner.run({ image: levels, style: mix })),
  seen: seen.splice(0),
};
results.misused = [
  await tried(() => runner.run({ image: pixels })),
  await tried(() => runner.run({ image: pixels.subarray(3), style: mix })),
  await tried(() => runner.run({ image: new Int32Array(pixels.length), style: mix })),
  await tried(() => Runner.open(echo, read(given.pnet))),
];
for (fails of ["device lost", "memory access out of bounds"]) {
  results.misused.push(await tried(() => runner.run({ image: pixels, style: mix })));
}

// ---- the graphics processor ----

const { loadPreset } = await imported("presets");
let clock = 0;
Object.defineProperty(performance, "now", { value: () => clock });

/** A runtime whose networks draw one level, each kind its own and in its own time. */
function runtimeOf(kinds) {
  const open = [];
  class Tensor {
    constructor(values) {
      this.values = values;
    }
    async data() {
      return this.values;
    }
    delete() {}
  }
  const loadAndCompile = async (model, { accelerator }) => {
    const kind = kinds[accelerator];
    if (kind.refused) throw new Error("not on this one");
    open.push(accelerator);
    return {
      options: { accelerator: kind.really ?? accelerator },
      async run() {
        clock += kind.milliseconds;
        if (kind.lost) throw new Error("device lost");
        return { drawing: new Tensor(new Float32Array(256 * 256).fill(kind.level)) };
      },
      delete: () => open.splice(open.indexOf(accelerator), 1),
    };
  };
  return { module: { Tensor, loadAndCompile }, threads: 1, hasWebGpu: true, open };
}

results.graphics = [];
for (const { webgpu, lost, preset } of given.graphics) {
  const kinds = { wasm: { milliseconds: 9, level: 0 }, webgpu };
  const runtime = runtimeOf(kinds);
  results.graphics.push(
    await tried(async () => {
      const generator = await loadPreset(
        preset,
        runtime,
        async (path) => read(join(given.presets, path.slice(8))),
        { accelerator: "auto" },
      );
      const { accelerator } = generator;
      Object.assign(webgpu, lost);
      const drawing = await generator.draw(
        picture(new Uint8Array(256 * 256 * 3), 256, 256, 3),
        new Float32Array([1, 0, 0]),
      );
      const open = [...runtime.open];
      generator.close();
      return [
        accelerator,
        open.join(" "),
        drawing.data[0],
        generator.accelerator,
        runtime.open.length,
      ];
    }),
  );
}

// ---- requests of the page ----

const { Session } = await imported("session");
let opened = 0;
const session = new Session(
  { read: (bitmap) => bitmap.picture, make: async (picture) => ({ picture }) },
  async (request, progress) => {
    opened += 1;
    if (opened === 1) throw new RangeError("Array buffer allocation failed");
    progress("runtime", 1, 2);
    return {
      runtime: { threads: 3 },
      detectors: async () => () => ({ detect: async () => [] }),
      segmenter: async () => async () => photo,
      generator: async () => Object.assign(reds, { accelerator: "wasm" }),
    };
  },
);
const bitmap = () => ({ picture: photo, width: photo.width, height: photo.height, close() {} });
const answers = [];
const requests = [
  { type: "draw", photo: bitmap() },
  { type: "load", preset: "reds" },
  { type: "load", preset: "reds" },
  { type: "draw", photo: bitmap(), whole: true, background: "keep" },
  { type: "draw", photo: bitmap() },
  { type: "draw", photo: { width: 0, height: 0, close() {} } },
  { type: "frame", photo: bitmap(), faces: 2 },
  { type: "reset" },
  { type: "draw", photo: bitmap(), style: "no such style" },
  { type: "paint" },
];
await Promise.all(
  requests.map((request, index) =>
    session.take(
      { id: index, ...request },
      ({ drawing, photo: returned, text, milliseconds, ...rest }, transferred) => {
        answers.push({
          ...rest,
          has: [Boolean(drawing), Boolean(returned)],
          transferred: transferred.length,
        });
      },
    ),
  ),
);
results.session = answers;

console.log(JSON.stringify(results));
