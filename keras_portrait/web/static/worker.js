// The worker in which all drawing runs; see inference/session.js for what it is asked. It is a classic
// one, since LiteRT.js loads its WebAssembly with importScripts.
"use strict";

const opened = Promise.all([
  import("./inference/session.js"),
  import("./inference/bitmaps.js"),
]).then(([{ Session }, bitmaps]) => new Session(bitmaps));
// A file that is missing is told with the answer to the first request.
opened.catch(() => {});

self.onmessage = async ({ data: request }) => {
  try {
    const session = await opened;
    await session.take(request, (answer, transferred) => self.postMessage(answer, transferred));
  } catch (error) {
    self.postMessage({ id: request.id, type: "error", code: "no-runtime", text: String(error) });
  }
};
