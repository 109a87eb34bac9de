import re
import subprocess
import sys

import pytest

from conftest import EXAMPLE
from keras_portrait.imaging import read_image
from keras_portrait_demo.__main__ import draw_once, main


@pytest.fixture
def photo(tmp_path):
    copy = tmp_path / "me.jpg"
    copy.write_bytes(EXAMPLE.read_bytes())
    return copy


def test_draws_beside_the_photo_and_times_each_stage(photo, tiny_preset, capsys):
    assert main(["--once", str(photo), "--preset", str(tiny_preset), "--style", "bold"]) == 0
    *stages, last = capsys.readouterr().out.splitlines()
    out = photo.with_name("me.portrait.png")
    assert last == str(out)
    assert read_image(out).shape == read_image(photo).shape
    assert read_image(out).min() < 128 < read_image(out).max()
    assert len(stages) == 6
    assert all(re.fullmatch(r"[a-z ]+ +\d+ ms", stage) for stage in stages)


def test_draws_the_same_as_the_library(photo, tiny_preset, tmp_path):
    from keras_portrait import Stylizer

    drawn = read_image(draw_once(photo, tmp_path / "out.png", str(tiny_preset)))
    assert (drawn == Stylizer(tiny_preset)(read_image(photo))).all()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--once", "missing.jpg"], "missing.jpg"),
        (["--once", "me.jpg", "-o", "me.jpg"], "overwrite"),
        (["--once", "me.jpg", "--preset", "penn"], "penn"),
        (["--once", "me.jpg", "-o", "no/such/folder.png"], "no/such/folder.png"),
    ],
)
def test_errors_are_one_line_and_write_nothing(
    options, text, photo, tiny_preset, monkeypatch, capsys
):
    monkeypatch.chdir(photo.parent)
    before = sorted(photo.parent.iterdir())
    if "--preset" not in options:
        options = [*options, "--preset", str(tiny_preset)]
    assert main(options) == 2
    error = capsys.readouterr().err
    assert text in error and error.count("\n") == 1
    assert sorted(photo.parent.iterdir()) == before


def test_never_loads_tensorflow(photo, tiny_preset):
    code = (
        "import sys; from keras_portrait_demo.__main__ import main\n"
        "assert main(sys.argv[1:]) == 0\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    subprocess.run(
        [sys.executable, "-c", code, "--once", str(photo), "--preset", str(tiny_preset)],
        check=True,
        capture_output=True,
    )
