import json
import socket
import time

import pytest

from keras_portrait_demo.web import handler as web_handler
from keras_portrait_demo.web import request as web_request
from keras_portrait_demo.web import server as web
from waiting import wait_until
from web_client import JSON


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


@pytest.mark.parametrize("path", ["/choose", "/snapshot"])
@pytest.mark.parametrize("body", [b"null", b"[1]", b"3", b"0", b'"soft"', b"true", b"NaN", b"{"])
def test_what_is_no_json_object_is_refused_in_one_line(client, live, path, body):
    live.show()
    status, headers, answer = client.ask("POST", path, JSON, body)
    assert (status, headers["content-type"]) == (400, "application/json")
    assert json.loads(answer) == {"error": "Expected a JSON object."}
    assert live.choices == [] and client.get("/healthz")[0] == 200


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
    idle = []
    for number in range(web.MOST_CONNECTIONS):
        idle.append(client.connect())
        # The system takes but some at once, and then lets one wait for a second.
        wait_until(lambda count=number + 1: len(view._server._open) == count)
    assert client.send(b"")[0] == 503
    for connection in idle:
        connection.close()
    wait_until(lambda: not view._server._open)
    assert client.get("/")[0] == 200
