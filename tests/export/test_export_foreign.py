"""Models that no training here has made."""

import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from keras_portrait.data.synthetic_faces import draw_face
from keras_portrait.errors import InputError, SettingError
from keras_portrait.inference.imaging import to_signed
from keras_portrait.inference.presets import load_preset
from keras_portrait_export import exporter as artefacts
from keras_portrait_export.__main__ import main
from keras_portrait_export.calibration import Faces
from keras_portrait_export.exporter import ExportOptions, export_generator
from keras_portrait_export.foreign import open_foreign
from keras_portrait_export.ranges import PIXELS, SIGNED, UNIT, choose_range
from keras_portrait_export.targets import check_target

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SIZE = 32


def randomized(net, seed=0):
    """The net with weights that make pictures neither flat nor saturated."""
    rng = np.random.default_rng(seed)
    for weight in net.weights:
        values = rng.normal(0, 0.15, weight.shape)
        if "variance" in weight.path:
            values = 0.5 + np.abs(values)
        if weight.dtype.startswith("float"):
            weight.assign(values)
    return net


def painter(body=None, name="image", channels=(3, 1), end="tanh", dtype="float32"):
    """A functional model with `body`, a function of 8 channels to 8, in its middle."""
    image = keras.Input((SIZE, SIZE, channels[0]), name=name, dtype=dtype)
    x = layers.Conv2D(8, 3, padding="same")(image)
    x = x if body is None else body(x)
    x = layers.Conv2D(channels[1], 3, padding="same")(x)
    return randomized(keras.Model(image, layers.Activation(end)(x) if end else x))


def saved(net, tmp_path):
    path = tmp_path / "theirs.keras"
    net.save(path)
    return path


def export(net, tmp_path, mode="fp32", **options):
    """The artefact, and a function of uint8 squares to what the preset draws, uint8."""
    path = saved(net, tmp_path)
    options = ExportOptions(modes=(mode,), **options)
    (artefact,) = export_generator(path, tmp_path / "out", options)
    generator = load_preset(tmp_path / "out")
    return artefact, lambda square, style=None: generator.draw(square, style)


@pytest.fixture
def square():
    return np.random.default_rng(3).integers(0, 256, (SIZE, SIZE, 3), np.uint8)


def as_pixels(picture, low, high):
    """What a model returns as uint8, black at `low` and white at `high`."""
    numbers = (keras.ops.convert_to_numpy(picture)[0] - low) / (high - low) * 255
    return np.clip(np.rint(numbers), 0, 255).astype(np.uint8)


def assert_same(drawn, expected):
    """Equal but for numbers that rounding puts on either side of a half."""
    assert drawn.shape == expected.shape and expected.std() > 1
    assert np.abs(drawn.astype(int) - expected).max() <= 1
    assert np.mean(drawn != expected) < 0.01


@pytest.mark.parametrize(
    ("end", "given", "low", "high", "told"),
    [
        ("sigmoid", {}, 0, 1, "taken as 0 to 1"),
        ("tanh", {}, -1, 1, "taken as -1 to 1"),
        (None, {"output_range": (-0.5, 0.75)}, -0.5, 0.75, "-0.5 to 0.75, as --output-range"),
        ("sigmoid", {"output_range": (-1, 1)}, -1, 1, "-1 to 1, as --output-range says"),
    ],
)
def test_the_range_of_the_pictures(end, given, low, high, told, square, tmp_path):
    net = painter(end=end)
    artefact, draw = export(net, tmp_path, **given)
    assert artefact.fidelity.max_error < 1e-5
    expected = as_pixels(net(to_signed(square)[None]), low, high)
    if (end, low) == ("sigmoid", -1):  # wrong on purpose: nothing is darker than the middle
        assert expected.min() >= 127
    assert_same(draw(square), expected)
    assert told in artefact.notes[-1]


def test_the_range_is_measured_on_calibration_photos(square, tmp_path, monkeypatch):
    """A linear end in 0 to 255: nothing but the numbers tells it."""
    photos = [np.full_like(square, level) for level in (0, 128, 255)]
    faces = Faces(tmp_path / "faces", photos, [square], ["held.jpg"])
    monkeypatch.setattr(artefacts, "load_faces", lambda *arguments: faces)
    image = keras.Input((SIZE, SIZE, 3), name="picture")
    net = keras.Model(image, layers.Rescaling(127.5, 127.5)(image))
    artefact, draw = export(net, tmp_path, calibration=tmp_path)
    assert np.array_equal(draw(square), square)
    assert artefact.notes[1] == (
        f"output measured from 0 to 255 on 3 photos of {tmp_path / 'faces'}; taken as 0 to 255; "
        "--output-range says otherwise"
    )
    assert [sample.name for sample in artefact.samples] == ["held.jpg"]


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        ((-0.98, 0.97), SIGNED),
        ((-1.2, 1.1), SIGNED),
        ((0.01, 0.99), UNIT),
        ((-0.05, 1.1), UNIT),
        ((3.0, 251.0), PIXELS),
    ],
)
def test_ranges_that_numbers_tell(measured, expected):
    assert choose_range(measured, painter(end=None)) == expected


@pytest.mark.parametrize("measured", [(-4, 1), (-1, 1.9), (-900, 900), (np.nan, np.nan), (0, 0)])
def test_numbers_of_no_range_are_refused(measured):
    with pytest.raises(SettingError, match="with --output-range.*Received: .* to "):
        choose_range(measured, painter(end=None))


def test_a_last_activation_tells_more_than_pale_drawings():
    assert choose_range((0.4, 0.9), painter(end="tanh")) == SIGNED
    assert choose_range((0.4, 0.9), painter(end="sigmoid")) == UNIT


@pytest.mark.parametrize(
    ("begin", "dtype", "given", "span", "told"),
    [
        (None, "float32", {}, (-1, 1), "-1 to 1, which nothing in it tells; --input-range says"),
        (None, "float32", {"input_range": (0, 1)}, (0, 1), "0 to 1, as --input-range says"),
        (layers.Rescaling(1 / 255), "float32", {}, (0, 255), "0 to 255, since it begins with resc"),
        (
            layers.Normalization(mean=[110.0] * 3, variance=[3600.0] * 3),
            "float32",
            {},
            (0, 255),
            "0 to 255, since it begins with norm",
        ),
        (layers.Rescaling(1 / 127.5, -1), "uint8", {}, (0, 255), "since it takes uint8"),
    ],
)
def test_the_range_of_the_photos(begin, dtype, given, span, told, square, tmp_path):
    image = keras.Input((SIZE, SIZE, 3), name="anything", dtype=dtype)
    x = image if begin is None else begin.__class__.from_config(begin.get_config())(image)
    net = randomized(keras.Model(image, layers.Conv2D(1, 3, padding="same")(x)))
    artefact, draw = export(net, tmp_path, output_range=(-1, 1), **given)
    numbers = square[None].astype(np.float32) / 255 * (span[1] - span[0]) + span[0]
    assert_same(draw(square), as_pixels(net(numbers), -1, 1))
    assert f"input taken as {told}" in artefact.notes[0] or told in artefact.notes[0]


def test_a_model_of_0_to_1_hints_at_its_photos(tmp_path):
    artefact, _ = export(painter(end="sigmoid"), tmp_path)
    assert artefact.notes[1].endswith("may well take 0 to 1, too: --input-range 0 1")
    artefact, _ = export(painter(end="sigmoid"), tmp_path, input_range=(0, 1))
    assert "may well" not in artefact.notes[1]


def test_the_command_tells_what_it_took(tmp_path, capsys):
    path = saved(painter(end="sigmoid", name="photo"), tmp_path)
    given = [str(path), "-o", str(tmp_path / "out"), "--mode", "fp32", "--input-range", "0", "1"]
    assert main(given) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == f"{path}: input taken as 0 to 1, as --input-range says"
    assert lines[2].startswith(f"{path}: output measured from 0.")
    assert "on example photo, drawn face 0" in lines[2] and "taken as 0 to 1" in lines[2]


@pytest.mark.parametrize("option", ["--input-range", "--output-range"])
def test_ranges_that_make_no_sense(option, tmp_path, capsys):
    path = saved(painter(), tmp_path)
    for low, high in (("1", "0"), ("0", "nan"), ("0", "inf")):
        assert main([str(path), "-o", str(tmp_path / "out"), option, low, high]) == 2
        error = capsys.readouterr().err
        assert f"{option}: expected the least and the largest number. Received: " in error
    assert main(["avatars", "-o", str(tmp_path / "out"), option, "0", "1"]) == 2
    assert f"{option}: the generator of a preset has pictures in -1 to 1" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_sequential_model(square, tmp_path):
    net = keras.Sequential([keras.Input((SIZE, SIZE, 3)), layers.Conv2D(1, 3, padding="same")])
    _, draw = export(randomized(net), tmp_path, output_range=(-1, 1))
    assert_same(draw(square), as_pixels(net(to_signed(square)[None]), -1, 1))


@pytest.mark.parametrize("channels", [(1, 1), (1, 3), (3, 1), (3, 3)])
def test_channels_of_one_and_three(channels, square, tmp_path):
    net = painter(channels=channels, name="x_0")
    artefact, draw = export(net, tmp_path)
    given = to_signed(square)[None]
    if channels[0] == 1:
        given = (given * np.float32([0.299, 0.587, 0.114])).sum(-1, keepdims=True)
    assert_same(draw(square), as_pixels(net(given), -1, 1))
    assert artefact.metadata.channels == channels[1]


def test_a_style_vector_of_any_name_and_place(square, tmp_path):
    vector, image = keras.Input((2,), name="z"), keras.Input((SIZE, SIZE, 3), name="a")
    shift = layers.Reshape((1, 1, 4))(layers.Dense(4)(vector))
    x = layers.Conv2D(4, 3, padding="same")(image) + shift
    net = randomized(keras.Model([vector, image], layers.Conv2D(1, 1, activation="tanh")(x)))
    artefact, draw = export(net, tmp_path)
    assert artefact.metadata.inputs == ("image", "style")
    assert artefact.metadata.styles == ("style-0", "style-1")
    style = np.float32([[0.25, 0.75]])
    assert_same(draw(square, style), as_pixels(net([style, to_signed(square)[None]]), -1, 1))


def test_noise_of_any_name(tmp_path):
    noise = keras.Input((5,), name="latent")
    x = layers.Reshape((4, 4, 8))(layers.Dense(128, activation="relu")(noise))
    x = layers.Conv2DTranspose(3, 4, 4, padding="same", activation="sigmoid")(x)
    net = randomized(keras.Model(noise, x))
    artefact, _ = export(net, tmp_path)
    given = np.float32([[1, -2, 0.5, 0, 1]])
    picture = load_preset(tmp_path / "out").net(noise=given)
    assert (artefact.metadata.inputs, artefact.metadata.noise) == (("noise",), 5)
    np.testing.assert_allclose(picture, 2 * net(given) - 1, atol=1e-5)


def nested(x):
    inner = keras.Sequential([keras.Input((SIZE, SIZE, 8)), layers.Conv2D(8, 1), layers.ReLU()])
    return keras.Sequential([keras.Input((SIZE, SIZE, 8)), inner, layers.Conv2D(8, 1)])(x)


def shared(x):
    convolution = layers.Conv2D(8, 3, padding="same")
    return convolution(convolution(x))


def excited(x):
    weights = layers.Dense(8, activation="hard_sigmoid")(layers.GlobalAveragePooling2D()(x))
    return x * layers.Reshape((1, 1, 8))(weights)


# Name -> function of 8 channels to 8.
BODIES = {
    "PReLU": lambda x: layers.PReLU(shared_axes=[1, 2])(x),
    "PReLU of each pixel": lambda x: layers.PReLU()(x),
    "Rescaling": lambda x: layers.Rescaling(0.5, 0.1)(x),
    "LayerNormalization": lambda x: layers.LayerNormalization()(x),
    "GroupNormalization": lambda x: layers.GroupNormalization(2)(x),
    "ReLU6": lambda x: layers.ReLU(6.0)(20 * x),
    "relu6": lambda x: layers.Activation("relu6")(20 * x),
    "Normalization": lambda x: layers.Normalization(mean=[0.1] * 8, variance=[2.0] * 8)(x),
    "BatchNormalization alone": lambda x: layers.BatchNormalization()(layers.ReLU()(x)),
    "GlobalAveragePooling2D": excited,
    "AveragePooling2D": lambda x: layers.UpSampling2D()(layers.AveragePooling2D(2)(x)),
    "MaxPooling2D": lambda x: layers.UpSampling2D()(layers.MaxPooling2D(2)(x)),
    "SeparableConv2D": lambda x: layers.SeparableConv2D(8, 3, padding="same")(x),
    "SpectralNormalization": lambda x: layers.SpectralNormalization(layers.Conv2D(8, 1))(x),
    "ELU": lambda x: layers.ELU()(x),
    "silu": lambda x: layers.Activation("silu")(x),
    "gelu": lambda x: layers.Activation("gelu")(x),
    "hard_swish": lambda x: layers.Activation("hard_swish")(x),
    "Dense": lambda x: layers.Dense(8)(x),
    "operations": lambda x: keras.ops.tanh(x * 2 + 1) / 3 - layers.Subtract()([x, 0.5 * x]),
    "Resizing": lambda x: layers.Resizing(SIZE, SIZE)(layers.AveragePooling2D(2)(x)),
    "nested": nested,
    "shared": shared,
}


@pytest.mark.parametrize("body", BODIES)
def test_layers_that_builtin_operators_express(body, square, tmp_path):
    net = painter(BODIES[body])
    artefact, draw = export(net, tmp_path, target="tflite-2.14")
    assert artefact.fidelity.max_error < 1e-5 and artefact.fidelity.delegates == 1
    # Against their model itself: what the exporter compares with is a copy of it.
    assert_same(draw(square), as_pixels(net(to_signed(square)[None], training=False), -1, 1))
    model = (tmp_path / "out" / artefact.metadata.file).read_bytes()
    check_target(model, "tflite-2.14", "fp32")


def test_slow_operators_are_taken_and_told(square, tmp_path):
    def reflected(x):
        around = [[0, 0], [1, 1], [1, 1], [0, 0]]
        return layers.Conv2D(8, 3)(keras.ops.pad(x, around, mode="reflect"))

    net = painter(reflected)
    artefact, draw = export(net, tmp_path)
    assert artefact.notes[-1] == "runs in 2 pieces; outside the fast kernels: 1 MIRROR_PAD"
    assert_same(draw(square), as_pixels(net(to_signed(square)[None]), -1, 1))


@pytest.fixture
def drawn_faces(tmp_path, monkeypatch):
    """Calibration on a few drawn faces; returns one that is held back."""
    photos = [draw_face(index, SIZE).photo for index in range(10)]
    faces = Faces(tmp_path / "faces", photos[:8], photos[8:], ["a.jpg", "b.jpg"])
    monkeypatch.setattr(artefacts, "load_faces", lambda *arguments: faces)
    monkeypatch.setattr(artefacts, "LEAST", 3)
    return photos[9]


@pytest.mark.parametrize("end", ["tanh", "sigmoid"])
def test_8_bit_integers_are_pixels(end, drawn_faces, tmp_path):
    net = painter(BODIES["BatchNormalization alone"], end=end)
    artefact, draw = export(net, tmp_path, "int8", calibration=tmp_path)
    low = 0 if end == "sigmoid" else -1
    expected = as_pixels(net(to_signed(drawn_faces)[None]), low, 1)
    # A sigmoid becomes a tanh, whose steps are those of pixels.
    assert artefact.fidelity.mean_psnr > 38
    assert np.abs(draw(drawn_faces).astype(int) - expected).max() <= 12


def test_8_bit_integers_need_an_end_of_fixed_range(drawn_faces, tmp_path):
    with pytest.raises(SettingError, match="needs a tanh or a sigmoid.* ends in output_range"):
        export(painter(end=None), tmp_path, "int8", calibration=tmp_path, output_range=(0, 1))


@pytest.mark.parametrize("mode", ["dynamic", "fp16"])
def test_other_modes(mode, square, tmp_path):
    net = painter(BODIES["PReLU"], end="sigmoid")
    _, draw = export(net, tmp_path, mode)
    expected = as_pixels(net(to_signed(square)[None]), 0, 1)
    assert np.abs(draw(square).astype(int) - expected).max() <= 8


def test_loops_are_refused(tmp_path):
    def scanned(x):
        rows = layers.Reshape((SIZE * SIZE, 8))(x)
        return layers.Reshape((SIZE, SIZE, 8))(layers.GRU(8, return_sequences=True)(rows))

    with pytest.raises(InputError, match="without loops.* Received: gru.*, a GRU layer"):
        export(painter(scanned), tmp_path)
    assert not (tmp_path / "out").exists()


def test_weights_that_are_no_numbers(tmp_path, capsys):
    net = painter()
    kernel, *others = net.get_weights()
    kernel[0, 0, 0, :2] = np.nan, np.inf
    net.set_weights([kernel, *others])
    path = saved(net, tmp_path)
    assert main([str(path), "-o", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "weights that are not finite numbers" in error
    assert f"Received: 2 in {net.weights[0].path} of {path}" in error


def test_files_of_other_kinds_get_a_line_of_their_own(tmp_path, capsys):
    net = painter()
    tf.saved_model.save(net, str(tmp_path / "saved"))
    net.save_weights(tmp_path / "mine.weights.h5")
    for name in ("old.h5", "net.onnx", "net.pt", "notes.txt"):
        (tmp_path / name).write_bytes(b"anything")
    save = 'save it with model.save("model.keras")'
    texts = {
        "old.h5": f"this file is HDF5, the format of Keras 2; .*{save}",
        "mine.weights.h5": f"this file is weights without their network; .*{save}",
        "saved": f"A SavedModel holds operations instead of layers.*{save}",
        "net.onnx": "this file is ONNX",
        "net.pt": "this file is PyTorch's",
        "notes.txt": "this file is of another kind",
        "missing.keras": "There is no such file or folder",
        "missing": "There is no such file or folder",
    }
    for name, text in texts.items():
        text = text.replace("(", r"\(").replace(")", r"\)").replace(r".*\)", ".*)")
        assert main([str(tmp_path / name), "-o", str(tmp_path / "out")]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and error.endswith(f"Received: {tmp_path / name}\n")
        with pytest.raises(InputError, match=text):
            export_generator(tmp_path / name, tmp_path / "out")
    assert main(["portrat", "-o", str(tmp_path / "out")]) == 2
    assert 'Did you mean "portrait" or' in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def two_outputs():
    image = keras.Input((SIZE, SIZE, 3))
    return keras.Model(image, [layers.Conv2D(1, 1)(image), layers.Conv2D(1, 1)(image)])


def two_pictures():
    one, other = keras.Input((SIZE, SIZE, 3)), keras.Input((SIZE, SIZE, 3))
    return keras.Model([one, other], layers.Conv2D(1, 1)(one + other))


def channels_first():
    image = keras.Input((SIZE, SIZE, 3))
    x = layers.MaxPooling2D(1, data_format="channels_first", name="odd")(image)
    return keras.Model(image, layers.Conv2D(1, 1)(x))


def without_shapes():
    return keras.Sequential([layers.Conv2D(1, 1)])


@pytest.mark.filterwarnings("ignore:You are saving a model that has not yet been built")
@pytest.mark.parametrize(
    ("make", "text"),
    [
        (two_outputs, "returns one picture. Received: 2 outputs"),
        (two_pictures, r"of one picture .* Received: .*32, 32, 3\), .*32, 32, 3\)"),
        (channels_first, "channels_last.* Received: channels_first in odd"),
        (without_shapes, "begins with keras.Input. Received: a Sequential without shapes"),
    ],
)
def test_what_is_no_generator_says_why(make, text, tmp_path):
    with pytest.raises(InputError, match=text) as caught:
        open_foreign(saved(make(), tmp_path))
    assert "\n" not in str(caught.value)


def test_a_copy_that_draws_otherwise_is_noticed(tmp_path, monkeypatch):
    from keras_portrait_export import foreign

    path = saved(painter(), tmp_path)
    monkeypatch.setattr(foreign.np, "tensordot", None)
    monkeypatch.setattr(foreign, "_as_taken", lambda image, *_: layers.Rescaling(0.5)(image))
    with pytest.raises(InputError, match="the copy gives other pictures"):
        open_foreign(path)


def test_the_network_of_rescaled_pictures_is_not_described(tmp_path):
    """The converter multiplies the rescaling into the weights; it must not happen twice."""
    export(painter(end=None), tmp_path, output_range=(0, 1))
    with pytest.raises(InputError, match="somebody else's layers"):
        export_generator(tmp_path / "out", tmp_path / "again")


def test_a_generator_of_a_former_epoch_is_part_of_its_run(tmp_path):
    from keras_portrait_export.load import open_source
    from tiny_runs import write_run

    run = write_run(tmp_path / "run", "cyclegan")
    (run / "generators").mkdir()
    kept = run / "generators" / "epoch-0001.keras"
    shutil.copy(run / "generator.keras", kept)
    trained = open_source(kept)
    assert (trained.method, trained.kind, trained.size) == ("cyclegan", "run", 32)
