"""The method under KERAS_BACKEND=torch, for machines with a GPU and without TensorFlow."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from keras import ops

from keras_portrait.training.checkpoints import list_checkpoints

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is not installed"
)
HERE = Path(__file__).parents[1]


def run_under_torch(*command):
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=HERE,
        env={**os.environ, "KERAS_BACKEND": "torch"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
def test_two_steps_report_the_losses_of_tensorflow(tmp_path):
    from tiny_cycle import networks_of, tiny, tiny_batch

    model, batch = tiny(pool_size=0), tiny_batch()
    arrays = {f"batch/{name}": ops.convert_to_numpy(value) for name, value in batch.items()}
    arrays |= {f"heads/{index}": head for index, head in enumerate(model.distance.heads)}
    for name, network in networks_of(model).items():
        arrays |= {f"{name}/{i}": weight for i, weight in enumerate(network.get_weights())}
    np.savez(tmp_path / "start.npz", **arrays)
    model.progress.assign(0.5)
    rows = json.loads(run_under_torch("torch_step.py", tmp_path / "start.npz"))
    # The second step comes after an update of every network.
    for row, tolerance in zip(rows, (1e-3, 1e-2), strict=True):
        model.reset_metrics()
        for name, value in model.train_step((batch,)).items():
            if not name.endswith("_accuracy"):
                assert row[name] == pytest.approx(float(value), rel=tolerance), name


@pytest.mark.slow
def test_a_training_under_torch_fills_its_run_folder(drawn_data, tmp_path):
    folder = tmp_path / "run"
    run_under_torch("killed_training.py", drawn_data, folder, "never")
    assert [checkpoint.step for checkpoint in list_checkpoints(folder)] == [4, 6]
    rows = [json.loads(line) for line in (folder / "losses.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [2, 3, 6]
    assert (folder / "generator.keras").is_file() and (folder / "index.html").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("file", ["test_keras_habits.py", "test_load_data.py"])
def test_keras_habits_are_the_same(file):
    run_under_torch("-m", "pytest", "-q", "-p", "no:cacheprovider", file)
