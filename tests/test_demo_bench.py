import json
import sys

import pytest

from keras_portrait.errors import InputError, SettingError
from keras_portrait_demo import machine
from keras_portrait_demo.__main__ import main
from keras_portrait_demo.bench import measure
from keras_portrait_demo.timing import WINDOW, History, Stages, rate, summarize


def test_figures_are_json_and_add_up(tiny_preset, capsys):
    options = ["--benchmark", "--frames", "12", "--preset", tiny_preset, "--numThreads", "1"]
    size = ["--frameWidth", "320", "--frameHeight", "240"]
    assert main([str(option) for option in [*options, *size]]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["preset"] == "tiny" and figures["style"] == "thin"
    assert figures["source"] == "synthetic" and figures["size"] == [320, 240]
    assert figures["frames"] == figures["frames_with_a_face"] == 12
    stages = figures["stages"]
    assert set(stages) == {
        "capture", "detect", "track", "align", "segment", "stylize", "paste", "layout"
    }  # fmt: skip
    for numbers in (*stages.values(), figures["frame_ms"]):
        assert 0 <= numbers["p50"] <= numbers["p95"]
    assert figures["frame_ms"]["p50"] >= stages["align"]["p50"] + stages["stylize"]["p50"]
    assert figures["fps"] > 0
    assert all(ms > 0 for ms in figures["start_ms"].values())
    assert figures["threads"] == 1 and figures["runtime"].startswith("ai-edge-litert ")
    assert 20 < figures["peak_memory_mb"] < 100_000
    assert figures["versions"]["python"] and figures["machine"]["cores"] >= 1


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
    assert summarize([]) == {"p50": 0.0, "p95": 0.0}
    assert summarize(list(range(1, 102))) == {"p50": 51.0, "p95": 96.0}
    monkeypatch.setattr("time.monotonic", lambda: 10.0)
    assert rate([9.0, 9.25, 9.5, 9.75]) == 4.0
    assert rate([1.0, 1.1, 1.2, 9.9]) == 0.0  # one alone says nothing
    moments = iter([1.0, 1.5, 2.0, 2.25])
    monkeypatch.setattr("time.perf_counter", lambda: next(moments))
    stages = Stages()
    for _ in range(2):
        with stages("draw"):
            pass
    assert stages.ms == {"draw": 750.0}


def test_latency_ends_at_the_display_where_there_is_one(monkeypatch):
    clock = [10.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    history = History()
    empty = {"fps": 0.0, "latency_ms": {"p50": 0, "p95": 0}, "latency_to": "drawing", "stages": {}}
    assert history.summary() == empty
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
    assert (summary["latency_to"], summary["latency_ms"]["p95"]) == ("display", 150.0)
    for number in range(4, 4 + WINDOW):  # nobody looks any more
        history.drawn(number, clock[0] - 0.1, {})
    assert history.summary()["latency_to"] == "drawing"
