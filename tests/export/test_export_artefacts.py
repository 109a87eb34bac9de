"""Several artefacts at a time, full int8, presets and foreign models as sources."""

import json
import os
import shutil
import signal
from dataclasses import replace

import flatbuffers
import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from keras_portrait.data.manifest import read_manifest
from keras_portrait.data.prepare.prepare import prepare
from keras_portrait.data.synthetic_faces import draw_face, write_drawn_faces
from keras_portrait.errors import InputError, PortraitError, SettingError
from keras_portrait.inference.imaging import from_signed, to_signed, write_image
from keras_portrait.inference.metadata import (
    read_metadata,
    read_network,
    split_model,
    write_metadata,
)
from keras_portrait.inference.presets import load_preset
from keras_portrait.inference.stylizer import Stylizer
from keras_portrait.layers import InstanceNormalization
from keras_portrait.models.distillation.networks import student_generator
from keras_portrait.networks import resnet_generator
from keras_portrait.training.preset_generator import recover_generator
from keras_portrait.training.saved_generator import TrainedGenerator, load_run
from keras_portrait_export import calibration, convert, layers, rebuild, verify
from keras_portrait_export import exporter as artefacts
from keras_portrait_export.__main__ import main
from keras_portrait_export.compact import compact
from keras_portrait_export.exporter import ExportOptions, export_generator
from keras_portrait_export.load import open_source
from tiny_runs import NOISE, tiny_net

# TensorFlow's variables and NumPy 2 disagree on `__array__`; Keras meets it when it saves a model.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SIZE = 64
STYLES = ("ink", "pen")


def randomized(net, seed=0):
    """The net with weights that matter everywhere: biases and moving averages too."""
    rng = np.random.default_rng(seed)
    for layer in net.layers:
        values = [
            # Kernels keep the size of what they see.
            rng.normal(
                0, np.prod(weight.shape[:-1]) ** -0.5 if weight.ndim > 1 else 0.2, weight.shape
            )
            for weight in layer.get_weights()
        ]
        if isinstance(layer, keras.layers.BatchNormalization):
            gamma, beta, mean, variance = values
            values = [1 + gamma, beta, mean, 0.8 + np.abs(variance)]
        layer.set_weights(values)
    return net


def write_run(folder, net, method, styles, data=None):
    folder.mkdir(parents=True)
    net.save(folder / "generator.keras")
    row = {"method": method, "styles": styles, "recipe": {"data": {"size": SIZE}}, "data": data}
    row["alignment"] = 2
    (folder / "options.json").write_text(json.dumps(row))
    return folder


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """A prepared folder of 6 drawn faces, one of them held back."""
    folder = tmp_path_factory.mktemp("faces")
    write_drawn_faces(folder, 6)
    prepare(folder / "photos", folder / "drawings", folder / "data", size=SIZE, holdout=0.2)
    return folder / "data"


@pytest.fixture(scope="module")
def student(tmp_path_factory, faces):
    """Run folder of a student of two styles, whose data is `faces`."""
    net = randomized(student_generator(2, filters=4, blocks=1))
    folder = tmp_path_factory.mktemp("runs") / "student"
    return write_run(folder, net, "distillation", STYLES, str(faces))


@pytest.fixture(scope="module")
def portrait_run(tmp_path_factory):
    """Run folder of a generator with instance normalization and two styles."""
    net = resnet_generator(3, 1, 2, filters=4, blocks=1, upsampling="nearest")
    folder = tmp_path_factory.mktemp("runs") / "portrait"
    return write_run(folder, randomized(net), "asymmetric_cycle", STYLES)


@pytest.fixture(scope="module")
def integer(student, tmp_path_factory):
    """The student in full int8, calibrated on few faces."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(artefacts, "LEAST", 3)
        (artefact,) = export(student, tmp_path_factory.mktemp("presets") / "integer", "int8")
    return artefact


def export(source, folder, *modes, **options):
    return export_generator(source, folder, ExportOptions(modes=modes, **options))


@pytest.mark.parametrize(("filters", "block"), [(1, 4), (2, 2), (3, 2), (4, 2)])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_block_convolution_computes_the_same(filters, block, padding):
    x = np.random.default_rng(0).normal(0, 1, (1, 26, 34, 5)).astype("float32")
    x = x if padding == "valid" else x[:, :24, :32]
    plain = keras.layers.Conv2D(filters, 3, padding=padding)
    expected = plain(x)
    plain.set_weights([plain.get_weights()[0], np.arange(filters)])
    wide = layers.BlockConv2D(filters, 3, padding)
    wide.build(x.shape)
    wide.set_weights(plain.get_weights())
    assert wide.block == block
    np.testing.assert_allclose(wide(x), plain(x), atol=2e-6)
    assert wide(x).shape == expected.shape


def test_blocks_divide_the_picture():
    wide = layers.BlockConv2D(1, 3)
    wide.build((1, 24, 32, 2))  # 22 x 30 are left
    assert wide.block == 2
    wide = layers.BlockConv2D(1, 3)
    wide.build((1, 23, 32, 2))
    assert wide.block == 1


@pytest.mark.parametrize("styles", [1, 2])
def test_a_student_is_rebuilt_to_the_same_numbers(styles):
    net = randomized(student_generator(styles, filters=4, blocks=1))
    rebuilt = rebuild.rebuild_for_inference(net, SIZE)
    for one in verify.verification_inputs(SIZE, styles):
        given = list(one.values()) if styles > 1 else one["image"]
        expected = net(given, training=False)
        assert np.std(expected) > 0.05
        np.testing.assert_allclose(rebuilt(given), expected, atol=5e-6)


def test_folding_leaves_out_what_training_needs():
    image = keras.Input((None, None, 3), name="image")
    x = keras.layers.Conv2D(4, 3, use_bias=False)(image)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Dropout(0.5)(keras.layers.ReLU()(x))
    x = keras.layers.GaussianNoise(1.0)(x)
    x = keras.layers.BatchNormalization(scale=False)(keras.layers.Conv2DTranspose(5, 3, 2)(x))
    x = keras.layers.DepthwiseConv2D(3, depth_multiplier=2)(x)
    x = keras.layers.BatchNormalization(center=False)(x)
    net = keras.Model(image, keras.layers.Conv2D(1, 1)(x))
    rng = np.random.default_rng(0)
    net.set_weights([np.abs(rng.normal(0.3, 0.2, w.shape)) for w in net.get_weights()])
    folded = rebuild.fold(net)
    kinds = {type(layer).__name__ for layer in folded.layers}
    assert kinds == {"InputLayer", "Conv2D", "ReLU", "Conv2DTranspose", "DepthwiseConv2D"}
    given = rng.normal(0, 1, (2, 12, 12, 3)).astype("float32")
    np.testing.assert_allclose(folded(given), net(given, training=False), rtol=1e-5)


def test_normalization_without_a_convolution_before_it_is_one_scale_and_offset():
    image = keras.Input((None, None, 3), name="image")
    x = keras.layers.BatchNormalization(name="first")(image)
    net = keras.Model(image, keras.layers.Conv2D(1, 3)(x))
    rng = np.random.default_rng(0)
    normalization = net.get_layer("first")
    values = [rng.uniform(0.5, 2, weight.shape) for weight in normalization.get_weights()]
    normalization.set_weights(values)
    gamma, beta, mean, variance = values
    scale = gamma / np.sqrt(variance + normalization.epsilon)
    folded = rebuild.fold(net)
    rescaling = folded.get_layer("first")
    assert isinstance(rescaling, keras.layers.Rescaling)
    np.testing.assert_allclose(rescaling.scale, scale, rtol=1e-6)
    np.testing.assert_allclose(rescaling.offset, beta - mean * scale, rtol=1e-5)
    given = rng.uniform(-1, 1, (1, 8, 8, 3)).astype("float32")
    np.testing.assert_allclose(folded(given), net(given, training=False), atol=1e-5)


def test_group_normalization_of_single_channels_becomes_moments():
    image = keras.Input((None, None, 3), name="image")
    x = keras.layers.GroupNormalization(groups=-1, epsilon=1e-4)(keras.layers.Conv2D(8, 3)(image))
    net = keras.Model(image, keras.layers.Conv2D(8, 3)(x))
    net.set_weights([w + 0.1 for w in net.get_weights()])
    rebuilt = rebuild.rebuild_for_inference(net, 16)
    assert any(isinstance(layer, InstanceNormalization) for layer in rebuilt.layers)
    given = np.random.default_rng(0).normal(0, 1, (1, 16, 16, 3)).astype("float32")
    np.testing.assert_allclose(rebuilt(given), net(given), atol=1e-5)


def test_full_int8_takes_and_gives_pixels(integer):
    folder, metadata = integer.folder, integer.metadata
    assert metadata == read_metadata(folder)
    assert (metadata.mode, metadata.styles) == ("int8", STYLES)
    assert integer.fidelity.delegates == 1 and integer.fidelity.mean_psnr >= 34
    model = schema.ModelT.InitFromPackedBuf(split_model((folder / metadata.file).read_bytes())[0])
    kinds = {tensor.type for tensor in model.subgraphs[0].tensors}
    assert schema.TensorType.FLOAT32 not in kinds
    generator = load_preset(folder)
    square = draw_face(3, SIZE).photo
    style = np.array([[0, 1]], np.float32)
    drawing = generator.draw(square, style)
    assert drawing.dtype == np.uint8 and drawing.shape == (SIZE, SIZE, 1)
    assert np.array_equal(
        drawing, from_signed(generator.net(image=to_signed(square)[None], style=style)[0])
    )
    assert Stylizer(folder)(square, whole=True).shape == square.shape


def test_compacting_changes_nothing_but_the_size(integer):
    written = split_model((integer.folder / integer.metadata.file).read_bytes())[0]
    tree = schema.ModelT.InitFromPackedBuf(written)
    builder = flatbuffers.Builder(len(written))
    builder.Finish(tree.Pack(builder), b"TFL3")
    loose = bytes(builder.Output())
    small = compact(loose)
    assert len(small) < len(loose) and small == compact(small)
    one, other = (schema.ModelT.InitFromPackedBuf(model) for model in (loose, small))
    assert len(one.buffers) == len(other.buffers)
    for before, after in zip(one.buffers, other.buffers, strict=True):
        assert np.array_equal(before.data, after.data)
    for before, after in zip(one.subgraphs[0].tensors, other.subgraphs[0].tensors, strict=True):
        assert before.name == after.name and np.array_equal(before.shape, after.shape)
        assert np.array_equal(before.quantization.scale, after.quantization.scale)
        assert np.array_equal(before.quantization.zeroPoint, after.quantization.zeroPoint)
    # Runtimes map the weights from the file as they lie there.
    packed = schema.Model.GetRootAs(small, 0)
    buffers = [packed.Buffers(at) for at in range(packed.BuffersLength())]
    starts = [b._tab.Vector(b._tab.Offset(4)) for b in buffers if b.DataLength()]
    assert starts and all(start % 16 == 0 for start in starts)


def test_artefacts_are_compared_on_faces_that_were_held_back(integer, faces):
    held = [
        row.source for row in read_manifest(faces) if row.kind == "photo" and row.split != "train"
    ]
    assert [sample.name for sample in integer.samples] == held


def test_int8_that_lies_about_its_pixels_is_refused(integer, tmp_path):
    shutil.copytree(integer.folder, tmp_path / "preset")
    path = tmp_path / "preset" / "portrait.json"
    path.write_text(path.read_text().replace('"mode": "int8"', '"mode": "dynamic"'))
    with pytest.raises(InputError, match="expected inputs .*float32.*Received: .*uint8"):
        load_preset(tmp_path / "preset")


@pytest.mark.slow
def test_several_modes_sizes_and_styles(student, tmp_path):
    out = tmp_path / "out"
    made = export(student, out, "fp32", "dynamic", sizes=(32,), styles=STYLES)
    names = [f"{mode}-32-{style}" for style in STYLES for mode in ("fp32", "dynamic")]
    assert [artefact.folder.name for artefact in made] == names
    assert sorted(path.name for path in out.iterdir()) == sorted(names)
    for artefact in made:
        metadata = artefact.metadata
        assert (metadata.inputs, len(metadata.styles)) == (("image",), 1)
        assert load_preset(artefact.folder).metadata == metadata
        if metadata.mode == "fp32":
            assert artefact.fidelity.max_error < 1e-5
    with pytest.raises(InputError, match="unless a style is folded in"):
        recover_generator(made[0].folder)
    # The styles do not draw alike.
    square = draw_face(0, 32).photo
    one, other = (load_preset(out / f"fp32-32-{style}").draw(square, None) for style in STYLES)
    assert (one != other).any()


def test_refusals_say_what_was_measured(portrait_run, student, tmp_path):
    with pytest.raises(SettingError, match="17 to 23 dB.*portrait distill.*--force"):
        export(portrait_run, tmp_path / "out", "fp32", "int8")
    with pytest.raises(SettingError, match="0 delegates"):
        export(student, tmp_path / "out", "16x8")
    assert not (tmp_path / "out").exists()


def test_force_exports_what_is_refused(portrait_run, faces, tmp_path, monkeypatch):
    monkeypatch.setattr(artefacts, "LEAST", 3)
    (artefact,) = export(portrait_run, tmp_path / "out", "int8", calibration=faces, force=True)
    assert artefact.fidelity.delegates > 1
    assert artefact.fidelity.mean_psnr < 34


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sizes": (66,)}, "multiple of 4 from 16 to 4096. Received: 66"),
        ({"styles": ("inc",)}, 'Did you mean "ink".*Received: inc'),
        ({"target": "tflite"}, "No such target.*Received: tflite"),
    ],
)
def test_options_that_do_not_fit(student, tmp_path, options, message):
    with pytest.raises(SettingError, match=message):
        export(student, tmp_path / "out", "fp32", **options)
    assert not (tmp_path / "out").exists()


def test_modes_that_are_made_together_are_compared_on_the_same(student, tmp_path, monkeypatch):
    monkeypatch.setattr(artefacts, "LEAST", 3)
    first, second = export(student, tmp_path / "out", "fp32", "int8")
    assert first.samples is second.samples
    assert first.samples[0].name != "example photo"


@pytest.mark.parametrize("recipe", ["dynamic_wi8_afp32", "static_wi8_ai8"])
def test_recipes_make_presets(student, faces, tmp_path, recipe):
    pytest.importorskip("litert_quantizer", reason="needs the extra quantizer")
    (artefact,) = export(student, tmp_path / "out", recipe=recipe, calibration=faces)
    assert artefact.metadata.mode == "recipe" and artefact.fidelity.delegates == 1
    assert Stylizer(tmp_path / "out")(draw_face(3, SIZE).photo, whole=True).shape == (SIZE, SIZE, 3)


def test_too_few_faces_are_refused(student, faces, tmp_path):
    with pytest.raises(InputError, match=r"Calibration needs 100 photos.*Received: \d in"):
        export(student, tmp_path / "out", "int8", calibration=faces)
    empty = tmp_path / "empty"
    empty.mkdir()
    write_image(empty / "gray.png", np.full((64, 64, 3), 128, np.uint8))
    (empty / "broken.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match="Expected photos with a face.*Received: .*empty"):
        export(student, tmp_path / "out", "int8", calibration=empty)
    with pytest.raises(InputError, match="Expected a folder of photos.*Received: .*missing"):
        export(student, tmp_path / "out", "int8", calibration=tmp_path / "missing")
    assert not (tmp_path / "out").exists()


def test_int8_without_any_photos_says_what_it_needs(tmp_path):
    net = randomized(student_generator(1, filters=4, blocks=1))
    run = write_run(tmp_path / "run", net, "distillation", ["ink"], str(tmp_path / "gone"))
    with pytest.raises(SettingError, match="Expected --calibration.*Received: none"):
        export(run, tmp_path / "out", "int8")


def test_any_folder_of_photos_is_aligned_and_parted(example, tmp_path):
    photo, _ = example
    for index in range(5):
        write_image(tmp_path / f"{index}.png", photo)
    faces = calibration.load_faces(tmp_path, SIZE)
    assert (len(faces.calibration), faces.held_names) == (4, ["4.png"])
    assert faces.held[0].shape == (SIZE, SIZE, 3)
    assert np.array_equal(faces.held[0], verify._example_face(SIZE, 2))


def test_faces_are_aligned_as_the_generator_has_seen_them(student, faces, example, tmp_path):
    dark = np.uint8(example[0] * 0.6)
    write_image(tmp_path / "dark.png", dark)
    former, newest = (calibration.load_faces(tmp_path, SIZE, n).calibration[0] for n in (1, 2))
    assert newest.mean() > former.mean() + 5
    (artefact,) = export(student, tmp_path / "out", "fp32")
    row = json.loads((tmp_path / "out" / "portrait.json").read_text())
    assert (row["format"], row["alignment"], artefact.metadata.alignment) == (2, 2, 2)
    assert open_source(tmp_path / "out").alignment == 2
    # A run from before there was another alignment.
    old = tmp_path / "old"
    shutil.copytree(student, old)
    options = json.loads((old / "options.json").read_text())
    del options["alignment"]
    (old / "options.json").write_text(json.dumps(options))
    (artefact,) = export(old, tmp_path / "former", "fp32")
    assert artefact.metadata.alignment == 1
    with pytest.raises(SettingError, match="generator takes photos of alignment 1.*alignment 2 in"):
        export(old, tmp_path / "int8", "int8", calibration=faces)
    (old / "options.json").write_text(json.dumps(options | {"alignment": 3}))
    with pytest.raises(InputError, match="knows the alignments 1, 2. Received: alignment 3 in"):
        export(old, tmp_path / "int8", "fp32")


def test_inputs_take_styles_in_turn():
    squares = [np.zeros((16, 16, 3), np.uint8)] * 10
    styles = [one["style"][0].tolist() for one in calibration.image_inputs(squares, 2)]
    assert styles == [*[[1, 0], [0, 1]] * 4, [1, 0], [0.5, 0.5]]
    assert all("style" not in one for one in calibration.image_inputs(squares, 1))


@pytest.fixture(scope="module")
def deep(tmp_path_factory, faces):
    """Run folder of a student of so many blocks that names and order of layers differ."""
    keras.backend.clear_session()
    net = randomized(student_generator(2, filters=2, blocks=3))
    folder = tmp_path_factory.mktemp("runs") / "deep"
    return write_run(folder, net, "distillation", STYLES, str(faces))


@pytest.mark.parametrize("mode", [pytest.param("fp16", marks=pytest.mark.slow), "int8"])
def test_a_preset_is_exported_again(deep, tmp_path, mode, monkeypatch):
    monkeypatch.setattr(artefacts, "LEAST", 3)
    (first,) = export(deep, tmp_path / "first", mode, force=True)
    recovered = recover_generator(first.folder)
    assert (recovered.styles, recovered.size, recovered.kind) == (STYLES, SIZE, "preset")
    trained = rebuild.fold(load_run(deep).model)
    # Rounded as they were stored: a scale is at most 1/127 of the largest weight of a channel.
    for one, other in zip(recovered.model.get_weights(), trained.get_weights(), strict=True):
        assert np.abs(one - other).max() <= (1e-3 if mode == "fp16" else 0.02) * (
            np.abs(other).max()
        )
    # The file alone is enough, and stored weights stay what they are.
    (second,) = export(first.folder / "generator.tflite", tmp_path / "second", "fp32")
    again = recover_generator(second.folder)
    for one, other in zip(recovered.model.get_weights(), again.model.get_weights(), strict=True):
        assert np.array_equal(one, other)
    assert second.metadata.origin.startswith(f"preset {first.metadata.name}")


def test_the_rebuild_is_exact_on_trained_weights():
    """A packaged preset: reflection, nearest upsampling, styles, a last layer in blocks."""
    trained = recover_generator("portrait-256").model
    rebuilt = rebuild.rebuild_for_inference(trained, 256)
    for one in verify.verification_inputs(256, 3)[::4]:
        expected = keras.ops.convert_to_numpy(trained(list(one.values())))
        assert expected.std() > 0.1
        assert np.abs(rebuilt(list(one.values())) - expected).max() <= 2e-6


def test_words_of_a_preset_stay(student, tmp_path):
    (first,) = export(student, tmp_path / "first", "fp32")
    path = tmp_path / "first" / "portrait.json"
    path.write_text(path.read_text().replace('"description": ""', '"description": "thin lines"'))
    (second,) = export(first.folder, tmp_path / "second", "dynamic")
    assert second.metadata.description == "thin lines"


def test_avatars_are_recovered(tmp_path):
    net = tiny_net("dcgan")
    run = write_run(tmp_path / "run", net, "dcgan", [])
    (first,) = export(run, tmp_path / "first", "fp16")
    recovered = recover_generator(first.folder)
    noise = np.random.default_rng(1).normal(0, 1, (2, NOISE)).astype("float32")
    np.testing.assert_allclose(recovered.model(noise), net(noise, training=False), atol=0.02)


def test_presets_that_cannot_be_recovered(student, tmp_path, tiny_preset):
    with pytest.raises(InputError, match="does not tell how its network is built"):
        open_source(tiny_preset)
    (first,) = export(student, tmp_path / "first", "fp32")
    described = json.loads(read_network(first.folder))
    swapped = {**described, "order": described["order"][::-1]}
    write_metadata(first.folder, first.metadata, json.dumps(swapped))
    with pytest.raises(InputError, match="The weights do not fit the network: .* takes a kernel"):
        open_source(first.folder)
    shorter = {**described, "order": described["order"][1:]}
    write_metadata(first.folder, first.metadata, json.dumps(shorter))
    with pytest.raises(InputError, match="The weights do not fit the network"):
        open_source(first.folder)
    write_metadata(first.folder, first.metadata, '{"keras": 1}')
    with pytest.raises(InputError, match="Cannot read the network"):
        open_source(first.folder)
    with pytest.raises(SettingError, match="A direction needs a run folder"):
        open_source(first.folder, "b-to-a")


def foreign(tmp_path, *body, **changes):
    """A model of somebody else, saved alone."""
    image = keras.Input(**{"shape": (None, None, 3), "name": "image", **changes})
    x = image
    for layer in body:
        x = layer(x)
    path = tmp_path / "theirs.keras"
    keras.Model(image, x).save(path)
    return path


def test_anybodys_model_of_that_form(tmp_path, capsys):
    convolutions = [keras.layers.Conv2D(n, 3, padding="same", name=f"c{n}") for n in (8, 1)]
    path = foreign(tmp_path, *convolutions, keras.layers.Activation("tanh"))
    with pytest.raises(SettingError, match="--size: the model takes pictures of any size"):
        export(path, tmp_path / "out", "fp32")
    assert main([str(path), "-o", str(tmp_path / "out"), "--mode", "fp32", "--size", "32"]) == 0
    metadata = read_metadata(tmp_path / "out")
    assert (metadata.method, metadata.name, metadata.size) == ("foreign", "out", 32)


@pytest.mark.parametrize(
    ("body", "changes", "message"),
    [
        ([keras.layers.Conv2D(2, 3)], {}, r"returns square .* Received: .*, None, None, 2\)"),
        ([keras.layers.Conv2D(1, 3)], {"shape": (None, None, 2)}, "takes square pictures"),
        ([keras.layers.UpSampling2D(2)], {"shape": (32, 32, 3)}, "as large.*32 and 64 pixels"),
        ([keras.layers.Conv2D(1, 1)], {"shape": (48, 48, 3)}, "pictures of 48 pixels alone"),
    ],
)
def test_models_that_cannot_be_exported(tmp_path, body, changes, message):
    path = foreign(tmp_path, *body, **changes)
    with pytest.raises(PortraitError, match=message):
        export(path, tmp_path / "out", "fp32", sizes=(32,))
    assert not (tmp_path / "out").exists()


def test_a_model_that_draws_no_numbers_is_refused(portrait_run, tmp_path, monkeypatch):
    load = artefacts.load_preset

    def broken(folder):
        generator = load(folder)
        runs = iter(range(100))

        def net(**arrays):
            drawing = generator.net(**arrays)
            return drawing if next(runs) == 0 else np.full_like(drawing, np.nan)

        net._interpreter = generator.net._interpreter  # for the count of delegates
        return replace(generator, net=net)

    monkeypatch.setattr(artefacts, "load_preset", broken)
    with pytest.raises(PortraitError, match="Received: nan"):
        export(portrait_run, tmp_path / "out", "fp32")


def test_equal_pictures_do_not_hide_the_others():
    assert verify.mean_of_finite([np.inf, 30.5, 31.5]) == 31
    assert verify.mean_of_finite([np.inf, np.inf]) == np.inf


def test_ctrl_c_while_writing_waits_for_the_end(student, tmp_path, monkeypatch):
    export(student, tmp_path / "out", "dynamic")
    move, seen = os.replace, []

    def interrupting(part, path):
        move(part, path)
        if path.parent == tmp_path / "out":
            seen.append(path.name)
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(os, "replace", interrupting)
    with pytest.raises(KeyboardInterrupt):
        export(student, tmp_path / "out", "fp32")
    monkeypatch.undo()
    assert seen == ["generator.tflite", "portrait.json"]
    assert load_preset(tmp_path / "out").metadata.mode == "fp32"
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_ctrl_c_is_one_line(portrait_run, tmp_path, monkeypatch, capsys):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(artefacts, "convert", interrupted)
    assert main([str(portrait_run), "-o", str(tmp_path / "out")]) == 130
    assert capsys.readouterr().err == "portrait-export: stopped; nothing was written\n"


def test_an_interrupted_export_leaves_nothing(portrait_run, tmp_path, monkeypatch):
    def interrupted(model, target, mode):
        raise KeyboardInterrupt

    monkeypatch.setattr(artefacts, "check_target", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export(portrait_run, tmp_path / "out", "fp32")
    assert not (tmp_path / "out").exists()


def test_a_read_only_folder_is_one_line(portrait_run, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(InputError, match="Expected a folder that can be written to"):
        export(portrait_run, tmp_path / "out", "fp32")


def test_what_the_converter_refuses_is_one_line(monkeypatch):
    def refuse(self, *arguments, **settings):
        raise RuntimeError("no such thing\nand more about it")

    monkeypatch.setattr(keras.Model, "export", refuse)
    trained = TrainedGenerator(tiny_net("cyclegan"), "f", "n", "cyclegan", 32, ("cyclegan",))
    with pytest.raises(PortraitError, match="generator as fp32. Received: no such thing$"):
        convert.convert(trained, "fp32")


def test_options_of_the_command_exclude_each_other(capsys, tmp_path):
    assert main([]) == 2
    assert "Expected a run, a preset or a .keras file, and -o DIR" in capsys.readouterr().err
    given = ["x", "-o", str(tmp_path), "--mode", "fp32", "--recipe", "dynamic_wi8_afp32"]
    assert main(given) == 2
    assert "Choose either --mode or --recipe" in capsys.readouterr().err
    assert main(["x", "--bench", "y.tflite", "--report"]) == 2
    assert "Received: a source, --report too" in capsys.readouterr().err
    run = write_run(tmp_path / "run", tiny_net("dcgan"), "dcgan", [])
    assert main([str(run), "-o", str(tmp_path / "out"), "--calibration", str(tmp_path)]) == 2
    assert "a generator of noise is calibrated with noise" in capsys.readouterr().err


def test_photos_to_calibrate_with_are_counted_and_turned(example, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, turns in (("upright", 0), ("side", 1)):
        write_image(folder / f"{name}.png", np.rot90(example[0], turns))
    write_image(folder / "wall.png", np.full((90, 90, 3), 200, np.uint8))
    (folder / "broken.jpg").write_bytes(b"none")
    (folder / ".hidden.png").write_bytes(b"none")
    faces = calibration.load_faces(folder, 64)
    assert faces.left_out == (
        "1 of 4 photos to calibrate with cannot be read",
        "1 of 4 photos to calibrate with show no face",
        "1 hidden or system file or folder passed over",
    )
    one, other = (square.astype(float).ravel() for square in faces.calibration)
    assert np.corrcoef(one, other)[0, 1] > 0.95
