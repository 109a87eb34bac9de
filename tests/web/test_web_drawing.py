"""The page of `portrait web` as a visitor has it: with its runtime and networks, to the drawing."""

import numpy as np
import pytest

from conftest import EXAMPLE
from headless_chromium import Chromium
from keras_portrait.inference.imaging import read_image
from keras_portrait.inference.stylizer import Stylizer
from waiting import wait_until
from web_site import camera, served, write_real_site

READY = "document.body?.dataset.ready === 'drawing'"
REMARKS = "document.getElementById('remarks').textContent"
RATE = "document.getElementById('rate').textContent"
# Black pixels of the canvas, of those in its middle half.
INK = """(() => {
  const canvas = document.getElementById('picture');
  const { data } = canvas.getContext('2d').getImageData(
    canvas.width / 4, 0, canvas.width / 2, canvas.height / 2);
  return data.filter((value, at) => at % 4 === 0 && value < 64).length;
})()"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Chromium with a camera that shows the example photo."""
    folder = tmp_path_factory.mktemp("chromium")
    with Chromium(folder, "--use-fake-ui-for-media-stream", *camera(folder)) as browser:
        browser.resize(1280, 800)
        yield browser


def saved_drawing(page) -> np.ndarray:
    page.run("document.getElementById('save').click()")
    page.wait_for(f"{REMARKS}.startsWith('Saved')")
    [path] = wait_until(lambda: [p for p in page.downloads.iterdir() if p.suffix == ".png"])
    wait_until(lambda: path.stat().st_size > 1000)
    drawing = read_image(path)
    path.unlink()
    return drawing


def test_photo_and_camera_are_drawn_as_by_python_and_without_a_server(browser, tmp_path):
    write_real_site(tmp_path / "page", presets=("fast", "portrait"))
    photo = read_image(EXAMPLE)
    with served(tmp_path / "page") as address:
        browser.open(address)
        browser.wait_for(READY)
        browser.run("document.getElementById('example').click()")
        browser.wait_for(f"{REMARKS}.startsWith('Drawn in')")
        expected = np.atleast_3d(Stylizer("fast")(photo)).astype(int)
        difference = np.abs(saved_drawing(browser) - expected)
        assert np.mean(difference <= 2) > 0.99
        # Threads need a page that is isolated, which the plain server does not see to.
        assert browser.run("crossOriginIsolated")
        used = min(4, browser.run("navigator.hardwareConcurrency"))
        told = browser.run("document.getElementById('facts').textContent")
        assert told == f"Drawn by the processor, {used} thread{'s' if used > 1 else ''}"
    # From here on there is no server.
    browser.open(address)
    browser.wait_for(READY)
    browser.run("document.getElementById('use-camera').click()")
    browser.wait_for(RATE)
    assert browser.run(INK) > 2000 and float(browser.run(RATE).split()[0]) > 0
    browser.run("document.getElementById('take').click()")
    browser.wait_for(f"{REMARKS}.startsWith('Drawn in')")
    assert (saved_drawing(browser) < 64).mean() > 0.01
    assert browser.problems == []
