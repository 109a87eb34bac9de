"""Some two hundred damaged and forged files: a drawing or one line, and nothing else comes of any.

All of them, and more, are in `make fuzz`; what the cases are and how they run is in `fuzz.py`.
"""

import json
import os

import numpy as np
import pytest

import fuzz
import mutations
from mutated_pictures import CRAFTED, picture_case

# Pictures that are as large as may be take seconds each: `make fuzz` draws them.
LARGE = [index for index, name in enumerate(CRAFTED) if name.startswith(("bomb", "crowd"))]
SEED = 1


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    return fuzz.make_bases(tmp_path_factory.mktemp("fuzz") / "bases")


def run(kind, indices, bases, tmp_path):
    results = fuzz.run_cases(kind, indices, SEED, tmp_path, bases)
    assert len(results) == len(indices)
    assert [result for result in results if result.fault] == []
    outcomes = {result.outcome for result in results}
    assert outcomes == {"drawn", "refused"}, "damage that is always fatal, or never, shows nothing"


def test_damaged_pictures_are_drawn_or_refused(bases, tmp_path):
    indices = [index for index in range(60 + len(CRAFTED)) if index not in LARGE]
    run("picture", indices, bases, tmp_path)


@pytest.mark.parametrize(
    ("kind", "count"),
    [("preset", 12), ("model", 20), ("recipe", 80), ("data", 10)],
)
def test_damaged_files_are_loaded_or_refused(bases, tmp_path, kind, count):
    run(kind, range(count), bases, tmp_path)


@pytest.mark.parametrize(("kind", "count"), [("keras", 6), ("checkpoint", 6)])
def test_damaged_weights_are_loaded_or_refused(bases, tmp_path, kind, count):
    run(kind, range(count), bases, tmp_path)


def test_the_same_seed_makes_the_same_damage():
    first, second = [[picture_case(3, 60 + index) for index in range(30)] for _ in range(2)]
    assert first == second
    assert len({data for _, data in first}) > 25
    text = json.dumps({"a": [1, {"b": "c"}], "d": None})
    for change in (mutations.mutate_json, mutations.mutate_lines):
        given = text if change is mutations.mutate_json else "a = 1\nb = 2\n"
        made = [change(given, np.random.default_rng((5, index))) for index in range(40)]
        assert made == [change(given, np.random.default_rng((5, index))) for index in range(40)]
        assert len({changed for _, changed in made}) > 15


# What a child does at its third case -> what is counted for it.
FAULTS = {
    "crash": "os.kill(os.getpid(), 11)",
    "exception": "raise ZeroDivisionError('3 / 0')",
    "escape": "(path.parent.parent / 'escaped.txt').write_text('')",
    "hang": "time.sleep(60)",
}


@pytest.mark.parametrize("outcome", FAULTS)
def test_a_fault_is_counted_and_the_next_case_runs(bases, tmp_path, monkeypatch, outcome):
    script = tmp_path / "faulty.py"
    script.write_text(
        "import os, sys, time\n"
        "import fuzz\n"
        "count = 0\n"
        "def load(path):\n"
        "    if fuzz_number() == 2:\n"
        f"        {FAULTS[outcome]}\n"
        "def fuzz_number():\n"
        "    return int(open(sys.argv[5]).read().split()[0] or 0)\n"
        "fuzz._loader = lambda kind, bases: load\n"
        "fuzz.main()\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.path.dirname(fuzz.__file__))
    monkeypatch.setattr(fuzz, "__file__", str(script))
    monkeypatch.setattr(fuzz, "_PATIENCE", 1)
    indices = [len(CRAFTED) + index for index in range(4)]
    script.write_text(script.read_text().replace("== 2", f"== {indices[2]}"))
    results = fuzz.run_cases("picture", indices, SEED, tmp_path, bases)
    assert [result.outcome for result in results] == ["drawn", "drawn", outcome, "drawn"]
    assert results[2].index == indices[2] and results[2].name
