"""Folders and object stores behind one interface: the same answers, and one line for what fails."""

import contextlib
import errno
import io
import os
import sys
from pathlib import Path
from unittest import mock

import pytest

from keras_portrait import storage as stores
from keras_portrait.errors import InputError, MissingExtra, SettingError
from keras_portrait.storage import check_name, full_name, is_url, open_store, public_name

fsspec = pytest.importorskip("fsspec")


class Broken(fsspec.AbstractFileSystem):
    """A store that answers every request with the same error."""

    protocol = "broken"
    error: Exception

    def info(self, path, *given, **more):
        raise self.error

    find = cat_file = pipe_file = rm_file = info


@pytest.fixture(params=["folder", "memory", "simplecache::memory"])
def store(request, tmp_path):
    kind, name = request.param, f"{tmp_path.name}/data"
    yield open_store(tmp_path / "data" if kind == "folder" else f"{kind}://{name}")
    if kind != "folder":
        fsspec.filesystem("memory").store.clear()


@pytest.fixture
def broken():
    fsspec.register_implementation("broken", Broken, clobber=True)
    return open_store("broken://user:secret@bucket/faces?X-Signature=secret")


def test_what_is_written_is_listed_and_read(store):
    assert store.lengths() == {}
    store.write("a/b.bin", b"first")
    store.write("c.bin", b"other")
    store.write("a/b.bin", b"second")
    assert store.names() == ["a/b.bin", "c.bin"]
    assert store.lengths() == {"a/b.bin": 6, "c.bin": 5}
    assert store.read("a/b.bin") == b"second"
    assert (store.length("a/b.bin"), store.length("a/none.bin")) == (6, None)
    store.remove("c.bin")
    store.remove("c.bin")
    assert store.names() == ["a/b.bin"]


def test_a_file_is_read_at_any_place(store, monkeypatch):
    monkeypatch.setattr(stores, "CHUNK", 7)
    data = bytes(range(100))
    store.write("x.bin", data)
    with store.open("x.bin") as file:
        assert file.read() == data
        file.seek(90)
        assert file.read(3) == data[90:93]


def test_what_is_not_there_or_too_large_is_one_line(store):
    for read in (store.read, store.open):
        with pytest.raises(InputError, match=r"no such file.*Received: .*data/x\.bin"):
            read("x.bin")
    store.write("x.bin", b"12345")
    with pytest.raises(InputError, match="at most 4 bytes. Received: 5"):
        store.read("x.bin", most=4)


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "", ".", "a\0b"])
def test_no_name_leads_out(store, name):
    for ask in (store.read, store.open, store.length, store.remove, check_name):
        with pytest.raises(InputError, match="inside the folder"):
            ask(name)
    with pytest.raises(InputError, match="inside the folder"):
        store.write(name, b"")


def test_no_link_leads_out(tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "link").symlink_to(tmp_path / "other")
    with pytest.raises(InputError, match="a link leads out"):
        open_store(tmp_path / "data").write("link/x.bin", b"")
    assert not list((tmp_path / "other").iterdir())


def test_a_pipe_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="Expected a file"):
        open_store(tmp_path).read("pipe")


def test_a_damaged_disk_is_one_line(tmp_path, monkeypatch):
    there = open_store(tmp_path)
    there.write("x.bin", b"12345")
    error = OSError(errno.EIO, "Input/output error")
    damaged = mock.Mock(spec=io.BytesIO, read=mock.Mock(side_effect=error))
    monkeypatch.setattr(Path, "open", lambda *_: contextlib.nullcontext(damaged))
    with pytest.raises(InputError, match=r"\(Input/output error\).*x\.bin"):
        there.read("x.bin")


@pytest.mark.parametrize(
    "error", [PermissionError("Access Denied"), RuntimeError("Unable to locate credentials\nmore")]
)
def test_a_store_that_refuses_is_one_line(broken, monkeypatch, error):
    monkeypatch.setattr(Broken, "error", error, raising=False)
    reason = str(error).splitlines()[0]
    asked = [
        broken.lengths,
        lambda: broken.length("x"),
        lambda: broken.read("x"),
        lambda: broken.open("x"),
        lambda: broken.write("x", b""),
        lambda: broken.remove("x"),
    ]
    for ask in asked:
        with pytest.raises(InputError) as caught:
            ask()
        text = str(caught.value)
        assert reason in text and "broken://bucket/faces" in text
        assert "\n" not in text and "secret" not in text


def test_what_a_url_needs_is_named(monkeypatch):
    with pytest.raises(SettingError, match="URL that fsspec knows.*Received: nosuch://x"):
        open_store("nosuch://x")
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "s3fs", None)
        with pytest.raises(MissingExtra, match=r"s3:// needs one more package: .*s3fs"):
            open_store("s3://bucket/faces")
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(MissingExtra, match=r'pip install "keras-portrait\[store\]"'):
        open_store("s3://bucket/faces")


def test_names_of_places(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert is_url("s3://a/b") and not is_url("a/b") and not is_url(tmp_path)
    assert full_name("data") == str(tmp_path.resolve() / "data")
    assert full_name("s3://key:secret@bucket/faces?token=1") == "s3://bucket/faces"
    chain = "simplecache::s3://key:secret@bucket/faces"
    assert is_url(chain) and public_name(chain) == "simplecache::s3://bucket/faces"
    assert not is_url("a::b") and not is_url("a::/b//c")
    assert public_name("data?x") == "data?x"
    assert public_name("s3://key:sec@ret@bucket/a@b") == "s3://bucket/a@b"
    assert open_store(f"file://{tmp_path}/data").folder == tmp_path / "data"
