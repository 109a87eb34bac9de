// Stands in for the page's worker: answers its messages with the photo in grays, without a network.
// The corner tells what was asked: (10 * index of the style, 100 where the background is kept, 200
// where another host was reached). Photos of some widths are what drawing fails of.
"use strict";
const STYLES = {
  fast: ["ink", "line", "engraving"],
  fine: ["ink", "line", "engraving"],
  portrait: ["ink", "line", "engraving", "vallotton"],
  artists: ["ink", "line", "engraving"],
};
const FAILS = { 30: "no-face", 31: "no-memory", 32: "unheard-of" };
const ELSEWHERE = "";
let preset = "";
let reached = false;

function drawn(photo, { style, crop, background }) {
  const canvas = crop ? new OffscreenCanvas(64, 64) : new OffscreenCanvas(photo.width, photo.height);
  const pen = canvas.getContext("2d");
  pen.filter = "grayscale(1)";
  pen.drawImage(photo, 0, 0, canvas.width, canvas.height);
  pen.filter = "none";
  const index = STYLES[preset].indexOf(style);
  pen.fillStyle = `rgb(${10 * index} ${background === "keep" ? 100 : 0} ${reached ? 200 : 0})`;
  pen.fillRect(0, 0, 16, 16);
  return canvas.transferToImageBitmap();
}

// Requests are answered in their order.
let tasks = Promise.resolve();
self.onmessage = ({ data }) => {
  tasks = tasks.then(() => take(data));
};

async function take(data) {
  const { id, type, photo } = data;
  const answer = (rest, transferred = []) => self.postMessage({ id, ...rest }, transferred);
  if (type === "load") {
    const wanted = ["runtime/core/wasm/litert_wasm_internal.wasm", `models/presets/${data.preset}/generator.tflite`];
    for (const [index, name] of wanted.entries()) {
      const response = await fetch(data.base + name).catch(() => Response.error());
      if (!response.ok) return answer({ type: "error", code: "no-file", text: name });
      const total = (await response.arrayBuffer()).byteLength;
      answer({ type: "progress", step: ["runtime", "networks"][index], loaded: total, total });
    }
    if (ELSEWHERE) reached = await fetch(ELSEWHERE, { mode: "no-cors" }).then(() => true, () => false);
    preset = data.preset; // what fails leaves the one before
    const styles = STYLES[preset];
    answer({ type: "loaded", preset, styles, size: 256, accelerator: "wasm", threads: data.threads });
  }
  if (photo && !STYLES[preset].includes(data.style)) {
    return answer({ type: "error", code: "bad-setting", text: data.style });
  }
  if (type === "draw") {
    const code = FAILS[photo.width];
    if (code) return answer({ type: "error", code, text: "as the width says" });
    const drawing = drawn(photo, data);
    const turn = photo.width === 90 ? 90 : 0;
    answer({ type: "drawn", drawing, faces: data.faces === "all" ? 2 : 1, turn, milliseconds: {} }, [drawing]);
  }
  if (type === "frame") {
    const drawing = drawn(photo, data);
    answer({ type: "drawn", drawing, photo, faces: 1, milliseconds: {} }, [drawing, photo]);
  }
}
