"""The Gradio example: in Gradio itself where it is installed, otherwise behind a stand-in.

The stand-in takes what the page hands to Gradio by its published names; the last tests hold those
to the real ones, serve the page on loopback and draw through it.
"""

import importlib
import importlib.util
import inspect
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from keras_portrait.inference.imaging import read_image
from keras_portrait.inference.stylizer import Stylizer

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "keras_portrait" / "example.jpg"
IS_INSTALLED = importlib.util.find_spec("gradio") is not None
# Of Gradio and what it brings along.
pytestmark = pytest.mark.filterwarnings("ignore" if IS_INSTALLED else "error")
COMPONENTS = ("Image", "Dropdown", "Radio", "Checkbox", "Interface")


class Component:
    """Keeps what it was made with."""

    def __init__(self, *values, **named):
        self.values, self.named = values, named


class Error(Exception):
    """As Gradio's: shown on the page."""

    def __init__(self, message="Error raised.", print_exception=True):
        self.message, self.print_exception = message, print_exception


def stand_in():
    gradio = ModuleType("gradio")
    gradio.Error = Error
    for name in COMPONENTS:
        setattr(gradio, name, type(name, (Component,), {}))
    return gradio


def load_example():
    spec = importlib.util.spec_from_file_location(
        "gradio_page", ROOT / "examples" / "gradio_page.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def page():
    with pytest.MonkeyPatch.context() as patch:
        if not IS_INSTALLED:
            patch.setitem(sys.modules, "gradio", stand_in())
        yield load_example()


@pytest.fixture(scope="module")
def photo():
    return Image.fromarray(read_image(EXAMPLE))


def expected(photo, **how):
    return Stylizer("fast", threads=1)(np.asarray(photo), **how)


def error_of(page, *given):
    with pytest.raises(page.gr.Error) as raised:
        page.draw(*given)
    assert not raised.value.print_exception, "a traceback in the terminal helps nobody"
    assert "\n" not in raised.value.message
    return raised.value.message


def test_every_style_of_every_preset_can_be_chosen(page):
    choices = page.choices()
    assert {
        "portrait:ink",
        "portrait:engraving",
        "fast:engraving",
        "fine:engraving",
        "artists:line",
    } <= set(choices)
    assert len(choices) == len(set(choices)) == 19
    assert not any(one.startswith("avatars") for one in choices), "it needs no photo"


def test_a_photo_comes_out_as_the_library_draws_it(page, photo):
    drawing = page.draw(photo, "fast:engraving", "all", False)
    assert np.array_equal(np.asarray(drawing), expected(photo, style="engraving", faces="all"))
    assert (np.asarray(drawing) < 128).mean() > 0.01, "an empty sheet proves nothing"
    square = page.draw(photo, "fast:line", "largest", True)
    assert np.array_equal(np.asarray(square), expected(photo, style="line", crop=True))


def test_what_is_wrong_is_one_line_on_the_page(page, photo):
    assert error_of(page, None, "fast:ink", "largest", False) == "Choose a photo first."
    blank = Image.new("RGB", (300, 200), "white")
    assert error_of(page, blank, "fast:ink", "largest", False).startswith("No face found. ")
    assert error_of(page, photo, "fast:oil", "largest", False).startswith("No such style. ")
    assert error_of(page, photo, "pem:ink", "largest", False).startswith("No such preset. ")


@pytest.mark.skipif(IS_INSTALLED, reason="Gradio itself is installed")
def test_the_page_hands_its_inputs_over_in_the_order_of_the_function(page):
    made = page.make_page().named
    names = list(inspect.signature(made["fn"]).parameters)
    kinds = [type(one).__name__ for one in made["inputs"]]
    assert dict(zip(names, kinds, strict=True)) == {
        "photo": "Image",
        "drawing": "Dropdown",
        "faces": "Radio",
        "crop": "Checkbox",
    }
    [choices] = made["inputs"][1].values
    assert made["inputs"][1].named["value"] in choices == page.choices()
    assert made["analytics_enabled"] is False, "photos are nobody else's business"


@pytest.fixture
def gradio():
    """Gradio itself."""
    if not IS_INSTALLED:
        pytest.skip("Gradio is not installed")
    return importlib.import_module("gradio")


def test_gradio_itself_takes_what_the_page_hands_over(gradio):
    used = {
        "Image": ("type", "format", "label"),
        "Dropdown": ("choices", "value", "label"),
        "Radio": ("choices", "value", "label"),
        "Checkbox": ("label",),
        "Error": ("message", "print_exception"),
    }
    for name, parameters in used.items():
        assert set(parameters) <= set(inspect.signature(getattr(gradio, name)).parameters), name


def test_the_page_draws_in_gradio_itself(gradio, page, photo, tmp_path, monkeypatch):
    from gradio_client import Client, exceptions, handle_file

    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    interface = page.make_page()
    _, url, _ = interface.launch(
        server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, share=False
    )
    try:
        client = Client(url, verbose=False, download_files=str(tmp_path))
        asked = {"faces": "all", "crop": False, "api_name": "/draw"}
        answer = client.predict(handle_file(str(EXAMPLE)), "fast:ink", **asked)
        drawn = read_image(answer)
        assert np.array_equal(drawn, expected(photo, style="ink", faces="all"))
        Image.new("RGB", (300, 200), "white").save(tmp_path / "blank.png")
        with pytest.raises(exceptions.AppError, match="^No face found"):
            client.predict(handle_file(str(tmp_path / "blank.png")), "fast:ink", **asked)
        with pytest.raises(exceptions.AppError, match="oil"):
            client.predict(handle_file(str(EXAMPLE)), "fast:oil", **asked)
    finally:
        interface.close()
