"""Training on several devices: the same losses as on one, and what cannot be had is refused."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from keras_portrait.errors import SettingError
from keras_portrait.training.distributed import devices


@pytest.mark.slow
def test_two_devices_report_the_losses_of_one():
    script = Path(__file__).parents[1] / "two_devices.py"
    done = subprocess.run(
        [sys.executable, str(script)], cwd=script.parent, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    runs = json.loads(done.stdout)
    for pools in ("", ", pools"):
        (one, average), (two, average_of_two) = runs[f"one{pools}"], runs[f"two{pools}"]
        assert len(one) == len(two) == 3
        for row_of_one, row_of_two in zip(one, two, strict=True):
            for name, value in row_of_one.items():
                if not name.endswith("_accuracy"):  # a patch at the threshold may fall either way
                    assert row_of_two[name] == pytest.approx(value, rel=0.01), name
        assert one[0]["strict_cycle"] > 0 and one[2]["d_drawing"] != one[0]["d_drawing"]
        assert average_of_two == pytest.approx(average, rel=1e-3)
    assert runs["one, pools"][0] != runs["one"][0]


@pytest.mark.slow
def test_two_devices_go_through_warm_start_and_training(drawn_data, tmp_path):
    script = Path(__file__).parents[1] / "killed_training.py"
    done = subprocess.run(
        [sys.executable, str(script), str(drawn_data), str(tmp_path / "run"), "never"],
        cwd=script.parent,
        env={**os.environ, "DEVICES": "2"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    text = (tmp_path / "run" / "losses.jsonl").read_text()
    rows = [json.loads(line) for line in text.splitlines()]
    assert [row["phase"] for row in rows] == ["warm start", *["asymmetric_cycle"] * 2]
    assert all(math.isfinite(row["g_adversarial"]) for row in rows[1:])


def test_other_backends_are_refused(monkeypatch):
    monkeypatch.setattr(devices.keras.backend, "backend", lambda: "torch")
    with pytest.raises(SettingError, match="TensorFlow backend. Received: 2 with.*torch"):
        devices.device_scope(2)


def test_more_than_tensorflow_has_started_with_is_refused():
    import tensorflow as tf

    tf.config.list_logical_devices("CPU")  # starts it
    with pytest.raises(SettingError, match="fewer CPUs in this process. Received: 9"):
        devices.device_scope(9)


def test_fewer_gpus_are_named(monkeypatch):
    import tensorflow as tf

    gpu = tf.config.PhysicalDevice("/physical_device:GPU:0", "GPU")
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [gpu])
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [gpu])
    with pytest.raises(SettingError, match="expected at most 1. Received: 3"):
        devices.device_scope(3)
