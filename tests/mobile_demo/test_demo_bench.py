import json
import sys

import numpy as np
import pytest

from found_faces import face_at
from keras_portrait.errors import InputError, SettingError
from keras_portrait.inference.faces.tracking import TrackedFace, Tracker
from keras_portrait.inference.imaging import write_image
from keras_portrait_demo import machine
from keras_portrait_demo.__main__ import main
from keras_portrait_demo.bench import measure
from keras_portrait_demo.timing import WINDOW, History, Stages, rate, summarize


def test_figures_are_json_and_add_up(tiny_preset, capsys):
    options = ["--benchmark", "--frames", "20", "--preset", tiny_preset, "--numThreads", "1"]
    size = ["--frameWidth", "320", "--frameHeight", "240"]
    assert main([str(option) for option in [*options, *size]]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["preset"] == "tiny" and figures["style"] == "thin"
    assert figures["source"] == "synthetic" and figures["size"] == [320, 240]
    assert figures["frames"] == figures["frames_with_a_face"] == 20
    stages = figures["stages"]
    assert set(stages) == {
        "capture", "detect", "track", "align", "segment", "stylize", "paste", "layout"
    }  # fmt: skip
    for name in ("capture", "align", "stylize", "paste", "layout"):
        assert 0 <= stages[name]["p50"] <= stages[name]["p95"]
    assert 0 < figures["frame_ms"]["p50"] <= figures["frame_ms"]["p95"]
    # They ran in some of the frames: too few for what 95 of 100 stay under.
    assert stages["detect"]["p50"] > 0 and stages["detect"]["p95"] is None
    assert figures["frame_ms"]["p50"] >= stages["align"]["p50"] + stages["stylize"]["p50"]
    assert figures["fps"] > 0
    assert all(ms > 0 for ms in figures["start_ms"].values())
    assert figures["threads"] == 1 and figures["runtime"].startswith("ai-edge-litert ")
    assert 20 < figures["peak_memory_mb"] < 100_000
    assert figures["versions"]["python"] and figures["machine"]["cores"] >= 1


def test_nothing_is_claimed_of_drawings_that_were_not_made(tiny_preset, tmp_path):
    write_image(tmp_path / "wall.png", np.full((240, 320, 3), 128, np.uint8))
    figures = measure(str(tmp_path / "wall.png"), preset=tiny_preset, threads=1, frames=3)
    assert figures["frames_with_a_face"] == 0 and figures["start_ms"]["first_drawing"] is None
    assert not {"align", "segment", "stylize"} & set(figures["stages"])
    assert figures["frame_ms"]["p50"] > 0 and figures["frame_ms"]["p95"] is None


def test_a_face_that_was_missed_does_not_count_as_seen(tiny_preset, monkeypatch):
    face = face_at(40, 40, 100)
    missed = [TrackedFace(0, face.box, face.landmarks, found=False)]
    monkeypatch.setattr(Tracker, "update", lambda self, photo, captured: missed)
    figures = measure(preset=tiny_preset, threads=1, width=320, height=240, frames=3)
    assert "stylize" in figures["stages"] and figures["frames_with_a_face"] == 0


def test_no_frames(tiny_preset):
    with pytest.raises(SettingError, match="frames must be from 1 up. Received: 0"):
        measure(preset=tiny_preset, frames=0)


def test_an_unreadable_source_is_named(tiny_preset, tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"nothing")
    with pytest.raises(InputError, match="a.mp4"):
        measure(str(tmp_path / "a.mp4"), preset=tiny_preset)


def test_what_a_raspberry_pi_tells(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "_ROOT", tmp_path)
    assert machine.describe_machine()["board"] is None
    assert machine.describe_machine()["temperature_c"] is None
    texts = {
        "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0",
        "proc/self/status": "Name:\tpython\nVmHWM:\t  100000 kB\n",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "ondemand\n",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "2400000\n",
        "sys/class/thermal/thermal_zone0/temp": "48312\n",
        "sys/devices/platform/soc/soc:firmware/get_throttled": "50000\n",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    facts = machine.describe_machine()
    assert facts["board"] == "Raspberry Pi 5 Model B Rev 1.0"
    assert facts["governor"] == "ondemand" and facts["clock_mhz"] == 2400
    assert facts["temperature_c"] == 48.312 and facts["throttled"] == "50000"
    assert machine.peak_memory_mb() == 102.4
    (tmp_path / "proc/self/status").unlink()
    assert machine.peak_memory_mb() > 20  # as getrusage has it
    monkeypatch.setitem(sys.modules, "resource", None)  # Windows
    assert machine.peak_memory_mb() is None


def test_times_are_summed_up(monkeypatch):
    assert summarize([]) == {"p50": None, "p95": None}
    assert summarize([1.0] * 19) == {"p50": 1.0, "p95": None}
    assert summarize([1.0] * 20) == {"p50": 1.0, "p95": 1.0}
    assert summarize(list(range(1, 102))) == {"p50": 51.0, "p95": 96.0}
    moments = iter([1.0, 1.5, 2.0, 2.25])
    monkeypatch.setattr("time.perf_counter", lambda: next(moments))
    stages = Stages()
    for _ in range(2):
        with stages("draw"):
            pass
    assert stages.ms == {"draw": 750.0}


@pytest.mark.parametrize(
    ("moments", "fps"),
    [
        ([], None),
        ([9.9], None),  # one alone says nothing
        ([9.5, 9.5], None),  # a coarse clock
        ([9.0, 9.25, 9.5, 9.75], 4.0),
        ([1.0, 8.75, 9.0, 9.25, 9.5, 9.75], 4.0),  # of late
        ([8.25, 8.5, 8.75, 9.0], 1.7),  # the next one is overdue: 3 in 1.75 s
        ([7.0, 7.25, 7.5, 7.75], 0.0),  # it stands still
        ([7.0], 0.0),
        ([1.0, 4.0, 7.0], 0.3),  # a slow board does not stand still after 3 s
        ([1.0, 2.0, 3.0, 4.0], 0.0),
    ],
)
def test_a_rate_is_what_was_measured(moments, fps, monkeypatch):
    monkeypatch.setattr("time.monotonic", lambda: 10.0)
    assert rate(moments) == fps


def test_latency_ends_at_the_display_where_there_is_one(monkeypatch):
    clock = [10.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    history = History()
    assert history.summary() == {
        "fps": None,
        "latency_ms": {"p50": None, "p95": None},
        "latency_to": "drawing",
        "stages": {},
    }
    for number in range(4):
        clock[0] = 10.0 + 0.25 * number
        history.drawn(number, clock[0] - 0.1, {"draw": 40.0 + number})
    summary = history.summary()
    assert summary["fps"] == 4.0 and summary["stages"]["draw"]["p50"] == 41.5
    assert (summary["latency_to"], summary["latency_ms"]["p50"]) == ("drawing", 100.0)
    clock[0] += 0.05
    history.displayed(3)
    clock[0] += 1.0
    history.displayed(3)  # to a second viewer
    history.displayed(9)  # never drawn
    summary = history.summary()
    assert (summary["latency_to"], summary["latency_ms"]["p50"]) == ("display", 150.0)
    for number in range(4, 4 + WINDOW):  # nobody looks any more
        history.drawn(number, clock[0] - 0.1, {})
    assert history.summary()["latency_to"] == "drawing"
