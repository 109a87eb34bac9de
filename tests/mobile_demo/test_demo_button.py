"""The push button on the pins of a Raspberry Pi, without one: from a press to the paper."""

import os
import signal
import sys
import threading

import pytest
from gpiozero import Device
from gpiozero.pins.mock import MockFactory

from keras_portrait.errors import MissingExtra, SettingError
from keras_portrait.inference.imaging import read_image
from keras_portrait_demo.__main__ import main
from keras_portrait_demo.booth.booth import Booth
from keras_portrait_demo.booth.button import BOUNCE_SECONDS, push_button
from waiting import wait_until

pytestmark = pytest.mark.usefixtures("no_thread_is_left")


@pytest.fixture
def pins(monkeypatch):
    """The pins of a Raspberry Pi, without one."""
    factory = MockFactory()
    monkeypatch.setattr(Device, "pin_factory", factory)
    yield factory
    factory.reset()


@pytest.mark.parametrize("name", ["17", "GPIO17", "BOARD11"])
def test_a_press_of_the_button_begins_a_round(name, live, tmp_path, pins):
    live.play()
    pin = pins.pin(17)
    with Booth(live, tmp_path, countdown=0.2) as booth, push_button(name, booth.press):
        assert pin.pull == "up" and pin.bounce == BOUNCE_SECONDS
        pin.drive_low()
        assert booth.status()["state"] == "counting"
        pin.drive_high()
        pin.drive_low()
        wait_until(lambda: booth.status()["state"] == "ready")
        assert booth.status()["taken"] == 1
        assert booth.status()["ignored"] == 1
    assert pin.when_changed is None, "the pin is not given back"


def test_a_pin_that_there_is_not(pins):
    with (
        pytest.raises(SettingError, match="99 is not a valid pin name.* Received: --button 99$"),
        push_button("99", print),
    ):
        pass


def test_a_machine_without_pins(monkeypatch):
    monkeypatch.setattr(Device, "pin_factory", None)
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "none-such")
    with (
        pytest.raises(SettingError, match="Expected the GPIO number .* Received: --button 17$"),
        push_button("17", print),
    ):
        pass


def test_gpiozero_is_needed_for_the_button_alone(monkeypatch):
    monkeypatch.setitem(sys.modules, "gpiozero", None)
    hint = "apt install python3-gpiozero or pip install gpiozero lgpio"
    with pytest.raises(MissingExtra, match=hint), push_button("17", print):
        pass


def test_from_the_button_to_the_paper(tiny_preset, tmp_path, pins, capsys):
    paper, kept = tmp_path / "paper", tmp_path / "kept"
    paper.mkdir()

    def printed() -> bool:
        pairs = zip(paper.glob("*.png"), kept.glob("*.png"), strict=False)
        return any(copy.read_bytes() == path.read_bytes() for copy, path in pairs)

    def guest():
        pin = pins.pin(17)
        wait_until(lambda: pin.when_changed is not None, 20)
        pin.drive_low()
        try:
            wait_until(printed, 20)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=guest)
    thread.start()
    options = ["--source", "synthetic", "--view", "none", "--preset", str(tiny_preset)]
    booth = ["--button", "17", "--countdown", "0.3", "--print-command", f"cp {{}} {paper}"]
    assert main([*options, *booth, "--record", str(kept)]) == 0
    thread.join()
    [path] = kept.glob("*.png")
    assert printed()
    assert read_image(path).shape == (480, 640, 3)
    out, error = capsys.readouterr()
    assert f"picture {path}\n" in out and error == ""
