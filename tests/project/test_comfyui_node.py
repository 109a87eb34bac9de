"""The ComfyUI node, loaded and called as ComfyUI does it: by its mappings, attributes and inputs.

ComfyUI is no package that can be installed. Its published interface stands here: how inputs are
declared, which of them a node may check, and that pictures are float tensors (B, H, W, C).
"""

import importlib.util
import logging
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from keras_portrait.errors import InputError, SettingError
from keras_portrait.inference.imaging import read_image, resize
from keras_portrait.inference.presets import list_presets
from keras_portrait.inference.stylizer import Stylizer
from tiny_preset import write_colour_preset

ROOT = Path(__file__).resolve().parents[2]
KEEP, WHOLE, STOP = "keep the picture", "draw it whole", "stop"


@pytest.fixture(scope="module")
def loaded():
    path = ROOT / "examples" / "comfyui_portrait.py"
    spec = importlib.util.spec_from_file_location("comfyui_portrait", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def node(loaded):
    [(name, node)] = loaded.NODE_CLASS_MAPPINGS.items()
    assert loaded.NODE_DISPLAY_NAME_MAPPINGS == {name: "Portrait drawing"}
    return node


@pytest.fixture(scope="module")
def photo():
    return resize(read_image(ROOT / "keras_portrait" / "example.jpg"), 320, 320)


@pytest.fixture(scope="module")
def drawing(photo):
    return Stylizer("fast", threads=1)(photo, style="ink", faces="all")


def run(node, image, **given):
    """Calls a node as ComfyUI does: every input by name, defaults where nothing was given."""
    inputs = {"image": image, "preset": "fast"}
    for name, (kind, *options) in node.INPUT_TYPES()["required"].items():
        default = kind[0] if isinstance(kind, list) else ""
        inputs.setdefault(name, options[0].get("default", default) if options else None)
    outputs = getattr(node(), node.FUNCTION)(**{**inputs, **given})
    assert isinstance(outputs, tuple) and len(outputs) == len(node.RETURN_TYPES)
    return outputs[0]


def batch(*pictures):
    return np.stack(pictures).astype(np.float32) / 255


def red():
    return np.full((320, 320, 3), (200, 30, 30), np.uint8)


def warnings(caplog):
    return [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]


class Tensor:
    """What the node uses of a tensor of torch that lies elsewhere and is half as exact."""

    def __init__(self, array, type_="half", device="cuda"):
        self.array, self.type, self.device = array, type_, device

    def detach(self):
        return Tensor(self.array, self.type, self.device)

    def cpu(self):
        return Tensor(self.array, self.type, "cpu")

    def float(self):
        return Tensor(self.array, "float", self.device)

    def numpy(self):
        assert (self.type, self.device) == ("float", "cpu"), "NumPy cannot read it there"
        return self.array

    def new_tensor(self, array):
        return Tensor(array, self.type, self.device)


def test_the_node_declares_what_comfyui_asks_for(node):
    inputs = node.INPUT_TYPES()
    assert set(inputs) <= {"required", "optional", "hidden"}
    named = {**inputs["required"], **inputs["optional"]}
    assert named["image"] == ("IMAGE",)
    for name, (kind, *options) in named.items():
        assert isinstance(kind, list) or kind in ("IMAGE", "STRING"), name
        if isinstance(kind, list):
            assert kind and all(isinstance(one, str) for one in kind)
            assert not options or options[0].get("default", kind[0]) in kind
    assert node.RETURN_TYPES == ("IMAGE",) and len(node.RETURN_NAMES) == 1
    assert callable(getattr(node, node.FUNCTION)) and isinstance(node.CATEGORY, str)
    # `avatars` needs no photo.
    assert set(named["preset"][0]) == {*list_presets(), "filter"} - {"avatars"}


def test_every_picture_of_a_batch_is_drawn_as_the_library_draws_it(node, photo, drawing, caplog):
    drawings = run(node, batch(photo, photo[:, ::-1]), style="ink")
    assert (drawings.shape, drawings.dtype) == ((2, 320, 320, 3), np.float32)
    assert np.array_equal(np.rint(255 * drawings[0]), drawing)
    mirrored = Stylizer("fast", threads=1)(np.ascontiguousarray(photo[:, ::-1]), faces="all")
    assert np.array_equal(np.rint(255 * drawings[1]), mirrored)
    assert (drawing < 128).mean() > 0.01, "an empty sheet proves nothing"
    assert not warnings(caplog)


def test_a_batch_in_which_one_has_no_face_keeps_that_picture(node, photo, drawing, caplog):
    images = batch(photo, red(), photo)
    drawings = np.rint(255 * run(node, images, style="ink"))
    assert np.array_equal(drawings[0], drawing) and np.array_equal(drawings[2], drawing)
    assert np.array_equal(drawings[1], red())
    assert warnings(caplog) == ["Portrait: pictures without a face stay as they are: 2 of 3"]


def test_a_picture_without_a_face_is_drawn_whole(node, photo, drawing, caplog):
    blank = red()
    blank[100:200, 100:200] = 0
    images = batch(blank, photo)
    drawings = np.rint(255 * run(node, images, without_face=WHOLE, background="keep"))
    expected = Stylizer("fast", threads=1)(blank, whole=True, background="keep")
    assert np.array_equal(drawings[0], expected)
    assert warnings(caplog) == ["Portrait: pictures without a face are drawn whole: 1 of 2"]


def test_a_picture_without_a_face_stops_the_run_where_that_is_asked_for(node, photo):
    with pytest.raises(InputError, match=r"^Picture 2 of 2: No face found\. "):
        run(node, batch(photo, red()), without_face=STOP)


def test_a_workflow_has_nothing_fetched(node, photo):
    for address in ("hf://somebody/theirs", "https://example.org/a.zip#sha256=" + 64 * "0"):
        said = node.VALIDATE_INPUTS(preset="fast", style="", preset_folder=address)
        assert said == f"Expected a preset of this machine. Received: {address}"
        with pytest.raises(SettingError, match="of this machine"):
            run(node, batch(photo), preset=address)


def test_a_style_or_preset_that_does_not_exist_is_told_before_anything_runs(node, tmp_path):
    check = node.VALIDATE_INPUTS
    assert check(preset="fast", style="ink:0.5,engraving:0.5") is True
    assert check(preset="filter", style="engraving") is True
    assert check(preset="fast", style="oil").startswith("No such style.")
    assert check(preset="pem", style="").startswith("No such preset.")
    nowhere = str(tmp_path / "nowhere")
    assert check(preset="fast", style="", preset_folder=nowhere).endswith(nowhere)
    # What comes from another node is not known yet.
    assert check(preset=None, style="oil") is True
    assert check(preset="fast", style=None) is True


def test_a_tensor_of_torch_comes_back_of_its_type_and_where_it_was(node, photo, drawing):
    answer = run(node, Tensor(batch(photo)), style="ink")
    assert (answer.type, answer.device) == ("half", "cuda")
    assert np.array_equal(np.rint(255 * answer.array[0]), drawing)


@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_torch_itself_is_taken(node, photo, drawing, name):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    image = torch.from_numpy(batch(photo)).to(getattr(torch, name))
    answer = run(node, image, style="ink")
    assert answer.dtype == image.dtype and tuple(answer.shape) == (1, 320, 320, 3)
    if name == "float32":
        assert np.array_equal(np.rint(255 * answer[0].numpy()), drawing)
    assert (answer.float() < 0.5).float().mean() > 0.01


def test_what_is_transparent_is_paper_and_gray_pictures_are_taken(node, photo):
    alpha = np.full((320, 320, 1), 255, np.uint8)
    alpha[:, :60] = 0
    on_white = np.where(alpha == 255, photo, 255).astype(np.uint8)
    expected = Stylizer("fast", threads=1)(on_white, faces="all")
    answer = run(node, batch(np.concatenate([photo, alpha], axis=2)))
    assert np.array_equal(np.rint(255 * answer[0]), expected)
    gray = photo.mean(axis=2, keepdims=True).round().astype(np.uint8)
    expected = Stylizer("fast", threads=1)(np.repeat(gray, 3, axis=2), faces="all")
    assert np.array_equal(np.rint(255 * run(node, batch(gray))[0]), expected)


def test_numbers_out_of_range_are_cut_off(node, caplog):
    wild = np.array([np.nan, -3.0, 7.0], np.float32) * np.ones((1, 320, 320, 1), np.float32)
    assert np.array_equal(run(node, wild)[0, 0, 0], [0, 0, 1])


@pytest.mark.parametrize("shape", [(8, 8, 3), (1, 8, 8, 2), (0, 8, 8, 3), (1, 8, 0, 3)])
def test_what_is_no_batch_of_pictures_is_refused(node, shape):
    with pytest.raises(InputError, match=r"Expected pictures as a batch .* Received: \("):
        run(node, np.zeros(shape, np.float32))


def test_pictures_in_colour_keep_the_size_of_the_batch(node, photo, tmp_path):
    folder = write_colour_preset(tmp_path / "colour")
    answer = run(node, batch(photo[:240]), preset_folder=str(folder))
    assert answer.shape == (1, 240, 320, 3)
    assert (answer[0, :, :30] == 1).all() and answer[0, :, 160].std() > 0.04


def test_the_progress_bar_of_comfyui_moves_and_stops_a_run(node, photo, monkeypatch):
    class Interrupted(Exception):
        pass

    class ProgressBar:
        def __init__(self, total):
            steps.append(total)

        def update(self, value):
            steps.append(value)
            if len(steps) == 3:  # as ComfyUI does where the user stopped the run
                raise Interrupted

    steps = []
    comfy, utilities = ModuleType("comfy"), ModuleType("comfy.utils")
    utilities.ProgressBar = ProgressBar
    monkeypatch.setitem(sys.modules, "comfy", comfy)
    monkeypatch.setitem(sys.modules, "comfy.utils", utilities)
    with pytest.raises(Interrupted):
        run(node, batch(*[photo] * 3))
    assert steps == [3, 1, 1]
