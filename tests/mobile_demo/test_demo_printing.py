"""Prints of the demo: queued, one at a time, each failure told, none for ever."""

import contextlib
import os
import signal
import tempfile
import time
from pathlib import Path

import pytest

from keras_portrait_demo.__main__ import main
from keras_portrait_demo.booth import printing
from keras_portrait_demo.booth.printing import Printer
from waiting import wait_until

pytestmark = pytest.mark.usefixtures("no_thread_is_left")


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
        wait_until(lambda: self.printer.waiting == 0)


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

    wait_until(ended)


def test_what_fails_beside_the_command_is_told_and_the_next_picture_printed(
    program, tmp_path, monkeypatch
):
    def full():
        monkeypatch.undo()
        raise OSError(28, "No space left on device")

    log = tmp_path / "log"
    script = program(f"echo $1 >> {log}")
    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with Prints(script) as prints:
        prints.put("/1.png", "/2.png")
        prints.finish()
    line = "Not printed: OSError: [Errno 28] No space left on device. Received: 1.png"
    assert prints.lines == [line] and log.read_text() == "/2.png\n"


@pytest.fixture
def no_permission(monkeypatch):
    """Refuses to end processes, as where sudo made them another user's; then ends them."""
    end, refused = os.killpg, set()

    def refuse(number, what):
        refused.add(number)
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "killpg", refuse)
    yield refused
    for number in refused:
        with contextlib.suppress(ProcessLookupError):
            end(number, signal.SIGKILL)


@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
def test_a_print_that_may_not_be_ended_holds_up_no_other(
    program, tmp_path, monkeypatch, no_permission
):
    monkeypatch.setattr(printing, "PRINT_SECONDS", 0.3)
    monkeypatch.setattr(printing, "_LAST_SECONDS", 0.1)
    script = program("[ $1 = /2.png ] || exec sleep 60")
    with Prints(script) as prints:
        prints.put("/1.png", "/2.png")
        prints.finish()
    assert prints.lines == [f"Not printed: {script} took more than 0.3 seconds. Received: 1.png"]
    assert len(no_permission) == 1


def test_the_demo_ends_beside_a_print_that_may_not_be_ended(
    program, tmp_path, monkeypatch, no_permission
):
    monkeypatch.setattr(printing, "_LAST_SECONDS", 0.1)
    running = tmp_path / "running"
    with Prints(program(f"echo > {running}; sleep 1")) as prints:
        prints.put("/1.png")
        wait_until(running.exists)
        started = time.monotonic()
    assert time.monotonic() - started < 0.8 and len(no_permission) == 1
    prints.printer._thread.join()  # left to itself, it says so when the print has ended


@pytest.mark.parametrize("trap", ["", "trap '' TERM; "])
def test_a_print_ends_with_the_demo_in_time(trap, program, tmp_path):
    running = tmp_path / "running"
    script = program(f"{trap}echo $$ > {running}; while true; do sleep 0.1; done")
    with Prints(script) as prints:
        prints.put("/1.png", "/2.png")
        wait_until(lambda: running.exists() and running.read_text())
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
