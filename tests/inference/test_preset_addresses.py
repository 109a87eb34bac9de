"""Presets from files that somebody serves: bounded, checked, tried, and only then kept."""

import contextlib
import hashlib
import io
import os
import shutil
import socket
import ssl
import stat
import struct
import subprocess
import sys
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import numpy as np
import pytest

from keras_portrait.cli.compare import _parted
from keras_portrait.errors import InputError, SettingError
from keras_portrait.files import cache_folder
from keras_portrait.inference import metadata, presets
from keras_portrait.inference.addresses import cache, contents, web
from keras_portrait.inference.addresses.address import is_address, parse_address
from keras_portrait.inference.addresses.archive import unpack
from keras_portrait.inference.addresses.fetch import fetch_address
from keras_portrait.inference.metadata import split_model
from mutations import damage
from preset_hub import files_of, served
from tiny_preset import write_tiny_preset

SHA256 = "0" * 64


class Files(BaseHTTPRequestHandler):
    """Serves `hub.files`: path -> status, content, headers."""

    def do_GET(self):
        self.server.hub.asked.append(self.path)
        status, content, headers = self.server.hub.files[self.path]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def host():
    with served(Files) as server:
        yield server


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Files of a sound preset, by name."""
    return files_of(write_tiny_preset(tmp_path_factory.mktemp("served") / "tiny"))


@pytest.fixture(autouse=True)
def cached(tmp_path, monkeypatch):
    """The cache folder of this test."""
    monkeypatch.setenv("KERAS_PORTRAIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def serve(host):
    """Serves content under a name, and returns its address with the right checksum."""
    host.hub.files, host.hub.asked = {}, []

    def add(content, path="/tiny.zip", status=200, **headers):
        host.hub.files[path] = status, content, headers
        return f"{host.address}{path}#sha256={hashlib.sha256(content).hexdigest()}"

    return add


def zipped(files, method=zipfile.ZIP_DEFLATED):
    """A ZIP archive, the same at every time; a name may be a `ZipInfo`."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in files.items():
            plain = zipfile.ZipInfo(name) if isinstance(name, str) else name
            archive.writestr(plain, data, method)
    return file.getvalue()


def left_in(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def refused(address, cached, kind=InputError):
    """The line by which an address is refused; sees to it that nothing is kept."""
    with pytest.raises(kind) as error:
        presets.load_preset(address)
    assert left_in(cached) == [] and not list(cached.glob("presets/*"))
    text = str(error.value)
    assert "Received: " in text and str(cached) not in text
    return text


def test_a_preset_is_drawn_with_by_its_address_and_fetched_once(serve, host, tiny, tiny_preset):
    address = serve(zipped(tiny))
    generator = presets.load_preset(address)
    square = np.full((64, 64, 3), 200, np.uint8)
    style = np.float32([[0, 1]])
    expected = presets.load_preset(tiny_preset).draw(square, style)
    np.testing.assert_array_equal(generator.draw(square, style), expected)
    assert presets.load_preset(address).metadata.name == "tiny"
    assert host.hub.asked == ["/tiny.zip"]
    folder = presets.find_preset(address)
    assert files_of(folder) == tiny
    assert not any(path.stat().st_mode & 0o111 for path in folder.iterdir())
    # The checksum says which file it is, wherever it lies.
    elsewhere = address.replace("/tiny.zip", "/moved/copy.zip?signed=yes")
    assert presets.find_preset(elsewhere) == folder and host.hub.asked == ["/tiny.zip"]


def test_one_folder_around_the_files_and_what_systems_leave_there(serve, tiny):
    files = {f"tiny-main/{name}": data for name, data in tiny.items()}
    extra = {"__MACOSX/tiny-main/._portrait.json": b"\0", "tiny-main/.DS_Store": b"\0"}
    folder = presets.find_preset(serve(zipped(files | extra)))
    assert files_of(folder) == tiny


def test_a_model_file_is_a_preset_alone(serve, tiny, cached):
    folder = presets.find_preset(serve(tiny["tiny.tflite"], "/renamed.tflite"))
    assert sorted(files_of(folder)) == ["portrait.json", "tiny.tflite"]
    assert files_of(folder)["tiny.tflite"] == tiny["tiny.tflite"]
    shutil.rmtree(cached)
    bare = split_model(tiny["tiny.tflite"])[0]
    assert "has no portrait.json at its end" in refused(serve(bare, "/a.tflite"), cached)


def test_the_demo_and_evaluation_know_addresses(serve, tiny):
    from keras_portrait.cli.evaluate import _name
    from keras_portrait_demo.drawer import Drawer

    address = serve(zipped(tiny))
    drawer = Drawer(address, "bold", threads=1)
    assert drawer.preset == "tiny" and "tiny" in drawer.presets
    drawer.choose("fast")
    drawer.choose("tiny")
    assert drawer.preset == "tiny"
    assert _name(address) == "tiny.zip" and _name("hf://user/tiny") == "tiny"


def test_commands_draw_by_address(serve, tiny, portrait, tmp_path, tiny_preset):
    from conftest import EXAMPLE

    address = serve(zipped(tiny))
    by_folder, by_address = tmp_path / "a.png", tmp_path / "b.png"
    assert portrait("stylize", EXAMPLE, "-o", by_folder)[0] == 0
    assert portrait("stylize", EXAMPLE, "-o", by_address, preset=address)[0] == 0
    assert by_folder.read_bytes() == by_address.read_bytes()
    sheets = [tmp_path / "c.png", tmp_path / "d.png"]
    for preset, sheet in zip((tiny_preset, address), sheets, strict=True):
        given = f"{preset},{preset}:bold"
        assert portrait("compare", EXAMPLE, "--presets", given, "-o", sheet)[0] == 0
    assert sheets[0].read_bytes() == sheets[1].read_bytes()


def test_jobs_and_the_service_draw_by_address(serve, tiny, cached):
    from keras_portrait.inference.bulk.drawing import drawing_options

    address = serve(zipped(tiny))
    options = drawing_options(address)
    assert options.preset == str(presets.find_preset(address)) and options.preset_name == "tiny"
    pytest.importorskip("fastapi", reason="the extra serve is not installed")
    from keras_portrait.serve.studio import offered_presets

    assert list(offered_presets((address,))) == ["tiny"]


@pytest.mark.parametrize(
    "given, name, style",
    [
        ("hf://user/tiny", "hf://user/tiny", None),
        ("hf://user/tiny@refs/pr/1:bold", "hf://user/tiny@refs/pr/1", "bold"),
        ("https://host:8443/a.zip#sha256=0", "https://host:8443/a.zip#sha256=0", None),
        ("https://host:8443/a.zip#sha256=0:1", "https://host:8443/a.zip#sha256=0", "1"),
        ("portrait:ink", "portrait", "ink"),
        ("portrait", "portrait", None),
    ],
)
def test_a_style_stands_behind_an_address(given, name, style):
    assert _parted(given) == (name, style)


def test_what_an_address_means():
    address = parse_address("hf://user/my.preset_1@v1.0/a")
    assert (address.place, address.revision) == ("user/my.preset_1", "v1.0/a")
    assert parse_address("hf://user/name@main") == parse_address("hf://user/name")
    address = parse_address(f"https://some.host/a.zip?key=secret#sha256={'AB' * 32}")
    assert address.place == "https://some.host/a.zip?key=secret"
    assert address.sha256 == "ab" * 32 and "secret" not in address.text
    for local in ("http://127.0.0.1:80/a.zip", "http://localhost/a.zip", "http://[::1]/a.zip"):
        assert parse_address(f"{local}#sha256={SHA256}").place == local
    assert is_address("hf://x") and not is_address(Path("hf/x")) and not is_address("s3://a/b.zip")
    assert presets.is_preset("hf://user/name") and not presets.is_preset("user/name")


@pytest.mark.parametrize(
    "given, words",
    [
        ("hf://name", "Expected hf://user/name, or hf://user/name@REVISION"),
        ("hf://user/name/folder", "Expected hf://user/name, or hf://user/name@REVISION"),
        ("hf://user/../name", "Expected hf://user/name, or hf://user/name@REVISION"),
        ("hf://user/name@../x", "Expected hf://user/name, or hf://user/name@REVISION"),
        ("https://host/a.zip", "lacks the checksum of its file. Expected #sha256="),
        ("https://host/a.zip#md5=00", "lacks the checksum of its file. Expected #sha256="),
        (f"https://host/a.zip#sha256={'0' * 63}", "lacks the checksum of its file."),
        (f"https://host/a.tar#sha256={SHA256}", "Expected the address of a .zip file"),
        (f"http://some.host/a.zip#sha256={SHA256}", "over https, not over http."),
        (f"http://127.0.0.1.host/a.zip#sha256={SHA256}", "over https, not over http."),
        (f"https://me:secret@host/a.zip#sha256={SHA256}", "without a name and password."),
        (f"https:///a.zip#sha256={SHA256}", "Not an address of a preset."),
        (f"https://[::1/a.zip#sha256={SHA256}", "Not an address of a preset."),
        (f"https://host:http/a.zip#sha256={SHA256}", "Not an address of a preset."),
        (f"https://host/a b.zip#sha256={SHA256}", "Not an address of a preset."),
    ],
)
def test_addresses_that_are_none(given, words, cached):
    text = refused(given, cached, SettingError)
    assert words in text and "secret" not in text


@pytest.mark.parametrize("served_as", ["status", "another", "short", "redirect", "loop"])
def test_servers_that_answer_otherwise(serve, host, tiny, cached, served_as):
    data = zipped(tiny)
    address = serve(data)
    answers, words = {
        "status": ((404, b"", {}), "the server answers 404 Not Found"),
        "another": ((200, data + b"x", {}), "not the one that the checksum was made of. Expected"),
        "short": (
            (200, data[:-9], {"Content-Length": str(len(data))}),
            f"The connection ended early. Expected {len(data)} bytes. Received: {len(data) - 9}",
        ),
        "redirect": ((302, b"", {"Location": "file:///etc/passwd"}), "Expected http. Received: f"),
        "loop": ((302, b"", {"Location": "/tiny.zip"}), "The address leads on and on."),
    }[served_as]
    host.hub.files["/tiny.zip"] = answers
    assert words in refused(address, cached)


@pytest.mark.parametrize("scheme", ["https", "HTTPS", "ftp", "file", "data"])
def test_redirects_stay_with_their_scheme(serve, host, tiny, cached, scheme):
    address = serve(zipped(tiny))
    location = host.address.replace("http", scheme) + "/other.zip"
    host.hub.files["/tiny.zip"] = 301, b"", {"Location": location}
    expected = f"leads on to another scheme. Expected http. Received: {scheme.lower()} from"
    assert expected in refused(address, cached)
    host.hub.files["/other.zip"] = 200, zipped(tiny), {}
    host.hub.files["/tiny.zip"] = 308, b"", {"Location": "/other.zip"}
    assert presets.load_preset(address).metadata.name == "tiny"


def test_redirects_over_http_stay_on_this_machine(serve, host, cached):
    address = serve(b"", status=302, Location="http://192.0.2.1/tiny.zip")
    text = refused(address, cached)
    assert "Expected https, or this machine. Received: 192.0.2.1 from" in text


def test_a_server_that_sends_a_byte_now_and_then(monkeypatch, cached):
    monkeypatch.setattr(web, "_LONGEST", 0.2)
    with socket.create_server(("localhost", 0)) as server:
        port = server.getsockname()[1]
        address = f"http://localhost:{port}/tiny.zip#sha256={SHA256}"
        threading.Thread(target=drip, args=(server,), daemon=True).start()
        assert "(it takes longer than 0.2 seconds)" in refused(address, cached)


def drip(server):
    """A header that never ends."""
    with contextlib.suppress(OSError), server.accept()[0] as client:
        client.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        while True:
            client.sendall(b"x")
            time.sleep(0.05)


def test_a_disk_that_takes_no_file_is_not_the_network(serve, tiny, tmp_path):
    address = parse_address(serve(zipped(tiny)))
    with pytest.raises(InputError, match=r"^Cannot write the file \(No such file or directory\)"):
        web.download(address, tmp_path / "none" / "fetched", 2**20)


def test_files_that_are_too_large(serve, host, tiny, cached, monkeypatch):
    address = serve(zipped(tiny), **{"Content-Length": str(2**30 + 1)})
    assert "The file is too large. Expected at most 1073741824 bytes." in refused(address, cached)
    monkeypatch.setattr("keras_portrait.inference.addresses.fetch.MOST_MODEL", 1000)
    assert "at most 1000 bytes. Received: more" in refused(serve(zipped(tiny)), cached)
    monkeypatch.undo()
    monkeypatch.setenv("KERAS_PORTRAIT_CACHE", str(cached))
    monkeypatch.setattr(metadata, "MOST_MODEL", 1000)
    text = refused(serve(zipped(tiny)), cached)
    assert "A file of the preset is too large. Expected at most 1000 bytes." in text
    assert f"{len(tiny['tiny.tflite'])} bytes in tiny.tflite of http" in text


def link(name):
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


SURPLUS = "and no other files. Received: "
ARCHIVES = {
    "climbs": (lambda files: {**files, "../up.png": b""}, "leads out of it. Received: '../up.png'"),
    "climbs inside": (lambda files: {**files, "a/../../b.md": b""}, "leads out of it."),
    "absolute": (lambda files: {**files, "/etc/a.md": b""}, "leads out of it. Received: '/etc/a"),
    "backslash": (lambda files: {**files, "..\\up.md": b""}, SURPLUS),
    "a link": (lambda files: {**files, link("a.md"): b"/etc/passwd"}, "Expected plain files"),
    "a program": (lambda files: {**files, "run.sh": b"#!/bin/sh\n"}, SURPLUS + "run.sh in"),
    "a module": (lambda files: {**files, "portrait.py": b""}, SURPLUS + "portrait.py in"),
    "a library": (lambda files: {**files, "libtiny.so": b""}, SURPLUS + "libtiny.so in"),
    "a hidden file": (lambda files: {**files, ".profile": b""}, SURPLUS + ".profile in"),
    "a folder": (lambda files: {**files, "more/a.md": b""}, SURPLUS + "more/a.md in"),
    "a second model": (lambda files: {**files, "b.tflite": b""}, "has one model, a .tflite file."),
    "no contract": (lambda files: without(files, "portrait.json"), "The preset lacks portrait"),
    "no model": (lambda files: without(files, "tiny.tflite"), "has one model, a .tflite file."),
    "another model": (
        lambda files: {**without(files, "tiny.tflite"), "b.tflite": files["tiny.tflite"]},
        "tiny.tflite",
    ),
    "two of a name": (lambda files: {**files, "a.md": b"", "A.md": b""}, "a name of its own."),
    "many files": (lambda files: {**files, **{f"{i}.md": b"" for i in range(30)}}, "at most 32"),
    "a bomb": (lambda files: {**files, "a.md": bytes(2**21)}, "more than 200 times its size."),
    "a long contract": (
        lambda files: {**files, "portrait.json": bytes(2**24 + 1)},
        "Expected at most 16777216 bytes. Received: 16777217 bytes in portrait.json",
    ),
    "a broken contract": (lambda files: {**files, "portrait.json": b"{"}, "is not valid JSON."),
    "nothing": (lambda files: {}, "The preset lacks portrait.json."),
}


def without(files, name):
    return {other: data for other, data in files.items() if other != name}


@pytest.mark.parametrize("kind", ARCHIVES)
def test_archives_that_hold_no_preset(serve, tiny, cached, tmp_path, kind):
    make, words = ARCHIVES[kind]
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert words in refused(serve(zipped(make(tiny))), cached)
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == before


def test_archives_that_are_damaged_or_forged(serve, tiny, cached):
    whole = zipped(tiny)
    assert "no whole ZIP archive" in refused(serve(whole[:-30]), cached)
    assert "no whole ZIP archive" in refused(serve(b"<html>"), cached)
    stored = bytearray(zipped(tiny, zipfile.ZIP_STORED))
    stored[stored.index(b"The mean")] ^= 1
    assert "no whole ZIP archive" in refused(serve(bytes(stored)), cached)
    # Told to be short, in both tables: no more is unpacked than that.
    forged = zipped({**tiny, "a.md": bytes(2**20)})
    forged = forged.replace((2**20).to_bytes(4, "little"), (100).to_bytes(4, "little"))
    assert "no whole ZIP archive" in refused(serve(forged), cached)
    twice = zipped({**tiny, "b.md": b"1", "c.md": b"2"}).replace(b"c.md", b"b.md")
    assert "each once. Received: 'b.md'" in refused(serve(twice), cached)
    assert "Expected plain files" in refused(serve(zipped(tiny, zipfile.ZIP_LZMA)), cached)


@pytest.mark.parametrize("kind", ["zip", "zip64"])
def test_archives_of_very_many_files_are_not_looked_at(tmp_path, monkeypatch, kind):
    one = zipped({"a.md": b""})
    begin, end = one.index(b"PK\1\2"), one.index(b"PK\5\6")
    count = 200_000
    table = one[begin:end] * count
    record = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count % 65536, 1, len(table), begin, 0)
    if kind == "zip64":  # of which the old record says nothing
        at = begin + len(table)
        new = struct.pack(
            "<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, len(table), begin
        )
        record = new + struct.pack("<4sLQL", b"PK\6\7", 0, at, 1) + one[end:]
    (tmp_path / "many.zip").write_bytes(one[:begin] + table + record)
    (tmp_path / "made").mkdir()
    monkeypatch.setattr(zipfile, "ZipInfo", lambda *_: pytest.fail("its rows are read"))
    with pytest.raises(InputError, match=f"far more files.*131072 bytes. Received: {len(table)} b"):
        unpack(tmp_path / "many.zip", tmp_path / "made", "there")


def test_archives_that_are_damaged_anywhere(tiny, tmp_path):
    whole, archive = zipped(tiny), tmp_path / "damaged.zip"
    tables = whole.index(b"PK\1\2")
    for seed in range(60):
        rng = np.random.default_rng(seed)
        start = tables if seed % 2 else 0
        archive.write_bytes(whole[:start] + damage(whole[start:], rng)[1])
        folder = tmp_path / str(seed)
        folder.mkdir()
        try:
            unpack(archive, folder, "here")
            assert set(files_of(folder)) == set(tiny)
        except InputError as error:
            assert str(error).endswith("here") and "Cannot" not in str(error)
    assert {path.name for path in tmp_path.iterdir()} == {archive.name, *map(str, range(60))}


def test_what_a_preset_says_is_checked_as_of_any_other(serve, tiny, cached):
    model = bytearray(tiny["tiny.tflite"])
    model[100] ^= 1
    altered = zipped({**tiny, "tiny.tflite": bytes(model)})
    assert "its sha256 differs" in refused(serve(altered), cached)
    bare = split_model(tiny["tiny.tflite"])[0]
    forged = bare[:18] + b"\0" + bare[19:]
    contract = tiny["portrait.json"].replace(
        hashlib.sha256(bare).hexdigest().encode(), hashlib.sha256(forged).hexdigest().encode()
    )
    crashing = zipped({**tiny, "tiny.tflite": forged, "portrait.json": contract})
    text = refused(serve(crashing), cached)
    assert "The model crashes the runtime" in text and "/tiny.zip#sha256=" in text
    other = tiny["portrait.json"].replace(b'"channels": 1', b'"channels": 3')
    fits_not = zipped({**tiny, "portrait.json": other})
    assert "does not fit its metadata" in refused(serve(fits_not), cached)


def test_offline_it_says_what_is_cached(serve, tiny):
    gone = f"http://127.0.0.1:9/a.zip#sha256={SHA256}"
    with pytest.raises(cache.Unreachable, match=r"refused\). No preset is cached. Received: http"):
        presets.load_preset(gone)
    address = serve(zipped(tiny))
    presets.load_preset(address)
    with pytest.raises(cache.Unreachable) as error:
        presets.load_preset(gone)
    assert f"Connection refused). Cached are: {address}. Received: {gone}" in str(error.value)


def test_the_commands_get_and_list(serve, tiny, portrait, cached, monkeypatch, tmp_path):
    write_tiny_preset(tmp_path / "built-in" / "tiny")
    monkeypatch.setattr(presets, "BUILT_IN", tmp_path / "built-in")
    address = serve(zipped(tiny))
    code, out, err = portrait("presets", "get", address)
    folder = presets.find_preset(address)
    said = [
        f"{address}: the mean of red, green and blue",
        "  none: photo to drawing, 64 x 64",
        "  --style 0 or thin",
        "  --style 1 or bold",
    ]
    assert (code, out.splitlines(), err) == (0, [*said, f"  in {folder}"], "")
    assert folder.is_relative_to(cached)
    code, out, _ = portrait("presets")
    assert code == 0 and out.splitlines()[4:8] == said
    (folder / "tiny.tflite").write_bytes(b"damaged")
    code, out, err = portrait("presets")
    assert code == 0 and said[0] not in out and "its sha256 differs" in err
    code, _, _ = portrait("presets", "get", address)
    assert code == 0 and files_of(folder) == tiny
    code, out, err = portrait("presets", "get", "tiny")
    assert (code, out) == (2, "") and err.count("\n") == 1
    assert "Expected hf://user/name, or https://host/name.zip#sha256=" in err


def test_entries_of_the_cache_that_are_forged(serve, tiny, cached):
    address = serve(zipped(tiny))
    folder = presets.find_preset(address)
    [entry] = (cached / "presets").glob("*.json")
    text = entry.read_text()
    outside = cached.parent / folder.name
    shutil.copytree(folder, outside)
    for forged in ("[]", "{", text.replace(folder.name, f"../../{folder.name}"), '{"format": 2}'):
        entry.write_text(forged)
        assert cache.list_cached() == []
        assert cache.find_cached(parse_address(address)) is None
    assert presets.find_preset(address) == folder and entry.read_text() == text


def test_what_killed_processes_left_is_removed_after_a_day(serve, tiny, cached):
    old, new = cached / "presets" / ".part-1-old", cached / "presets" / ".part-2-new"
    for part in (old, new):
        part.mkdir(parents=True)
    os.utime(old, (time.time() - 2 * 86400,) * 2)
    presets.find_preset(serve(zipped(tiny)))
    assert not old.exists() and new.exists()


def test_a_cache_that_cannot_be_written(serve, tiny, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KERAS_PORTRAIT_CACHE", str(tmp_path / "file"))
    with pytest.raises(InputError, match="Cannot make the folder .*file"):
        presets.load_preset(serve(zipped(tiny)))


def test_where_the_cache_is(monkeypatch, tmp_path):
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.setenv("KERAS_PORTRAIT_CACHE", "~/presets")
    assert cache_folder() == Path.home() / "presets"
    monkeypatch.delenv("KERAS_PORTRAIT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "keras-portrait"


def test_another_process_may_come_first(serve, tiny, cached):
    address = serve(zipped(tiny))

    def finish_elsewhere(made):
        with cache.new_folder() as part:
            cache.keep(parse_address(address), Path(shutil.copytree(made, part / "preset")))

    folder = fetch_address(address, finish_elsewhere)
    assert files_of(folder) == tiny and presets.find_preset(address) == folder
    assert len(list((cached / "presets").iterdir())) == 2  # the folder and its entry


@pytest.mark.slow
def test_two_processes_fetch_at_once(serve, host, tiny, cached):
    address = serve(zipped(tiny))
    code = "import sys; from keras_portrait.inference.presets import find_preset as find; "
    command = [sys.executable, "-c", code + "print(find(sys.argv[1]))", address]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = {process.communicate(timeout=60)[0] for process in running}
    assert said == {f"{presets.find_preset(address)}\n"}
    assert [process.returncode for process in running] == [0, 0]
    assert len(list((cached / "presets").iterdir())) == 2


def test_progress_is_shown_on_a_terminal_alone(serve, tiny, monkeypatch, capsys, cached):
    address = serve(zipped(tiny), **{"Content-Length": str(len(zipped(tiny)))})
    presets.load_preset(address)
    assert capsys.readouterr().err == ""
    shutil.rmtree(cached)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    presets.load_preset(address)
    assert capsys.readouterr().err == "\rtiny.zip: 0.0 of 0.0 MB\x1b[K\r\x1b[K"


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl makes the certificate")
def test_certificates_are_checked(serve, host, tiny, tmp_path, monkeypatch, cached):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 "
        f"-subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout {key} -out {certificate}"
    )
    subprocess.run(command.split(), check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    data = zipped(tiny)
    with served(Files) as server:
        server.hub.files = {"/tiny.zip": (200, data, {})}
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None  # the client that hangs up
        place = f"https://localhost:{server.server_port}/tiny.zip"
        address = f"{place}#sha256={hashlib.sha256(data).hexdigest()}"
        assert "self-signed certificate" in refused(address, cached)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert presets.load_preset(address).metadata.name == "tiny"
        server.hub.files["/down.zip"] = 302, b"", {"Location": f"{host.address}/tiny.zip"}
        down = f"https://localhost:{server.server_port}/down.zip#sha256={SHA256}"
        with pytest.raises(InputError, match="Expected https. Received: http from"):
            presets.load_preset(down)


def test_only_names_of_presets_are_part_of_one():
    for name in ("portrait.json", "a.tflite", "README.md", "worst.png", "LICENSE", "NOTICE.txt"):
        assert contents.is_part(name), name
    for name in ("a.json", "a.keras", "a.svg", "a/b.md", ".a.md", "a\\b.md", "a\n.md", "Makefile"):
        assert not contents.is_part(name), name
