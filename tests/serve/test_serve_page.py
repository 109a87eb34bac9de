"""The page of the service in a real browser."""

import base64

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the extra serve is not installed")

from drawing_service import TOKEN, serving
from headless_chromium import Chromium
from keras_portrait.inference.imaging import encode_image
from keras_portrait.serve.settings import Settings

PHOTO = encode_image(np.full((48, 64, 3), 200, np.uint8))
TOLD = "document.getElementById('told').textContent"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


def choose(browser, photo: bytes, **values):
    """Puts a photo and choices into the form, and sends it."""
    text = base64.b64encode(photo).decode()
    browser.run(
        "{ const given = new DataTransfer();"
        f"const bytes = Uint8Array.from(atob('{text}'), (letter) => letter.charCodeAt(0));"
        "given.items.add(new File([bytes], 'me.png'));"
        "document.getElementById('photo').files = given.files; }"
    )
    for name, value in values.items():
        browser.run(
            f"document.getElementById('{name}').value = '{value}';"
            f"document.getElementById('{name}').dispatchEvent(new Event('change'))"
        )
    browser.run("document.getElementById('draw').click()")
    browser.wait_for("!document.getElementById('draw').disabled")


def test_a_photo_is_drawn_and_an_error_is_told(browser, tiny_preset):
    with serving(Settings(presets=(str(tiny_preset),))) as client:
        browser.open(f"http://127.0.0.1:{client.port}/")
        options = "[...document.getElementById('style').options].map(({value}) => value).join()"
        browser.wait_for(f"{options} === 'thin,bold'")
        choose(browser, PHOTO, part="whole", style="bold")
        size = "(({naturalWidth, naturalHeight}) => `${naturalWidth} ${naturalHeight}`)"
        browser.wait_for(f"{size}(document.getElementById('drawing')) === '64 48'")
        assert browser.run(TOLD) == ""
        assert browser.run("document.getElementById('save').download") == "portrait.png"
        choose(browser, PHOTO, part="")
        assert browser.run(TOLD).startswith("No face found")
        # The answer of 422 is all that the browser may remark on: no policy is broken.
        assert all("422" in str(problem) for problem in browser.problems), browser.problems
    browser.problems.clear()


def test_a_token_is_asked_for_or_comes_with_the_address(browser, tiny_preset):
    settings = Settings("0.0.0.0", TOKEN, (str(tiny_preset),))
    with serving(settings) as client:
        address = f"http://127.0.0.1:{client.port}/"
        browser.open(address)
        browser.wait_for(f"{TOLD}.startsWith('The token is missing or wrong.')")
        assert browser.run("document.getElementById('token').hidden") is False
        choose(browser, PHOTO, part="whole", token=TOKEN)
        browser.wait_for("document.getElementById('drawing').naturalWidth")
        browser.open("about:blank")
        browser.open(f"{address}#token={TOKEN}")
        browser.wait_for("document.getElementById('style').options.length === 2")
        assert browser.run("location.hash") == ""
    browser.problems.clear()
