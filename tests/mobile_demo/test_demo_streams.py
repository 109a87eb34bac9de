"""Streams and videos from an address: played, broken off, refused, and never with a password."""

import contextlib
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from keras_portrait.errors import InputError, SettingError
from keras_portrait.inference.video.source import SourceLost
from keras_portrait_demo.__main__ import main
from keras_portrait_demo.drawer import Drawer
from keras_portrait_demo.live import Live
from keras_portrait_demo.once import is_photo
from keras_portrait_demo.sources import streams
from keras_portrait_demo.sources.camera import open_source
from keras_portrait_demo.sources.streams import Stream, WebVideo, name_of
from keras_portrait_demo.web.server import WebView
from stream_server import PASSWORD, SECRET, CameraServer, RtspServer
from videos import video_writer
from waiting import wait_until

pytestmark = pytest.mark.usefixtures("no_thread_is_left")


@pytest.fixture
def server():
    with CameraServer() as server:
        yield server


@pytest.fixture
def rtsp():
    with RtspServer() as server:
        yield server


@pytest.fixture
def little_patience(monkeypatch):
    monkeypatch.setattr(streams, "OPEN_SECONDS", 1)
    monkeypatch.setattr(streams, "STALL_SECONDS", 1)


def levels(source, count) -> list[int]:
    """Gray levels of the next frames, in steps of 20."""
    return [round(source.read().mean() / 20) for _ in range(count)]


def write_video(path, frames=12, codec="MJPG") -> bytes:
    """Frames that are 20 levels brighter each, 20 a second."""
    writer = video_writer(path, 20.0, (64, 48))
    for number in range(frames):
        writer.write(np.full((48, 64, 3), 20 * number % 240, np.uint8))
    writer.release()
    return path.read_bytes().replace(b"MJPG", codec.encode())


@pytest.mark.parametrize("path", ["stream.mjpg", "stream.mjpg?token=s3cret"])
def test_mjpeg_over_http_is_played_frame_by_frame(server, path):
    source = open_source(f"http://{server.address}/{path}", 640, 480)
    with contextlib.closing(source):
        assert isinstance(source, Stream) and source.name == f"http://{server.address}/stream.mjpg"
        assert levels(source, 6) == [0, 1, 2, 3, 4, 5] and source.skipped == 0
        assert source.read().shape == (48, 64, 3)  # never larger than it comes
    assert server.asked[0] == f"/{path}"


def test_a_larger_stream_is_made_smaller_and_keeps_its_shape(server):
    server.size = (320, 160)
    source = open_source(f"http://{server.address}/stream.mjpg", 64, 48)
    with contextlib.closing(source):
        assert source.read().shape == (32, 64, 3)


def test_rtsp_is_played_frame_by_frame(rtsp):
    source = open_source(f"rtsp://{rtsp.address}/camera")
    with contextlib.closing(source):
        assert isinstance(source, Stream) and source.name == f"rtsp://{rtsp.address}/camera"
        assert levels(source, 6) == [0, 1, 2, 3, 4, 5]


def test_a_password_opens_the_stream_and_is_never_shown(server, tiny_preset, capfd):
    address = f"http://{SECRET}{server.address}/secret.mjpg"
    live = Live(open_source(address), Drawer(tiny_preset, threads=1))
    with live, WebView(live, port=0):
        assert live.wait_newer(-1, 10).photo.shape == (48, 64, 3)
        server.files["secret.mjpg"] = 404  # a stream's own answer goes before
        text = repr(live.status())
        server.most = 0
        wait_until(lambda: live.error)
        text += repr(live.status()) + live.error
    assert f"http://{server.address}/secret.mjpg" in text
    text += "".join(capfd.readouterr())
    assert all(part not in text for part in (PASSWORD, SECRET, "s3cret"))


def test_the_demo_reads_the_stream_of_another_one(live, view):
    live.play()
    source = open_source(f"{view.url}stream.mjpg")
    with contextlib.closing(source):
        assert source.read().shape == (48, 64, 3)


@pytest.mark.parametrize("stalls", [False, True], ids=["ends", "stands still"])
def test_a_stream_that_breaks_off_is_lost_and_comes_back(server, stalls, little_patience):
    server.most, server.stalls = 6, stalls
    source = open_source(f"http://{server.address}/stream.mjpg")
    with contextlib.closing(source):
        text = "sends no more pictures" if stalls else "broke off"
        with pytest.raises(SourceLost, match=f"The stream {text}. Received: http://[0-9.:]+/str"):
            levels(source, 7)
        server.files["gone"] = 503
        source._url = f"http://{server.address}/gone"
        with pytest.raises(SourceLost, match="refuses, with code 503"):
            source.reopen()
        with pytest.raises(SourceLost, match="not open"):
            source.read()
        source._url = f"http://{server.address}/stream.mjpg"
        source.reopen()
        assert levels(source, 3) == [0, 1, 2]


def test_page_and_log_say_that_a_stream_broke_off(server, tiny_preset):
    server.most = 5
    source = open_source(f"http://{server.address}/stream.mjpg")
    live = Live(source, Drawer(tiny_preset, threads=1))
    with live:
        wait_until(lambda: live.error)
        assert live.error == f"Reconnecting. The stream broke off. Received: {source.name}"
        assert live.status()["error"] == live.error and not live.status()["found"]
        asked = len(server.asked)
        wait_until(lambda: len(server.asked) > asked)  # it tries by itself
        server.most = 10**9
        frames = live.status()["frames"]
        wait_until(lambda: live.status()["frames"] > frames + 5 and live.error is None)


FAULTS = {
    "http://{}/page": r"with no video that OpenCV reads \(text/html\).*not of the page",
    "http://{}/none": r"nothing at this address \(404\)",
    "http://{}/busy": "refuses, with code 503",
    "http://{}/secret.mjpg": r"asks for a name and a password \(401\)",
    "http://me:guess@{}/secret.mjpg": r"name or password in it may be wrong \(401\)",
    "http://{}/new.avi": r"cannot decode the stream's codec \(ZZZZ\).*ffmpeg",
    "https://{}/page": "does not speak TLS",
    "rtsp://{}/page": "does not speak the protocol",
}


@pytest.mark.parametrize("address", FAULTS)
def test_each_cause_has_its_own_line(address, server, tmp_path, capfd):
    server.files["page"] = ("text/html", b"<html></html>")
    server.files["busy"] = 503
    server.files["new.avi"] = ("video/x-msvideo", write_video(tmp_path / "a.avi", codec="ZZZZ"))
    with pytest.raises(SourceLost, match=FAULTS[address]) as raised:
        open_source(address.format(server.address))
    text = str(raised.value)
    assert text.endswith(f" Received: {name_of(address.format(server.address))}")
    assert "\n" not in text and "guess" not in text
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("status", "text"), [(401, "asks for a name"), (454, "with code 454")])
def test_rtsp_that_refuses(rtsp, status, text):
    rtsp.refuses = status
    with pytest.raises(SourceLost, match=text):
        open_source(f"rtsp://{rtsp.address}/camera")


@pytest.mark.parametrize("scheme", ["http", "rtsp"])
def test_where_nobody_answers(scheme, monkeypatch):
    monkeypatch.setattr(streams, "OPEN_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(SourceLost, match="Nothing answers at the address within 0.3 seconds"):
            open_source(f"{scheme}://{address}/")
    with pytest.raises(SourceLost, match="the host refuses the connection"):
        open_source(f"{scheme}://{address}/")
    with pytest.raises(SourceLost, match="host of the address is not known"):
        open_source(f"{scheme}://no.such.host.invalid/")


def test_a_stream_that_answers_and_sends_no_picture(server, little_patience):
    server.most, server.stalls = 0, True
    with pytest.raises(SourceLost, match="answers, but sends no picture within 1 seconds"):
        open_source(f"http://{server.address}/stream.mjpg")


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("ftp://me:s3cret@host/a", "begins with rtsp://.* Received: ftp://host/a$"),
        ("rtsp://", "names a host"),
        ("http://me:s3c/ret@host/", "Not an address"),
        ("http://me:s3c?ret@host/", "Not an address"),
        ("http://me:s3c#ret@host/", "Not an address"),
        ("http://[::1/", "Not an address"),
        ("http://host/a b", "with spaces"),
    ],
)
def test_what_is_no_address(address, text):
    with pytest.raises(SettingError, match=text) as raised:
        open_source(address)
    assert "s3c" not in str(raised.value)


def test_names_of_addresses_hold_no_password():
    assert name_of("rtsp://me:a@b@host:554/live?token=1#x") == "rtsp://host:554/live"
    assert name_of("rtsp://host/live") == "rtsp://host/live"
    assert name_of("rtsp://me:1/secret@host/live") == "rtsp://...@host/live"


@pytest.mark.parametrize("loop", [False, True])
def test_a_video_on_a_web_server_ends_or_starts_again(server, tmp_path, loop):
    server.files["a.avi"] = ("video/x-msvideo", write_video(tmp_path / "a.avi"))
    source = open_source(f"http://{server.address}/a.avi", 64, 48, loop=loop, paced=False)
    with contextlib.closing(source):
        assert isinstance(source, WebVideo) and source.name == f"http://{server.address}/a.avi"
        assert levels(source, 12) == list(range(12))
        if loop:
            assert levels(source, 2) == [0, 1]
        else:
            assert source.read() is None


def test_a_video_on_a_web_server_that_breaks_off_is_told_and_begun_again(server, tmp_path):
    data = write_video(tmp_path / "a.avi", frames=100)
    server.files["a.avi"] = ("video/x-msvideo", data)
    server.most = len(data) // 2
    source = open_source(f"http://{server.address}/a.avi", 64, 48, paced=False)
    with contextlib.closing(source):
        with pytest.raises(SourceLost, match=r"broke off after frame \d\d of 100; it begins again"):
            levels(source, 100)
        source.reopen()
        assert levels(source, 2) == [0, 1]
        with pytest.raises(InputError, match=r"breaks off after frame \d\d of 100 each time"):
            levels(source, 100)


def test_an_address_is_no_photo_whatever_it_ends_in():
    assert is_photo("a.jpg") and not is_photo("http://host/a.jpg")


@pytest.mark.parametrize("paced", [False, True])
def test_too_large_pictures_are_refused(server, paced, monkeypatch):
    monkeypatch.setattr(streams, "MAX_PIXELS", 64 * 48 - 1)
    with pytest.raises(SourceLost, match="too large.* 64 x 48, http://"):
        open_source(f"http://{server.address}/stream.mjpg", paced=paced)


def test_every_wait_ends_when_asked(server, monkeypatch):
    monkeypatch.setattr(streams, "READ_SECONDS", 0.1)
    server.most, server.stalls = 3, True
    stopping = threading.Event()
    source = open_source(f"http://{server.address}/stream.mjpg", stopping=stopping)
    levels(source, 3)
    threading.Timer(0.1, stopping.set).start()
    started = time.monotonic()
    with pytest.raises(SourceLost, match="The demo ends"):
        source.read()
    source.close()
    assert time.monotonic() - started < streams.STALL_SECONDS - 1
    server.ends.set()
    stopping.clear()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        threading.Timer(0.1, stopping.set).start()
        started = time.monotonic()
        with pytest.raises(SourceLost, match="The demo ends"):
            open_source(f"http://127.0.0.1:{silent.getsockname()[1]}/", stopping=stopping)
        assert time.monotonic() - started < streams.OPEN_SECONDS - 3
    # What FFmpeg does meanwhile ends with the connection.
    wait_until(lambda: "portrait stream" not in [each.name for each in threading.enumerate()])


def test_sigterm_ends_the_command_while_a_stream_is_awaited():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://me:s3cret@127.0.0.1:{silent.getsockname()[1]}/"
        command = [sys.executable, "-m", "keras_portrait_demo", "--source", address]
        process = subprocess.Popen(
            [*command, "--preset", "fast", "--view", "none"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            with silent.accept()[0] as connection:
                connection.recv(100)  # it has asked, and waits
                started = time.monotonic()
                process.terminate()
                assert process.communicate(timeout=20) == ("", "")
                assert time.monotonic() - started < streams.OPEN_SECONDS - 3
            assert process.returncode == 0
        finally:
            process.kill()


def test_a_drawing_of_a_stream_is_made_once(server, tiny_preset, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("keras_portrait.inference.video.snapshot.FACE_SECONDS", 0.5)
    options = ["--source", f"http://{SECRET}{server.address}/stream.mjpg"]
    options += ["--once", str(tmp_path / "out.png"), "--preset", str(tiny_preset)]
    assert main(options) == 2
    error = capsys.readouterr().err
    assert "No face found" in error and error.count("\n") == 1 and "s3cret" not in error


def test_an_address_may_hold_letters_of_any_alphabet(server):
    with pytest.raises(SourceLost, match=r"nothing at this address \(404\)"):
        open_source(f"http://{server.address}/vidéo.mp4")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(SourceLost, match="refuses the connection"):
        open_source(f"http://127.0.0.1:{port}/vidéo.mp4")
