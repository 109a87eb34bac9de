import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from keras_portrait.data.synthetic_faces import draw_face
from keras_portrait.errors import InputError
from keras_portrait.inference.imaging import from_signed, to_signed
from keras_portrait.inference.litert.runner import Tensor
from keras_portrait.inference.presets import BUILT_IN, load_preset
from keras_portrait.perceptual import PerceptualDistance
from keras_portrait_export.benchmark import fidelity as measure
from keras_portrait_export.benchmark import speed
from keras_portrait_export.benchmark.fidelity import line_f1, lpips, measure_fidelity, psnr, ssim
from keras_portrait_export.benchmark.speed import describe_machine, measure_speed, random_inputs
from keras_portrait_export.report.statistics import model_statistics
from keras_portrait_export.verify import Sample
from tiny_preset import _Builder, tiny_model, write_tiny_preset


def one_operator(name, options, data, kernel, result, bias=None, kernel_type="FLOAT32"):
    """A model of one operator on tensors of these shapes."""
    net = _Builder()
    source = net.tensor("data", data)
    target = net.tensor("result", result)
    weights = net.tensor("kernel", kernel, np.zeros(kernel))
    net.graph.tensors[weights].type = getattr(schema.TensorType, kernel_type)
    inputs = [source, weights]
    if name == "TRANSPOSE_CONV":
        inputs = [net.tensor("shape", (4,), result), weights, source]
    if bias is not None:
        inputs.append(net.tensor("bias", (bias,), np.zeros(bias)))
    net.operation(name, inputs, target, options())
    net.graph.inputs, net.graph.outputs = [source], [target]
    return net.finish()


@pytest.mark.parametrize(
    ("name", "options", "data", "kernel", "result", "macs", "at_output"),
    [
        (
            *("CONV_2D", schema.Conv2DOptionsT),
            *((1, 8, 8, 3), (5, 3, 3, 3), (1, 4, 4, 5)),
            *(4 * 4 * 3 * 3 * 3 * 5, 4 * 4 * 3 * 3 * 3 * 5),
        ),
        (
            *("DEPTHWISE_CONV_2D", schema.DepthwiseConv2DOptionsT),
            *((1, 8, 8, 5), (1, 3, 3, 5), (1, 8, 8, 5)),
            *(8 * 8 * 3 * 3 * 5, 8 * 8 * 3 * 3 * 5),
        ),
        (
            *("FULLY_CONNECTED", schema.FullyConnectedOptionsT),
            *((2, 7), (5, 7), (2, 5)),
            *(2 * 7 * 5, 2 * 7 * 5),
        ),
        (
            *("TRANSPOSE_CONV", schema.TransposeConvOptionsT),
            *((1, 4, 4, 3), (5, 3, 3, 3), (1, 8, 8, 5)),
            *(4 * 4 * 3 * 3 * 3 * 5, 8 * 8 * 3 * 3 * 3 * 5),
        ),
    ],
)
def test_counts_in_closed_form(name, options, data, kernel, result, macs, at_output):
    model = one_operator(name, options, data, kernel, result, bias=5)
    found = model_statistics(model)
    assert found.file_bytes == len(model)
    assert (found.macs, found.macs_at_output) == (macs, at_output)
    assert found.parameters == math.prod(kernel) + 5
    assert found.operators == {name: 1}
    assert found.macs_by_arithmetic == {"float": macs}


def test_a_bias_may_be_missing():
    shapes = ((1, 8, 8, 3), (5, 3, 3, 3), (1, 8, 8, 5))
    model = one_operator("CONV_2D", schema.Conv2DOptionsT, *shapes)
    assert model_statistics(model).parameters == 5 * 3 * 3 * 3


def test_8_bit_kernels_on_floats_compute_dynamically():
    shapes = ((1, 8, 8, 3), (5, 3, 3, 3), (1, 8, 8, 5))
    model = one_operator("CONV_2D", schema.Conv2DOptionsT, *shapes, kernel_type="INT8")
    assert model_statistics(model).macs_by_arithmetic == {"dynamic": 64 * 27 * 5}


def test_16_bit_weights_count_once_and_a_computed_kernel_not_at_all():
    net = _Builder()
    data = net.tensor("data", (1, 7))
    stored = net.tensor("stored", (5, 7), np.zeros((5, 7)))
    for _ in range(2):
        kernel, result = net.tensor("kernel", (5, 7)), net.tensor("result", (1, 5))
        net.operation("DEQUANTIZE", [stored], kernel, schema.DequantizeOptionsT())
        net.operation(
            "FULLY_CONNECTED", [data, kernel, -1], result, schema.FullyConnectedOptionsT()
        )
    computed, last = net.tensor("computed", (5, 7)), net.tensor("last", (1, 5))
    net.operation("ADD", [data, stored], computed, schema.AddOptionsT())
    net.operation("FULLY_CONNECTED", [data, computed], last, schema.FullyConnectedOptionsT())
    net.graph.inputs, net.graph.outputs = [data], [last]
    found = model_statistics(net.finish())
    assert found.parameters == 5 * 7
    assert found.macs == 3 * 5 * 7
    assert found.operators == {"FULLY_CONNECTED": 3, "DEQUANTIZE": 2, "ADD": 1}


def test_counts_of_the_presets():
    portrait = model_statistics((BUILT_IN / "portrait-256" / "generator.tflite").read_bytes())
    # Kernel side and channels of each convolution of its generator, and its side of output.
    layers = [(7, 3, 32, 256), (3, 32, 64, 128), (3, 64, 128, 64)]
    layers += [(3, 128, 128, 64)] * 12
    # The last one, of 7 x 7 to one channel, computes squares of 4 x 4 pixels.
    layers += [(3, 128, 64, 128), (3, 64, 32, 256), (10, 32, 16, 64)]
    # Scales and shifts out of three styles: in the six blocks, and after each upsampling.
    styles = [(1, 3, channels, 1) for channels in 12 * [128] + 2 * [64] + 2 * [32]]
    in_8_bits, in_float = (
        sum(k * k * a * b * side * side for k, a, b, side in part) for part in (layers, styles)
    )
    assert portrait.macs_by_arithmetic == {"float": in_float, "dynamic": in_8_bits}
    assert portrait.macs == portrait.macs_at_output == in_float + in_8_bits
    assert portrait.parameters == sum(k * k * a * b + b for k, a, b, _ in layers + styles)

    avatars = model_statistics((BUILT_IN / "avatars" / "generator.tflite").read_bytes())
    # Its transposed convolutions as plain ones: taps, channels, and side of output. The first makes
    # 4 x 4 pixels of one; the others have two taps and four pixels for each channel.
    layers = [(1, 100, 16 * 256, 1), (2, 256, 4 * 128, 5), (2, 128, 4 * 64, 9), (2, 64, 4 * 32, 17)]
    layers += [(3, 32, 32, 32), (2, 32, 4 * 3, 33)]
    expected = sum(k * k * a * b * side * side for k, a, b, side in layers)
    assert avatars.macs == avatars.macs_at_output == expected


def test_what_is_no_model_and_what_has_no_size():
    for content in (b"", b"hello", b"hello" * 100, tiny_model(32, (0.0,))[:200]):
        with pytest.raises(InputError, match=f"no whole LiteRT model. Received: {len(content)}"):
            model_statistics(content)
    model = schema.ModelT.InitFromPackedBuf(tiny_model(32, (0.0,)), 0)
    for tensor in model.subgraphs[0].tensors:
        tensor.shapeSignature = [-1, *tensor.shape[1:]]
    net = _Builder()
    net.model = model
    with pytest.raises(InputError, match=r"fixed size. Received: gray \(-1, 32, 32, 1\)"):
        model_statistics(net.finish())


def drawing(seed=0, size=64):
    return to_signed(draw_face(seed, size).drawing[None, ..., None])


def test_measures_in_closed_form():
    lines = drawing()
    assert psnr(lines, lines) == math.inf
    assert psnr(lines, lines + 0.02) == pytest.approx(40, abs=1e-3)
    assert ssim(lines, lines) == pytest.approx(1)
    assert lpips(lines, lines) == pytest.approx(0, abs=1e-6)
    # Two flat pictures: SSIM's term of luminance alone, with c1 = 0.01 squared.
    flat = np.zeros((1, 16, 16, 1), np.float32)
    expected = (2 * 0.5 * 0.75 + 1e-4) / (0.5**2 + 0.75**2 + 1e-4)
    assert ssim(flat, flat + 0.5) == pytest.approx(expected, abs=1e-3)


def test_lpips_is_that_of_the_package_and_takes_small_pictures():
    a, b = drawing(0), drawing(1)
    assert lpips(a, b) == pytest.approx(float(PerceptualDistance()(a, b)[0]), rel=1e-5)
    small = drawing(0, 16)
    assert lpips(small, -small) > 0.1


def test_line_f1_counts_the_very_same_dark_pixels():
    expected = np.ones((1, 8, 8, 1), np.float32)
    assert line_f1(expected, expected) == 1
    expected[0, :, 2] = -1
    received = np.ones_like(expected)
    assert line_f1(expected, received) == 0
    received[0, :4, 2] = -0.1  # four hits, four misses
    received[0, :2, 5] = -1  # two false finds
    assert line_f1(expected, received) == pytest.approx(2 * 4 / (2 * 4 + 4 + 2))
    assert line_f1(expected, np.roll(expected, 1, axis=2)) == 0  # no tolerance
    # Blue is dark, yellow is light.
    blue, yellow = np.float32([-1, -1, 1]), np.float32([1, 1, -1])
    colours = np.where(expected < 0, blue, yellow)
    assert line_f1(colours, colours) == 1
    assert line_f1(colours, np.broadcast_to(yellow, colours.shape)) == 0


def write_tiny(folder, size=64):
    path = folder / "tiny.tflite"
    path.write_bytes(tiny_model(size, (0.0,)))
    return path


def samples(count, size=64):
    """Photos and the means of their channels, which is what the tiny preset of one style makes."""
    faces = [to_signed(draw_face(seed, size).photo)[None] for seed in range(count)]
    return [
        Sample(f"face {index}", {"image": face}, face.mean(axis=-1, keepdims=True))
        for index, face in enumerate(faces)
    ]


@pytest.fixture
def generator(tmp_path):
    return load_preset(write_tiny_preset(tmp_path / "tiny", styles=("thin",)))


def test_fidelity_of_a_model_that_is_a_known_step_off(generator):
    steps = [0.01, 0.02, 0.005, 0.04, 0.01, 0.01, 0.01, 0.01]
    off = [
        replace(sample, expected=sample.expected + np.float32(step))
        for sample, step in zip(samples(8), steps, strict=True)
    ]
    found = measure_fidelity(generator, off)
    expected = [20 * math.log10(2 / step) for step in steps]
    assert found.psnr.each == pytest.approx(expected, abs=0.01)
    assert found.psnr.mean == pytest.approx(np.mean(expected), abs=0.01)
    assert found.psnr.worst == pytest.approx(expected[3], abs=0.01)
    assert found.max_error == pytest.approx(0.04, abs=1e-5)
    assert (found.worst_index, found.worst.name) == (3, "face 3")
    assert found.ssim.worst == min(found.ssim.each) < found.ssim.mean < 1
    assert found.lpips.worst == max(found.lpips.each) > found.lpips.mean > 0
    assert found.line_f1.worst == min(found.line_f1.each)
    assert found.names == tuple(f"face {index}" for index in range(8))
    assert [one.name for one in found.examples] == list(found.names[: measure.EXAMPLES])
    np.testing.assert_array_equal(found.worst.photo, draw_face(3, 64).photo)
    np.testing.assert_array_equal(found.worst.expected, from_signed(off[3].expected[0]))
    assert (
        np.abs(found.worst.received - from_signed(samples(4)[3].expected[0]).astype(int)).max() < 2
    )


def test_one_equal_pair_does_not_hide_the_others():
    assert measure._score([math.inf, 40.0, 30.0], np.min).mean == 35
    assert measure._score([math.inf, math.inf], np.min).mean == math.inf
    assert math.isnan(measure._score([math.inf, math.nan], np.min).mean)


def test_a_picture_that_is_no_number_is_the_worst(generator):
    given = samples(3)
    given[1].inputs["image"][0, 5, 5] = np.nan
    found = measure_fidelity(generator, given)
    assert (found.worst_index, found.worst.name) == (1, "face 1")
    assert math.isnan(found.psnr.worst)
    assert math.isnan(found.max_error)
    assert found.worst.received[5, 5, 0] == 0


@pytest.mark.parametrize("name", ["portrait", "avatars"])
def test_a_preset_is_equal_to_itself(name):
    generator = load_preset(name)
    metadata = generator.metadata
    if metadata.noise:
        noise = np.random.default_rng(0).standard_normal((2, 1, metadata.noise), np.float32)
        inputs = [{"noise": one} for one in noise]
    else:
        inputs = [sample.inputs for sample in samples(2, metadata.size)]
        styles = np.eye(len(metadata.styles), dtype=np.float32)[:2]
        for arrays, style in zip(inputs, styles, strict=True):
            arrays["style"] = style[None]
    drawn = [Sample("any", arrays, generator.net(**arrays)) for arrays in inputs]
    found = measure_fidelity(generator, drawn)
    assert found.psnr.each == (math.inf, math.inf)
    assert (found.ssim.worst, found.line_f1.worst) == (pytest.approx(1), 1)
    assert found.lpips.worst == pytest.approx(0, abs=1e-6)
    assert found.max_error == 0
    assert (found.worst.photo is None) == bool(metadata.noise)
    assert found.worst.received.shape == (metadata.size, metadata.size, metadata.channels)


def test_samples_of_another_generator_are_refused(generator):
    other = Sample("noise", {"noise": np.zeros((1, 4), np.float32)}, np.zeros((1, 64, 64, 1)))
    with pytest.raises(InputError, match="The model's inputs are: image. Received: noise"):
        measure_fidelity(generator, [other])


def test_speed(tmp_path):
    found = measure_speed(write_tiny(tmp_path), threads=(1, 2), runs=5)
    assert (found.runs, found.load_ms > 0, found.first_ms > 0) == (5, True, True)
    assert [call.threads for call in found.calls] == [1, 2]
    for call in found.calls:
        assert 0 < call.median_ms <= call.p95_ms < 1000
        assert call.delegates == 1


def test_times_are_those_of_the_calls(tmp_path, monkeypatch):
    # A clock that only timed calls move: 1 ms the first, 2 ms the second, and so on.
    clock = SimpleNamespace(now=0.0, calls=0)

    class Slow(speed.Runner):
        def __call__(self, **arrays):
            clock.calls += 1
            clock.now += clock.calls / 1000

    monkeypatch.setattr(speed, "Runner", Slow)
    monkeypatch.setattr(speed, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    found = measure_speed(write_tiny(tmp_path), threads=(1,), runs=21)
    assert found.load_ms == 0
    assert found.first_ms == pytest.approx(1)
    # Of 3 to 23 ms, after one call that is not timed.
    assert found.calls[0].median_ms == pytest.approx(13)
    assert found.calls[0].p95_ms == pytest.approx(22)


def test_random_inputs_fill_the_range_of_their_type():
    def inputs(dtype, shape=(1, 64, 64, 3)):
        return random_inputs(SimpleNamespace(inputs=[Tensor("image", shape, np.dtype(dtype))]))[
            "image"
        ]

    floats = inputs(np.float32)
    assert floats.dtype == np.float32
    assert -1 <= floats.min() < -0.99 and 0.99 < floats.max() <= 1
    np.testing.assert_array_equal(floats, inputs(np.float32))
    for dtype in (np.uint8, np.int8):
        whole = inputs(dtype)
        assert (whole.dtype, np.ptp(whole.astype(int))) == (dtype, 255)
    with pytest.raises(InputError, match="int8 or int16. Received: image int64"):
        inputs(np.int64)
    with pytest.raises(InputError, match=r"fixed size. Received: image \(1, -1, -1, 3\)"):
        inputs(np.float32, (1, -1, -1, 3))


def test_the_machine_names_its_processor(monkeypatch, tmp_path):
    found = describe_machine()
    assert found["cores"] >= 1
    assert found["ai-edge-litert"] and found["python"].startswith("3.")
    board = tmp_path / "model"
    board.write_bytes(b"Raspberry Pi 4 Model B Rev 1.4\0")
    monkeypatch.setattr(speed, "_DESCRIPTIONS", ((board, speed._DESCRIPTIONS[0][1]),))
    assert describe_machine()["processor"] == "Raspberry Pi 4 Model B Rev 1.4"
    monkeypatch.setattr(speed, "_DESCRIPTIONS", ((tmp_path / "none", "(.)"),))
    assert describe_machine()["processor"]
