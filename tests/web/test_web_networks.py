"""The page's modules around the networks do what Python does, with stand-ins for the networks."""

import json
import shutil
import subprocess
from dataclasses import asdict, replace
from pathlib import Path

import cv2
import numpy as np
import pytest

import keras_portrait
from conftest import EXAMPLE
from found_faces import FoundFaces, face_at
from keras_portrait.errors import SettingError
from keras_portrait.inference.drawer import FaceDrawer
from keras_portrait.inference.faces import Box, Face, finder, mtcnn, quarter_turns, smallest_faces
from keras_portrait.inference.faces.mtcnn import NETS, Mtcnn, bands, pyramid_scales, suppress
from keras_portrait.inference.faces.tracking import Tracker
from keras_portrait.inference.generator import Generator
from keras_portrait.inference.imaging import resize
from keras_portrait.inference.litert.runner import Runner, Tensor, _decode, _encode
from keras_portrait.inference.metadata import PresetMetadata
from keras_portrait.inference.presets import BUILT_IN
from keras_portrait.inference.segmentation import WEIGHTS
from keras_portrait.inference.style import style_vector
from keras_portrait.inference.stylizer import Stylizer
from keras_portrait_demo.layout import lay_on_paper

STATIC = Path(keras_portrait.__file__).parent / "web" / "static"
STYLES = [None, 0, 2, 3, -1, "line", "ink,pen", "ink:0.7, pen:0.3", "0.2,0.3,0.5", "1", "7"]
STYLES += [
    "0,0,0",
    "pencil",
    "ink:much",
    "ink:",
    [1, 1, 2],
    [1, 2],
    [1, -1, 1],
    [0.1, 0.2, 0.7],
    "0.5",
    "",
]
LEVELS = [(12, 12), (13, 300), (153, 115), (768, 1024), (307, 231), (1001, 77), (4000, 6000)]
SIZES = [(12, 12), (35, 18), (40, 51), (121, 90)]
MODELS = [NETS / f"{name}net.tflite" for name in ("p", "r", "o")]
MODELS += [BUILT_IN / "fast" / "generator.tflite", WEIGHTS, EXAMPLE]
OPTIONS = [{}, {"crop": True}, {"faces": "all"}, {"faces": "all", "crop": True}, {"whole": True}]
OPTIONS += [{"background": "keep"}, {"style": 0}, {"style": "other"}, {"crop": True, "whole": True}]
METADATA = PresetMetadata(
    name="reds", method="", file="generator.tflite", size=64, mode="float32", styles=("red",),
    inputs=("image",), noise=0, channels=1, alignment=2, description="", data_licence="", origin="",
    sha256="",
)  # fmt: skip


class PixelNet:
    """Stands in for a net of the detector: takes two pixels of a window for all."""

    def __init__(self, path, threads):
        self.name = path.stem
        side = {"pnet": -1, "rnet": 24, "onet": 48}[self.name]
        self.inputs = [Tensor("image", (1, side, side, 3), np.float32)]
        outputs = {"offsets": 4, "scores": 2} | ({"landmarks": 10} if side == 48 else {})
        self.outputs = [Tensor(name, (1, size), np.float32) for name, size in outputs.items()]

    def resize(self, name, shape):
        pass

    def __call__(self, image):
        if self.name == "pnet":
            rows, columns = ((side - 1) // 2 - 4 for side in image.shape[1:3])
            cut = image[:, 5 : 5 + 2 * rows : 2]
            first = cut[:, :, 5 : 5 + 2 * columns : 2, 0]
            second = cut[:, :, 6 : 6 + 2 * columns : 2, 1]
        else:
            middle = image.shape[1] // 2
            first, second = image[:, middle, middle, 0], image[:, middle, middle + 1, 1]
        value = first * 0.75 + second * 0.25
        scores = np.stack([np.zeros_like(value), value * 0.5 + np.float32(0.5)], axis=-1)
        found = {"offsets": value[..., None] * 0.25 * np.float32([-1.5, -0.5, 0.5, 1.5])}
        found["scores"] = scores
        if self.name == "onet":
            found["landmarks"] = first[..., None] * 0.125 * np.arange(1, 11, dtype=np.float32)
        return found


def candidates():
    """Boxes that overlap in all ways, and their scores."""
    generator = np.random.default_rng(5)
    first = generator.random((700, 2)) * 60
    return np.hstack([first, first + 5 + generator.random((700, 2)) * 30]), generator.random(700)


def written(face):
    """A face as the modules have it."""
    landmarks = np.asarray(face.landmarks, float).tolist()
    return {"box": asdict(face.box), "landmarks": landmarks, "score": getattr(face, "score", 1.0)}


def videos():
    """Settings of a tracker, and moments with what is found then."""
    near, far = face_at(100, 100), face_at(400, 200, 60)
    still = [(7 + number / 30, [near]) for number in range(12)]
    moving = [(7 + number / 30, [face_at(100 + 3 * number, 100), far]) for number in range(20)]
    blinks = [(7 + number / 30, [] if 8 < number < 20 else [near]) for number in range(30)]
    leaves = [(7 + number / 10, [near, far] if number < 5 else [far]) for number in range(30)]
    unsure = [(7 + number / 10, [face_at(100, 100, score=0.85)]) for number in range(3)]
    jumps = [(7 + number / 2, [face_at(100 + 70 * number, 100)]) for number in range(6)]
    equal = [(7 + number, [near, face_at(300, 100, 105 if number else 90)]) for number in range(5)]
    return [
        ({}, still),
        ({"every": 3, "faces": 2}, moving),
        ({"every": 4}, blinks),
        ({"faces": 2}, leaves),
        ({}, unsure),
        ({}, jumps),
        ({}, equal),
    ]


class Colours:
    """Finds eyes and mouth by their colours, and no face that is turned by more than 60 degrees."""

    def detect(self, photo):
        bright = photo > 128
        places = [np.argwhere(bright[..., k] & (bright.sum(axis=2) == 1)) for k in range(3)]
        if min(map(len, places)) < 9:
            return []
        left, right, mouth = (place.mean(axis=0)[::-1] for place in places)
        nose = (left + right + mouth) / 3
        landmarks = np.array([left, right, nose, mouth, mouth], np.float32)
        face = Face(Box(*map(float, nose - [30, 40]), 60.0, 80.0), landmarks, 1.0)
        return [] if abs(face.turn) > 60 else [replace(face, score=0.9999 - abs(face.turn) / 3600)]


def coloured(height, width, degrees):
    """A gray photo with three discs where eyes and mouth of a turned face are."""
    photo = np.full((height, width, 3), 90, np.uint8)
    turn = np.array(
        cv2.getRotationMatrix2D((width / 2, height / 2), -degrees, min(height, width) / 100)
    )
    for colour, point in zip(np.eye(3) * 200, [(-12, -10), (12, -10), (0, 16)], strict=True):
        x, y = turn @ [width / 2 + point[0], height / 2 + point[1], 1]
        cv2.circle(photo, (round(x), round(y)), min(height, width) // 20, colour.tolist(), -1)
    return photo


COLOURED = [(100, 130, 0), (110, 100, 90), (90, 100, 200), (90, 1100, 30)]
SAME = {"milliseconds": 1, "level": 0.001}
# What the graphics processor does, and what then is used: at first, open, the level drawn, at last.
GRAPHICS = [
    ({"webgpu": SAME}, ["webgpu", "wasm webgpu", 128, "webgpu"]),
    ({"webgpu": SAME | {"level": 0.1}}, ["wasm", "wasm", 128, "wasm"]),
    ({"webgpu": SAME | {"level": "NaN"}}, ["wasm", "wasm", 128, "wasm"]),
    ({"webgpu": SAME | {"milliseconds": 10}}, ["wasm", "wasm", 128, "wasm"]),
    ({"webgpu": SAME | {"refused": True}}, ["wasm", "wasm", 128, "wasm"]),
    ({"webgpu": SAME | {"lost": True}}, ["wasm", "wasm", 128, "wasm"]),
    ({"webgpu": SAME | {"really": "wasm"}}, ["wasm", "wasm", 128, "wasm"]),
    ({"webgpu": SAME, "lost": {"lost": True}}, ["webgpu", "wasm", 128, "wasm"]),
    ({"webgpu": SAME, "preset": "fine-256"}, ["wasm", "wasm", 0, "wasm"]),
]
PHOTO_FACES = [face_at(90, 80, 70), face_at(20, 30, 40), face_at(130, 20, 30, score=0.5)]


@pytest.fixture(scope="module")
def photo():
    levels = np.random.default_rng(2).integers(0, 256, (9, 10, 3), np.uint8)
    return resize(levels, 181, 170)


@pytest.fixture(scope="module")
def results(photo, tmp_path_factory):
    """What the modules made of the same things, from one process, and where their files lie."""
    if shutil.which("node") is None:
        pytest.skip("needs Node.js, which runs the page's modules")
    folder = tmp_path_factory.mktemp("web")
    # Node.js takes .js files for modules where a package says so.
    modules = shutil.copytree(STATIC / "inference", folder / "inference")
    (modules / "package.json").write_text('{"type": "module"}')
    photo.tofile(folder / "photo.bin")
    for number, (height, width, degrees) in enumerate(COLOURED):
        coloured(height, width, degrees).tofile(folder / f"colours-{number}.bin")
    boxes, scores = candidates()
    contract = json.loads((BUILT_IN / "fast" / "portrait.json").read_text())
    changes = [
        {},
        {"format": 1},
        {"format": 3, "framing": "whole"},
        {"format": 4},
        {"framing": "half"},
        {"size": 8},
        {"inputs": ["noise"]},
        {"styles": []},
    ]
    changes += [{"file": "../x"}, {"colour_order": "BGR"}, {"template": [[0, 0]] * 5}]
    given = {
        "styles": STYLES,
        "metadata": [json.dumps(contract | change) for change in changes] + ["{", "null"],
        "models": [str(path) for path in MODELS],
        "pnet": str(MODELS[0]),
        "sizes": SIZES,
        "photo": {"width": photo.shape[1], "height": photo.shape[0]},
        "colours": [(height, width) for height, width, _ in COLOURED],
        "levels": LEVELS,
        "boxes": boxes.tolist(),
        "scores": scores.tolist(),
        "turned": [turned(degrees).landmarks.tolist() for degrees in range(-173, 180, 15)],
        "videos": [
            {"options": options, "steps": [(now, [*map(written, faces)]) for now, faces in steps]}
            for options, steps in videos()
        ],
        "metadataOfStandIn": {"size": 64, "mode": "float32", "channels": 1, "alignment": 2}
        | {"styles": ["red"]},
        "tracked": [written(face) | {"number": n} for n, face in enumerate(PHOTO_FACES[:2])],
        "photoFaces": [*map(written, PHOTO_FACES)],
        "options": OPTIONS,
        "graphics": [{"preset": "portrait-256"} | case for case, _ in GRAPHICS],
        "presets": str(BUILT_IN),
    }
    (folder / "given.json").write_text(json.dumps(given))
    command = ["node", Path(__file__).with_name("check_networks.mjs"), modules, folder]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) | {"folder": folder}


def turned(degrees):
    face = face_at(100, 100)
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    landmarks = ((face.landmarks - 150) @ turn.T + 150).astype(np.float32)
    return Face(Box(0, 0, 1, 1), landmarks, 1.0)


def test_a_style_means_the_same(results):
    for style, result in zip(STYLES, results["styles"], strict=True):
        try:
            wanted = style_vector(style, ("ink", "line", "pen"))[0].tolist()
        except SettingError:
            wanted = {"code": "bad-setting"}
        assert result == wanted, style


def test_metadata_of_another_kind_is_refused(results):
    name, *rest = results["metadata"]
    assert name == "fast" and rest[:2] == ["fast", "fast"]
    assert rest[2:] == [{"code": "bad-file"}] * 10


def test_models_are_described_as_python_describes_them(results):
    for path, result in zip(MODELS[:-1], results["models"], strict=False):
        runner = Runner(path)
        for kind, tensors in (("inputs", runner.inputs), ("outputs", runner.outputs)):
            found = {tensor.pop("name"): tensor for tensor in result[kind]}
            for tensor in tensors:
                wanted = {"shape": list(tensor.shape), "dtype": np.dtype(tensor.dtype).name}
                wanted |= {"scale": tensor.scale, "zeroPoint": tensor.zero_point}
                # A tensor without a signature has a number at its end.
                assert found.pop(tensor.name) == wanted, (path, tensor)
            assert not found
    assert results["models"][-1] == results["unsized"] == {"code": "bad-file"}


def test_numbers_are_quantized_as_python_quantizes_them(results):
    image, style = sorted(Runner(MODELS[3]).inputs, key=lambda tensor: tensor.name)
    levels = (np.arange(999) / 400 - 1.2).astype(np.float32)
    mix = np.float32([[0.7, 0.3, 2]])
    weights = _encode(mix, style, (1, 3))[0].tolist()
    for result, values in (
        (results["raw"], [7] * 999),
        (results["real"], _encode(levels, image, (999,)).tolist()),
    ):
        assert sorted(filter(lambda row: row != "deleted", result["seen"]), key=len) == [
            weights,
            values,
        ]
        # Inputs and the output, which here is an input.
        assert result["seen"].count("deleted") == 3
    output = Runner(MODELS[3]).outputs[0]
    every = np.arange(256, dtype=np.uint8)
    assert results["raw"]["drawn"] == every.tolist()
    np.testing.assert_array_equal(results["real"]["drawn"], _decode(every, output))
    codes = [result["code"] for result in results["misused"]]
    assert codes == ["bad-setting"] * 3 + ["bad-file", "no-runtime", "no-memory"]


@pytest.mark.parametrize("size", SIZES)
def test_a_net_of_fixed_size_computes_what_the_open_one_does(results, size):
    open_net = Runner(MODELS[0])
    open_net.resize("image", (1, *size, 3))
    fixed = Runner(results["folder"] / f"pnet-{size[0]}-{size[1]}.tflite")
    assert fixed.inputs[0].shape == (1, *size, 3)
    level = np.random.default_rng(1).uniform(-1, 1, (1, *size, 3)).astype(np.float32)
    wanted, found = open_net(level), fixed(level)
    for tensor in fixed.outputs:
        assert tensor.shape == wanted[tensor.name].shape
        np.testing.assert_array_equal(found[tensor.name], wanted[tensor.name])


def test_the_pyramid_is_cut_as_in_python(results):
    for (height, width), found, scales in zip(
        LEVELS, results["bands"], results["scales"], strict=True
    ):
        assert found == [list(band) for band in bands(height, width)]
        np.testing.assert_allclose(scales, pyramid_scales(height, width, 20), rtol=1e-12)


def test_the_same_candidates_are_left_out(results):
    boxes, scores = candidates()
    for of_smaller, kept in zip((False, True), results["kept"], strict=True):
        wanted = suppress(boxes, scores, 0.5, of_smaller)
        assert 5 < len(kept) < 600
        np.testing.assert_array_equal(kept, wanted)


def same_faces(found, wanted):
    assert len(found) == len(wanted)
    for face, other in zip(found, wanted, strict=True):
        box = [*asdict(other.box).values()]
        np.testing.assert_allclose([*face["box"].values()], box, atol=1e-3)
        np.testing.assert_allclose(face["landmarks"], other.landmarks, atol=1e-3)
        assert face["score"] == pytest.approx(other.score, abs=1e-6)


def test_the_cascade_finds_what_pythons_does(results, photo, monkeypatch):
    monkeypatch.setattr(mtcnn, "Runner", PixelNet)
    wanted = Mtcnn(24).detect(photo)
    assert len(wanted) > 2
    same_faces(results["faces"], wanted)
    assert results["tooSmall"] == {"code": "bad-setting"}


def test_the_search_with_turns_finds_what_pythons_does(results, monkeypatch):
    monkeypatch.setattr(finder, "find_detector", lambda least, threads: Colours())
    for size, found in zip(COLOURED, results["found"], strict=True):
        wanted = finder.FaceFinder().find(coloured(*size))
        assert len(wanted) == 1 and abs(wanted[0].turn - (size[2] + 180) % 360 + 180) < 3
        same_faces(found, wanted)
    assert results["smallest"] == [
        list(smallest_faces(np.empty((height, width, 0)))) for height, width in LEVELS
    ]
    assert results["quarters"] == [quarter_turns(turned(angle)) for angle in range(-173, 180, 15)]


def test_faces_are_followed_as_in_python(results):
    frame = np.zeros((480, 640, 3), np.uint8)
    for (options, steps), found in zip(videos(), results["tracked"], strict=True):
        detector = FoundFaces()
        tracker = Tracker(detector=detector, **options)
        for (now, faces), frames in zip(steps, found["frames"], strict=True):
            detector.faces = faces
            wanted = tracker.update(frame, now)
            assert [(face["number"], face["found"]) for face in frames] == [
                (face.number, face.found) for face in wanted
            ]
            same_faces([face | {"score": 1.0} for face in frames], [with_score(f) for f in wanted])
        assert found["asked"] == detector.asked


def with_score(face):
    return Face(face.box, face.landmarks, 1.0)


@pytest.fixture
def reds():
    return Generator(METADATA, lambda image: image[..., :1])


def everybody(square):
    return np.ones(square.shape[:2], np.float32)


def test_a_frame_is_drawn_as_in_python(results, photo, reds):
    drawer, squares = FaceDrawer(reds), []
    for face in (PHOTO_FACES[1], PHOTO_FACES[0]):
        style = np.ones((1, 1), np.float32)
        squares.append(drawer.draw(photo, face.landmarks, style, everybody, in_place=True))
    wanted = lay_on_paper(photo, squares).picture
    found = np.fromfile(results["folder"] / "live.bin", np.uint8).reshape(wanted.shape)
    assert wanted.min() < 100
    assert (abs(found.astype(int) - wanted) <= 1).mean() > 0.999
    live = results["live"]
    assert live["same"] and live["segmented"] == 4 and live["size"] == [181, 170]
    assert live["stages"] == ["segment", "align", "stylize", "paste"]
    assert results["empty"] is True


def test_a_photo_is_drawn_as_in_python(results, photo, reds, monkeypatch):
    stylizer = Stylizer(reds, threads=1)
    monkeypatch.setattr(stylizer._finder, "find", lambda photo: list(PHOTO_FACES))
    monkeypatch.setattr(stylizer, "_find_segmenter", lambda: everybody)
    for index, (options, result) in enumerate(zip(OPTIONS, results["photos"], strict=True)):
        try:
            wanted = stylizer(photo, **options)
        except SettingError:
            assert result == {"code": "bad-setting"}, options
            continue
        if wanted.ndim == 2:
            wanted = wanted[..., None]
        assert result["shape"] == list(wanted.shape), options
        assert result["faces"] == (0 if options.get("whole") else 1 + ("faces" in options))
        found = np.fromfile(results["folder"] / f"photo-{index}.bin", np.uint8)
        # A whole picture is enlarged, and its edges are steepened by what that enlarges.
        most = 5 if options.get("whole") else 1
        assert (abs(found.reshape(wanted.shape).astype(int) - wanted) <= most).mean() > 0.999


def test_the_graphics_processor_draws_where_it_draws_the_same_and_sooner(results):
    for (case, wanted), result in zip(GRAPHICS, results["graphics"], strict=True):
        assert result == [*wanted, 0], case


def test_requests_are_answered_in_their_order(results):
    rows = [
        (row["id"], row["type"], row.get("code"), *row["has"], row["transferred"])
        for row in results["session"]
    ]
    assert rows == [
        (0, "error", "bad-setting", False, False, 0),
        (1, "error", "no-memory", False, False, 0),
        (2, "progress", None, False, False, 0),
        (2, "loaded", None, False, False, 0),
        (3, "drawn", None, True, False, 1),
        (4, "error", "no-face", False, False, 0),
        (5, "error", "bad-photo", False, False, 0),
        (6, "drawn", None, False, True, 1),
        (8, "error", "bad-setting", False, False, 0),
        (9, "error", "bad-setting", False, False, 0),
    ]
    loaded = results["session"][3]
    assert (loaded["preset"], loaded["styles"], loaded["size"]) == ("reds", ["red"], 64)
    assert (loaded["accelerator"], loaded["threads"]) == ("wasm", 3)
