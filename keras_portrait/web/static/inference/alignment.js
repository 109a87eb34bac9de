/**
 * From a photo to the square that a network sees, and what becomes of its drawing, as
 * `keras_portrait.inference.alignment`.
 */

import { bytePicture, copied, floatPicture, picture, rint } from "./picture.js";
import { borderDistance, faceTemplate, smoothStep, squareToPhoto, warp } from "./geometry.js";
import { layOn, resize } from "./imaging.js";
import { blurDown, ellipse, gaussianKernel, grown } from "./opencv/filters.js";
import { labLightness } from "./opencv/lightness.js";
import { resizeCubic } from "./opencv/resize.js";
import { blurOutside, insidePhoto } from "./photo_edge.js";
import { remembered } from "./remembered.js";
import { keepRegion, whitenBackground } from "./segmentation.js";

/** @typedef {import("./picture.js").Picture} Picture */
/**
 * Finds the person in a picture: bytes RGB (H, W, 3) in, floats (H, W) in [0, 1] out.
 * @typedef {function(Picture): (Picture|Promise<Picture>)} Segmenter
 */
/**
 * A face as a network sees it.
 * @typedef {Object} AlignedFace
 * @property {Picture} square Bytes, RGB (S, S).
 * @property {number[]} transform Six numbers, from pixels of the square to those of the photo.
 * @property {Picture} inside Floats (S, S) in [0, 1], how much of the drawing is kept.
 */

const { fround } = Math;

/** Mean alpha between eyes and mouth below which the segmentation has missed the face. */
export const LEAST_FACE = 0.6;
/**
 * The alignment of new presets. 1: white outside of the photo, exposure as it is. 2: the photo goes
 * on outside of its edge, exposure evened by the face.
 */
export const ALIGNMENT = 2;
/** Lightness of a face, L of CIE Lab scaled to 0..255, below which a square is lightened. */
export const FACE_LIGHTNESS = 165;
/** By how much lightness is scaled at most. */
export const MOST_GAIN = 6;
// The lightness from which the gain falls, so that highlights keep their shapes.
const KNEE = 195;
// Nose and cheeks: left, top, right, bottom in 0-based pixels of the 512 x 512 square.
const SKIN_512 = [180, 285, 332, 350];
// They are looked at as if the square had so many pixels, in a few passes.
const SKIN_GRID = 128, PASSES = 3;
/** Part of a whole picture that a person must take up before the rest is put to white. */
export const LEAST_PERSON = 0.02;
// Where a drawing begins and ends to fade along the border of its square, as shares of the side.
const RIM_FADE = [0.035, 0.085];
// Steepness of the edge of a stroke in which a drawing ends, per share of the fade.
const STROKE_EDGE = 5;
// A square is blank from this level up; lines may lie outside by half of the rim, in pixels.
const BLANK = 245, RIM = ellipse(11);
// The engraving's plane wave: pixels after which it repeats, its waves in them across and down, and
// the side up to which it keeps that spacing (`keras_portrait.inference.filters.engraving`).
const WAVE_TILE = 16, WAVES = [1, 3], WAVE_SIDE = 512;

/**
 * Aligns a face, puts the background to white and evens the exposure.
 *
 * @param {Picture} photo Bytes, RGB.
 * @param {number[][]} landmarks Five [x, y], 0-based pixels of the photo: left eye, right eye,
 *     nose, left and right mouth corner as seen in the picture.
 * @param {number} size Side of the square in pixels.
 * @param {?Segmenter} segmenter Finds the person; null leaves the background as it is. So does a
 *     face that is not taken for a person.
 * @param {number} [alignment] 1 or 2.
 * @returns {Promise<AlignedFace>}
 * @throws {RangeError} Landmarks that are not five finite points.
 */
export async function prepareFace(photo, landmarks, size, segmenter, alignment = ALIGNMENT) {
  const transform = squareToPhoto(landmarks, size);
  let square = cutSquare(photo, transform, size, alignment);
  const alpha = segmenter ? ofFace(await segmenter(square), size) : null;
  // Later than the segmentation, which errs by a quarter more where it sees the blur.
  if (alignment > 1) square = blurOutside(square, photo, transform);
  if (alpha !== null) square = whitenBackground(square, alpha);
  if (alignment === 1) return { square, transform, inside: floatPicture(size, size, 1, 1) };
  return { square: evenExposure(square), transform, inside: insidePhoto(photo, transform, size) };
}

/** The region of a person's alpha that holds the face; null where the face is not in it. */
function ofFace(whole, size) {
  const template = faceTemplate(size), alpha = keepRegion(whole, ...template[2]); // the nose
  const columns = template.map(([x]) => Math.trunc(x));
  const rows = template.map(([, y]) => Math.trunc(y));
  const left = Math.min(...columns), right = Math.max(...columns);
  const top = Math.min(...rows), bottom = Math.max(...rows);
  let sum = 0;
  for (let y = top; y < bottom; y++) {
    for (let x = left; x < right; x++) sum += alpha.data[y * size + x];
  }
  return sum / ((right - left) * (bottom - top)) < LEAST_FACE ? null : alpha;
}

/**
 * Cuts the aligned square out of a photo, background and exposure as they are.
 *
 * @param {Picture} photo Bytes, RGB.
 * @param {number[]} transform Six numbers, from pixels of the square to those of the photo.
 * @param {number} size Side of the square in pixels.
 * @param {number} [alignment] 1 or 2: white lies outside of the photo, or its mirror image.
 * @returns {Picture} Bytes, RGB (size, size).
 */
export function cutSquare(photo, transform, size, alignment = ALIGNMENT) {
  return warp(photo, transform, size, alignment === 1 ? 255 : null);
}

/**
 * Lightens a square whose face is dark, so that the same tones mean the same in every photo.
 *
 * @param {Picture} square Bytes, RGB (S, S), an aligned face.
 * @returns {Picture} Bytes, RGB (S, S); the square itself where the face is light enough.
 */
export function evenExposure(square) {
  const face = skin(square);
  let curve = null, gain = 1;
  for (let pass = 0; pass < PASSES; pass++) {
    const median = medianLightness(face, curve);
    if (curve === null && median >= FACE_LIGHTNESS) return square;
    gain = Math.min(Math.max((gain * FACE_LIGHTNESS) / Math.max(median, 1), 1), MOST_GAIN);
    curve = toneCurve(gain);
  }
  const result = copied(square), { data } = result;
  for (let i = 0; i < data.length; i++) data[i] = curve[data[i]];
  return result;
}

/** The colours of nose and cheeks, three bytes each. */
function skin({ data, width }) {
  const [left, top, right, bottom] = SKIN_512.map((edge) => rint((edge * width) / 512));
  const step = Math.max(1, Math.floor(width / SKIN_GRID)), colours = [];
  for (let y = top; y < bottom; y += step) {
    for (let x = left; x < right; x += step) {
      const at = (y * width + x) * 3;
      colours.push(data[at], data[at + 1], data[at + 2]);
    }
  }
  return Uint8Array.from(colours);
}

function medianLightness(colours, curve) {
  const counts = new Int32Array(256), total = colours.length / 3;
  const lightened = curve ? colours.map((level) => curve[level]) : colours;
  for (let i = 0; i < lightened.length; i += 3) {
    counts[labLightness(lightened[i], lightened[i + 1], lightened[i + 2])]++;
  }
  const levelOf = (rank) => {
    let level = 0;
    for (let seen = counts[0]; seen <= rank; seen += counts[level]) level++;
    return level;
  };
  return (levelOf(Math.floor((total - 1) / 2)) + levelOf(Math.floor(total / 2))) / 2;
}

/** L of CIE Lab, scaled to 0..255, of each gray of sRGB. */
const GRAY_LIGHTNESS = Float64Array.from({ length: 256 }, (_, level) => {
  const encoded = level / 255;
  const light = encoded <= 0.04045 ? encoded / 12.92 : ((encoded + 0.055) / 1.055) ** 2.4;
  return 255 * (1.16 * (light > 0.008856 ? Math.cbrt(light) : 7.787 * light + 16 / 116) - 0.16);
});

/** For each gray level the one of `gain` times the lightness, bent towards white from `KNEE` on. */
function toneCurve(gain) {
  const curve = new Uint8Array(256), start = KNEE / gain;
  const steepness = (255 * gain - KNEE) / (255 - KNEE);
  for (let level = 0, below = 0; level < 256; level++) {
    const lightness = GRAY_LIGHTNESS[level];
    const part = Math.min(Math.max((lightness - start) / (255 - start), 0), 1);
    const bent = 255 - ((255 - KNEE) * (1 - part)) / (1 + (steepness - 1) * part);
    const wanted = lightness < start ? gain * lightness : bent;
    while (below < 254 && GRAY_LIGHTNESS[below + 1] <= wanted) below++;
    const from = GRAY_LIGHTNESS[below], slope = 1 / (GRAY_LIGHTNESS[below + 1] - from);
    curve[level] = rint(Math.min(Math.max(below + slope * (wanted - from), 0), 255));
  }
  return curve;
}

/**
 * Fits a whole picture into the square without squashing it, on white.
 *
 * @param {Picture} photo Bytes, RGB.
 * @param {number} size Side of the square in pixels.
 * @param {?Segmenter} segmenter Finds the person; null leaves the background as it is. So does a
 *     picture in which hardly anybody is found.
 * @returns {Promise<{square: Picture, place: {left: number, top: number, right: number,
 *     bottom: number}}>} Bytes, RGB (size, size), and what the picture takes up in it, as `cropped`
 *     takes it.
 */
export async function prepareWhole(photo, size, segmenter) {
  const ratio = size / Math.max(photo.height, photo.width);
  const width = Math.max(1, rint(photo.width * ratio));
  const height = Math.max(1, rint(photo.height * ratio));
  let small = resize(photo, width, height);
  if (segmenter) {
    const alpha = await segmenter(small);
    const mean = alpha.data.reduce((sum, share) => sum + share, 0) / alpha.data.length;
    if (mean >= LEAST_PERSON) small = whitenBackground(small, alpha);
  }
  const top = Math.floor((size - height) / 2), left = Math.floor((size - width) / 2);
  const square = bytePicture(size, size, 3, 255);
  layOn(square, small, left, top);
  return { square, place: { left, top, right: left + width, bottom: top + height } };
}

/**
 * Keeps a drawing blank where the photo was blank, a few pixels away from the subject.
 *
 * @param {Picture} drawing Bytes (S, S), made from the square.
 * @param {Picture} square Bytes, RGB (S, S), as the network saw it.
 * @param {?Picture} [inside] Floats (S, S) in [0, 1] of the `AlignedFace`, beyond which the drawing
 *     fades. null for a whole picture.
 * @returns {Picture} Bytes (S, S).
 */
export function keepPaper(drawing, square, inside = null) {
  const { width, height } = square, subject = bytePicture(width, height), { data } = square;
  for (let i = 0, o = 0; i < subject.data.length; i++, o += 3) {
    subject.data[i] = data[o] < BLANK || data[o + 1] < BLANK || data[o + 2] < BLANK ? 1 : 0;
  }
  const near = softened(grown(subject, RIM));
  const kept = thinned(drawing, near);
  return inside === null ? kept : fadeInk(kept, inside);
}

/** `gaussianBlur` by one pixel of a mask of 0 and 1, in less time. */
function softened({ data, width, height }) {
  const lines = new Float32Array(width * height), half = SOFT_WEIGHTS.length >> 1;
  const most = (1 << SOFT_WEIGHTS.length) - 1, reflected = (x) =>
    width === 1 ? 0 : Math.abs(x < width ? x : 2 * width - 2 - x);
  for (let y = 0, i = 0; y < height; y++) {
    const row = y * width;
    let bits = 0; // of the pixels around, the first one highest
    for (let x = -half; x < half; x++) bits = (bits << 1) | data[row + reflected(x)];
    for (let x = 0; x < width; x++, i++) {
      const next = x + half < width ? x + half : reflected(x + half);
      bits = ((bits << 1) | data[row + next]) & most;
      lines[i] = SOFT_SUMS[bits];
    }
  }
  const soft = floatPicture(width, height);
  blurDown(lines, width, height, SOFT_WEIGHTS, soft.data);
  return soft;
}

const SOFT_WEIGHTS = Float32Array.from(gaussianKernel(9, 1));
/** The sum of the weights for each pattern of marked pixels, added up from the first one. */
const SOFT_SUMS = Float32Array.from({ length: 1 << SOFT_WEIGHTS.length }, (_, bits) => {
  const last = SOFT_WEIGHTS.length - 1, marked = (i) => (bits >> (last - i)) & 1;
  return SOFT_WEIGHTS.reduce((sum, weight, i) => fround(sum + weight * marked(i)), 0);
});

/**
 * Lets a drawing end as people end one: in strokes that get thinner, never in gray.
 *
 * @param {Picture} drawing Bytes (S, S).
 * @param {Picture} kept Floats (S, S) in [0, 1], such as `inside` of an `AlignedFace`: the share of
 *     strokes of the engraving's plane wave within which ink stays.
 * @returns {Picture} Bytes (S, S); untouched where `kept` is 1, blank where it is 0.
 */
export function fadeInk(drawing, kept) {
  const { data } = kept;
  for (let i = 0; i < data.length; i++) if (data[i] < 1) return thinned(drawing, strokeShare(kept));
  return copied(drawing);
}

/**
 * Lets a drawing that is placed in a photo end before the border of its square.
 *
 * @param {Picture} drawing Bytes (S, S).
 * @returns {Picture} Bytes (S, S), see `fadeInk`.
 */
export function fadeRim(drawing) {
  return thinned(drawing, rimShare(drawing.height));
}

function thinned(drawing, share) {
  const { data, width, height } = drawing, shares = share.data;
  const out = new Uint8ClampedArray(data.length);
  for (let i = 0; i < data.length; i++) out[i] = fround(255 - fround((255 - data[i]) * shares[i]));
  return picture(new Uint8Array(out.buffer), width, height);
}

/** What is left of each pixel's ink, floats (S, S) in [0, 1]. */
function strokeShare(kept) {
  const size = kept.height, strokes = strokesOf(size), share = floatPicture(size, size);
  // Strokes grow with a large drawing, their edges stay as sharp.
  const steepness = fround(STROKE_EDGE * Math.max(1, size / WAVE_SIDE));
  for (let i = 0; i < share.data.length; i++) {
    const part = fround(fround(steepness * fround(kept.data[i] - strokes.data[i])) + 0.5);
    share.data[i] = kept.data[i] <= 0 || part < 0 ? 0 : part > 1 ? 1 : part;
  }
  return share;
}

/** `strokeShare` of a rim along the border; a live picture needs it at every frame. */
const rimShare = remembered((size) => {
  const [start, stop] = RIM_FADE, rim = floatPicture(size, size);
  const ramp = borderDistance(size).map((away) =>
    smoothStep((away / size - start) / (stop - start)));
  for (let y = 0, o = 0; y < size; y++) {
    for (let x = 0; x < size; x++) rim.data[o++] = ramp[y] * ramp[x];
  }
  return strokeShare(rim);
});

/** The part of a fade at which each pixel's ink goes, floats (size, size) in (0, 1). */
const strokesOf = remembered((size) => {
  const side = Math.min(size, WAVE_SIDE), [across, down] = WAVES;
  const strokes = floatPicture(side, side);
  const values = size > side ? WAVE : WAVE.map(strokeEdge);
  for (let y = 0, o = 0; y < side; y++) {
    for (let x = 0; x < side; x++) strokes.data[o++] = values[(down * y + across * x) % WAVE_TILE];
  }
  if (size === side) return strokes;
  const enlarged = resizeCubic(strokes, size, size);
  return { ...enlarged, data: enlarged.data.map(strokeEdge) };
});

/** The wave at each of its phases, in [0, 1]. */
const WAVE = Float64Array.from({ length: WAVE_TILE }, (_, phase) =>
  (1 + Math.cos((2 * Math.PI * phase) / WAVE_TILE)) / 2);

/**
 * Where a fade passes a value of the wave, so that the soft edge of a stroke is past at 0 and 1.
 */
function strokeEdge(wave) {
  const rim = 0.5 / STROKE_EDGE;
  return rim + (1 - 2 * rim) * Math.min(Math.max(wave, 0), 1);
}
