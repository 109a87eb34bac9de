"""Photos are fetched from hosts that are allowed, and from nowhere else."""

import contextlib
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

pytest.importorskip("fastapi", reason="the extra serve is not installed")

from conftest import EXAMPLE
from drawing_service import serving
from keras_portrait.inference.stylizer import Stylizer
from keras_portrait.serve import fetching
from keras_portrait.serve.settings import Settings

PHOTO = EXAMPLE.read_bytes()


class Handler(BaseHTTPRequestHandler):
    """A host of photos, good and bad."""

    def do_GET(self):
        self.server.asked.append(self.path)
        getattr(self, f"send_{self.path.strip('/').partition('?')[0]}")()

    def send(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def send_photo(self):
        self.send(200, PHOTO)

    def send_text(self):
        self.send(200, b"no picture")

    def send_error_page(self):
        self.send(500)

    def send_near(self):
        self.send(302, Location="/photo?moved")

    def send_far(self):
        self.send(302, Location=f"http://localhost:{self.server.server_port}/photo")

    def send_file(self):
        self.send(302, Location="file:///etc/passwd")

    def send_loop(self):
        self.send(301, Location="/loop")

    def send_told_too_long(self):
        self.send(200, **{"Content-Length": str(2**40)})

    def send_too_long(self):
        with contextlib.suppress(ConnectionError):
            self.send(200, bytes(len(PHOTO) + 1))

    def send_never(self):
        self.send(200, PHOTO[:100], **{"Content-Length": str(len(PHOTO))})
        self.server.ended.wait(30)

    def send_dripping_head(self):
        with contextlib.suppress(ConnectionError):
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            while not self.server.ended.wait(0.01):
                self.wfile.write(b"X: y\r\n" if self.server.ended.wait(0.01) else b"X")

    def log_message(self, *_):
        pass


@pytest.fixture
def host():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.ended = [], threading.Event()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.ended.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def settings(tiny_preset, host):
    return Settings(
        presets=(str(tiny_preset),), allowed_hosts=(f"127.0.0.1:{host.server_port}", "some.host")
    )


def test_a_photo_of_an_allowed_host_is_drawn(settings, tiny_preset, host):
    address = f"http://127.0.0.1:{host.server_port}"
    with serving(settings) as client:
        answer = client.get(f"/draw?style=bold&url={address}/photo%3Fa=b")
        assert answer.status == 200
        assert answer.body == Stylizer(tiny_preset)(PHOTO, style="bold")
        assert host.asked == ["/photo?a=b"]
        assert client.get(f"/draw?url={address}/near").body == client.post("/draw", PHOTO).body
        assert host.asked[1:] == ["/near", "/photo?moved"]


@pytest.mark.parametrize(
    "path, status, words",
    [
        ("text", 415, "No picture."),
        ("error_page", 502, "The photo cannot be fetched. Received: status 500"),
        ("far", 403, "The address leads to another host."),
        ("file", 403, "The address leads to another host."),
        ("loop", 502, "The address leads on and on."),
        ("told_too_long", 413, "The photo is too large."),
        ("too_long", 413, "The photo is too large."),
        ("never", 504, "The photo came too slowly."),
        ("dripping_head", 504, "The photo came too slowly."),
    ],
)
def test_what_a_host_may_do_wrong(settings, host, monkeypatch, path, status, words):
    monkeypatch.setattr(fetching, "MOST_BYTES", len(PHOTO))
    if status == 504:
        monkeypatch.setattr(fetching, "FETCH_SECONDS", 0.2)
    with serving(settings) as client:
        answer = client.get(f"/draw?url=http://127.0.0.1:{host.server_port}/{path}")
        assert answer.status == status and answer.error.startswith(words)
        host.ended.set()


def test_a_connection_that_gives_up_first_is_too_slow_as_well(settings, host, monkeypatch):
    monkeypatch.setattr(fetching, "FETCH_SECONDS", 0.2)
    monkeypatch.setattr(fetching._Deadline, "_hang_up", lambda deadline: None)
    with serving(settings) as client:
        answer = client.get(f"/draw?url=http://127.0.0.1:{host.server_port}/never")
        assert (answer.status, answer.error[:25]) == (504, "The photo came too slowly")
        host.ended.set()


@pytest.mark.parametrize(
    "url, status",
    [
        ("http://example.org/", 403),
        ("http://127.0.0.1/photo", 403),  # another port
        ("http://127.0.0.1:1/photo", 403),
        ("http://some.host:8080/photo", 403),
        ("http://some.host.example.org/", 403),
        ("http://some.host@example.org/", 422),
        ("http://name:word@127.0.0.1/", 422),
        ("ftp://some.host/", 422),
        ("file:///etc/passwd", 422),
        ("http://[::1/", 422),
        ("http://some.host:99999/", 422),
        ("//some.host/a", 422),
        ("http://some.host/a%0d%0aX:%20y", 422),
        ("http://some.host/a%20b", 422),
        ("http://s%C3%B6me.host/", 422),
        ("", 422),
        ("http://some.host/" + "x" * 3000, 422),
    ],
)
def test_addresses_that_are_refused(settings, host, url, status):
    with serving(settings) as client:
        answer = client.get(f"/draw?url={url}")
        assert answer.status == status and len(answer.error) < 300
    assert host.asked == []


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "::1", "fe80::1%2", "0.0.0.0"]
    + ["::ffff:10.0.0.1", "100.64.0.1", "224.0.0.1"],
)
def test_names_that_lead_into_a_network_are_refused(monkeypatch, address):
    def resolve(name, port, **_):
        assert name == "some.host"
        public = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("1.1.1.1", port))
        return [public, (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    def connect(*_):
        raise AssertionError("connected")

    monkeypatch.setattr(fetching.socket, "getaddrinfo", resolve)
    fetcher = fetching.Fetcher(("some.host",))
    monkeypatch.setattr(fetching.socket, "create_connection", connect)
    with pytest.raises(Exception, match="^Photos are not fetched from addresses inside") as refused:
        fetcher._fetch("http://some.host/photo")
    assert refused.value.status == 403
    fetcher.close()


def test_an_address_inside_is_used_where_it_is_named(host, monkeypatch):
    find = socket.getaddrinfo

    def resolve(name, *rest, **options):
        return find("127.0.0.1" if name == "some.host" else name, *rest, **options)

    monkeypatch.setattr(fetching.socket, "getaddrinfo", resolve)
    fetcher = fetching.Fetcher((f"some.host:{host.server_port}", "127.0.0.1"))
    assert fetcher._fetch(f"http://some.host:{host.server_port}/photo") == PHOTO
    fetcher.close()


def test_nothing_is_fetched_where_nothing_is_allowed(tiny_preset, host):
    with serving(Settings(presets=(str(tiny_preset),))) as client:
        answer = client.get(f"/draw?url=http://127.0.0.1:{host.server_port}/photo")
        assert answer.status == 403
        assert answer.error.startswith("Photos are not fetched from addresses here.")
        assert client.get("/draw").status == 422
    assert host.asked == []


def test_a_host_that_is_not_there(tiny_preset):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        settings = Settings(presets=(str(tiny_preset),), allowed_hosts=(f"127.0.0.1:{port}",))
        with serving(settings) as client:
            answer = client.get(f"/draw?url=http://127.0.0.1:{port}/photo")
            assert answer.status == 502 and "Connection refused" in answer.error
