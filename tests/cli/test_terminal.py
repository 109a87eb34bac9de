"""What commands print: nothing takes a command down after its work."""

import io
import os
import shutil
import subprocess
import sys
import warnings

import pytest

from conftest import EXAMPLE
from keras_portrait.errors import TruncatedPictureWarning
from keras_portrait.terminal import remark, running, tell, tell_bytes

COMMANDS = {
    "portrait": "from keras_portrait.cli import main; main()",
    "portrait-export": "from keras_portrait_export.__main__ import main; sys.exit(main())",
    "portrait-demo": "from keras_portrait_demo.__main__ import main; sys.exit(main())",
}
NAME = "café 你好.jpg"


def command(name, *arguments):
    code = f"import sys; sys.argv[0] = {name!r}; {COMMANDS[name]}"
    return [sys.executable, "-c", code, *map(str, arguments)]


def run(name, *arguments, encoding=None, **options):
    environment = os.environ | ({"PYTHONIOENCODING": encoding} if encoding else {})
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.run(command(name, *arguments), env=environment, timeout=120, **options)


@pytest.fixture
def photo(tmp_path):
    return shutil.copy(EXAMPLE, tmp_path / NAME)


@pytest.mark.parametrize("encoding", ["cp1252", "ascii:strict", "cp1252:strict", "utf-8"])
def test_names_that_the_terminal_lacks_are_written_out(photo, tiny_preset, encoding):
    done = run("portrait", "stylize", photo, "--preset", tiny_preset, encoding=encoding)
    drawing = photo.with_name("café 你好.portrait.png")
    assert done.returncode == 0 and done.stderr == b"" and drawing.is_file()
    codec = encoding.partition(":")[0]
    assert done.stdout.rstrip() == str(drawing).encode(codec, "backslashreplace")


def test_names_that_are_no_text_are_written_as_they_are(tmp_path, tiny_preset):
    name = os.path.join(os.fsencode(tmp_path), b"caf\xe9.jpg")
    shutil.copy(EXAMPLE, name)
    for encoding, bytes_of_e in (("utf-8", b"\xe9"), ("ascii", b"\xe9")):
        done = run(
            "portrait", "stylize", os.fsdecode(name), "--preset", tiny_preset, encoding=encoding
        )
        assert done.returncode == 0 and done.stderr == b""
        assert done.stdout.rstrip().endswith(b"/caf" + bytes_of_e + b".portrait.png")


def test_a_folder_with_such_names_is_drawn(tmp_path, tiny_preset):
    (tmp_path / "你好").mkdir()
    shutil.copy(EXAMPLE, tmp_path / "你好" / NAME)
    (tmp_path / "你好" / "坏.jpg").write_bytes(b"no picture")
    for engine in ((), ("--engine", "local")):
        out = tmp_path / f"out{len(engine)}"
        given = ("stylize", tmp_path / "你好", "-o", out, "--preset", tiny_preset, *engine)
        done = run("portrait", *given, encoding="ascii:strict")
        assert done.returncode == 2 and b"Traceback" not in done.stderr
        assert rb"skipped: " in done.stderr and rb"\u574f.jpg" in done.stderr
        assert (out / f"{NAME}.portrait.png").is_file()


def arguments_of(name, photo, preset):
    return {
        "portrait": ("stylize", photo, "--preset", preset),
        "portrait-demo": ("--once", photo, "--preset", preset),
        "portrait-export": ("--help",),
    }[name]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has it")
@pytest.mark.parametrize("name", COMMANDS)
def test_a_full_standard_output_is_one_line(name, photo, tiny_preset):
    with open("/dev/full", "w") as full:
        done = run(name, *arguments_of(name, photo, tiny_preset), stdout=full)
    assert done.returncode == 2
    [line] = done.stderr.decode().splitlines()
    assert line.startswith(f"{name}: Cannot write the result to standard output; ")
    assert line.endswith("Received: No space left on device")
    if name == "portrait":
        assert photo.with_name("café 你好.portrait.png").is_file()


@pytest.mark.parametrize("name", COMMANDS)
def test_a_reader_that_is_gone_ends_a_command_quietly(name, photo, tiny_preset):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = run(name, *arguments_of(name, photo, tiny_preset), stdout=writing)
    finally:
        os.close(writing)
    assert done.stderr == b"" and done.returncode == 141
    if name == "portrait":
        assert photo.with_name("café 你好.portrait.png").is_file()


@pytest.mark.parametrize("arguments", [("presets",), ("--version",), ("--help",)])
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has it")
def test_other_results_too(arguments):
    with open("/dev/full", "w") as full:
        done = run("portrait", *arguments, stdout=full)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1


def test_streams_that_were_closed_before_the_start(photo, tiny_preset):
    for closed in ([1], [2], [0, 1, 2]):
        photo.with_name("café 你好.portrait.png").unlink(missing_ok=True)
        given = command("portrait", "stylize", photo, "--preset", tiny_preset)
        close = "; ".join(f"os.close({number})" for number in closed)
        code = f"import os, sys; {close}; os.execv(sys.argv[1], sys.argv[1:])"
        done = subprocess.run([sys.executable, "-c", code, *given], capture_output=True)
        assert done.returncode == 0 and done.stderr == b""
        assert photo.with_name("café 你好.portrait.png").is_file()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has it")
def test_a_full_standard_error_costs_nothing(tmp_path, tiny_preset):
    (tmp_path / "in").mkdir()
    shutil.copy(EXAMPLE, tmp_path / "in")
    (tmp_path / "in" / "bad.jpg").write_bytes(b"no picture")
    with open("/dev/full", "w") as full:
        given = ("stylize", tmp_path / "in", "-o", tmp_path / "out", "--preset", tiny_preset)
        done = run("portrait", *given, stderr=full)
    assert done.returncode == 2 and done.stdout.decode() == f"{tmp_path / 'out'}\n"


def test_only_results_go_to_standard_output(capsys):
    with running("tool"):
        tell("a result")
        remark("a remark")
        for _ in range(3):
            warnings.warn(TruncatedPictureWarning("cut\nshort"), stacklevel=1)
    written = capsys.readouterr()
    assert written.out == "a result\n" and written.err == "a remark\ntool: cut\\nshort\n"


class Broken(io.StringIO):
    def __init__(self, number):
        super().__init__()
        self.number = number
        self.buffer = self

    def write(self, text):
        raise OSError(self.number, os.strerror(self.number))

    def flush(self):
        raise OSError(self.number, os.strerror(self.number))


@pytest.mark.parametrize("say", [lambda: tell("a"), lambda: tell_bytes(b"a"), lambda: None])
@pytest.mark.parametrize(("number", "code"), [(28, 2), (32, 141), (5, 2)])
def test_what_becomes_of_a_command_whose_output_is_lost(monkeypatch, capsys, say, number, code):
    monkeypatch.setattr(sys, "stdout", Broken(number))
    with pytest.raises(SystemExit) as ended, running("tool"):
        say()
    assert ended.value.code == code
    err = capsys.readouterr().err
    assert len(err.splitlines()) == (code == 2)


def test_an_error_of_the_work_itself_is_not_taken_for_one_of_the_output():
    with pytest.raises(OSError, match="of a disk"), running("tool"):
        raise OSError(28, "of a disk")
