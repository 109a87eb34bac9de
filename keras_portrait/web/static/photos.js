/** Opens photos, upright and no larger than a phone can draw. */

import { PortraitError } from "./inference/errors.js";

// Measured in Chromium: page and networks take 300 to 500 MB, a photo of 12 million pixels 300 to 600
// more while it is drawn. Phones and tablets end a page that takes too much.
const MOST_PIXELS = 12_000_000;
const MOST_ON_PHONES = 6_000_000;
const mostPixels = () => (matchMedia("(pointer: coarse)").matches ? MOST_ON_PHONES : MOST_PIXELS);

/**
 * Opens a photo.
 * @param {Blob} file
 * @returns {Promise<{photo: ImageBitmap, from: ?number}>} upright, sRGB; `from` is how many pixels the
 *   file has where the photo was reduced
 */
export async function openPhoto(file) {
  const address = URL.createObjectURL(file);
  try {
    const image = new Image();
    image.src = address;
    // Tells the size without decoding all of it.
    await new Promise((resolve, reject) => {
      image.addEventListener("load", resolve, { once: true });
      image.addEventListener("error", () => reject(notAPicture(file)), { once: true });
    });
    const { naturalWidth: width, naturalHeight: height } = image;
    if (!width || !height) throw notAPicture(file);
    const scale = Math.min(1, Math.sqrt(mostPixels() / (width * height)));
    if (scale === 1) return { photo: await decoded(file, image), from: null };
    const photo = await reduced(image, Math.floor(width * scale), Math.floor(height * scale));
    return { photo, from: width * height };
  } finally {
    URL.revokeObjectURL(address);
  }
}

function notAPicture({ name, type }) {
  return new PortraitError("not-a-picture", `Expected a picture. Received: ${name ?? ""} (${type || "no type"})`);
}

async function decoded(file, image) {
  try {
    return await createImageBitmap(file);
  } catch {
    // Formats that only an <img> decodes, such as SVG.
    return reduced(image, image.naturalWidth, image.naturalHeight);
  }
}

async function reduced(image, width, height) {
  try {
    const canvas = new OffscreenCanvas(width, height);
    const pen = canvas.getContext("2d");
    pen.imageSmoothingQuality = "high";
    pen.drawImage(image, 0, 0, width, height);
    return canvas.transferToImageBitmap();
  } catch (error) {
    throw new PortraitError("too-large", String(error), { cause: error });
  }
}

/**
 * The first picture that was dropped or pasted.
 * @param {?DataTransfer} data
 * @returns {?File}
 */
export function pictureOf(data) {
  return [...(data?.files || [])].find((file) => file.type.startsWith("image/")) || null;
}
