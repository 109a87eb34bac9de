import os
import sys

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

import bulk_drawers
from bulk_drawers import PREFIX
from bulk_jobs import draw, files, make_places
from conftest import EXAMPLE
from keras_portrait.errors import InputError, MissingExtra, SettingError
from keras_portrait.inference.bulk.errors import JobStopped
from keras_portrait.inference.bulk.names import is_photo, output_name
from keras_portrait.inference.bulk.places import Folder, RemoteFolder, open_place


@pytest.fixture
def places(tmp_path):
    return make_places(tmp_path)


@pytest.fixture
def memory():
    """The files of memory://, empty before and after."""
    files = MemoryFileSystem.store
    files.clear()
    yield fsspec.filesystem("memory")
    files.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]


class Unreachable(MemoryFileSystem):
    """A store whose every answer is an error; `wrong` makes it."""

    protocol = "unreachable"
    wrong = staticmethod(lambda: ConnectionError("no route\nto host"))
    cachable = False

    def refuse(self, *_, **__):
        raise self.wrong()

    ls = info = cat_file = pipe_file = refuse


fsspec.register_implementation("unreachable", Unreachable, clobber=True)


def test_memory_in_and_out(memory):
    for name in ("a.jpg", "deep/b.png", "notes.txt"):
        memory.pipe_file(f"/in/{name}", name.encode())
    there = "memory://in", "memory://out/drawings"
    assert draw(there)[0] == {"drawn": 2}
    assert memory.cat_file("/out/drawings/deep/b.png.portrait.png") == PREFIX + b"deep/b.png"
    [log] = memory.find("/out/drawings/manifest")
    assert len(memory.cat_file(log).splitlines()) == 2
    assert draw(there, make=bulk_drawers.never_ready)[0] == {"skipped": 2}
    memory.pipe_file("/in/a.jpg", b"changed")
    assert draw(there)[0] == {"drawn": 1, "skipped": 1}
    assert draw(there)[0] == {"skipped": 2}
    assert len(memory.find("/out/drawings/manifest")) == 2
    # A torn or foreign object among the logs is passed over.
    memory.pipe_file("/out/drawings/manifest/0.jsonl", memory.cat_file(log)[:-40] + b"\n\xff")
    assert draw(there)[0] == {"skipped": 2}


def test_chains_are_urls(memory, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    memory.pipe_file("/in/a.jpg", b"a")
    there = "simplecache::memory://in", "simplecache::memory://out"
    assert draw(there)[0] == {"drawn": 1} and draw(there)[0] == {"skipped": 1}
    assert memory.cat_file("/out/a.jpg.portrait.png") == PREFIX + b"a"
    assert open_place(there[0]).in_process and not list(tmp_path.iterdir())


def test_a_folder_to_memory_and_back(memory, places):
    assert draw((places[0], "memory://out"))[0] == {"drawn": 3}
    memory.pipe_file("/in/x.jpg", b"x")
    assert draw(("memory://in", f"file://{places[1]}"))[0] == {"drawn": 1}
    assert files(places[1]) == ["manifest.jsonl", "x.jpg.portrait.png"]


def test_the_command_takes_urls(portrait, memory):
    memory.pipe_file("/in/me.jpg", EXAMPLE.read_bytes())
    code, out, _ = portrait("stylize", "memory://in", "memory://out", "--engine", "local")
    assert (code, out) == (0, "memory://out\n")
    assert memory.cat_file("/out/me.jpg.portrait.png").startswith(b"\x89PNG")


def test_names_in_a_store_do_not_lead_out(memory, places):
    memory.pipe_file("/in/ok.jpg", b"ok")
    there = open_place("memory://in")
    there.photos = lambda passed: iter(["../evil.jpg", "/evil.jpg", "ok.jpg", "a/../../evil.jpg"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "keras_portrait.inference.bulk.job.open_place",
            lambda given: there if given == "memory://in" else open_place(given),
        )
        counts, ended = draw(("memory://in", places[1]))
    assert counts == {"drawn": 1, "failed": 3}
    assert "could lead out" in ended["../evil.jpg"].reason
    assert files(places[1].parent) == sorted(
        ["in/a.jpg", "in/b.png", "in/deep/c.jpg", "out/manifest.jsonl", "out/ok.jpg.portrait.png"]
    )


def test_a_store_whose_names_appear_early_gets_them_late(memory, places, monkeypatch):
    there = open_place("memory://out")
    monkeypatch.setattr(there, "_scheme", "sftp")
    seen = []
    monkeypatch.setattr(
        MemoryFileSystem,
        "mv",
        lambda self, part, path: (seen.append((part, path)), self.pipe_file(path, b"moved")),
    )
    there.write("a/b.png", b"drawing")
    [(part, path)] = seen
    assert path == "/out/a/b.png" and part.startswith("/out/a/.part-")

    def broken(*_):
        raise OSError("line cut")

    monkeypatch.setattr(MemoryFileSystem, "mv", broken)
    with pytest.raises(JobStopped, match="line cut"):
        there.write("a/c.png", b"drawing")
    assert memory.find("/out") == ["/out/a/.part-" + part.split("-", 1)[1], "/out/a/b.png"]


def test_what_is_told_of_a_url_without_photos_holds_no_secret(memory, monkeypatch):
    monkeypatch.setattr(RemoteFolder, "photos", lambda self, passed: iter(()))
    with pytest.raises(InputError, match=r"No pictures.*Received: memory://in$"):
        draw(("memory://in?signature=secret", "memory://out"))


def test_nothing_under_a_url(memory):
    with pytest.raises(InputError, match="nothing there to"):
        draw(("memory://none", "memory://out"))
    with pytest.raises(SettingError, match="must name a folder"):
        draw(("memory://", "memory://out"))


def test_folders_need_no_fsspec_and_urls_name_it(portrait, places, monkeypatch):
    for name in ("fsspec", "fsspec.core"):
        monkeypatch.setitem(sys.modules, name, None)
    assert draw(places)[0] == {"drawn": 3}
    code, out, err = portrait("stylize", "s3://bucket/photos", places[1], "--engine", "local")
    assert code == 2 and out == "" and 'pip install "keras-portrait[store]"' in err
    assert len(err.splitlines()) == 1


def test_kinds_of_store_that_are_not_there(places, monkeypatch):
    with pytest.raises(SettingError, match="that fsspec knows"):
        draw(("s33://bucket/photos", places[1]))
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(MissingExtra, match="needs one more package.*s3fs"):
        draw(("s3://bucket/photos", places[1]))


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (lambda: ConnectionError("no route\nto host"), "a store that can be reached"),
        (lambda: RuntimeError(), "a store that can be reached"),
        (lambda: PermissionError("403"), "credentials with access"),
        (lambda: ValueError("Unable to locate credentials"), "credentials with access"),
    ],
)
def test_a_store_that_cannot_be_reached(portrait, places, monkeypatch, wrong, text):
    monkeypatch.setattr(Unreachable, "wrong", staticmethod(wrong))
    for there in (("unreachable://b/in", places[1]), (places[0], "unreachable://b/out")):
        code, out, err = portrait("stylize", *there, "--engine", "local")
        assert code == 2 and out == "" and text in err and "unreachable://b" in err
        assert len(err.splitlines()) == 1


def test_a_store_that_is_lost_in_the_middle_leaves_what_is_finished(memory, monkeypatch):
    for index in range(12):
        memory.pipe_file(f"/in/{index:02d}.jpg", b"%d" % index)
    read, seen = MemoryFileSystem.cat_file, []

    def lost(self, path, **options):
        seen.append(path)
        if len(seen) > 7:
            raise ConnectionError("no route to host")
        return read(self, path, **options)

    monkeypatch.setattr(MemoryFileSystem, "cat_file", lost)
    with pytest.raises(JobStopped, match="no route to host"):
        draw(("memory://in", "memory://out"))
    monkeypatch.setattr(MemoryFileSystem, "cat_file", read)
    drawn = len(memory.glob("/out/*.portrait.png"))
    assert 0 < drawn <= 7
    counts = draw(("memory://in", "memory://out"))[0]
    assert counts == {"drawn": 12 - drawn, "skipped": drawn}


def test_a_photo_that_is_gone_again_is_noted(memory, places, monkeypatch):
    monkeypatch.setattr(Folder, "photos", lambda self, passed: iter(["a.jpg", "gone.jpg"]))
    counts, ended = draw(places)
    assert counts == {"drawn": 1, "failed": 1} and "no such file" in ended["gone.jpg"].reason
    memory.pipe_file("/in/a.jpg", b"a")
    there = open_place("memory://in")
    with pytest.raises(InputError, match="nothing there to"):
        there.read("gone.jpg")


@pytest.mark.parametrize(
    "name",
    ["../a.jpg", "/a.jpg", "a/../../b.jpg", "a//b.jpg", "./a.jpg", "a\nb.jpg", "\udcff.jpg"]
    + ["x" * 300 + ".jpg", "a/" + "ü" * 120 + ".jpg"],
)
def test_names_that_no_drawing_may_have(name):
    with pytest.raises(InputError) as error:
        output_name(name)
    assert len(str(error.value).splitlines()) == 1


def test_names_that_are_photos():
    assert all(map(is_photo, ("a.jpg", "a.b.JPEG", "ü 1:30.png", "a.portrait.png.jpg")))
    assert all(map(is_photo, ("a.jfif", "a.mpo", "a.avif", "IMG.HEIC", "a.dng")))
    refused = (".a.jpg", "a.jpg.portrait.png", ".part-1-a.png", "Thumbs.db")
    assert all(is_photo(name) is False for name in refused)
    # These are looked at.
    assert all(is_photo(name) is None for name in ("a.txt", "jpg"))


def test_a_link_does_not_lead_out_of_the_folder_of_drawings(places, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "precious").write_bytes(b"precious")
    places[1].mkdir()
    (places[1] / "deep").symlink_to(tmp_path / "elsewhere")
    (places[1] / "a.jpg.portrait.png").symlink_to(tmp_path / "precious")
    counts, ended = draw(places)
    assert counts == {"drawn": 2, "failed": 1}
    assert "link leads out" in ended["deep/c.jpg"].reason
    assert files(tmp_path / "elsewhere") == []
    # A link to a file is replaced, not followed.
    assert (tmp_path / "precious").read_bytes() == b"precious"
    assert (places[1] / "a.jpg.portrait.png").read_bytes() == PREFIX + b"a.jpg"


def test_a_link_that_appears_later_costs_one_photo(places, tmp_path):
    assert draw(places)[0] == {"drawn": 3}
    for target in (tmp_path / "elsewhere", "deep"):  # out of OUT; to itself
        deep = places[1] / "deep"
        deep.unlink() if deep.is_symlink() else deep.rename(tmp_path / "elsewhere")
        deep.symlink_to(target)
        counts, ended = draw(places)
        assert counts == {"skipped": 2, "failed": 1}
        assert "link leads out" in ended["deep/c.jpg"].reason


def test_leftovers_of_a_killed_job_are_removed_when_nobody_writes_them(places):
    places[1].mkdir()
    for name, age in ((".part-1-old.png", 7200), (".part-2-new.png", 0)):
        (places[1] / name).write_bytes(b"half")
        os.utime(places[1] / name, (0, (places[1] / name).stat().st_mtime - age))
    draw(places)
    assert ".part-2-new.png" in files(places[1]) and ".part-1-old.png" not in files(places[1])


def test_places_that_are_no_folders_of_photos(places, tmp_path):
    (tmp_path / "empty").mkdir()
    for source, text in ((tmp_path / "none", "No such folder"), (tmp_path / "empty", "No pict")):
        with pytest.raises(InputError, match=text):
            draw((source, places[1]))
    (tmp_path / "file").write_bytes(b"in the way")
    with pytest.raises(JobStopped, match="Received: .*file"):
        draw((places[0], tmp_path / "file"))
    os.mkfifo(places[0] / "pipe.jpg")
    counts, ended = draw(places)
    assert counts == {"drawn": 3, "failed": 1}
    assert "Expected a file" in ended["pipe.jpg"].reason
