// How long the page's work on pixels takes in Node.js, without networks and without reading files.
//
//     node benchmarks/web_pixels.mjs [--rounds 40]
//
// A photo of 640 x 480 pixels in which a face fills 300, in the middle and across the left edge,
// with a segmentation whose network costs nothing. Prints JSON: for each step milliseconds of
// processor time, which a busy machine changes least: `median`, `least`, and of the `first` call,
// which is compiled while it runs.

import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const HERE = dirname(fileURLToPath(import.meta.url));
const MODULES = join(HERE, "../keras_portrait/web/static/inference");
const imported = (name) => import(pathToFileURL(join(MODULES, `${name}.js`)).href);
const { fadeRim, keepPaper, prepareFace } = await imported("alignment");
const { pasteBack } = await imported("geometry");
const { atPhotoScale, layInk } = await imported("paste");
const { bytePicture } = await imported("picture");
const { personSegmenter } = await imported("segmentation");

const WIDTH = 640, HEIGHT = 480;
const LANDMARKS = [[285, 180], [360, 183], [322, 225], [292, 265], [356, 266]];

/** Soft waves with grain. */
function inventedPhoto() {
  const photo = bytePicture(WIDTH, HEIGHT, 3);
  photo.data.forEach((_, i) => {
    const x = Math.floor(i / 3) % WIDTH, y = Math.floor(i / 3 / WIDTH);
    photo.data[i] = 110 + 60 * Math.sin(x / 17) * Math.cos(y / 23) + ((i * 7919) % 13);
  });
  return photo;
}

/** An oval with a soft rim, as the segmentation network would return it. */
function inventedMask() {
  return Float32Array.from({ length: 256 * 256 }, (_, i) => {
    const away = Math.hypot(((i % 256) - 128) / 90, (Math.floor(i / 256) - 120) / 120);
    return 1 / (1 + Math.exp(20 * (away - 1)));
  });
}

/** Thin lines. */
function inventedDrawing(size) {
  const drawing = bytePicture(size, size, 1, 255);
  for (let i = 0; i < size * size; i += 9) drawing.data[i] = 20;
  return drawing;
}

async function timed(run) {
  const spent = [];
  for (let round = 0; round < rounds; round++) {
    const before = process.cpuUsage();
    await run();
    const { user, system } = process.cpuUsage(before);
    spent.push((user + system) / 1000);
  }
  const [first] = spent, sorted = spent.sort((a, b) => a - b);
  const short = (ms) => Number(ms.toFixed(1));
  return { median: short(sorted[rounds >> 1]), least: short(sorted[0]), first: short(first) };
}

const at = process.argv.indexOf("--rounds"), rounds = at < 0 ? 40 : Number(process.argv[at + 1]);
const photo = inventedPhoto(), mask = inventedMask(), result = {};
const segment = personSegmenter(() => mask);
for (const size of [256, 512]) {
  for (const [place, shift] of [["middle", 0], ["edge", -220]]) {
    const landmarks = LANDMARKS.map(([x, y]) => [x + shift, y]), drawing = inventedDrawing(size);
    const prepare = () => prepareFace(photo, landmarks, size, segment);
    const { square, transform, inside } = await prepare();
    const finish = () => fadeRim(keepPaper(drawing, square, inside)), finished = finish();
    result[`${size} ${place}`] = {
      prepareFace: await timed(prepare),
      keepPaperAndFadeRim: await timed(finish),
      pasteBack: await timed(() => pasteBack(photo, ...atPhotoScale(finished, transform))),
      layInk: await timed(() => layInk(null, HEIGHT, WIDTH, ...atPhotoScale(finished, transform))),
    };
  }
}
console.log(JSON.stringify(result, null, 2));
