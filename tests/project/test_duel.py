"""The comparison of what drawings cost, benchmarks/duel.py."""

import importlib
import json
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tiny_preset import tiny_model

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
SQUARE = np.full((64, 64, 3), 200, np.uint8)


@pytest.fixture
def benchmark(monkeypatch):
    """Imports a benchmark by its name; what it sets in the environment goes again."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    for name in ("TF_CPP_MIN_LOG_LEVEL", "KERAS_BACKEND", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.setenv(name, "")
    return importlib.import_module


def test_the_whitebox_network_has_the_numbers_of_its_layers(benchmark):
    def numbers(*layers):
        return sum((side**2 * before + 1) * behind for side, before, behind in layers)

    def published(n, blocks):
        down = numbers((7, 3, n), (3, n, n), (3, n, 2 * n), (3, 2 * n, 2 * n), (3, 2 * n, 4 * n))
        inner = 2 * blocks * numbers((3, 4 * n, 4 * n))
        up = numbers((3, 4 * n, 2 * n), (3, 2 * n, 2 * n), (3, 2 * n, n), (3, n, n), (7, n, 3))
        return down + inner + up

    whitebox = benchmark("rivals").whitebox
    assert whitebox(2, 1).count_params() == published(2, 1)
    assert published(32, 4) == 1_467_075


@pytest.mark.slow
def test_the_networks_have_as_many_numbers_as_published(benchmark):
    rivals = benchmark("rivals")
    trained = [variable.shape for variable in rivals.u2net().trainable_variables]
    numbers = sum(int(np.prod(shape)) for shape in trained)
    assert numbers == 44_009_869
    assert round(4 * numbers / 1e6) == 176
    assert rivals.whitebox().count_params() == 1_467_075


def test_a_turn_draws_as_long_as_it_is_told(benchmark):
    duel, calls = benchmark("duel"), []

    def draw():
        calls.append(1)
        time.sleep(0.01)

    processor, wall = duel.time_turn(draw, 0)
    assert len(calls) == 1
    assert processor < 10 <= wall  # who sleeps takes no processor time
    duel.time_turn(draw, 0.05)
    assert 2 <= len(calls) <= 6


def test_each_draws_in_a_process_of_its_own(benchmark, tmp_path):
    duel = benchmark("duel")
    path = tmp_path / "tiny.tflite"
    path.write_bytes(tiny_model(32, (0.0,)))
    (result,) = duel.duel([duel.Contestant("tiny", "fp32", str(path))], SQUARE, 2)
    assert (result.name, result.form, result.delegates) == ("tiny", "fp32", 1)
    assert result.file_mb == path.stat().st_size / 1e6
    assert result.macs > 0 and result.parameters > 0
    assert 10 < result.memory_mb < 1000
    assert len(result.processor_ms) == len(result.wall_ms) == 2
    assert min(result.wall_ms) > 0


def test_who_cannot_draw_is_named(benchmark, tmp_path, capfd):
    duel = benchmark("duel")
    path = tmp_path / "broken.tflite"
    path.write_bytes(b"no model")
    with pytest.raises(SystemExit, match="theirs, fp32: cannot draw"):
        duel.duel([duel.Contestant("theirs", "fp32", str(path))], SQUARE, 1)


def test_the_table_compares_with_the_presets(benchmark):
    duel = benchmark("duel")
    ours = dict(form="int8", file_mb=0.155, macs=2.3e9, parameters=125_000, delegates=1)
    theirs = dict(form="fp32", file_mb=176, macs=151e9, parameters=44e6, delegates=1)
    filter_ = dict(form="filter", file_mb=None, macs=None, parameters=None, delegates=None)
    results = [
        duel.Result("`fast`", **ours, memory_mb=80, processor_ms=(10, 9, 20), wall_ms=(10,) * 3),
        duel.Result("`portrait`", **ours, memory_mb=90, processor_ms=(40,) * 3, wall_ms=(40,) * 3),
        duel.Result("filter", **filter_, memory_mb=99, processor_ms=(800,), wall_ms=(900,)),
        duel.Result("U2-Net", **theirs, memory_mb=1234, processor_ms=(2000,), wall_ms=(2000,)),
    ]
    lines = [
        line.strip("| ").split(" | ") for line in duel.format_results(results, 512).split("\n")
    ]
    assert lines[0][0] == "512 px" and lines[0][-2:] == ["times `fast`", "times `portrait`"]
    assert lines[2] == (
        ["`fast`", "int8", "0.155", "0.125", "2.30", "80", "10.0", "9.50 to 15.0", "1.00", "0.250"]
    )
    assert lines[4][2:6] == ["-", "-", "-", "99"]
    assert lines[5][2:7] == ["176", "44.0", "151", "1234", "2000"]
    assert lines[5][-2:] == ["200", "50.0"]
    without = duel.format_results(results[2:], 512)
    assert "times" not in without


@pytest.mark.slow
def test_presets_filters_and_rivals_meet(benchmark, tmp_path, monkeypatch, capsys):
    duel = benchmark("duel")
    written = tmp_path / "duel.json"
    monkeypatch.setattr(
        sys,
        "argv",
        ["duel.py", "--sizes", "64", "--modes", "fp32", "--rounds", "2", "--json", str(written)],
    )
    duel.main()
    table = capsys.readouterr().out
    figures = json.loads(written.read_text())
    rows = {row["name"]: row for row in figures["sizes"]["64"]}
    assert list(rows) == [
        *("`fast`", "`portrait`", "`fine`", "filter `ink`", "filter `line`", "filter `engraving`"),
        *("U2-Net", "the paper's generator", "CartoonGAN", "white-box cartoonization"),
    ]
    assert all(name in table for name in rows)
    assert {row["delegates"] for row in rows.values() if row["macs"]} == {1}
    assert rows["U2-Net"]["file_mb"] == pytest.approx(176, rel=0.02)
    assert rows["U2-Net"]["parameters"] == pytest.approx(44e6, rel=0.02)
    # Counted by others at 1024 px: 604 billion.
    assert rows["U2-Net"]["macs"] == pytest.approx(604.007e9 / 16**2, rel=0.02)
    assert rows["`fast`"]["macs"] < rows["U2-Net"]["macs"] / 30
    assert rows["U2-Net"]["memory_mb"] > rows["`fast`"]["memory_mb"]
