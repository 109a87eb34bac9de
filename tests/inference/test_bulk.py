import os
import resource
import signal
from dataclasses import replace

import pytest

import bulk_drawers
from bulk_drawers import PREFIX
from bulk_jobs import OPTIONS, draw, files, make_places, manifest
from conftest import EXAMPLE
from keras_portrait import Stylizer
from keras_portrait import files as atomic
from keras_portrait.errors import SettingError
from keras_portrait.inference.bulk.drawing import DrawingOptions, drawing_options, open_drawing
from keras_portrait.inference.bulk.errors import JobStopped
from keras_portrait.inference.bulk.manifest import Manifest
from keras_portrait.inference.bulk.places import Folder
from tiny_preset import write_tiny_preset


@pytest.fixture
def places(tmp_path):
    return make_places(tmp_path)


def test_every_photo_is_drawn_once(places):
    counts, ended = draw(places)
    assert counts == {"drawn": 3} and set(ended) == {"a.jpg", "b.png", "deep/c.jpg"}
    drawings = ["a.jpg.portrait.png", "b.png.portrait.png", "deep/c.jpg.portrait.png"]
    assert files(places[1]) == sorted([*drawings, "manifest.jsonl"])
    assert (places[1] / drawings[2]).read_bytes() == PREFIX + b"deep/c.jpg"
    before = (places[1] / "manifest.jsonl").read_bytes()
    assert draw(places, make=bulk_drawers.never_ready)[0] == {"skipped": 3}
    assert (places[1] / "manifest.jsonl").read_bytes() == before


@pytest.mark.parametrize("changed", ["photo", "drawing", "style", "option"])
def test_what_changed_is_drawn_again(places, changed):
    draw(places)
    options, expected = OPTIONS, 1
    if changed == "photo":
        (places[0] / "a.jpg").write_bytes(b"another photo")
    elif changed == "drawing":
        (places[1] / "a.jpg.portrait.png").unlink()
    else:
        field = {"weights": (0.5,)} if changed == "style" else {"crop": True}
        options, expected = DrawingOptions(**{**vars(OPTIONS), **field}), 3
    counts = draw(places, options)[0]
    assert counts["drawn"] == expected and counts.get("skipped", 0) == 3 - expected
    assert draw(places, options)[0] == {"skipped": 3}
    # The last line counts: a photo that is as it was is not as it was last drawn.
    if changed == "photo":
        (places[0] / "a.jpg").write_bytes(b"a.jpg")
        assert draw(places)[0] == {"drawn": 1, "skipped": 2}


def test_a_drawing_that_the_manifest_does_not_know_is_not_taken_for_another(places, monkeypatch):
    draw(places)
    pen = replace(OPTIONS, style="pen", weights=(0.5,))
    with monkeypatch.context() as patch:
        # As if the job were killed after each drawing, before its line.
        patch.setattr(Manifest, "add", lambda self, photo: None)
        assert draw(places, pen, bulk_drawers.longer)[0] == {"drawn": 3}
    # And as if the power had failed before the disk had the last one.
    (places[1] / "b.png.portrait.png").write_bytes(b"")
    assert draw(places)[0] == {"drawn": 3}
    for name in ("a.jpg", "b.png", "deep/c.jpg"):
        assert (places[1] / f"{name}.portrait.png").read_bytes() == PREFIX + name.encode()
    assert draw(places)[0] == {"skipped": 3}


def test_the_manifest_says_what_became_of_each_photo(places):
    (places[0] / "fault.jpg").write_bytes(b"fault")
    assert draw(places, make=bulk_drawers.killed_always)[0] == {"drawn": 3, "failed": 1}
    rows = {row.pop("photo"): row for row in manifest(places[1])}
    fault = rows.pop("fault.jpg")
    assert fault["failed"] == "ZeroDivisionError: a fault" and "output" not in fault
    assert set(rows) == {"a.jpg", "b.png", "deep/c.jpg"}
    for name, row in rows.items():
        assert row["output"] == f"{name}.portrait.png" and row["seconds"] >= 0
        assert row["bytes"] == (places[1] / row["output"]).stat().st_size
        assert row["preset"] == "tiny" and row["preset_sha256"] == "ab" * 32
        assert row["style"] == "ink" and row["work"] == OPTIONS.work(row["sha256"])


def test_a_torn_manifest_is_read_and_gone_on_with(places):
    draw(places)
    path = places[1] / "manifest.jsonl"
    kept, torn = path.read_bytes().splitlines(keepends=True)[:2]
    lengths = [b'{"work": "ab", "bytes": %s}' % wrong for wrong in (b"-1", b'"1"', b"9" * 30)]
    for rest in (torn[:-9], b"\x00\xff[" * 9, b"[]", b'{"work": 1}', b"[" * 100_000, *lengths):
        path.write_bytes(kept + rest)
        assert draw(places)[0] == {"drawn": 2, "skipped": 1}
        lines = path.read_bytes().splitlines(keepends=True)
        assert lines[:2] == [kept, rest + b"\n"] and len(lines) == 4
        assert draw(places)[0] == {"skipped": 3}


def test_another_preset_is_refused_and_what_is_finished_stays(places):
    draw(places)
    before = {name: (places[1] / name).read_bytes() for name in files(places[1])}
    other = DrawingOptions("unused", "tiny", "cd" * 32, "ink", (1.0,))
    with pytest.raises(SettingError) as error:
        draw(places, other)
    text = str(error.value)
    assert "ab" * 32 in text and "cd" * 32 in text and "another OUT" in text
    assert len(text.splitlines()) == 1
    assert {name: (places[1] / name).read_bytes() for name in files(places[1])} == before


def test_photos_of_one_stem_have_drawings_of_their_own(places):
    for name in ("a.png", "a.JPG", "deep/a.jpg"):
        (places[0] / name).write_bytes(name.encode())
    (places[0] / "old.portrait.png").write_bytes(b"a drawing")
    (places[0] / ".hidden.jpg").write_bytes(b"hidden")
    assert draw(places)[0] == {"drawn": 6, "hidden": 1}
    for name in ("a.jpg", "a.png", "a.JPG", "deep/a.jpg"):
        drawing = places[1] / f"{name}.portrait.png"
        assert drawing.read_bytes() == PREFIX + name.encode()


def test_a_full_disk_stops_the_job_and_leaves_nothing_half_written(places, monkeypatch):
    written, replace = [], os.replace

    def full(part, path):
        if len(written) == 2:
            raise OSError(28, "No space left on device")
        replace(part, path)
        written.append(path)

    monkeypatch.setattr(atomic.os, "replace", full)
    with pytest.raises(JobStopped, match="No space left on device"):
        draw(places)
    assert len([name for name in files(places[1]) if name.endswith(".png")]) == 2
    assert not [name for name in files(places[1]) if ".part-" in name]
    monkeypatch.setattr(atomic.os, "replace", replace)
    assert draw(places)[0] == {"drawn": 1, "skipped": 2}


def test_a_name_that_is_taken_fails_its_photo_alone(places):
    taken = places[1] / "a.jpg.portrait.png"
    taken.mkdir(parents=True)
    (places[1] / "deep").write_text("no folder")
    counts, ended = draw(places)
    assert counts == {"drawn": 1, "failed": 2}
    rows = {row["photo"]: row for row in manifest(places[1])}
    assert str(taken) in rows["a.jpg"]["failed"] and "output" in rows["b.png"]
    assert "Cannot make the folder" in rows["deep/c.jpg"]["failed"]
    assert ended["a.jpg"].reason == rows["a.jpg"]["failed"]
    taken.rmdir()
    (places[1] / "deep").unlink()
    assert draw(places)[0] == {"drawn": 2, "skipped": 1}


def test_a_log_that_does_not_fit_on_the_disk_is_told(tmp_path):
    there = Folder(tmp_path)
    there.append("log", b"first\n")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        # Four bytes fit, and the system takes them without an error.
        with pytest.raises(JobStopped, match="Cannot write"):
            there.append("log", b"second line\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    there.append("log", b"third\n")
    assert list(there.lines("log")) == [b"first\n", b"seco\n", b"third\n"]


def test_drawings_are_those_of_the_stylizer(tiny_preset, places):
    (places[0] / "me.jpg").write_bytes(EXAMPLE.read_bytes())
    options = drawing_options(tiny_preset, "thin:1,bold:3", crop=True)
    assert options.style == "thin:0.25,bold:0.75"
    counts, ended = draw(places, options, open_drawing, workers=2)
    assert counts == {"drawn": 1, "failed": 3}
    assert "Not a picture" in ended["a.jpg"].reason
    expected = Stylizer(tiny_preset)(EXAMPLE.read_bytes(), style=(0.25, 0.75), crop=True)
    assert (places[1] / "me.jpg.portrait.png").read_bytes() == expected


def test_a_preset_that_changes_while_the_job_runs_stops_it(tiny_preset, places, tmp_path):
    options = drawing_options(tiny_preset)
    write_tiny_preset(tmp_path / "other", offsets=(0.1, 0.2)).rename(tmp_path / "newer")
    tiny_preset.rename(tmp_path / "older")
    (tmp_path / "newer").rename(tiny_preset)
    with pytest.raises(JobStopped, match="changed while the job ran") as error:
        draw(places, options, open_drawing)
    assert options.preset_sha256 in str(error.value)


def test_the_command(portrait, places, tiny_preset):
    (places[0] / "me.jpg").write_bytes(EXAMPLE.read_bytes())
    code, out, err = portrait("stylize", *places, "--engine", "local", "--style", "bold")
    assert code == 2 and out == f"{places[1]}\n"
    *skipped, summary, last = err.splitlines()
    assert sorted(line.split(":")[1].strip() for line in skipped) == [
        "a.jpg",
        "b.png",
        "deep/c.jpg",
    ]
    assert summary == "1 drawn, 0 finished before"
    assert last == "3 of 4 pictures could not be drawn; manifest.jsonl in OUT says why"
    for name in ("a.jpg", "b.png", "deep/c.jpg"):
        (places[0] / name).unlink()
    (places[0] / "\x1b[31m.jpg").write_bytes(b"a command to the terminal")
    code, out, err = portrait("stylize", *places, "--engine", "local", "--style", "bold")
    assert code == 2 and r"skipped: \x1b[31m.jpg:" in err and "\x1b" not in err
    (places[0] / "\x1b[31m.jpg").unlink()
    code, out, err = portrait(
        "stylize", places[0], "-o", places[1], "--engine", "local", "--style", "1"
    )
    assert (code, out, err) == (0, f"{places[1]}\n", "0 drawn, 1 finished before\n")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["in", "--engine", "local"], "needs a place"),
        (["in", "out", "-o", "out", "--engine", "local"], "given twice"),
        (["in", "out.png", "--engine", "local"], "OUT is a folder"),
        (["in/a.jpg", "out.png"], "-o before the place"),
        (["in", "out", "more", "--engine", "local"], "one folder or URL"),
        (["s3://bucket/photos", "-o", "out"], "URLs are drawn in bulk"),
        (["in", "out", "--engine", "spark"], "spark"),
        (["in", "out", "--engine", "local", "--style", "thick"], "No such style"),
        (["none", "out", "--engine", "local"], "No such folder"),
    ],
)
def test_refused_commands(portrait, places, monkeypatch, arguments, text):
    monkeypatch.chdir(places[0].parent)
    code, out, err = portrait("stylize", *arguments)
    assert code == 2 and out == "" and text in err and not places[1].exists()
