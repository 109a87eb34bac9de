"""The demo as a photo booth: rounds, the button, prints, the page, the installer, the service."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from gpiozero import Device
from gpiozero.pins.mock import MockFactory

import fake_live
from fake_live import FakeLive
from headless_chromium import Chromium
from keras_portrait.errors import MissingExtra, SettingError
from keras_portrait.imaging import read_image
from keras_portrait_demo import booth as booth_module
from keras_portrait_demo import printing, show
from keras_portrait_demo.__main__ import main
from keras_portrait_demo.booth import Booth
from keras_portrait_demo.button import BOUNCE_SECONDS, push_button
from keras_portrait_demo.printing import Printer
from keras_portrait_demo.web import WebView
from web_client import Client

DEMO = Path(__file__).resolve().parent.parent / "mobile_demo"


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def wait_for(condition, seconds: float = 5.0):
    """What the condition says, once it says anything."""
    ends = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < ends, "waited in vain"
        time.sleep(0.01)
    return value


@pytest.fixture
def live():
    live = FakeLive()
    yield live
    live.stop()


class Clock:
    """Time that goes on when the test says so."""

    def __init__(self):
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(booth_module, "monotonic", clock)
    monkeypatch.setattr(fake_live, "time", SimpleNamespace(monotonic=clock))
    return clock


def state(booth: Booth, *names: str) -> tuple:
    status = booth.status()
    return tuple(status[name] for name in names)


# ---- rounds ----


def test_the_picture_is_the_first_frame_after_the_countdown(live, tmp_path, clock, capsys):
    folder = tmp_path / "new" / "pictures"
    with Booth(live, folder) as booth:
        assert state(booth, "state", "left", "taken") == ("ready", None, 0)
        assert booth.press()
        seen = []
        for clock.now in (100.0, 100.9, 101.2, 102.5, 102.99):
            seen.append(booth.status()["left"])
            live.show()  # too early
        assert seen == [3, 3, 2, 1, 1]
        time.sleep(0.15)
        assert state(booth, "state", "taken") == ("counting", 0)
        clock.now = 103.0
        wait_for(lambda: state(booth, "state", "left") == ("taking", None))
        time.sleep(0.1)
        assert booth.picture is None, "an old frame was taken"
        clock.now = 103.1
        live.show()
        wait_for(lambda: booth.status()["state"] == "ready")
        assert booth.picture is live.latest() and state(booth, "taken", "notice") == (1, None)
    [path] = folder.iterdir()
    assert re.fullmatch(r"portrait-\d{8}-\d{6}\.png", path.name)
    assert (read_image(path) == booth.picture.drawing).all()
    assert capsys.readouterr().out == f"picture {path}\n"


def test_presses_during_a_round_are_ignored_and_counted(live, tmp_path, clock):
    with Booth(live, tmp_path, countdown=1) as booth:
        assert [booth.press() for _ in range(3)] == [True, False, False]
        clock.now += 1
        wait_for(lambda: booth.status()["state"] == "taking")
        assert not booth.press()
        live.show()
        wait_for(lambda: booth.status()["state"] == "ready")
        assert state(booth, "taken", "ignored") == (1, 3)
        assert booth.press()


def test_pictures_of_one_second_do_not_overwrite_each_other(live, tmp_path, monkeypatch):
    class Noon(booth_module.datetime):
        @classmethod
        def now(cls):
            return cls(2030, 1, 2, 12, 0, 0)

    monkeypatch.setattr(booth_module, "datetime", Noon)
    live.play()
    with Booth(live, tmp_path, countdown=0) as booth:
        for count in (1, 2, 3):
            assert booth.press()
            wait_for(lambda count=count: state(booth, "state", "taken") == ("ready", count))
    names = ["", "-2", "-3"]
    expected = {f"portrait-20300102-120000{name}.png" for name in names}
    assert {path.name for path in tmp_path.iterdir()} == expected


def test_blank_paper_is_no_picture(tmp_path, monkeypatch, capsys):
    class Nobody(FakeLive):
        def wait_newer(self, number, timeout):
            result = super().wait_newer(number, timeout)
            if result is not None:
                result.faces = 0
            return result

    monkeypatch.setattr(booth_module, "FACE_SECONDS", 0.3)
    live = Nobody()
    live.play()
    with Booth(live, tmp_path, countdown=0) as booth:
        booth.press()
        notice = wait_for(lambda: booth.status()["notice"])
        assert notice.startswith("No picture: no face was seen within 0.3 seconds.")
        wait_for(lambda: booth.status()["state"] == "ready")
        assert booth.status()["taken"] == 0 and booth.press(), "it does not go on"
        assert booth.status()["notice"] is None, "the notice of the round before is shown"
    live.stop()
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().err.splitlines()[0] == f"portrait-demo: {notice}"


def test_a_notice_goes_away(live, tmp_path, clock):
    with Booth(live, tmp_path) as booth:
        booth._say("Something.")
        clock.now += booth_module.NOTICE_SECONDS - 1
        assert booth.status()["notice"] == "Something."
        clock.now += 1
        assert booth.status()["notice"] is None


def test_a_folder_that_cannot_be_made_is_told_and_survived(live, tmp_path):
    (tmp_path / "file").write_text("")
    live.play()
    with Booth(live, tmp_path / "file" / "pictures", countdown=0) as booth:
        booth.press()
        notice = wait_for(lambda: booth.status()["notice"])
        assert notice.startswith("Cannot make the folder") and "Received: " in notice
        wait_for(lambda: booth.status()["state"] == "ready")
        assert booth.press()


def test_a_round_ends_with_the_demo(live, tmp_path):
    with Booth(live, tmp_path, countdown=60) as booth:
        booth.press()
        started = time.monotonic()
    assert time.monotonic() - started < 0.5
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("countdown", [-1, 61, float("nan")])
def test_countdowns_that_cannot_be(live, countdown):
    with pytest.raises(SettingError, match=f"0 to 60 seconds. Received: {countdown:g}$"):
        Booth(live, countdown=countdown)


# ---- prints ----


@pytest.fixture
def program(tmp_path):
    """Makes an executable shell script and says where it is."""

    def make(text: str, name: str = "printer") -> Path:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    return make


class Prints:
    """A running printer, and the lines that it reports."""

    def __init__(self, command):
        self.printer, self.lines = Printer(str(command)), []

    def __enter__(self):
        self.printer.start(self.lines.append)
        return self

    def __exit__(self, *_):
        self.printer.stop()

    def put(self, *paths):
        for path in paths:
            self.printer.put(Path(path))

    def finish(self):
        wait_for(lambda: self.printer.waiting == 0)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("{program}", ["PATH"]),
        ("{program} -o 'fit to page' {{}}", ["-o", "fit to page", "PATH"]),
        ("{program} --file={{}} -n 2", ["--file=PATH", "-n", "2"]),
        ("{program} {{}} '$HOME; `id`'", ["PATH", "$HOME; `id`"]),
    ],
)
def test_the_command_gets_the_path_and_meets_no_shell(command, expected, program, tmp_path):
    got = tmp_path / "got"
    script = program(f'printf "%s\\n" "$@" > {got}')
    path = "/a folder/$(touch x);'.png"
    with Prints(command.format(program=script)) as prints:
        prints.put(path)
        prints.finish()
        assert prints.lines == []
    assert got.read_text().splitlines() == [word.replace("PATH", path) for word in expected]


def test_pictures_queue_and_no_two_print_at_once(program, tmp_path):
    log = tmp_path / "log"
    busy = tmp_path / "busy"
    script = program(f"mkdir {busy} && sleep 0.1 && rmdir {busy}; echo $1 >> {log}")
    with Prints(script) as prints:
        started = time.monotonic()
        prints.put("/1.png", "/2.png", "/3.png")
        assert time.monotonic() - started < 0.1 and prints.printer.waiting == 3
        prints.finish()
        assert prints.lines == [], "two at once"
    assert log.read_text().split() == ["/1.png", "/2.png", "/3.png"]


def test_a_print_that_fails_is_told_in_one_line(program):
    script = program('(echo; echo "lp: Error - no  default destination."; echo x) >&2; exit 3')
    with Prints(script) as prints:
        prints.put("/1.png")
        prints.finish()
    reason = f"{script} ended with code 3 (lp: Error - no default destination.)"
    assert prints.lines == [f"Not printed: {reason}. Received: 1.png"]


def test_a_program_that_is_gone_or_broken_is_told(program, tmp_path):
    script = program("true")
    broken = program("", "broken")
    broken.write_bytes(b"\x7fELF, but no more")
    with Prints(script) as prints, Prints(broken) as others:
        script.unlink()
        prints.put("/1.png")
        others.put("/2.png")
        prints.finish()
        others.finish()
    assert prints.lines == [
        f"Not printed: {script} does not run (No such file or directory). Received: 1.png"
    ]
    assert others.lines == [
        f"Not printed: {broken} does not run (Exec format error). Received: 2.png"
    ]


def test_a_print_that_takes_too_long_is_ended_with_its_children(program, tmp_path, monkeypatch):
    monkeypatch.setattr(printing, "PRINT_SECONDS", 0.3)
    child = tmp_path / "child"
    script = program(f"[ $1 = /2.png ] && exit; sleep 60 & echo $! > {child}; wait")
    with Prints(script) as prints:
        prints.put("/1.png", "/2.png")
        prints.finish()
        lines = [f"Not printed: {script} took more than 0.3 seconds. Received: 1.png"]
        assert prints.lines == lines
    assert_ended(int(child.read_text()))


def assert_ended(number: int):
    """That a process is gone, or dead and not yet waited for by its new parent."""

    def ended() -> bool:
        try:
            return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except FileNotFoundError:
            return True

    wait_for(ended)


@pytest.mark.parametrize("trap", ["", "trap '' TERM; "])
def test_a_print_ends_with_the_demo_in_time(trap, program, tmp_path):
    running = tmp_path / "running"
    script = program(f"{trap}echo $$ > {running}; while true; do sleep 0.1; done")
    with Prints(script) as prints:
        prints.put("/1.png", "/2.png")
        wait_for(lambda: running.exists() and running.read_text())
        started = time.monotonic()
    assert time.monotonic() - started < 1.5
    assert prints.lines == [
        f"Not printed: the demo has ended. Received: {number}.png" for number in (1, 2)
    ]
    assert_ended(int(running.read_text()))


def test_a_jammed_printer_holds_few_pictures(program, monkeypatch):
    monkeypatch.setattr(printing, "MOST_WAITING", 2)
    with Prints(program("sleep 60")) as prints:
        prints.put("/1.png", "/2.png", "/3.png")
        assert prints.lines == ["Not printed: 2 pictures wait already. Received: 3.png"]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("no-such-program {}", "The program of the print command is not found"),
        ("", "The program of the print command is not found"),
        ("lp 'unfinished", "cannot be split into words (No closing quotation)"),
    ],
)
def test_commands_that_cannot_print_are_refused_at_the_start(command, expected, capsys):
    assert main(["--source", "synthetic", "--print-command", command]) == 2
    error = capsys.readouterr().err
    assert expected in error and error.endswith(f"Received: {command}\n")
    assert error.count("\n") == 1


def test_a_failed_print_shows_in_the_status_and_stops_nothing(live, tmp_path, program, capsys):
    live.play()
    printer = Printer(str(program("exit 1")))
    with Booth(live, tmp_path / "pictures", countdown=0, printer=printer) as booth:
        booth.press()
        notice = wait_for(lambda: booth.status()["notice"])
        assert "ended with code 1" in notice
        wait_for(lambda: booth.status()["state"] == "ready")
        booth.press()
        wait_for(lambda: booth.status()["taken"] == 2)
    assert f"portrait-demo: {notice}\n" in capsys.readouterr().err


# ---- the button ----


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
        wait_for(lambda: state(booth, "state", "taken") == ("ready", 1))
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


# ---- all of it ----


def test_from_the_button_to_the_paper(tiny_preset, tmp_path, pins, program, capsys):
    printed = tmp_path / "printed"
    script = program(f"cp $1 {printed}.part && mv {printed}.part {printed}")

    def guest():
        pin = pins.pin(17)
        wait_for(lambda: pin.when_changed is not None, 20)
        pin.drive_low()
        try:
            wait_for(printed.exists, 20)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=guest)
    thread.start()
    options = ["--source", "synthetic", "--view", "none", "--preset", str(tiny_preset)]
    booth = ["--button", "17", "--countdown", "0.3", "--print-command", f"{script} {{}}"]
    assert main([*options, *booth, "--record", str(tmp_path / "kept")]) == 0
    thread.join()
    [path] = (tmp_path / "kept").glob("*.png")
    assert printed.read_bytes() == path.read_bytes()
    assert read_image(path).shape == (480, 640, 3)
    out, error = capsys.readouterr()
    assert f"picture {path}\n" in out and error == ""


def test_a_folder_that_cannot_be_made_is_told_at_the_start(
    tiny_preset, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    Path("pictures").write_text("")
    options = ["--source", "synthetic", "--port", "0", "--preset", str(tiny_preset)]
    assert main([*options, "--countdown", "1"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("portrait-demo: Cannot make the folder") and error.count("\n") == 1


def test_without_a_view_only_the_button_begins_a_round(capsys):
    assert main(["--source", "synthetic", "--view", "none", "--print-command", "true"]) == 2
    assert capsys.readouterr().err.endswith("needs --button. Received: --view none\n")


def test_booth_options_go_with_the_live_demo(capsys):
    for option in (["--button", "17"], ["--countdown", "1"], ["--print-command", "true"]):
        assert main(["--once", "me.jpg", *option]) == 2
        assert f"Received: {option[0]} with --once PHOTO" in capsys.readouterr().err


def test_the_space_bar_takes_a_picture(tiny_preset, tmp_path, monkeypatch):
    shown, written, texts = [], [], []
    keys = iter([ord(" ")])
    put_text = cv2.putText

    def write(picture, text, *how):
        texts.append(text)
        return put_text(picture, text, *how)

    def imshow(winname, mat):
        shown.append(mat)
        written.append(list(texts))
        texts.clear()

    def key(delay=0):
        kept = list(tmp_path.glob("pictures/*.png"))
        return ord("q") if kept else next(keys, -1) if shown else -1

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(booth_module, "COUNTDOWN", 0.5)
    monkeypatch.setattr(cv2, "namedWindow", lambda winname, flags=0: None)
    monkeypatch.setattr(cv2, "imshow", imshow)
    monkeypatch.setattr(cv2, "putText", write)
    monkeypatch.setattr(cv2, "waitKey", key)
    monkeypatch.setattr(cv2, "getWindowProperty", lambda winname, prop_id: 1.0)
    monkeypatch.setattr(cv2, "destroyAllWindows", lambda: None)
    show.show_live("synthetic", "window", preset=str(tiny_preset))
    assert len(list(tmp_path.glob("pictures/*.png"))) == 1
    counts = [texts.count("1") for texts in written]
    assert counts[0] == 0 and max(counts) == 1 and sum(counts) >= 3


@pytest.mark.parametrize("shape", [(480, 640), (640, 240), (120, 160)])
def test_the_number_is_large_and_in_the_middle(shape):
    picture = np.full((*shape, 3), 200, np.uint8)
    show._write_count(picture, 3)
    white = np.argwhere((picture == 255).all(-1))
    (top, left), (bottom, right) = white.min(0), white.max(0)
    assert 0.25 < (bottom - top + 1) / min(shape) < 0.6
    assert abs(top + bottom + 1 - shape[0]) <= 2 and abs(left + right + 1 - shape[1]) <= 2
    assert (picture[0] == 200).all() and (picture[shape[0] // 2, shape[1] // 2] != 200).any()


# ---- the web view ----


def test_the_page_begins_rounds_and_gets_their_pictures(live, tmp_path, clock):
    with (
        Booth(live, tmp_path) as booth,
        WebView(live, "127.0.0.1", 0, booth=booth) as view,
    ):
        client = Client(view)

        def status():
            return json.loads(client.get("/status.json")[2])["booth"]

        assert status() == booth.status() | {"picture": None}
        code, _, body = client.post("/round", {})
        assert code == 200 and json.loads(body)["booth"]["left"] == 3
        code, _, body = client.post("/round", {})
        assert (code, json.loads(body)) == (409, {"error": "A picture is being taken already."})
        clock.now += 3
        live.show()
        first = live.latest()
        picture = wait_for(lambda: status()["picture"])
        assert status()["picture"] == picture, "each visitor gets a name of their own"
        live.show()
        assert picture["address"] is None
        drawing = client.get(f"/snapshot.png?id={picture['id']}")[2]
        photo = client.get(f"/snapshot-photo.png?id={picture['id']}")[2]
        assert (read_image(drawing) == first.drawing).all()
        assert (read_image(photo) == first.photo).all()
        assert json.loads(client.post("/choose", {"style": "soft"})[2])["booth"]["taken"] == 1
        elsewhere = {"Origin": "http://elsewhere.example"}
        assert client.post("/round", {}, **elsewhere)[0] == 403
        assert client.get("/round")[0] == 405


def test_without_a_booth_there_are_no_rounds(live):
    with WebView(live, "127.0.0.1", 0) as view:
        assert Client(view).post("/round", {})[0] == 404
        assert "booth" not in json.loads(Client(view).get("/status.json")[2])


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


COUNT = "document.getElementById('count')"
TAKE = "document.getElementById('take')"
OPEN = "document.getElementById('snapshot').open"
MESSAGE = "document.getElementById('message').innerText"
# How often the number's height goes into the picture's, and how far their middles are apart.
COUNT_ON_STAGE = """(() => {
  const [count, stage] = ['count', 'stage'].map(
    (id) => document.getElementById(id).getBoundingClientRect());
  return [stage.height / count.height, (count.left + count.right - stage.left - stage.right) / 2,
    (count.top + count.bottom - stage.top - stage.bottom) / 2];
})()"""


def test_the_page_counts_down_and_shows_the_picture(browser, live, tmp_path):
    live.play()
    browser.resize(1280, 800)
    browser.problems.clear()
    with (
        Booth(live, tmp_path, countdown=2) as booth,
        WebView(live, "127.0.0.1", 0, booth=booth) as view,
    ):
        browser.open(view.url)
        browser.wait_for(f"{TAKE}.innerText === 'Take picture in 2 s'")
        browser.run(f"{TAKE}.click()")
        browser.wait_for(f"{COUNT}.innerText === '2' && {COUNT}.checkVisibility()")
        assert browser.run(f"{TAKE}.getAttribute('aria-disabled')") == "true"
        parts, aside, above = browser.run(COUNT_ON_STAGE)
        assert parts < 4 and abs(aside) < 2 and abs(above) < 2
        browser.run(f"{TAKE}.click()")  # does nothing now
        browser.wait_for(f"{COUNT}.innerText === '1'")
        browser.wait_for(OPEN)
        browser.wait_for("document.getElementById('after').naturalWidth === 64")
        assert not browser.run(f"{COUNT}.checkVisibility()")
        assert state(booth, "taken", "ignored") == (1, 0)
        # The button of the booth, not of the page: the picture before makes room.
        booth.press()
        browser.wait_for(f"!{OPEN} && {COUNT}.innerText === '2'")
        browser.wait_for(OPEN)
        booth._say("Not printed: no paper.")
        browser.wait_for(f"{MESSAGE} === 'Not printed: no paper.'")
        # Who comes later sees no picture of those before.
        browser.open(view.url)
        browser.wait_for(f"{TAKE}.innerText === 'Take picture in 2 s'")
        assert not browser.run(OPEN)
        browser.open("about:blank")
    assert browser.problems == []


# ---- the installer and the service ----


@pytest.fixture
def install(tmp_path):
    """Runs `install.sh --dry-run` on a machine that is made up."""
    stubs = tmp_path / "stubs"
    stubs.mkdir()
    for name in ("bash", "dirname", "mktemp", "rm", "sed"):
        (stubs / name).symlink_to(shutil.which(name))

    def stub(name: str, text: str):
        (stubs / name).write_text(f"#!{shutil.which('sh')}\n{text}\n")
        (stubs / name).chmod(0o755)

    def run(release: str, machine="aarch64", bits=64, user=1000, options=(), script=DEMO):
        (tmp_path / "os-release").write_text(release)
        stub("uname", f"echo {machine}")
        stub("getconf", f"echo {bits}")
        stub("id", f"[ $1 = -u ] && echo {user} || echo maria")
        stub("getent", "exit 2")
        return subprocess.run(
            [str(script / "install.sh"), "--dry-run", *options],
            env={"PATH": str(stubs), "OS_RELEASE": str(tmp_path / "os-release")},
            capture_output=True,
            text=True,
        )

    return run


BOOKWORM = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_CODENAME=bookworm\nID=debian\n'
TRIXIE = 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nVERSION_CODENAME=trixie\nID=debian\n'
PIP = "/opt/portrait-demo/venv/bin/python -m pip install"


@pytest.mark.parametrize(("release", "numpy"), [(BOOKWORM, r" numpy\<2"), (TRIXIE, "")])
def test_install_on_64_bits(install, release, numpy):
    done = install(release)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    *before, try_out = lines
    assert before == [
        "sudo apt-get update",
        "sudo apt-get install --yes --no-install-recommends python3-venv python3-picamera2 "
        "python3-gpiozero python3-lgpio",
        "sudo install -d -o maria /opt/portrait-demo",
        "python3 -m venv --system-site-packages /opt/portrait-demo/venv",
        f"{PIP} {DEMO.parent}{numpy}",
    ]
    command, photo = re.fullmatch(r"(\S+) --once (\S+) -o \S+\.png", try_out).groups()
    assert command == "/opt/portrait-demo/venv/bin/portrait-demo" and Path(photo).is_file()


def test_install_the_service(install):
    done = install(BOOKWORM, options=["--service"])
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()[6:]
    assert lines == [
        "sudo useradd --system --user-group --no-create-home --shell /usr/sbin/nologin "
        "portrait-demo",
        f"sudo install -m 644 {DEMO}/portrait-demo.service "
        "/etc/systemd/system/portrait-demo.service",
        f"sudo install -m 644 {DEMO}/portrait-demo.default /etc/default/portrait-demo",
        "sudo systemctl daemon-reload",
        "sudo systemctl enable portrait-demo",
        "sudo systemctl restart portrait-demo",
    ]


def test_install_out_of_a_package(install, tmp_path):
    package = tmp_path / "site packages" / "keras_portrait_demo"
    package.mkdir(parents=True)
    shutil.copy(DEMO / "install.sh", package)
    done = install(TRIXIE, script=package)
    assert f"{PIP} keras-portrait\n" in done.stdout


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"release": BOOKWORM.replace("debian", "raspbian"), "machine": "armv7l", "bits": 32}, 3),
        ({"release": BOOKWORM, "bits": 32}, 3),  # under a 64-bit kernel
        ({"release": BOOKWORM, "machine": "x86_64"}, 1),
        ({"release": BOOKWORM.replace("bookworm", "bullseye")}, 2),
        ({"release": "ID=ubuntu\nVERSION_CODENAME=noble\n"}, 2),
        ({"release": "ID=arch\n"}, 2),
        ({"release": BOOKWORM, "user": 0}, 1),
        ({"release": BOOKWORM, "options": ["--quick"]}, 4),
    ],
)
def test_machines_that_are_refused(install, given, expected):
    done = install(**given)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("install.sh: ") and len(done.stderr.splitlines()) == expected
    if given.get("bits") == 32:
        assert "Flash Raspberry Pi OS (64-bit)" in done.stderr and "32 bits\n" in done.stderr


def unit() -> dict[str, list[str]]:
    """The settings of the service, each with its values."""
    settings = {}
    for line in (DEMO / "portrait-demo.service").read_text().splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            settings.setdefault(name, []).append(value)
    return settings


def test_the_service_starts_what_the_installer_installs(install):
    settings = unit()
    [start] = settings["ExecStart"]
    assert f"{start.split()[0]} --once" in install(BOOKWORM).stdout
    assert settings["EnvironmentFile"] == ["-/etc/default/portrait-demo"]
    assert settings["SupplementaryGroups"] == ["video gpio"]
    assert not {"PrivateDevices", "DevicePolicy", "DeviceAllow", "ProtectClock"} & set(settings)
    assert int(settings["TimeoutStopSec"][0]) > 2


def test_the_options_of_the_service_are_options_of_the_demo(capsys):
    import shlex

    from keras_portrait_demo.__main__ import _parser

    lines = (DEMO / "portrait-demo.default").read_text().splitlines()
    options = [re.fullmatch(r"(?:# )?OPTIONS='(.*)'", line) for line in lines]
    examples = [shlex.split(match[1]) for match in options if match]
    assert len(examples) == 2 and examples[1] == []
    parsed = _parser().parse_args(examples[0])
    assert (parsed.button, parsed.print_command) == ("17", "lp -o fit-to-page {}")


def test_systemd_takes_the_service(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze here")
    text = (DEMO / "portrait-demo.service").read_text()
    command = unit()["ExecStart"][0].split()[0]
    (tmp_path / "portrait-demo.service").write_text(text.replace(command, sys.executable))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(tmp_path / "portrait-demo.service")],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr.strip()) == (0, "")
