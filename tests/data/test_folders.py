"""Folders as people have them: hidden files, links, shut folders, pictures of any name."""

import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from bulk_jobs import draw, files, manifest
from conftest import EXAMPLE
from first_bytes import HEADS
from keras_portrait.errors import InputError
from keras_portrait.inference.bulk.places import open_place
from keras_portrait.inference.folders import PassedOver, is_hidden, list_images

HIDDEN = (
    *(".thumbnails/a.jpg", "@eaDir/a.jpg/SYNOPHOTO.jpg", "__MACOSX/._a.jpg", ".a.jpg"),
    *("$RECYCLE.BIN/a.jpg", "System Volume Information/a.jpg", "deep/Thumbs.db", "#recycle/a.jpg"),
)


@pytest.fixture
def photos(tmp_path):
    """A folder of two photos in two folders."""
    (tmp_path / "photos" / "deep" / "er").mkdir(parents=True)
    for name in ("a.jpg", "deep/er/b.jpg"):
        shutil.copy(EXAMPLE, tmp_path / "photos" / name)
    return tmp_path / "photos"


def add(folder, *names, data=None):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(EXAMPLE.read_bytes() if data is None else data)


def shut(monkeypatch, folder):
    """Has the system refuse to list a folder; no mode does that to who runs the tests as root."""
    scandir = os.scandir

    def refusing(place="."):
        if os.fspath(place) == str(folder):
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(place)

    monkeypatch.setattr(os, "scandir", refusing)


def found(folder, passed=None):
    return [path.relative_to(folder).as_posix() for path in list_images(folder, passed)]


def test_hidden_and_system_files_are_passed_over_and_counted(photos):
    add(photos, *HIDDEN)
    passed = PassedOver()
    assert found(photos, passed) == ["a.jpg", "deep/er/b.jpg"]
    assert passed.hidden == 8 and passed.unreadable == {}
    assert passed.told() == "8 hidden or system files and folders passed over"
    assert PassedOver(1).told() == "1 hidden or system file or folder passed over"
    assert PassedOver().told() == ""
    assert not any(map(is_hidden, ("", "a.jpg", "eaDir", "thumbs", "Recycle")))


def test_pictures_are_found_by_name_or_by_first_bytes(photos):
    add(photos, "nosuffix", "b.jfif", "c.bin", "deep/IMG.HEIC", "x.dng")
    add(photos, "notes.txt", "movie.mp4", "empty", data=b"")
    assert found(photos) == [
        *("a.jpg", "b.jfif", "c.bin", "deep/IMG.HEIC", "deep/er/b.jpg", "nosuffix", "x.dng"),
    ]
    os.mkfifo(photos / "pipe")
    assert len(found(photos)) == 7, "a pipe would block"


def test_links_to_folders_are_followed_once(photos, tmp_path):
    add(tmp_path, "elsewhere/c.jpg")
    (photos / "0-self").symlink_to(photos)
    (photos / "0-deep").symlink_to(photos / "deep")
    (photos / "linked").symlink_to(tmp_path / "elsewhere")
    (photos / "deep" / "again").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(photos)
    (photos / "lost").symlink_to(tmp_path / "nothing")
    (photos / "loop").symlink_to("loop")
    names = found(photos)
    assert [name for name in names if "c.jpg" not in name] == ["a.jpg", "deep/er/b.jpg"]
    assert len([name for name in names if "c.jpg" in name]) == 1


def test_a_folder_that_is_shut_is_named_and_the_rest_is_found(photos, monkeypatch):
    shut(monkeypatch, photos / "deep")
    passed = PassedOver()
    assert found(photos, passed) == ["a.jpg"]
    [(place, error)] = passed.unreadable.items()
    assert place == photos / "deep"
    assert str(error) == f"Cannot read the folder (Permission denied). Received: {place}"
    shut(monkeypatch, photos)
    with pytest.raises(InputError, match="Cannot read the folder"):
        list_images(photos)


def test_drawings_keep_the_tree_and_the_photos_whole_names(photos, tmp_path, portrait):
    add(photos, "a.png", "deep/er/nosuffix", *HIDDEN[:3])
    code, out, err = portrait("stylize", photos, "-o", tmp_path / "out")
    assert (code, out) == (0, f"{tmp_path / 'out'}\n")
    assert err == "3 hidden or system files and folders passed over\n"
    assert files(tmp_path / "out") == [
        *("a.jpg.portrait.png", "a.png.portrait.png", "deep/er/b.jpg.portrait.png"),
        "deep/er/nosuffix.portrait.png",
    ]
    code, _, err = portrait("stylize", photos, tmp_path / "bulk", "--engine", "local")
    assert code == 0
    assert err == "4 drawn, 0 finished before, 3 hidden or system files and folders passed over\n"
    assert files(tmp_path / "bulk") == sorted([*files(tmp_path / "out"), "manifest.jsonl"])


@pytest.mark.usefixtures("without_readers")
def test_five_hundred_photos_in_heic_are_told_in_one_line(photos, tmp_path, portrait):
    heic = HEADS["iphone.heic"][1] + bytes(99)
    add(photos, *(f"IMG_{number:03d}.HEIC" for number in range(499)), "renamed.jpg", data=heic)
    add(photos, "x.dng", "y.dng", data=b"II*\0" + bytes(99))
    code, out, err = portrait("stylize", photos, "-o", tmp_path / "out")
    assert code == 2 and out == f"{tmp_path / 'out'}\n"
    heif, raw, count = err.splitlines()
    assert heif.startswith("skipped: 500 pictures: HEIC photos need the package pillow-heif. ")
    assert 'pip install "keras-portrait[heif]"' in heif and heif.endswith("IMG_000.HEIC")
    assert raw.startswith("skipped: 2 pictures: RAW photos") and raw.endswith("x.dng")
    assert count == "502 of 504 pictures could not be drawn"
    assert files(tmp_path / "out") == ["a.jpg.portrait.png", "deep/er/b.jpg.portrait.png"]


def test_a_job_in_bulk_names_each_photo_that_cannot_be_read(photos, tmp_path, portrait):
    add(photos, "x.dng", "y.dng", data=b"II*\0" + bytes(99))
    add(photos, "noname", data=HEADS["a.psd"][1])
    code, out, err = portrait("stylize", photos, tmp_path / "out", "--engine", "local")
    assert code == 2 and out == f"{tmp_path / 'out'}\n"
    assert sorted(err.splitlines()) == [
        "2 drawn, 0 finished before",
        "3 of 5 pictures could not be drawn; manifest.jsonl in OUT says why",
        "skipped: 1 picture: Files of Photoshop cannot be read. Expected them exported as JPEG, "
        "PNG or TIFF. The first: noname",
        "skipped: 2 pictures: RAW photos of cameras cannot be read. Expected them developed to "
        "JPEG, PNG or TIFF. The first: x.dng",
    ]
    failed = {row["photo"]: row["failed"] for row in manifest(tmp_path / "out") if "failed" in row}
    assert failed.keys() == {"x.dng", "y.dng", "noname"} and "RAW" in failed["y.dng"]


def test_a_job_in_bulk_follows_links_and_names_shut_folders(photos, tmp_path, monkeypatch):
    add(tmp_path, "elsewhere/c.jpg")
    (photos / "linked").symlink_to(tmp_path / "elsewhere")
    (photos / "loop").symlink_to(photos)
    (photos / "shut").mkdir()
    shut(monkeypatch, photos / "shut")
    counts, ended = draw((photos, tmp_path / "out"))
    assert counts == {"drawn": 3, "failed": 1}
    assert "linked/c.jpg.portrait.png" in files(tmp_path / "out")
    assert "Permission denied" in ended["shut"].reason
    assert [row["photo"] for row in manifest(tmp_path / "out") if "failed" in row] == ["shut"]


def test_a_store_is_looked_through_like_a_folder():
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    for name in ("a.jpg", "0f3c9a", "deep/b.jfif", *HIDDEN[:3]):
        memory.pipe_file(f"/lot/{name}", EXAMPLE.read_bytes())
    memory.pipe_file("/lot/notes.txt", b"no picture")
    passed = PassedOver()
    try:
        photos = sorted(open_place("memory://lot").photos(passed))
    finally:
        memory.rm("/lot", recursive=True)
    assert photos == ["0f3c9a", "a.jpg", "deep/b.jfif"] and passed.hidden == 3


def test_a_shut_folder_costs_the_command_nothing_else(photos, tmp_path, portrait, monkeypatch):
    shut(monkeypatch, photos / "deep")
    code, out, err = portrait("stylize", photos, "-o", tmp_path / "out")
    assert code == 2 and out == f"{tmp_path / 'out'}\n"
    named, count = err.splitlines()
    assert named.startswith("skipped: Cannot read the folder (Permission denied)")
    assert count == "1 of 2 pictures could not be drawn"


@pytest.mark.parametrize("engine", [(), ("--engine", "local")])
def test_an_output_folder_that_is_shut_is_noticed_first(
    photos, tmp_path, portrait, monkeypatch, engine
):
    import tempfile

    from keras_portrait.inference.stylizer import Stylizer

    def refuse(dir):
        raise OSError(30, "Read-only file system", str(dir))

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    monkeypatch.setattr(Stylizer, "__call__", lambda *_, **__: pytest.fail("drawn for nothing"))
    for out in (tmp_path / "out" / "deep", tmp_path):
        code, said, err = portrait("stylize", photos, "-o", out, *engine)
        assert code == 2 and said == "" and len(err.splitlines()) == 1
        assert f"Cannot write into the folder (Read-only file system). Received: {out}" in err
    (tmp_path / "file").write_text("in the way")
    code, said, err = portrait("stylize", photos, "-o", tmp_path / "file" / "out", *engine)
    assert code == 2 and "Not a directory" in err and len(err.splitlines()) == 1


def test_prepare_takes_the_same_pictures_and_counts(photos, tmp_path, portrait, monkeypatch):
    add(photos, "c.jfif", "nosuffix", *HIDDEN)
    add(photos, "x.dng", data=b"II*\0" + bytes(99))
    add(photos, "cut.jpg", data=EXAMPLE.read_bytes()[:-300])
    (photos / "shut").mkdir()
    shut(monkeypatch, photos / "shut")
    data = tmp_path / "data"
    code, out, err = portrait("prepare", "--avatars", photos, "-o", data, "--size", "32")
    lines = out.splitlines()
    assert code == 2 and lines[0].startswith("avatars: 4 kept (")
    assert lines[0].endswith("2 dropped")
    assert "8 hidden or system files and folders passed over" in lines
    assert (
        f"left out: Cannot read the folder (Permission denied). Received: {photos / 'shut'}"
        in lines
    )
    cut, raw = err.splitlines()
    assert cut.startswith("cut.jpg: cannot be read (The picture is broken or cut short")
    assert raw.startswith("skipped: 1 picture: RAW photos")
    rows = [json.loads(line) for line in (data / "manifest.jsonl").read_text().splitlines()]
    dropped = {row["source"]: row["reason"] for row in rows if not row["kept"]}
    assert dropped.keys() == {"cut.jpg", "x.dng"} and "RAW" in dropped["x.dng"]
    add(data, "avatars/@eaDir/deep/a.png", "avatars/.DS_Store")
    code, out, _ = portrait("prepare", "--check", data)
    assert ", 2 hidden or system files and folders passed over" in out.splitlines()[-1]
    assert "@eaDir" not in out


def test_evaluate_lists_the_same_photos(photos):
    from keras_portrait.evaluation.inputs import find_photos, fingerprint

    add(photos, "c.jfif", "nosuffix", *HIDDEN)
    passed = PassedOver()
    listed = find_photos(photos, passed=passed)
    assert [photo.name for photo in listed] == ["a.jpg", "c.jfif", "deep/er/b.jpg", "nosuffix"]
    assert passed.hidden == 8
    before = fingerprint(listed)
    (photos / "c.jfif").unlink()
    os.mkfifo(photos / "c.jfif")
    assert len(fingerprint(listed)) == 64 and fingerprint(listed) != before


def test_the_demo_takes_the_same_pictures(photos, tmp_path, capsys):
    from keras_portrait_demo.once import is_photo
    from keras_portrait_demo.sources.camera import open_source

    add(photos, "nosuffix", "b.jfif")
    assert is_photo(str(photos / "nosuffix")) and is_photo(str(photos / "b.jfif"))
    assert not is_photo(str(photos)) and not is_photo("usb:0")
    for name in ("nosuffix", "b.jfif"):
        assert open_source(str(photos / name), 64, 48, paced=False).read().shape == (48, 64, 3)
    shutil.rmtree(photos)
    add(photos, "1.dng", "2.dng", data=b"II*\0" + bytes(99))
    Image.fromarray(np.full((9, 9), 99, np.uint8)).save(photos / "3.png")
    source = open_source(str(photos), 64, 48, paced=False)
    for _ in range(4):
        assert source.read().shape == (48, 64, 3)
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("portrait-demo: passed over: RAW photos") and line.endswith("1.dng")
