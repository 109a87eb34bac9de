import io
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import keras_portrait
from conftest import EXAMPLE
from keras_portrait import cli
from keras_portrait.inference import imaging


@pytest.fixture
def me(tmp_path):
    """A photo of a face, me.jpg, alone in a folder."""
    (tmp_path / "photos").mkdir()
    return shutil.copy(EXAMPLE, tmp_path / "photos" / "me.jpg")


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))


def test_a_photo_becomes_a_drawing_beside_it(portrait, me):
    before = me.read_bytes()
    code, out, err = portrait("stylize", me)
    drawing = me.with_name("me.portrait.png")
    assert (code, out, err) == (0, f"{drawing}\n", "")
    assert imaging.read_image(drawing).shape == (512, 512, 3)
    with Image.open(drawing) as stored:
        assert stored.mode == "L"
    assert me.read_bytes() == before and names(me.parent) == ["me.jpg", "me.portrait.png"]


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        (["--crop"], (64, 64, 3)),
        (["--whole"], (512, 512, 3)),
        (["--faces", "all", "--background", "keep"], (512, 512, 3)),
        (["--style", "bold"], (512, 512, 3)),
        (["--style", "1"], (512, 512, 3)),
        (["--style", "0.25,0.75", "--crop", "--background", "keep"], (64, 64, 3)),
    ],
)
def test_options(portrait, me, tmp_path, options, shape):
    target = tmp_path / "drawing.png"
    code, out, _ = portrait("stylize", me, "-o", target, *options)
    assert code == 0 and out == f"{target}\n"
    assert imaging.read_image(target).shape == shape


def test_style_names_and_indices_agree(portrait, me, tmp_path):
    for style in ("bold", "1", "0,1", "thin:0,bold"):
        assert portrait("stylize", me, "-o", tmp_path / f"{style}.png", "--style", style)[0] == 0
    assert (tmp_path / "bold.png").read_bytes() == (tmp_path / "1.png").read_bytes()
    assert (tmp_path / "bold.png").read_bytes() == (tmp_path / "0,1.png").read_bytes()
    assert (tmp_path / "bold.png").read_bytes() == (tmp_path / "thin:0,bold.png").read_bytes()


def test_output_may_be_a_folder_or_a_new_one(portrait, me, tmp_path):
    (tmp_path / "out").mkdir()
    assert portrait("stylize", me, "-o", tmp_path / "out")[0] == 0
    assert portrait("stylize", me, "-o", tmp_path / "new" / "deep" / "x.jpg")[0] == 0
    assert names(tmp_path / "out") == ["me.portrait.png"]
    assert (tmp_path / "new" / "deep" / "x.jpg").read_bytes().startswith(b"\xff\xd8")


def test_an_input_is_never_overwritten(portrait, me):
    before = me.read_bytes()
    link = me.with_name("link.jpg")
    link.symlink_to(me)
    for target in (me, link, me.parent / ".." / "photos" / "me.jpg"):
        code, out, err = portrait("stylize", me, "-o", target)
        assert code == 2 and out == "" and "would overwrite the photo" in err
    assert me.read_bytes() == before


def test_a_folder(portrait, me):
    photos = me.parent
    (photos / "deep").mkdir()
    for copy in (photos / "deep" / "a.png", photos / "me.png"):
        imaging.write_image(copy, imaging.read_image(me))
    (photos / "old.portrait.png").write_bytes(b"an earlier result")
    code, out, err = portrait("stylize", photos)
    result = photos.with_name("photos.portraits")
    assert (code, out) == (0, f"{result}\n")
    assert err == "1 drawing of an earlier run passed over\n"
    assert names(result) == [
        "deep/a.png.portrait.png",
        "me.jpg.portrait.png",
        "me.png.portrait.png",
    ]
    assert names(photos) == ["deep/a.png", "me.jpg", "me.png", "old.portrait.png"]


def test_a_bad_file_is_named_and_skipped(portrait, me, tmp_path):
    photos = me.parent
    (photos / "broken.jpg").write_bytes(b"no picture")
    Image.fromarray(np.full((80, 80), 128, np.uint8)).save(photos / "wall.png")
    code, out, err = portrait("stylize", photos, "-o", tmp_path / "out")
    assert code == 2 and out == f"{tmp_path / 'out'}\n"
    broken, wall, count = err.splitlines()
    assert broken.startswith("skipped: ") and broken.endswith("broken.jpg")
    assert "No face found" in wall and wall.endswith("wall.png")
    assert count == "2 of 3 pictures could not be drawn"
    assert names(tmp_path / "out") == ["me.jpg.portrait.png"]


def test_a_folder_of_bad_files_leaves_nothing_behind(portrait, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"")
    code, out, err = portrait("stylize", tmp_path / "photos")
    assert code == 2 and out == "" and "1 of 1" in err
    assert not (tmp_path / "photos.portraits").exists()


def test_a_folder_wants_a_folder(portrait, me, tmp_path):
    for target in (tmp_path / "x.png", me):
        code, out, err = portrait("stylize", me.parent, "-o", target)
        assert code == 2 and out == "" and "-o must be a folder" in err


def test_presets_lists_names_and_styles(portrait, tiny_preset, monkeypatch):
    monkeypatch.setattr("keras_portrait.inference.presets.BUILT_IN", tiny_preset.parent)
    code, out, _ = portrait("presets")
    lines = out.splitlines()
    assert lines[-3].startswith("filter:ink, filter:line, filter:engraving: ")
    assert code == 0 and lines[:-3] == [
        "tiny: the mean of red, green and blue",
        "  none: photo to drawing, 64 x 64",
        "  --style 0 or thin",
        "  --style 1 or bold",
    ]


def test_version_and_help_load_nothing_heavy(portrait):
    code, out, _ = portrait("--version")
    assert code == 0 and out == f"keras-portrait {keras_portrait.__version__}\n"
    code = "import sys, keras_portrait.cli; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    assert not {"numpy", "cv2", "PIL", "ai_edge_litert"} & set(loaded.split())


def test_debug_shows_where_an_error_comes_from(portrait, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["portrait", "stylize", "none.jpg", "--debug"])
    with pytest.raises(keras_portrait.PortraitError):
        cli.main()


def test_usage_errors_end_in_2(portrait):
    assert portrait("stylize")[0] == 2
    code, _, err = portrait("stylize", "a.jpg", "--faces", "some")
    assert code == 2 and "some" in err and "largest" in err


def test_several_photos(portrait, me, tmp_path):
    other = shutil.copy(EXAMPLE, me.with_name("you.jfif"))
    earlier = me.with_name("old.jpg.portrait.png")
    earlier.write_bytes(b"drawn before")
    out = tmp_path / "new" / "OUT"
    code, said, err = portrait("stylize", me, other, earlier, me, "-o", f"{out}/")
    assert (code, said) == (0, f"{out}\n") and err == "1 drawing of an earlier run passed over\n"
    assert names(out) == ["me.jpg.portrait.png", "you.jfif.portrait.png"]
    code, said, err = portrait("stylize", me, other)
    beside = [me.with_name(f"{name}.portrait.png") for name in ("me.jpg", "you.jfif")]
    assert (code, said, err) == (0, "".join(f"{path}\n" for path in beside), "")
    alone = tmp_path / "alone.png"
    assert portrait("stylize", me, "-o", alone)[0] == 0
    assert alone.read_bytes() == beside[0].read_bytes() == (out / beside[0].name).read_bytes()


def test_several_photos_and_folders_of_which_some_are_bad(portrait, me, tmp_path):
    out, empty = tmp_path / "OUT", tmp_path / "empty"
    empty.mkdir()
    lone = shutil.copy(EXAMPLE, tmp_path / "lone.jpg")
    code, said, err = portrait("stylize", lone, me.parent, empty, tmp_path / "none.jpg", "-o", out)
    assert code == 2 and said == f"{out}\n"
    nothing, missing, count = err.splitlines()
    assert "No pictures in the folder" in nothing and nothing.endswith("empty")
    assert "No such file" in missing and missing.endswith("none.jpg")
    assert count == "2 of 4 pictures could not be drawn"
    assert names(out) == ["lone.jpg.portrait.png", "photos/me.jpg.portrait.png"]


def test_two_photos_do_not_share_a_drawing(portrait, me, tmp_path):
    (tmp_path / "b").mkdir()
    other = shutil.copy(EXAMPLE, tmp_path / "b" / "me.jpg")
    code, said, err = portrait("stylize", me, other, "-o", tmp_path / "OUT")
    assert code == 2 and said == "" and "Two photos would have one drawing" in err
    assert str(me) in err and str(other) in err and not (tmp_path / "OUT").exists()
    assert portrait("stylize", me, other)[0] == 0


@pytest.mark.parametrize("output", ["x.png", "x.svg", "x.gcode", "-"])
def test_several_photos_want_a_folder(portrait, me, tmp_path, monkeypatch, output):
    monkeypatch.chdir(tmp_path)
    code, said, err = portrait("stylize", me, EXAMPLE, "-o", output)
    assert code == 2 and said == "" and "-o must be a folder for several photos" in err


@pytest.mark.parametrize("given", ["new/", "new/deep", "with.dots/"])
def test_a_new_folder_is_made(portrait, me, tmp_path, monkeypatch, given):
    monkeypatch.chdir(tmp_path)
    code, said, _ = portrait("stylize", me, "-o", given)
    assert code == 0 and said == f"{os.path.join(given, 'me.portrait.png')}\n"
    assert (tmp_path / given / "me.portrait.png").is_file()


@pytest.fixture
def piped(monkeypatch):
    """Gives standard input these bytes."""

    def give(data):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))

    return give


def test_standard_input_to_standard_output(portrait, me, piped, monkeypatch):
    assert portrait("stylize", me)[0] == 0
    drawing = me.with_name("me.portrait.png").read_bytes()
    for arguments, source in ((["-"], me), (["-", "-o", "-"], me), ([me, "-o", "-"], None)):
        written = io.TextIOWrapper(io.BytesIO())
        monkeypatch.setattr(sys, "stdout", written)
        piped(b"" if source is None else source.read_bytes())
        code, _, err = portrait("stylize", *arguments)
        assert (code, err) == (0, "") and written.buffer.getvalue() == drawing


def test_standard_input_to_a_file_or_folder(portrait, me, piped, tmp_path):
    for output, made in (("x.jpg", "x.jpg"), ("OUT", "OUT/stdin.portrait.png")):
        piped(me.read_bytes())
        code, said, _ = portrait("stylize", "-", "-o", tmp_path / output)
        assert code == 0 and said == f"{tmp_path / made}\n" and (tmp_path / made).is_file()


def test_standard_input_that_is_no_photo(portrait, me, piped, monkeypatch):
    for data, text in ((b"", "is empty"), (b"no picture", "Not a picture")):
        piped(data)
        code, said, err = portrait("stylize", "-")
        assert code == 2 and said == "" and text in err and len(err.splitlines()) == 1
    monkeypatch.setattr(sys, "stdin", None)
    assert "is empty" in portrait("stylize", "-")[2]
    code, said, err = portrait("stylize", "-", me)
    assert code == 2 and said == "" and "stands alone" in err


def test_a_cut_photo_is_drawn_and_told(portrait, me, tmp_path):
    cut = me.with_name("cut.jpg")
    cut.write_bytes(me.read_bytes()[:-300])
    code, said, err = portrait("stylize", cut)
    assert code == 0 and said == f"{cut.with_name('cut.portrait.png')}\n"
    assert err.startswith("portrait: The JPEG file was cut short: ") and err.endswith("cut.jpg\n")
    assert len(err.splitlines()) == 1
    assert np.array_equal(
        imaging.read_image(cut.with_name("cut.portrait.png"))[:400],
        imaging.read_image(_drawn(portrait, me))[:400],
    )
    code, _, err = portrait("stylize", me.parent, "-o", tmp_path / "folder")
    assert code == 0 and len(err.splitlines()) == 2
    assert err.endswith("\n2 drawings of an earlier run passed over\n")
    code, _, err = portrait("stylize", me.parent, tmp_path / "bulk", "--engine", "local")
    told, summary = err.splitlines()
    assert code == 0 and told.startswith("cut.jpg: The JPEG file was cut short: ")
    assert summary == "2 drawn, 0 finished before"
    rows = [
        json.loads(line) for line in (tmp_path / "bulk" / "manifest.jsonl").read_text().splitlines()
    ]
    remarks = {row["photo"]: row.get("remark") for row in rows}
    assert remarks == {"me.jpg": None, "cut.jpg": told.partition(": ")[2]}


def _drawn(portrait, photo):
    assert portrait("stylize", photo)[0] == 0
    return photo.with_name(f"{photo.stem}.portrait.png")


def test_a_progress_bar_leaves_names_on_standard_output(me, tiny_preset, tmp_path):
    other = shutil.copy(me, me.with_name("other.jpg"))
    command = "import sys; sys.argv[0] = 'portrait'; from keras_portrait.cli import main; main()"
    pty = pytest.importorskip("pty")
    ours, terminal = pty.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-c", command, "stylize", me, other, "--preset", tiny_preset],
            stdout=subprocess.PIPE,
            stderr=terminal,
            text=True,
        )
    finally:
        os.close(terminal)
        os.close(ours)
    drawn = [me.with_name("me.jpg.portrait.png"), me.with_name("other.jpg.portrait.png")]
    assert done.returncode == 0 and done.stdout.split() == [str(path) for path in drawn]


def test_names_of_another_case_would_be_one_drawing(portrait, me, tmp_path):
    (tmp_path / "more").mkdir()
    other = shutil.copy(me, tmp_path / "more" / "ME.JPG")
    code, out, err = portrait("stylize", me, other, "-o", tmp_path / "out")
    assert code == 2 and out == "" and "Two photos would have one drawing" in err
    assert not (tmp_path / "out").exists()


def test_earlier_drawings_are_counted(portrait, me):
    assert portrait("stylize", me)[0] == 0
    code, _, err = portrait("stylize", me.parent)
    assert code == 0 and "1 drawing of an earlier run passed over" in err
    earlier = [me.with_name(f"{name}.portrait.png") for name in ("me", "you")]
    shutil.copy(*earlier)
    code, out, err = portrait("stylize", *earlier)
    assert code == 2 and out == "" and "Nothing but drawings of earlier runs" in err


@pytest.mark.parametrize("places", [("-", "OUT"), ("IN", "-")])
def test_streams_are_not_drawn_in_bulk(portrait, places):
    code, out, err = portrait("stylize", *places, "--engine", "local")
    assert code == 2 and out == "" and "not standard input or output. Received: -" in err
