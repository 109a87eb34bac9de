/** What a preset says about itself, `portrait.json`, checked. */

import { PortraitError } from "./errors.js";
import { faceTemplate } from "./geometry.js";

/** Name of the file beside the model. */
export const FILE_NAME = "portrait.json";

const FORMATS = [1, 2, 3];
const FRAMINGS = ["face", "whole"];
const INPUTS = ["image", "image,style"];

/**
 * @typedef {object} PresetMetadata what `keras_portrait/inference/metadata.py` describes.
 * @property {string} name
 * @property {string} file name of the model file beside it.
 * @property {number} size side of the square in pixels.
 * @property {string} mode "int8" where the network computes in integers.
 * @property {string[]} styles names, the first being the default.
 * @property {string[]} inputs "image", and "style" where there are several styles.
 * @property {number} channels 1 for drawings, 3 for pictures in colour.
 * @property {number} alignment version of the alignment.
 * @property {"face" | "whole"} framing what is drawn where nothing else is asked for.
 * @property {string} description one line.
 */

/**
 * Reads a preset's metadata.
 *
 * @param {string} text content of `portrait.json`.
 * @param {string} name what an error calls it.
 * @returns {PresetMetadata}
 * @throws {PortraitError} "bad-file": it is of another version, does not fit, or takes no photos.
 */
export function parseMetadata(text, name) {
  const row = { channels: 1, framing: "face", ...parseObject(text, name) };
  if (row.format === 1) row.alignment = 1;
  const checks = [
    ["format", FORMATS.includes(row.format), FORMATS.join(" or ")],
    [
      "file",
      typeof row.file === "string" && /^[^/\\]+$/.test(row.file),
      "a file name without folders",
    ],
    ["size", Number.isInteger(row.size) && row.size >= 16 && row.size <= 4096, "from 16 to 4096"],
    ["mode", typeof row.mode === "string", "a name"],
    ["inputs", INPUTS.includes(String(row.inputs)), '["image"] or ["image", "style"]'],
    ["styles", areNames(row.styles), "one or more names"],
    ["channels", [1, 3].includes(row.channels), "1 or 3"],
    ["alignment", [1, 2].includes(row.alignment), "1 or 2"],
    ["framing", FRAMINGS.includes(row.framing), FRAMINGS.join(" or ")],
    ["value_range", String(row.value_range) === "-1,1", "-1 to 1"],
    ["colour_order", row.colour_order === "RGB", "RGB"],
  ];
  for (const [field, fits, expected] of checks) {
    if (!fits) {
      throw new PortraitError(
        "bad-file",
        `${field} must be ${expected}. Received: ${JSON.stringify(row[field])} in ${name}`,
      );
    }
  }
  if (!isTemplate(row.template, row.size)) {
    throw new PortraitError(
      "bad-file",
      `The preset aligns faces in another way. Received: ${name}`,
    );
  }
  return row;
}

function parseObject(text, name) {
  let row;
  try {
    row = JSON.parse(text);
  } catch (error) {
    throw new PortraitError("bad-file", `The metadata is not valid JSON. Received: ${name}`, {
      cause: error,
    });
  }
  if (row === null || typeof row !== "object") {
    throw new PortraitError("bad-file", `The metadata is not a JSON object. Received: ${name}`);
  }
  return row;
}

function areNames(styles) {
  return (
    Array.isArray(styles) &&
    styles.length > 0 &&
    styles.every((style) => style && typeof style === "string")
  );
}

function isTemplate(points, size) {
  return faceTemplate(size).every((point, index) =>
    point.every((value, axis) => Math.abs(points?.[index]?.[axis] - value) < 0.01),
  );
}
