import json
import socket
import time

import cv2
import numpy as np

from fake_live import HEIGHT, STYLES, WIDTH
from keras_portrait.inference.imaging import read_image
from keras_portrait_demo.web import handler as web_handler
from keras_portrait_demo.web import pictures as web_pictures
from keras_portrait_demo.web import server as web
from keras_portrait_demo.web import stream as web_stream
from keras_portrait_demo.web.server import WebView
from waiting import wait_until
from web_client import Client, Viewer

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
    monkeypatch.setattr(web_stream, "_LOOK_SECONDS", 0.05)
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
    monkeypatch.setattr(web_stream, "SEND_SECONDS", 60.0)
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (480, 640, 3), np.uint8)
    monkeypatch.setattr(live, "_result", None)
    quick = Viewer(client)

    def add_slow_viewer():
        slow = client.connect()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.sendall(b"GET /stream.mjpg HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return slow

    def show_noise(times):
        for _ in range(times):
            number = live.show()
            live._result.view = noise
            # Within the 5 seconds of its patience, not after the slow one's 60.
            assert quick.next_frame()[0] == number

    with add_slow_viewer():
        wait_until(lambda: view._server.viewers._value == web.MOST_VIEWERS - 2)
        show_noise(10)
        monkeypatch.setattr(web_stream, "SEND_SECONDS", 0.4)
        with add_slow_viewer():
            wait_until(lambda: view._server.viewers._value == web.MOST_VIEWERS - 3)
            show_noise(10)
            wait_until(lambda: view._server.viewers._value == web.MOST_VIEWERS - 2)
    quick.close()


def test_viewer_that_leaves_while_no_frames_come_makes_room(view, client, monkeypatch):
    monkeypatch.setattr(web_stream, "_LOOK_SECONDS", 0.05)
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


def test_stop_hangs_up_on_a_viewer_that_does_not_read(live):
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    with WebView(live, "127.0.0.1", 0) as view:
        slow = Client(view).connect()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.sendall(b"GET /stream.mjpg HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wait_until(lambda: view._server.viewers._value == web.MOST_VIEWERS - 1)
        sent = -1
        while sent < len(live.displays):  # until a frame is not taken any more
            sent = len(live.displays)
            live.show()
            live._result.view = noise
            time.sleep(0.3)
        started = time.monotonic()
    assert time.monotonic() - started < 1.0
    slow.close()


def test_a_frame_is_displayed_when_it_has_been_sent_to_a_viewer(client, live):
    live.show()
    client.get("/snapshot.png")
    assert live.displays == []
    viewers = [Viewer(client) for _ in range(2)]
    for viewer in viewers:
        assert viewer.next_frame()[0] == 0
    wait_until(lambda: live.displays == [0, 0])
    for viewer in viewers:
        viewer.close()
