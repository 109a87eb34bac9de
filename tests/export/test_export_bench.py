import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from keras_portrait.errors import InputError, MissingExtra
from keras_portrait.inference.litert.runner import Runner
from keras_portrait_export.benchmark import command as bench_module
from keras_portrait_export.benchmark.command import bench, estimate_pi4, format_table
from keras_portrait_export.check import count_delegates
from keras_portrait_export.makers import mobilenet as mobilenet_module
from keras_portrait_export.makers.mobilenet import mobilenet
from keras_portrait_export.report.statistics import model_statistics
from tiny_preset import _Builder, tiny_model, write_noise_preset


@pytest.fixture
def two_models(tmp_path):
    paths = [tmp_path / "small.tflite", tmp_path / "large.tflite"]
    for path, size in zip(paths, (32, 64), strict=True):
        path.write_bytes(tiny_model(size, (0.0,)))
    return paths


@pytest.fixture
def light_calibration(monkeypatch):
    """Stands in for MobileNet: the calls of each model are counted by `slow_calls`."""
    models = {"fp32": tiny_model(16, (0.0,)), "int8": tiny_model(20, (0.0,))}
    monkeypatch.setattr(bench_module, "mobilenet", models.__getitem__)


@pytest.fixture
def slow_calls(monkeypatch):
    """Every call takes as many milliseconds as its picture is wide; returns the widths in order."""
    widths = []

    def call(runner, arrays):
        widths.append(arrays["image"].shape[2])
        return float(widths[-1])

    monkeypatch.setattr(bench_module, "timed_call", call)
    return widths


def test_models_take_turns(two_models, light_calibration, slow_calls):
    table = bench(two_models, threads=(1, 2), seconds=0)
    assert table.rounds == {1: bench_module.LEAST_ROUNDS, 2: bench_module.LEAST_ROUNDS}
    order = [32, 64, 16, 20]
    # Each model is tried before any is timed, and each opening ends in a call that is not timed.
    one_count = order * (1 + bench_module.LEAST_ROUNDS)
    assert slow_calls == [32, 64] + one_count * 2


def test_rows_hold_what_was_measured(two_models, light_calibration, slow_calls):
    table = bench(two_models, threads=(1, 2), seconds=0)
    assert [row.threads for row in table.rows] == [1] * 4 + [2] * 4
    small, large, fp32, int8 = table.rows[:4]
    assert (small.name, large.name) == tuple(map(str, two_models))
    assert (small.median_ms, small.p95_ms, small.best_ms) == (32, 32, 32)
    assert [row.times_first for row in table.rows[:4]] == [1, 0.5, 2, 1.6]
    assert large.statistics == model_statistics(two_models[1].read_bytes())
    assert small.delegates == 1
    assert small.load_ms > 0
    # Published, over what was measured here.
    assert table.factors[1] == {"float": 77 / 16, "int8": 24 / 20}
    assert fp32.pi4_ms == (77, 77)
    assert small.pi4_ms == (32 * 77 / 16, 32 * 77 / 16)
    # Published for MobileNet v2 and SSD MobileNet v1: the Pi 5's time over that of a Pi 4.
    assert small.pi5_ms == pytest.approx((154 * 16.9 / 82.7, 154 * 10.9 / 46))


def test_without_calibration_there_is_no_estimate(two_models, monkeypatch):
    monkeypatch.setattr(bench_module, "mobilenet", None)  # not to be called
    table = bench(two_models, seconds=0.2, calibration=False)
    assert [(row.pi4_ms, row.pi5_ms) for row in table.rows] == [(None, None)] * 2
    assert table.factors == {}
    assert table.rounds[1] > bench_module.LEAST_ROUNDS
    for row in table.rows:
        assert 0 < row.best_ms <= row.median_ms <= row.p95_ms
    assert "Pi" not in format_table(table)


def test_a_generator_of_noise_is_timed_too(tmp_path):
    folder = write_noise_preset(tmp_path / "noise")
    table = bench([folder / "tiny.tflite"], seconds=0, calibration=False)
    assert table.rows[0].statistics.macs == 4 * 3 * 16 * 16


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ({"float": 5}, (70, 70)),
        ({"int8": 5}, (50, 50)),
        ({"dynamic": 5}, (50, 70)),
        ({"float": 1, "dynamic": 5}, (50, 70)),
        ({"float": 1, "int8": 5}, (50, 70)),
        ({"int16": 5}, None),
        ({}, None),
    ],
)
def test_estimates_follow_the_arithmetic(kinds, expected):
    statistics = SimpleNamespace(macs_by_arithmetic=kinds)
    assert estimate_pi4(10, statistics, {"float": 7, "int8": 5}) == expected
    assert estimate_pi4(10, statistics, None) is None


def test_the_table_says_what_it_is(two_models, light_calibration, slow_calls):
    text = format_table(bench(two_models, seconds=0))
    head = next(line for line in text.splitlines() if line.startswith("model"))
    assert head.endswith("Pi 4 ms, estimate  Pi 5 ms, estimate")
    small, large = (next(x for x in text.splitlines() if x.startswith(str(p))) for p in two_models)
    assert re.search(
        r"1\s+0\s+float\s+1\s+\d+\s+1\s+32.0\s+32.0\s+32.0\s+1.00\s+154.0\s+31.5-36.5$", small
    )
    assert large.split()[-3:] == ["0.50", "308.0", "62.9-73.0"]
    assert "a Raspberry Pi 4 takes 4.8 times as long for MobileNet v1 in fp32 (77 ms" in text
    assert "1.2 times in int8 (24 ms published)" in text
    assert "README of TensorFlow Lite's XNNPACK delegate" in text
    assert "A Raspberry Pi 5 is taken as 4.2 to 4.9 times as fast" in text
    assert "estimates, not measurements" in text


def broken(tmp_path, change):
    model = schema.ModelT.InitFromPackedBuf(tiny_model(32, (0.0,)), 0)
    change(model)
    net = _Builder()
    net.model = model
    path = tmp_path / "broken.tflite"
    path.write_bytes(net.finish())
    return path


def refused(path, reason):
    with pytest.raises(InputError, match=reason) as caught:
        bench([path], seconds=0, calibration=False)
    text = str(caught.value)
    assert str(path) in text and "\n" not in text and "Received: " in text


def test_custom_operators_are_refused(tmp_path):
    def change(model):
        [code], [operator] = model.operatorCodes, model.subgraphs[0].operators
        code.customCode = b"FancyLayer"
        code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
        operator.builtinOptions, operator.builtinOptionsType = None, 0

    refused(broken(tmp_path, change), "FancyLayer")


def test_open_sizes_are_refused(tmp_path):
    def change(model):
        for tensor in model.subgraphs[0].tensors:
            if len(tensor.shape) == 4 and not tensor.buffer:
                tensor.shapeSignature = [-1, *tensor.shape[1:]]

    refused(broken(tmp_path, change), "fixed size")


def test_models_without_pictures_are_refused(tmp_path):
    net = _Builder()
    numbers, result = net.tensor("numbers", (1, 4)), net.tensor("result", (1, 3))
    weights = net.tensor("weights", (3, 4), np.zeros((3, 4)))
    bias = net.tensor("bias", (3,), np.zeros(3))
    net.operation(
        "FULLY_CONNECTED", [numbers, weights, bias], result, schema.FullyConnectedOptionsT()
    )
    net.graph.inputs, net.graph.outputs = [numbers], [result]
    path = tmp_path / "numbers.tflite"
    path.write_bytes(net.finish())
    refused(path, "takes or makes pictures")


def test_files_that_are_no_models_are_refused(tmp_path):
    path = tmp_path / "model.tflite"
    refused(path, "No such file")
    for content in (b"", b"hello" * 100, tiny_model(32, (0.0,))[:300]):
        path.write_bytes(content)
        refused(path, "no whole LiteRT model")
    refused(tmp_path, "Is a directory")
    with pytest.raises(InputError, match="Received: none"):
        bench([])


@pytest.mark.slow
def test_mobilenet(tmp_path):
    models = {mode: mobilenet(mode, tmp_path) for mode in mobilenet_module.MODES}
    for mode, kind in (("fp32", "float"), ("int8", "int8")):
        found = model_statistics(models[mode])
        # Table 4 of the paper (Howard et al. 2017): 569 million.
        assert round(found.macs / 1e6) == 569
        assert found.macs_by_arithmetic == {kind: found.macs}
        assert found.parameters == pytest.approx(4.2e6, rel=0.02)
        assert count_delegates(Runner(models[mode])) == 1
        assert mobilenet(mode, tmp_path) == models[mode]
    runners = {mode: Runner(model) for mode, model in models.items()}
    assert runners["int8"].inputs[0].dtype == runners["int8"].outputs[0].dtype == np.uint8
    # Activations that had faded away would compute faster than those of a trained network may.
    image = np.random.default_rng(1).uniform(-1, 1, (1, 224, 224, 3)).astype(np.float32)
    classes = runners["fp32"](image)
    assert classes.shape == (1, 1000) and classes.std() > 1e-5


def test_mobilenet_is_kept_in_the_users_cache(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(mobilenet_module, "_make", lambda mode: made.append(mode) or mode.encode())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for mode in ("fp32", "int8", "fp32"):
        assert mobilenet(mode) == mode.encode()
    assert made == ["fp32", "int8"]
    assert len(list((tmp_path / "cache" / "keras-portrait").iterdir())) == 2
    # Where nothing can be kept, it is made each time.
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert mobilenet("fp32") == b"fp32"
    assert made == ["fp32", "int8", "fp32"]


def test_mobilenet_needs_tensorflow_only_where_it_is_not_there_yet(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(MissingExtra, match="pip install"):
        mobilenet("fp32", tmp_path)
