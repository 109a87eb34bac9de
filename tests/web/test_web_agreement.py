"""The page's worker, in a real browser, draws what Python draws."""

import cv2
import numpy as np
import pytest

from keras_portrait.errors import TurnedPhotoWarning
from keras_portrait.inference.faces.tracking import Tracker
from keras_portrait.inference.imaging import write_image
from keras_portrait.inference.stylizer import Stylizer
from keras_portrait_demo.drawer import Drawer
from keras_portrait_demo.frame import draw_frame
from web_site import write_real_site
from worker_page import worker_page

FLOAT_PRESETS = ("portrait", "artists", "portrait-256")


def agree(found, wanted, levels):
    """Whether 99 % of the pixels differ by so many levels of 255 at most."""
    assert found.shape == wanted.shape
    return (abs(found.astype(int) - wanted) <= levels).mean() >= 0.99


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    site, folder = tmp_path_factory.mktemp("site") / "out", tmp_path_factory.mktemp("browser")
    write_real_site(site, presets=("fast", "fine", *FLOAT_PRESETS))
    with worker_page(site, folder) as page:
        page.site = site
        yield page


@pytest.fixture(scope="module")
def fast():
    return Stylizer("fast", threads=1)


@pytest.mark.slow
def test_the_first_load_tells_what_comes(page):
    loaded = page.ask(type="load", preset="fast", threads=2, accelerator="auto")
    assert loaded["type"] == "loaded", loaded
    assert (loaded["styles"], loaded["size"]) == (["ink", "line", "engraving"], 512)
    # Threads need a page that is isolated; and 8-bit networks are the processor's.
    assert (loaded["threads"], loaded["accelerator"]) == (1, "wasm")
    steps = [row["step"] for row in page.progress()]
    assert steps == sorted(steps, reverse=True) and {*steps} == {"runtime", "networks"}
    last = next(row for row in reversed(page.progress()) if row["step"] == "runtime")
    wasm = (page.site / "runtime/core/wasm/litert_wasm_internal.wasm").stat().st_size
    assert last["loaded"] == last["total"] == wasm


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"crop": True, "style": "engraving"}, {"whole": True}])
def test_a_small_preset_draws_pythons_drawing(page, fast, example, options):
    page.ask(type="load", preset="fast")
    answer = page.ask("example.jpg", type="draw", **options)
    assert answer["type"] == "drawn", answer
    assert (answer["faces"], answer["turn"]) == (0 if "whole" in options else 1, 0)
    found, wanted = page.drawing(), fast(example[0], **options)
    wanted = np.repeat(wanted[..., None], 3, axis=2) if wanted.ndim == 2 else wanted
    assert wanted.min() < 50 and agree(found, wanted, 2)


@pytest.mark.slow
def test_a_photo_that_lies_on_its_side_is_drawn_as_it_lies(page, fast, example):
    photo = cv2.rotate(example[0], cv2.ROTATE_90_CLOCKWISE)[:400]
    write_image(page.site / "turned.png", photo)
    page.ask(type="load", preset="fast")
    answer = page.ask("turned.png", type="draw", background="keep")
    assert (answer["type"], answer["turn"]) == ("drawn", 90)
    with pytest.warns(TurnedPhotoWarning):
        wanted = fast(photo, background="keep")
    assert agree(page.drawing(), wanted, 2)


@pytest.mark.slow
def test_frames_are_drawn_as_the_demo_draws_them(page, example):
    page.ask(type="load", preset="fast")
    drawer, tracker = Drawer("fast", threads=1), Tracker(threads=1)
    for number in range(3):
        answer = page.ask("example.jpg", type="frame", style="line", faces=1)
        assert (answer["type"], answer["faces"]) == ("drawn", 1), answer
        drawer.choose(style="line")
        wanted = draw_frame(number, 7 + number / 30, example[0], tracker, drawer, "drawing")
    assert agree(page.drawing(), wanted.drawing, 2)
    write_image(page.site / "empty.png", np.full((240, 320, 3), 128, np.uint8))
    empty = page.ask("empty.png", type="frame")
    assert (empty["type"], empty["faces"], empty["drawing"]) == ("drawn", 0, None)


@pytest.mark.slow
def test_what_fails_is_answered_with_its_code(page):
    write_image(page.site / "empty.png", np.full((240, 320, 3), 128, np.uint8))
    page.start()
    assert page.ask("example.jpg", type="draw")["code"] == "bad-setting"
    assert page.ask(type="load", preset="fast")["type"] == "loaded"
    assert page.ask(type="load", preset="no-such")["code"] == "no-file"
    model = page.site / "models/presets/fine/generator.tflite"
    content = model.read_bytes()
    model.write_bytes(content[:-1] + b"?")
    assert page.ask(type="load", preset="fine")["code"] == "bad-file"
    model.write_bytes(content)
    # The browser has kept the altered file, and fetches it anew.
    assert page.ask(type="load", preset="fine")["type"] == "loaded"
    assert page.ask(type="load", preset="no-such")["code"] == "no-file"
    # What was loaded before still draws.
    assert page.ask("example.jpg", type="draw", style="pen")["type"] == "drawn"
    assert page.ask("empty.png", type="draw")["code"] == "no-face"
    assert page.ask("example.jpg", type="draw", style="oil")["code"] == "bad-setting"


@pytest.mark.parametrize("preset", ["fine", *FLOAT_PRESETS])
@pytest.mark.parametrize("crop", [False, True])
def test_every_preset_draws_pythons_drawing(page, example, preset, crop):
    assert page.ask(type="load", preset=preset)["preset"] == preset
    assert page.ask("example.jpg", type="draw", crop=crop)["type"] == "drawn"
    found, wanted = page.drawing(), Stylizer(preset, threads=1)(example[0], crop=crop)
    wanted = np.repeat(wanted[..., None], 3, axis=2) if wanted.ndim == 2 else wanted
    assert agree(found, wanted, 5 if preset in FLOAT_PRESETS else 2)


@pytest.mark.slow
def test_older_browsers_draw_with_the_runtime_for_them(page, fast, example):
    # The runtime asks whether relaxed SIMD compiles, by a module of a few bytes.
    page.start(
        "const real = WebAssembly.instantiate;"
        "WebAssembly.instantiate = (code, ...rest) =>"
        " code.length < 99 ? Promise.reject(new Error('old')) : real(code, ...rest);"
    )
    assert page.ask(type="load", preset="fast")["type"] == "loaded"
    wasm = (page.site / "runtime/core/wasm/litert_wasm_compat_internal.wasm").stat().st_size
    assert max(row["loaded"] for row in page.progress() if row["step"] == "runtime") == wasm
    page.ask("example.jpg", type="draw")
    assert agree(page.drawing(), fast(example[0]), 2)


@pytest.mark.slow
def test_threads_draw_the_same_where_the_page_is_isolated(page, fast, example, tmp_path):
    with worker_page(page.site, tmp_path, isolated=True) as isolated:
        loaded = isolated.ask(type="load", preset="fast", threads=2)
        assert (loaded["type"], loaded["threads"]) == ("loaded", 2), loaded
        isolated.ask("example.jpg", type="draw")
        assert agree(isolated.drawing(), fast(example[0]), 2)


@pytest.mark.slow
def test_a_runtime_that_is_missing_is_told(page):
    page.start("self.fetch = async (address) => new Response('', { status: 404 });")
    failed = page.ask(type="load", preset="fast")
    assert (failed["type"], failed["code"]) == ("error", "no-runtime"), failed
    page.start()
