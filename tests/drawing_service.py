"""The HTTP service in a thread of the test, and plain HTTP to it."""

import contextlib
import http.client
import json
import re
import socket
import threading
from dataclasses import dataclass

import numpy as np
import uvicorn

from keras_portrait.inference.metadata import PresetMetadata
from keras_portrait.serve.app import create_app
from keras_portrait.serve.server import listen
from keras_portrait.serve.settings import Settings
from waiting import wait_until

TOKEN = "a-token-of-the-tests"
_BOUNDARY = "a-boundary-of-the-tests"


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self) -> str:
        """The one line of a refusal."""
        assert list(self.json) == ["error"]
        [line] = self.json["error"].splitlines()
        return line


class Client:
    """Plain HTTP, one connection for each request."""

    def __init__(self, port: int):
        self.port = port

    def ask(self, method: str, path: str, body: bytes | None = None, headers=None) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())

    def get(self, path: str, **headers) -> Answer:
        return self.ask("GET", path, headers=headers)

    def post(self, path: str, body: bytes, **headers) -> Answer:
        return self.ask("POST", path, body, headers)

    def send_form(self, path: str, *parts: tuple[str, str | None, bytes]) -> Answer:
        """Posts a form of parts (name, file name or None, bytes)."""
        return self.ask("POST", path, form(*parts), {"Content-Type": FORM_TYPE})

    def begin(self, length: int, path: str = "/draw", **headers) -> socket.socket:
        """A connection on which the head of a POST was sent, and none of its body."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        headers = {"Host": "localhost", "Content-Length": length, **headers}
        lines = [f"POST {path} HTTP/1.1", *(f"{name}: {headers[name]}" for name in headers)]
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        return connection

    def metric(self, name: str) -> float:
        """A number of `/metrics`; 0 where it is not there yet."""
        text = self.get("/metrics").body.decode()
        found = re.findall(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
        return float(found[0]) if found else 0.0


FORM_TYPE = f"multipart/form-data; boundary={_BOUNDARY}"


def form(*parts: tuple[str, str | None, bytes]) -> bytes:
    """The body of a form."""
    lines = b""
    for name, file, data in parts:
        told = f'; filename="{file}"' if file else ""
        head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{told}\r\n\r\n'
        lines += head.encode() + data + b"\r\n"
    return lines + f"--{_BOUNDARY}--\r\n".encode()


def read_answer(connection: socket.socket) -> Answer:
    """What comes back on a connection."""
    with http.client.HTTPResponse(connection) as answer:
        answer.begin()
        return Answer(answer.status, answer.headers, answer.read())


@contextlib.contextmanager
def serving(settings: Settings, **options):
    """Runs the service on a free port of this machine; gives a `Client`.

    It must be entered in a test's body: pytest changes what becomes of warnings between a fixture
    and its test.
    """
    app = create_app(settings, **options)
    listener = listen("127.0.0.1", 0)
    config = uvicorn.Config(app, log_level="critical", lifespan="on", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive())
        yield Client(listener.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()
    assert not thread.is_alive()


class HeldStylizer:
    """Stands in for a stylizer; its drawings wait until the test lets them go.

    Attributes:
        begun: counts drawings that were begun.
        let_go: lets one drawing end each time it is released.
        most_at_once: the most drawings that were made at the same time.
    """

    def __init__(self):
        self.begun, self.let_go = threading.Semaphore(0), threading.Semaphore(0)
        self.metadata: PresetMetadata | None = None
        self._lock, self._inside, self.most_at_once = threading.Lock(), 0, 0

    def __call__(self, photo: np.ndarray, **_) -> np.ndarray:
        with self._lock:
            self._inside += 1
            self.most_at_once = max(self.most_at_once, self._inside)
        self.begun.release()
        assert self.let_go.acquire(timeout=30)
        with self._lock:
            self._inside -= 1
        return photo

    def open(self, place: str, threads: int | None) -> "HeldStylizer":
        """What the service opens stylizers with."""
        return self
