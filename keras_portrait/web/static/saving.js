/** Saves and shares a drawing. */

const NAME = "portrait.png";

/**
 * The drawing as a file, with all its pixels.
 * @param {ImageBitmap} drawing
 * @param {boolean} mirrored left and right change places, as on the screen
 * @returns {Promise<File>} PNG
 */
export async function fileOf(drawing, mirrored) {
  const canvas = new OffscreenCanvas(drawing.width, drawing.height);
  const pen = canvas.getContext("2d", { alpha: false });
  if (mirrored) pen.setTransform(-1, 0, 0, 1, drawing.width, 0);
  pen.drawImage(drawing, 0, 0);
  return new File([await canvas.convertToBlob({ type: "image/png" })], NAME, { type: "image/png" });
}

/**
 * Lets the browser keep a file as downloads are kept.
 * @param {File} file
 */
export function download(file) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = file.name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/**
 * Whether the browser can hand pictures to other programs.
 * @returns {boolean}
 */
export function canShare() {
  const probe = new File([new Uint8Array(1)], NAME, { type: "image/png" });
  return Boolean(navigator.canShare?.({ files: [probe] }));
}

/**
 * Opens the device's own list of what can take a picture.
 * @param {File} file
 * @returns {Promise<boolean>} false where the visitor chose none
 */
export async function share(file) {
  try {
    await navigator.share({ files: [file] });
    return true;
  } catch (error) {
    if (error.name === "AbortError") return false;
    throw error;
  }
}
