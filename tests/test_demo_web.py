import json
import socket
import threading
import time
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest

from fake_live import HEIGHT, STYLES, WIDTH, FakeLive
from keras_portrait.errors import SettingError
from keras_portrait.imaging import read_image
from keras_portrait_demo import web, web_handler, web_pictures, web_request
from keras_portrait_demo.web import WebView

TOKEN = "a-token-of-the-test"
JSON = {"Content-Type": "application/json"}


class Client:
    """Plain HTTP over a socket, so that bad requests can be sent as well."""

    def __init__(self, view: WebView):
        self.address = "127.0.0.1", urlsplit(view.url).port

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=5)

    def send(self, data: bytes):
        """Status, headers and body of the answer to these bytes; status 0 without an answer."""
        with self.connect() as connection, connection.makefile("rb") as answer:
            try:
                connection.sendall(data)
                return read_answer(answer)
            except ConnectionError:
                return 0, {}, b""

    def ask(self, method: str, path: str, headers=None, body: bytes = b""):
        lines = {"Host": "localhost", "Content-Length": len(body), **(headers or {})}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value is not None)
        return self.send(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)

    def get(self, path: str, **headers):
        return self.ask("GET", path, headers)

    def post(self, path: str, value, **headers):
        return self.ask("POST", path, JSON | headers, json.dumps(value).encode())


class Viewer:
    """Reads the stream part by part."""

    def __init__(self, client: Client, path: str = "/stream.mjpg"):
        self.connection = client.connect()
        self.connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        self.file = self.connection.makefile("rb")
        self.status, self.headers = read_head(self.file)

    def next_frame(self) -> tuple[int, np.ndarray]:
        assert self.file.readline() == b"--frame\r\n"
        head = read_headers(self.file)
        jpeg = self.file.read(int(head["content-length"]))
        assert self.file.readline() == b"\r\n"
        return int(head["x-frame"]), read_image(jpeg)

    def close(self):
        self.file.close()
        self.connection.close()


def read_answer(file):
    status, headers = read_head(file)
    return status, headers, file.read()


def read_head(file):
    first = file.readline()
    return (int(first.split()[1]) if first else 0), read_headers(file)


def read_headers(file) -> dict[str, str]:
    lines = iter(lambda: file.readline().decode().strip(), "")
    return {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }


def wait_until(condition, seconds: float = 5.0):
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "waited in vain"
        time.sleep(0.01)


@pytest.fixture
def live():
    live = FakeLive()
    yield live
    live.stop()


@pytest.fixture
def view(live):
    with WebView(live, "127.0.0.1", 0) as view:
        yield view
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("web")]


@pytest.fixture
def client(view):
    return Client(view)


@pytest.fixture
def guarded(live):
    """A client of a view that listens on every address, and so has a token."""
    with WebView(live, "0.0.0.0", 0, TOKEN) as view:
        yield Client(view)


# ---- what a visitor gets ----


def test_page_runs_its_own_script_only(client):
    status, headers, body = client.get("/")
    assert status == 200 and headers["content-type"].startswith("text/html")
    assert headers["x-content-type-options"] == "nosniff"
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert policy.count("'sha256-") == 2
    # Nothing comes from elsewhere, and the policy allows no style attribute and no event attribute.
    text = body.decode()
    assert not any(word in text for word in ("http://", "https://", " style=", " onclick="))


def test_status_is_that_of_the_live_demo(client, live):
    status, headers, body = client.get("/status.json")
    assert (status, headers["content-type"]) == (200, "application/json")
    assert json.loads(body) == live.status()


def test_snapshots_are_the_newest_frame(client, live):
    assert client.get("/snapshot.png")[0] == 404
    live.show()
    status, headers, drawing = client.get("/snapshot.png")
    assert (status, headers["content-type"]) == (200, "image/png")
    assert drawing[:8] == b"\x89PNG\r\n\x1a\n"
    assert (read_image(drawing) == live.latest().drawing).all()
    assert (read_image(client.get("/snapshot-photo.png")[2]) == live.latest().photo).all()


def test_kept_snapshot_stays_a_pair_of_one_frame(client, live):
    assert client.post("/snapshot", {})[0] == 503
    live.show()
    first = live.latest()
    answer = json.loads(client.post("/snapshot", {})[2])
    assert answer["address"] is None
    live.show()
    drawing = client.get(f"/snapshot.png?id={answer['id']}")[2]
    photo = client.get(f"/snapshot-photo.png?id={answer['id']}")[2]
    assert (read_image(drawing) == first.drawing).all()
    assert (read_image(photo) == first.photo).all()


def test_only_the_last_snapshots_are_kept(client, live):
    live.show()
    names = [
        json.loads(client.post("/snapshot", {})[2])["id"]
        for _ in range(web_pictures.MOST_SNAPSHOTS + 1)
    ]
    assert client.get(f"/snapshot.png?id={names[0]}")[0] == 404
    assert {client.get(f"/snapshot.png?id={name}")[0] for name in names[1:]} == {200}


def test_health(client, live, monkeypatch):
    assert client.get("/healthz")[::2] == (503, b"no picture yet\n")
    live.show()
    assert client.get("/healthz")[::2] == (200, b"ok\n")
    monkeypatch.setattr(web_handler, "STALE_SECONDS", 0.0)
    status, _, body = client.get("/healthz")
    assert status == 503 and body.startswith(b"no new picture for")


def test_choose_reaches_the_live_demo(client, live):
    status, _, body = client.post("/choose", {"style": "pen-and-ink", "layout": "overlay"})
    assert status == 200 and json.loads(body)["style"] == "pen-and-ink"
    assert live.choices == [{"style": "pen-and-ink", "preset": None, "layout": "overlay"}]


def test_head_has_headers_and_no_body(client, live):
    live.show()
    for path in ("/", "/stream.mjpg", "/status.json", "/healthz", "/snapshot.png"):
        status, headers, body = client.ask("HEAD", path)
        assert status == 200 and headers["content-type"] and body == b"", path


# ---- the stream ----


def test_stream_shows_each_frame_once_and_the_newest(client, live):
    live.show()
    viewer = Viewer(client)
    assert viewer.headers["content-type"] == "multipart/x-mixed-replace; boundary=frame"
    seen = [viewer.next_frame()[0]]
    for _ in range(3):
        live.show()
        number, picture = viewer.next_frame()
        seen.append(number)
    assert seen == [0, 1, 2, 3]
    assert np.abs(picture.astype(int) - live.latest().view).mean() < 12
    viewer.close()


def test_pair_holds_photo_and_drawing(client, live):
    live.show()
    viewer = Viewer(client, "/stream.mjpg?picture=pair")
    picture = viewer.next_frame()[1].astype(int)
    assert picture.shape == (HEIGHT, 2 * WIDTH, 3)
    assert np.abs(picture[:, : WIDTH - 8] - (255, 128, 0)).max() < 12
    assert np.abs(picture[:, WIDTH + 16 :] - STYLES["soft"]).max() < 12
    viewer.close()


def test_many_viewers_cost_one_encode_a_frame(view, client, live, monkeypatch):
    encoded = []
    encode = cv2.imencode
    monkeypatch.setattr(cv2, "imencode", lambda *a: encoded.append(a[0]) or encode(*a))
    viewers = [Viewer(client) for _ in range(8)]
    for number in range(10):
        live.show()
        assert [viewer.next_frame()[0] for viewer in viewers] == [number] * 8
    assert len(encoded) == 10
    for viewer in viewers:
        viewer.close()
    wait_until(lambda: view._server.viewers._value == web.MOST_VIEWERS)
    live.show()
    time.sleep(0.1)
    assert len(encoded) == 10, "a frame was encoded that nobody looks at"


def test_viewer_that_does_not_read_is_dropped_and_blocks_nobody(view, client, live, monkeypatch):
    monkeypatch.setattr(web_handler, "SEND_SECONDS", 0.3)
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (480, 640, 3), np.uint8)
    monkeypatch.setattr(live, "_result", None)
    slow = client.connect()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.sendall(b"GET /stream.mjpg HTTP/1.1\r\nHost: localhost\r\n\r\n")
    quick = Viewer(client)
    wait_until(lambda: view._server.viewers._value == web.MOST_VIEWERS - 2)
    waits = []
    for _ in range(30):
        live.show()
        live._result.view = noise
        started = time.monotonic()
        quick.next_frame()
        waits.append(time.monotonic() - started)
        time.sleep(0.03)
    assert max(waits) < 0.3, "the slow viewer held the quick one up"
    wait_until(lambda: view._server.viewers._value == web.MOST_VIEWERS - 1)
    quick.close()
    slow.close()


def test_viewer_that_leaves_while_no_frames_come_makes_room(view, client):
    viewers = [Viewer(client) for _ in range(web.MOST_VIEWERS)]
    assert client.get("/stream.mjpg")[0] == 503
    assert client.get("/")[0] == 200, "the page is there for all the same"
    for viewer in viewers:
        viewer.close()
    wait_until(lambda: view._server.viewers._value == web.MOST_VIEWERS)


def test_stop_hangs_up_on_viewers_at_once(live):
    live.show()
    with WebView(live, "127.0.0.1", 0) as view:
        viewer = Viewer(Client(view))
        viewer.next_frame()
        started = time.monotonic()
    assert time.monotonic() - started < 1.0
    assert viewer.file.read() == b"--frame\r\n"
    viewer.close()
    with WebView(live, "127.0.0.1", Client(view).address[1]):
        pass  # The port is free again.


# ---- bad requests ----


@pytest.mark.parametrize(
    "path",
    [
        "/index.html",
        "/static/index.html",
        "/static/",
        "/../../../../etc/passwd",
        "/static/..%2f..%2fweb.py",
        "//etc/passwd",
        "/%00",
        "http://[",
        "*",
    ],
)
def test_unknown_addresses_are_not_found(client, path):
    status, headers, body = client.get(path)
    assert (status, headers["content-type"]) == (404, "text/plain; charset=utf-8")
    assert body == b"Not Found\n"


def test_wrong_methods(client):
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        status, headers, _ = client.ask(method, "/")
        assert (status, headers["allow"]) == (405, "GET, HEAD"), method
    status, headers, _ = client.get("/choose")
    assert (status, headers["allow"]) == (405, "POST")
    assert client.ask("BREW", "/")[0] == 501


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        (JSON | {"Content-Length": 10**10}, b"", 413),
        (JSON | {"Content-Length": web_handler.MOST_BODY_BYTES + 1}, b"", 413),
        (JSON | {"Content-Length": "9" * 5000}, b"", 413),
        (JSON | {"Content-Length": None, "Transfer-Encoding": "chunked"}, b"", 411),
        (JSON | {"Content-Length": -1}, b"", 400),
        (JSON | {"Content-Length": "²"}, b"", 400),
        ({"Content-Type": "text/plain"}, b'{"style": "soft"}', 415),
        (JSON | {"Origin": "http://elsewhere.example"}, b'{"style": "soft"}', 403),
        (JSON | {"Origin": "null"}, b'{"style": "soft"}', 403),
        (JSON, b"", 400),
        (JSON, b"\xff", 400),
        (JSON, b"[" * 4000, 400),
        (JSON, b"[]", 400),
        (JSON, b"{}", 400),
        (JSON, b'{"style": 1}', 400),
        (JSON, b'{"file": "/etc/passwd"}', 400),
        (JSON, b'{"style": "penn"}', 400),
    ],
)
def test_bad_choices_are_refused(client, live, headers, body, expected):
    assert client.ask("POST", "/choose", headers, body)[0] == expected
    assert live.choices == []


def test_own_page_may_choose(client, live):
    headers = {"Origin": "http://localhost:8000", "Host": "localhost:8000"}
    assert client.post("/choose", {"style": "soft"}, **headers)[0] == 200
    assert len(live.choices) == 1


def test_what_there_is_not_is_told_in_one_line(client):
    body = client.post("/choose", {"style": "penn"})[2]
    assert json.loads(body) == {"error": "There is no such style. Received: penn"}


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: " + b"a" * 60000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
        b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n",
    ],
)
def test_long_heads_are_cut_off(client, request_bytes):
    # Hanging up on what is still being sent may reach the client before the answer does.
    assert client.send(request_bytes)[0] in (0, 431)
    assert client.get("/")[0] == 200


def test_huge_body_is_not_read(client):
    head = b"POST /choose HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    huge = head + b"Content-Length: 20000000\r\n\r\n" + b"a" * 20_000_000
    started = time.monotonic()
    assert client.send(huge)[0] in (0, 413)
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("data", [b"\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"GET /\r\n\r\n", b""])
def test_what_is_no_request_harms_nobody(client, data, capfd):
    with client.connect() as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        connection.recv(100)
    assert client.get("/")[0] == 200
    assert capfd.readouterr().err == ""


def test_slow_requests_end(view, client, monkeypatch):
    monkeypatch.setattr(web_request, "REQUEST_SECONDS", 0.4)
    with client.connect() as connection:
        started = time.monotonic()
        with pytest.raises(ConnectionError):
            for byte in b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 1000:
                connection.sendall(bytes([byte]))
                time.sleep(0.02)
        assert time.monotonic() - started < 2
    wait_until(lambda: not view._server._open)


def test_body_that_never_comes_ends(view, client, monkeypatch):
    monkeypatch.setattr(web_request, "REQUEST_SECONDS", 0.3)
    assert client.ask("POST", "/choose", JSON | {"Content-Length": 5}, b"{")[0] == 0
    wait_until(lambda: not view._server._open)


def test_too_many_connections_are_turned_away(view, client):
    idle = [client.connect() for _ in range(web.MOST_CONNECTIONS)]
    wait_until(lambda: len(view._server._open) == web.MOST_CONNECTIONS)
    assert client.send(b"")[0] == 503
    for connection in idle:
        connection.close()
    wait_until(lambda: not view._server._open)
    assert client.get("/")[0] == 200


# ---- who may see it ----


@pytest.mark.parametrize("name", ["localhost", "localhost:9000", "127.0.0.1:8000", "[::1]:8000"])
def test_loopback_names_are_answered(client, name):
    assert client.get("/", Host=name)[0] == 200


@pytest.mark.parametrize("name", ["evil.example", "localhost.evil.example", "10.0.0.1", "", None])
def test_other_names_are_not_answered_on_loopback(client, name):
    assert client.get("/status.json", Host=name)[0] == 403


def test_without_the_token_nothing_is_shown(guarded, live):
    live.show()
    for path in ("/", "/stream.mjpg", "/status.json", "/snapshot.png", "/qr.png", "/?token=wrong"):
        assert guarded.get(path)[0] in (303, 403), path
    for cookie in ("portrait_demo=wrong", "portrait_demo=", "portrait_demo=\u00e9", "other", ";;="):
        assert guarded.get("/", Cookie=cookie)[0] == 403, cookie
    assert guarded.post("/choose", {"style": "soft"})[0] == 403
    assert guarded.post("/snapshot", {})[0] == 403
    assert live.choices == []
    assert guarded.get("/healthz")[0] == 200


def test_token_once_then_the_cookie(guarded):
    status, headers, _ = guarded.get(f"/?token={TOKEN}", Host="booth.local:8000")
    assert (status, headers["location"]) == (303, "/")
    cookie, *attributes = headers["set-cookie"].split("; ")
    assert {"HttpOnly", "SameSite=Lax"} <= set(attributes)
    assert guarded.get("/", Host="booth.local:8000", Cookie=f"a=b; {cookie}")[0] == 200
    assert guarded.get(f"/status.json?token={TOKEN}")[0] == 200


def test_phone_fetches_its_snapshot_and_nothing_else(guarded, live):
    live.show()
    cookie = {"Cookie": f"portrait_demo={TOKEN}"}
    answer = json.loads(guarded.post("/snapshot", {}, **cookie)[2])
    address = urlsplit(answer["address"])
    assert address.port == guarded.address[1] and TOKEN not in answer["address"]
    status, _, drawing = guarded.get(f"{address.path}?{address.query}")
    assert status == 200 and (read_image(drawing) == live.latest().drawing).all()
    assert guarded.get(f"/status.json?{address.query}")[0] == 403
    assert guarded.get(f"/stream.mjpg?{address.query}")[0] == 403
    code = read_image(guarded.get(f"/qr.png?{address.query}", **cookie)[2])
    assert code.shape[0] == code.shape[1] and set(np.unique(code)) == {0, 255}
    assert guarded.get("/qr.png?id=none", **cookie)[0] == 404


def test_qr_code_is_read_back():
    address = "http://192.168.1.23:8000/snapshot.png?id=AbCdEf012345-_xy"
    code = read_image(web_pictures.qr_code(address))
    assert cv2.QRCodeDetector().detectAndDecode(code)[0] == address
    assert (code[:24] == 255).all() and (code[:, :24] == 255).all()


def test_a_token_is_made_where_one_is_needed(live):
    loopback = WebView(live, "127.0.0.1", 0)
    everywhere = [WebView(live, "0.0.0.0", 0) for _ in range(2)]
    try:
        assert "token" not in loopback.url
        tokens = [view.url.partition("?token=")[2] for view in everywhere]
        assert min(map(len, tokens)) >= 20 and tokens[0] != tokens[1]
        assert not everywhere[0].url.startswith("http://0.0.0.0")
    finally:
        for view in (loopback, *everywhere):
            view.stop()


def test_token_guards_loopback_too(live):
    with WebView(live, "127.0.0.1", 0, TOKEN) as view:
        assert view.url.endswith(f"/?token={TOKEN}")
        assert Client(view).get("/status.json")[0] == 403
        assert Client(view).get(f"/status.json?token={TOKEN}")[0] == 200


@pytest.mark.parametrize("token", ["", "short", "with space", "semi;colon", "l\u00e4nger-als-acht"])
def test_tokens_that_do_not_fit_are_refused(live, token):
    with pytest.raises(SettingError, match="8 to 128 letters"):
        WebView(live, "127.0.0.1", 0, token)


def test_a_port_that_is_taken_is_told_in_one_line(view, live):
    port = urlsplit(view.url).port
    with pytest.raises(SettingError, match=f"in use.*Received: 127.0.0.1:{port}$"):
        WebView(live, "127.0.0.1", port)
    with pytest.raises(SettingError, match="Received: 127.0.0.1:70000$"):
        WebView(live, "127.0.0.1", 70000)
    with pytest.raises(SettingError, match="Received: no.such.host.invalid:0$"):
        WebView(live, "no.such.host.invalid", 0)
