"""Asks the page's worker in Chromium for drawings, without the page around it."""

import base64
import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from headless_chromium import Chromium
from web_site import Files, served

# The worker's address is a blob's, as the page's; what is not for JSON stays in `kept`.
_SCRIPT = """
const waiting = new Map();
let worker = null;
let progress = [];
let kept = {};
function start(before) {
  if (worker) worker.terminate();
  progress = [];
  const script = JSON.stringify(location.origin + "/worker.js");
  const code = new Blob([`${before}\nimportScripts(${script})`], { type: "text/javascript" });
  worker = new Worker(URL.createObjectURL(code));
  worker.onmessage = ({ data }) => {
    if (data.type === "progress") progress.push(data);
    else waiting.get(data.id)(data);
  };
}
start("");
const photo = async (address) => createImageBitmap(await (await fetch(address)).blob());
async function ask(message, address) {
  const bitmap = address && (await photo(address));
  const begun = performance.now();
  const answer = await new Promise((resolve) => {
    waiting.set(waiting.size, resolve);
    const request = { id: waiting.size - 1, base: location.origin + "/", ...message };
    if (bitmap) worker.postMessage({ ...request, photo: bitmap }, [bitmap]);
    else worker.postMessage(request);
  });
  kept = answer;
  const rest = { ...answer, seconds: (performance.now() - begun) / 1000 };
  delete rest.photo;
  rest.drawing = answer.drawing ? [answer.drawing.height, answer.drawing.width] : null;
  return rest;
}
async function pixels() {
  const { width, height } = kept.drawing;
  const pen = new OffscreenCanvas(width, height).getContext("2d");
  pen.drawImage(kept.drawing, 0, 0);
  const data = pen.getImageData(0, 0, width, height).data;
  const reader = new FileReader();
  return new Promise((resolve) => {
    reader.onload = () => resolve(reader.result.split(",")[1]);
    reader.readAsDataURL(new Blob([data]));
  });
}
"""


class _Isolated(Files):
    """Isolates what it serves from other origins, which threads need."""

    def end_headers(self):
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()


class WorkerPage:
    """A worker in a page of the site that asks it, and nothing else."""

    def __init__(self, browser: Chromium):
        self._browser = browser

    def start(self, before: str = "") -> None:
        """Starts another worker in the place of the one there is.

        Args:
            before: script that runs in it first.
        """
        self._browser.run(f"start({json.dumps(before)})")

    def ask(self, photo: str = "", **message) -> dict:
        """Sends a request and waits for its answer.

        Args:
            photo: address of a picture to send along.
            **message: see `session.js`.

        Returns:
            The answer: in the place of its drawing the sizes (rows, columns), and `seconds`.
        """
        return self._browser.run(f"ask({json.dumps(message)}, {json.dumps(photo)})")

    def drawing(self) -> np.ndarray:
        """The last answer's drawing, uint8 RGB (H, W, 3)."""
        height, width = self._browser.run("[kept.drawing.height, kept.drawing.width]")
        data = base64.b64decode(self._browser.run("pixels()"))
        return np.frombuffer(data, np.uint8).reshape(height, width, 4)[..., :3]

    def progress(self) -> list[dict]:
        """What was told while it loaded."""
        return self._browser.run("progress")


@contextlib.contextmanager
def worker_page(site: Path, folder: Path, isolated: bool = False) -> Iterator[WorkerPage]:
    """Serves a site on loopback and starts its worker in a browser.

    Args:
        site: what `portrait web` wrote; a page `worker.html` is put into it.
        folder: for the browser's profile.
        isolated: whether the server isolates it from other origins, which threads need.
    """
    policy = re.search(
        r"<meta [^>]*Content-Security-Policy[^>]*>", (site / "index.html").read_text()
    )
    (site / "worker.html").write_text(f"<!doctype html>{policy[0]}")
    with (
        served(site, handler=_Isolated if isolated else Files) as address,
        Chromium(folder) as browser,
    ):
        browser.open(f"{address}worker.html")
        browser.run(_SCRIPT)
        yield WorkerPage(browser)
