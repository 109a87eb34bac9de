"""Speaks plain HTTP to the demo's web view, well or badly, and reads its stream."""

import json
import socket
from urllib.parse import urlsplit

import numpy as np

from keras_portrait.inference.imaging import read_image
from keras_portrait_demo.web.server import WebView

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
