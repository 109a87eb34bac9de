"""`portrait stylize --watch FOLDER -o OUT`; between two looks the test does what it wants."""

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest
from PIL import Image

from conftest import EXAMPLE
from fake_time import Clock
from keras_portrait.inference.bulk import arrivals, watching
from keras_portrait.inference.bulk.arrivals import PATIENCE, Arrivals
from keras_portrait.inference.bulk.errors import JobStopped
from keras_portrait.inference.imaging import read_image
from keras_portrait.inference.stylizer import Stylizer
from waiting import wait_until


class Script(Clock):
    """Time that stands still until somebody sleeps; then the next step is taken.

    After the last one there are two more looks, and Ctrl-C.
    """

    def __init__(self, steps):
        super().__init__()
        self.steps = [*steps, lambda: None, lambda: None]

    def sleep(self, seconds):
        assert seconds == watching.LOOK_SECONDS
        super().sleep(seconds)
        if not self.steps:
            raise KeyboardInterrupt
        self.steps.pop(0)()


@pytest.fixture
def inbox(tmp_path):
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


@pytest.fixture
def watch(portrait, inbox, tmp_path, monkeypatch):
    """Watches while steps are taken; returns exit code, drawings in order, remarks."""

    # Most of these tests need no face, which would be most of their time.
    def run(*steps, options=("--whole",), output=tmp_path / "out"):
        clock = Script(steps)
        monkeypatch.setattr(watching, "time", clock)
        monkeypatch.setattr(arrivals, "time", clock)
        where = [] if output is None else ["-o", output]
        code, out, err = portrait("stylize", "--watch", inbox, *where, *options)
        first, *remarks = err.splitlines()
        assert first == f"Watching {inbox}; Ctrl-C ends"
        folder = f"{output or tmp_path / 'in.portraits'}/"
        assert all(line.startswith(folder) for line in out.splitlines())
        return code, [line.removeprefix(folder) for line in out.splitlines()], remarks

    return run


def drawn(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))


def put(name):
    """A step that brings the photo, whole."""

    def bring(folder):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(EXAMPLE, folder / name)

    return bring


def test_what_is_there_and_what_arrives_is_drawn_once(watch, inbox, tmp_path):
    put("a.jpg")(inbox)
    code, out, err = watch(
        lambda: None,
        lambda: put("b.jpg")(inbox),
        lambda: put("deep/c.jpg")(inbox),
        lambda: None,
        lambda: os.utime(inbox / "a.jpg", (1, 1)),  # touched: its bytes are the same
    )
    assert code == 130 and err == ["3 drawn, 0 finished before"]
    assert out == ["a.jpg.portrait.png", "b.jpg.portrait.png", "deep/c.jpg.portrait.png"]
    assert drawn(tmp_path / "out") == out
    assert read_image(tmp_path / "out" / "a.jpg.portrait.png").shape == (512, 512, 3)


def test_also_after_a_restart(watch, inbox, tmp_path, monkeypatch):
    put("a.jpg")(inbox)
    assert watch()[1] == ["a.jpg.portrait.png"]
    rows = (tmp_path / "out" / "manifest.jsonl").read_text().splitlines()
    assert [json.loads(row)["photo"] for row in rows] == ["a.jpg"]
    code, out, err = watch(lambda: put("b.jpg")(inbox))
    assert out == ["b.jpg.portrait.png"] and err == ["1 drawn, 1 finished before"]
    monkeypatch.setattr(Stylizer, "__call__", lambda *_, **__: pytest.fail("drawn twice"))
    assert watch()[1:] == ([], ["0 drawn, 2 finished before"])


def test_another_photo_of_the_same_name_is_drawn(watch, inbox, tmp_path):
    put("a.jpg")(inbox)
    flipped = Image.open(EXAMPLE).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    code, out, err = watch(lambda: None, lambda: flipped.save(inbox / "a.jpg"))
    assert out == ["a.jpg.portrait.png"] * 2 and err == ["1 drawn, 0 finished before"]


def test_a_file_is_left_alone_until_it_is_wholly_written(watch, inbox, tmp_path):
    data, file = EXAMPLE.read_bytes(), inbox / "a.jpg"

    def write(part):
        file.write_bytes(data[: round(part * len(data))])
        assert not (tmp_path / "out").exists()

    # It rests in the middle, and that it opens well is no proof.
    rests = [lambda: None] * round(PATIENCE - 3)
    code, out, err = watch(
        *(lambda part=part: write(part) for part in (0, 0.2, 0.6)), *rests, lambda: write(1)
    )
    assert out == ["a.jpg.portrait.png"] and err == ["1 drawn, 0 finished before"]


def test_a_file_that_goes_on_changing_is_left_alone(watch, inbox, tmp_path):
    put("a.jpg")(inbox)

    def change(second):
        os.utime(inbox / "a.jpg", (second, second))
        assert not (tmp_path / "out").exists()

    code, out, err = watch(*(lambda second=second: change(second) for second in range(1, 5)))
    assert out == ["a.jpg.portrait.png"] and err == ["1 drawn, 0 finished before"]


def test_an_empty_file_waits_for_ever(watch, inbox, tmp_path):
    (inbox / "a.jpg").touch()
    (inbox / "b").touch()
    code, out, err = watch(*[lambda: None] * round(PATIENCE + 3))
    assert out == [] and err == ["0 drawn, 0 finished before, 2 not drawn yet"]
    assert not (tmp_path / "out").exists()


def test_a_photo_that_stays_broken_is_told_in_the_end(watch, inbox, tmp_path):
    (inbox / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(80))
    (inbox / "cut.jpg").write_bytes(EXAMPLE.read_bytes()[:-300])
    Image.new("L", (80, 80), 128).save(inbox / "wall.png")
    (inbox / "raw.cr2").write_bytes(b"II*\0whatever")
    code, out, err = watch(*[lambda: None] * round(PATIENCE + 2), options=())
    assert out == ["cut.jpg.portrait.png"]
    assert err[0].startswith("skipped: raw.cr2: RAW photos of cameras cannot be read")
    assert err[1].startswith("skipped: wall.png: No face found")
    assert err[2].startswith("skipped: broken.png: ")
    assert err[3].startswith("cut.jpg: The JPEG file was cut short: ")
    assert err[4] == "1 drawn, 0 finished before, 3 could not be drawn" and len(err) == 5
    rows = map(json.loads, (tmp_path / "out" / "manifest.jsonl").read_text().splitlines())
    assert [row["photo"] for row in rows if "failed" in row] == [
        "raw.cr2",
        "wall.png",
        "broken.png",
    ]


def test_what_is_no_picture_is_passed_over_and_counted(watch, inbox):
    (inbox / "notes.txt").write_text("no picture")
    (inbox / "film.mp4").write_bytes(b"0000ftypisom")
    (inbox / ".hidden.jpg").write_bytes(b"whatever")
    (inbox / "old.portrait.png").write_bytes(b"an earlier drawing")
    put("photo-without-suffix")(inbox)
    code, out, err = watch()
    assert out == ["photo-without-suffix.portrait.png"]
    assert err == [
        "1 drawn, 0 finished before, 2 files that are no pictures passed over, "
        "1 hidden or system file or folder passed over"
    ]


def test_files_that_have_gone_are_forgotten(inbox, tmp_path):
    arrivals = Arrivals(inbox, tmp_path / "out")
    for round_ in range(3):
        put(f"{round_}.jpg")(inbox)
        (inbox / f"{round_}.txt").write_text("no picture")
        assert list(arrivals.look()) == []
        for path, _ in arrivals.look():
            arrivals.taken(path)
        assert len(arrivals.others) == 1 and len(arrivals._taken) == 2
        for path in list(inbox.iterdir()):
            path.unlink()
    assert list(arrivals.look()) == [] and not arrivals.others and not arrivals._taken


def test_what_becomes_a_picture_is_counted_as_one(inbox, tmp_path):
    arrivals = Arrivals(inbox, tmp_path / "out")
    (inbox / "a").write_text("no picture")
    assert [list(arrivals.look()) for _ in range(2)] == [[], []] and len(arrivals.others) == 1
    put("a")(inbox)
    list(arrivals.look())
    assert [path.name for path, _ in arrivals.look()] == ["a"] and not arrivals.others


@pytest.mark.parametrize("place", ["in", "in/drawn"])
def test_drawings_may_lie_where_the_photos_are(watch, inbox, tmp_path, place):
    put("a.jpg")(inbox)
    for expected in (["a.jpg.portrait.png"], []):
        code, out, err = watch(*[lambda: None] * 4, output=tmp_path / place)
        assert out == expected and len(err) == 1 and "no picture" not in err[0]
    assert drawn(tmp_path / place) == ["a.jpg.portrait.png"]


def test_a_folder_that_vanishes_is_a_line_and_is_watched_again(watch, inbox, tmp_path):
    put("a.jpg")(inbox)
    away = tmp_path / "away"

    def come_back():
        away.rename(inbox)
        put("b.jpg")(inbox)

    code, out, err = watch(
        lambda: None, lambda: inbox.rename(away), lambda: None, lambda: None, come_back
    )
    assert out == ["a.jpg.portrait.png", "b.jpg.portrait.png"]
    assert err == [
        "portrait: The folder cannot be read any more; it is watched again once it can. "
        f"Received: {inbox}",
        f"portrait: The folder is back. Received: {inbox}",
        "2 drawn, 0 finished before",
    ]


def test_a_folder_that_vanishes_while_its_photos_are_drawn(watch, inbox, tmp_path, monkeypatch):
    for name in ("a.jpg", "b.jpg"):
        put(name)(inbox)
    away = tmp_path / "away"

    def draw(self, *arguments, call=Stylizer.__call__, **options):
        if inbox.exists() and not away.exists():
            inbox.rename(away)
        return call(self, *arguments, **options)

    monkeypatch.setattr(Stylizer, "__call__", draw)
    code, out, err = watch(lambda: None, lambda: None, lambda: shutil.copytree(away, inbox))
    assert out == ["a.jpg.portrait.png", "b.jpg.portrait.png"]
    assert len(err) == 3 and err[-1] == "2 drawn, 0 finished before"


def test_ctrl_c_while_a_photo_is_drawn_leaves_nothing_half_written(
    watch, inbox, tmp_path, monkeypatch
):
    for name in ("a.jpg", "b.jpg"):
        put(name)(inbox)

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Stylizer, "__call__", interrupted)
        code, out, err = watch()
    assert code == 130 and out == [] and err == ["0 drawn, 0 finished before, 2 not drawn yet"]
    assert not (tmp_path / "out").exists() or os.listdir(tmp_path / "out") == []
    assert watch()[1] == ["a.jpg.portrait.png", "b.jpg.portrait.png"]


def test_a_place_for_drawings_that_fails_ends_it_with_a_line_and_the_count(
    watch, inbox, tmp_path, monkeypatch
):
    put("a.jpg")(inbox)

    def full(*_):
        raise JobStopped("Cannot write the file (No space left on device)")

    monkeypatch.setattr(watching, "write_photo", full)
    code, out, err = watch()
    assert code == 2 and out == [] and err[0] == "0 drawn, 0 finished before, 1 not drawn yet"
    assert err[1].startswith("portrait: Cannot write the file (No space left on device)")


def test_options_and_the_usual_place(watch, inbox, tmp_path):
    put("a.jpg")(inbox)
    code, out, _ = watch(options=["--crop", "--style", "bold"], output=None)
    assert out == ["a.jpg.portrait.png"]
    assert read_image(tmp_path / "in.portraits" / out[0]).shape == (64, 64, 3)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["none"], "No such folder. Expected a folder to watch. Received: none"),
        (["in", "in"], "--watch takes one folder. Received: in in"),
        (["in", "-o", "x.png"], "-o must be a folder when the photos are a folder"),
        (["in", "-o", "-"], "-o must be a folder"),
        (["in", "--engine", "local"], "Choose either --watch or --engine"),
        (["in", "--style", "bald"], "bald"),
        (["in", "--crop", "--whole"], "either --crop or --whole"),
    ],
)
def test_what_does_not_fit_is_one_line(portrait, inbox, tmp_path, monkeypatch, arguments, text):
    monkeypatch.chdir(tmp_path)
    code, out, err = portrait("stylize", "--watch", *arguments)
    assert code == 2 and out == "" and text in err and len(err.splitlines()) == 1


@pytest.mark.slow
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_signals_end_the_command_itself(inbox, tiny_preset, tmp_path, sent, code):
    put("a.jpg")(inbox)
    script = "import sys; sys.argv[0] = 'portrait'; from keras_portrait.cli import main; main()"
    command = [sys.executable, "-c", script, "stylize", "--watch", inbox, "-o", tmp_path / "out"]
    process = subprocess.Popen(
        [*command, "--preset", tiny_preset],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == f"{tmp_path / 'out' / 'a.jpg.portrait.png'}\n"
    wait_until(lambda: (tmp_path / "out" / "manifest.jsonl").exists())
    process.send_signal(sent)
    _, err = process.communicate(timeout=20)
    assert process.returncode == code and err.endswith("\n1 drawn, 0 finished before\n")
