"""What the web view withstands: guessed tokens, floods, visitors that take all the room."""

import importlib
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from fake_live import FakeLive
from keras_portrait_demo.web import limits as web_limits
from keras_portrait_demo.web import pictures as web_pictures
from keras_portrait_demo.web import server as web
from keras_portrait_demo.web import stream as web_stream
from keras_portrait_demo.web.limits import RateLimit, visitor_of
from keras_portrait_demo.web.server import WebView
from waiting import wait_until
from web_client import TOKEN, Client, Viewer, read_answer

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def clock(monkeypatch):
    """The seconds that the rate limits believe it to be, in a list of one."""
    now = [100.0]
    monkeypatch.setattr(web_limits, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def guarded(live):
    with WebView(live, "0.0.0.0", 0, TOKEN) as view:
        yield view


def ask_from(view: WebView, address: str, path: str) -> int:
    """Status of an answer to a visitor with another loopback address."""
    where = Client(view).address
    with socket.create_connection(where, timeout=5, source_address=(address, 0)) as connection:
        connection.sendall(f"GET {path} HTTP/1.0\r\nHost: booth\r\n\r\n".encode())
        with connection.makefile("rb") as file:
            return read_answer(file)[0]


# ---- how often ----


def test_a_burst_then_so_many_a_second(clock):
    limit = RateLimit(burst=3, per_second=0.5)
    assert [limit.take("a") for _ in range(5)] == [True] * 3 + [False] * 2
    assert limit.is_spent("a") and not limit.is_spent("b")
    clock[0] += 2.0
    assert [limit.take("a") for _ in range(2)] == [True, False]
    clock[0] += 60.0
    assert [limit.take("a") for _ in range(5)] == [True] * 3 + [False] * 2


def test_visitors_are_forgotten_before_they_fill_the_memory(clock, monkeypatch):
    monkeypatch.setattr(web_limits, "_MOST_VISITORS", 10)
    limit = RateLimit(burst=1, per_second=0.1)
    assert all(limit.take(str(number)) for number in range(1000))
    assert len(limit._used) == 10
    assert limit.is_spent("999") and not limit.is_spent("0")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2", True),
    ],
)
def test_who_counts_as_one_visitor(one, other, same):
    assert (visitor_of(one) == visitor_of(other)) is same


def test_guessing_the_token_ends_after_some_tries(guarded, clock):
    client = Client(guarded)
    for number in range(20):
        if number % 2:
            assert client.get(f"/?token=wrong-{number}")[0] == 403
        else:
            assert client.get("/", Cookie=f"portrait_demo=wrong-{number}")[0] == 403
    status, headers, _ = client.get("/?token=wrong")
    assert (status, headers["retry-after"]) == (429, "60")
    # Otherwise the answer would tell which guess is right.
    assert client.get(f"/?token={TOKEN}")[0] == 429
    assert client.get("/", Cookie=f"portrait_demo={TOKEN}")[0] == 429
    # Others are let in, and who brings no token is told what to bring.
    assert ask_from(guarded, "127.0.0.2", f"/?token={TOKEN}") == 303
    assert client.get("/")[0] == 403
    clock[0] += 60
    assert client.get(f"/?token={TOKEN}")[0] == 303


def test_one_request_is_one_guess_by_cookie(guarded):
    many = "; ".join([f"portrait_demo=wrong-{number}" for number in range(100)])
    assert Client(guarded).get("/", Cookie=f"{many}; portrait_demo={TOKEN}")[0] == 403


def test_a_page_with_an_old_token_stops_guessing(guarded):
    status, headers, _ = Client(guarded).get("/status.json", Cookie="portrait_demo=of-yesterday")
    assert status == 403
    name, _, attributes = headers["set-cookie"].partition("; ")
    assert name == "portrait_demo=" and "Max-Age=0" in attributes and "Path=/" in attributes
    assert "set-cookie" not in Client(guarded).get("/status.json")[1]


def test_visits_without_a_token_are_no_guesses(guarded):
    client = Client(guarded)
    assert {client.get("/status.json")[0] for _ in range(30)} == {403}
    assert client.get(f"/?token={TOKEN}")[0] == 303


def test_snapshots_in_a_row_are_limited(client, live, clock):
    live.show()
    statuses = [client.post("/snapshot", {})[0] for _ in range(32)]
    assert statuses == [200] * 30 + [429] * 2
    assert client.post("/choose", {"style": "soft"})[0] == 429 and live.choices == []
    assert client.get("/")[0] == 200
    clock[0] += 1.0
    assert client.post("/choose", {"style": "soft"})[0] == 200


def test_a_flood_of_requests_is_limited(view, client, clock, monkeypatch):
    view._server.limits.requests = RateLimit(burst=5, per_second=1.0)
    assert [client.get("/status.json")[0] for _ in range(7)] == [200] * 5 + [429] * 2
    assert client.get("/healthz")[0] == 429
    clock[0] += 1.0
    assert client.get("/healthz")[0] == 503


# ---- how many ----


def test_one_visitor_does_not_take_all_the_room(guarded):
    idle = [Client(guarded).connect() for _ in range(web.MOST_FROM_ONE)]
    wait_until(lambda: len(guarded._server._open) == web.MOST_FROM_ONE)
    assert Client(guarded).send(b"")[0] == 503
    assert ask_from(guarded, "127.0.0.2", f"/?token={TOKEN}") == 303
    for connection in idle:
        connection.close()
    wait_until(lambda: not guarded._server._open)
    assert not guarded._server._visitors
    assert Client(guarded).get(f"/?token={TOKEN}")[0] == 303


def test_half_requests_do_not_hold_up_a_viewer(view, client, live):
    live.show()
    viewer = Viewer(client)
    viewer.next_frame()
    idle = []
    for number in range(40):
        idle.append(client.connect())
        idle[-1].sendall(b"GET / HTTP/1.1\r\nHost: loc")
        wait_until(lambda count=number + 2: len(view._server._open) == count)
    for _ in range(5):
        number = live.show()
        assert viewer.next_frame()[0] == number  # within the 5 seconds of the viewer's patience
    assert len(view._server._open) == 41, "they are still there"
    for connection in (*idle, viewer):
        connection.close()


def test_fifty_viewers_see_every_frame_and_slow_ones_hold_up_nobody(
    view, client, live, monkeypatch
):
    monkeypatch.setattr(web_stream, "SEND_SECONDS", 60.0)  # a busy machine drops no slow one
    noise = np.random.default_rng(0).integers(0, 256, (160, 160, 3), np.uint8)
    file = web_pictures._jpeg(noise)
    view._server.pictures._encoders["view"] = lambda result: file
    live.show()
    slow = []
    for _ in range(8):
        connection = client.connect()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(b"GET /stream.mjpg HTTP/1.1\r\nHost: localhost\r\n\r\n")
        slow.append(connection)
    viewers = [Viewer(client) for _ in range(42)]
    for viewer in viewers:
        viewer.next_frame()
    for _ in range(10):
        number = live.show()
        assert {viewer.next_frame()[0] for viewer in viewers} == {number}
    behind = [viewer for viewer in view._server.stream._viewers if viewer.rest is not None]
    assert len(behind) == len(slow)
    for connection in (*slow, *viewers):
        connection.close()
    wait_until(lambda: view._server.viewers._value == web.MOST_VIEWERS)
    assert not view._server.stream._viewers


def test_a_viewer_that_falls_behind_gets_whole_and_newer_frames(monkeypatch):
    monkeypatch.setattr(web_stream, "_SEND_BUFFER_BYTES", 4096)
    big = FakeLive(480, 640)
    with WebView(big, "127.0.0.1", 0) as view:
        big.show()
        viewer = Viewer(Client(view), "/stream.mjpg?picture=pair")
        numbers = [viewer.next_frame()[0]]
        for _ in range(100):
            big.show()
            time.sleep(0.001)
        while numbers[-1] < 100:
            number, picture = viewer.next_frame()
            assert picture.shape == (480, 1280, 3)
            numbers.append(number)
        assert numbers == sorted(set(numbers)) and len(numbers) < 101, "it skips"
        viewer.close()


def test_a_viewer_that_has_taken_the_rest_sleeps_again(monkeypatch):
    looks = []
    former = web_stream._has_left
    monkeypatch.setattr(web_stream, "_has_left", lambda c: looks.append(c) or former(c))
    stream = web_stream.Stream(FakeLive(), None)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        thread = threading.Thread(target=stream.show, args=(ours, "view"))
        thread.start()
        assert theirs.recv(100) == web_stream._BETWEEN
        [viewer] = stream._viewers
        wait_until(lambda: viewer.rest is None)
        # The sending thread wakes it when it has found and sent the rest by itself already.
        viewer.rest = memoryview(b"rest")
        wait_until(lambda: viewer.rest is None)
        viewer.woken.set()
        del looks[:]
        time.sleep(0.2)
        assert len(looks) < 10
        stream.stop()
        thread.join(5)
        assert not thread.is_alive()


def test_a_visitor_for_whom_there_is_no_thread_takes_no_room(view, client, monkeypatch):
    def refuse(thread):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(web.threading.Thread, "start", refuse)
        with client.connect() as connection:
            assert connection.recv(1) == b""
    assert not view._server._open and not view._server._visitors
    assert client.get("/")[0] == 200


# ---- what every answer says ----


@pytest.mark.parametrize(
    "path", ["/", "/status.json", "/healthz", "/snapshot.png", "/stream.mjpg", "/none", "/choose"]
)
def test_headers_of_every_answer(client, live, path):
    live.show()
    headers = client.ask("HEAD", path)[1]
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in headers
    assert "python" not in headers["server"].lower()


@pytest.mark.parametrize("path", ["/choose", "/snapshot", "/round"])
def test_another_site_presses_no_button(client, live, path):
    live.show()
    elsewhere = {"Origin": "http://elsewhere.example", "Content-Type": "application/json"}
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert client.ask("POST", path, elsewhere, b"{}")[0] == 403
    assert client.ask("POST", path, form, b"{}")[0] == 415
    # A script of another site must ask first, and is not answered.
    asked = {"Origin": "http://elsewhere.example", "Access-Control-Request-Method": "POST"}
    status, headers, _ = client.ask("OPTIONS", path, asked)
    assert status == 405 and "access-control-allow-origin" not in headers


# ---- what many viewers cost ----


@pytest.fixture
def viewers(monkeypatch):
    """The script benchmarks/viewers.py."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("viewers")


def test_the_benchmark_counts_the_frames_of_quick_and_slow_viewers(viewers):
    live = FakeLive(240, 320)
    live.play()
    with WebView(live, "127.0.0.1", 0) as view:
        port = str(Client(view).address[1])
        watching = subprocess.Popen(
            [sys.executable, viewers.__file__, "--only-view", "--port", port]
            + ["--viewers", "5", "--slow", "2"],
            stdout=subprocess.PIPE,
            text=True,
        )
        wait_until(lambda: len(view._server.stream._viewers) == 5)
        time.sleep(1.0)
        watching.send_signal(signal.SIGTERM)
        seen = json.loads(watching.communicate(timeout=10)[0])
    live.stop()
    assert watching.returncode == 0
    assert 5 < seen["least_frames_a_second_of_quick"] < 30
    assert 0 < seen["most_frames_a_second_of_slow"] <= seen["least_frames_a_second_of_quick"] + 1


def test_the_benchmark_tells_what_was_lost(viewers):
    none = {"drawn_a_second": 25.0, "memory_mb": [100.0, 101.0]}
    many = {"drawn_a_second": 22.0, "memory_mb": [110.0, 113.5, 112.0]}
    assert viewers.compare(none, many) == {"rate_lost": 0.12, "memory_grew_mb": 3.5}
