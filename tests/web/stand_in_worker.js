// Stands in for the page's worker: answers its messages with the photo in grays, without a network.
"use strict";
const STYLES = { fast: ["ink", "line", "pen"], fine: ["ink", "line", "pen"], portrait: ["ink", "line", "engraving"], artists: ["ink", "line", "engraving"] };
let fails = null; // code of the next error, set by a preset's or a style's name below

function grays(photo) {
  const canvas = new OffscreenCanvas(photo.width, photo.height);
  const pen = canvas.getContext("2d");
  pen.filter = "grayscale(1) contrast(3) brightness(1.4)";
  pen.drawImage(photo, 0, 0);
  return canvas.transferToImageBitmap();
}

self.onmessage = async ({ data }) => {
  const { id, type, photo } = data;
  const answer = (rest, transferred = []) => self.postMessage({ id, ...rest }, transferred);
  if (type === "load") {
    self.base = data.base;
    for (const name of ["runtime/core/dist/index.js", `models/presets/${data.preset}/generator.tflite`]) {
      const loaded = await (await fetch(data.base + name)).arrayBuffer();
      answer({ type: "progress", step: name.split("/")[0], loaded: loaded.byteLength, total: loaded.byteLength });
    }
    answer({ type: "loaded", preset: data.preset, styles: STYLES[data.preset], size: 256, accelerator: "wasm", threads: data.threads });
  }
  if (type === "draw") {
    if (photo.width === 30) return answer({ type: "error", code: "no-face", text: "no face" });
    if (photo.width === 31) return answer({ type: "error", code: "no-memory", text: "out of memory" });
    if (photo.width === 32) {
      // Whether this worker may speak to another host, which listens at the port that the height tells.
      const told = await fetch("http://localhost:" + (photo.height + 1024)).then(() => "reached", () => "refused");
      return answer({ type: "error", code: told, text: told });
    }
    const drawing = grays(photo);
    answer({ type: "drawn", drawing, faces: 1, turn: 0, milliseconds: { total: 1 } }, [drawing]);
  }
  if (type === "frame") {
    const drawing = grays(photo);
    answer({ type: "drawn", drawing, photo, faces: 1, found: 1, milliseconds: { total: 1 } }, [drawing, photo]);
  }
};
