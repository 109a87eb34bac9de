"""Stands in for network cameras: MJPEG over HTTP, files on a web server, and RTSP."""

import base64
import contextlib
import itertools
import re
import socketserver
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np

# A name and a password that must never be shown, and how they stand in an address.
NAME, PASSWORD = "admin", "s3cret@home/x"
SECRET = "admin:s3cret%40home%2Fx@"
_BASIC = "Basic " + base64.b64encode(f"{NAME}:{PASSWORD}".encode()).decode()


def jpeg(level: int, width: int = 64, height: int = 48) -> bytes:
    """A gray picture."""
    return cv2.imencode(".jpg", np.full((height, width, 3), level, np.uint8))[1].tobytes()


class _WhileEntered:
    """A server of loopback that answers while it is entered, until `ends` is set."""

    daemon_threads = False  # they are waited for

    def __init__(self, handler):
        super().__init__(("127.0.0.1", 0), handler)
        self.ends = threading.Event()
        self.address = f"127.0.0.1:{self.server_address[1]}"
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.ends.set()
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, request, client_address):
        """Viewers come and go."""


class CameraServer(_WhileEntered, ThreadingHTTPServer):
    """Serves on loopback while it is entered.

    `/stream.mjpg` sends pictures, 20 levels brighter each, for as long as `pause` lets it; after
    `most` of them it hangs up or, with `stalls`, says nothing more. `/secret.mjpg` is the same
    behind a password. `/NAME` is what `files` has, or as an int the status of an answer without
    it. `asked` are the paths of all requests.
    """

    def __init__(self):
        super().__init__(_Camera)
        self.files: dict[str, tuple[str, bytes] | int] = {}
        self.asked: list[str] = []
        self.most, self.stalls = 10**9, False
        self.pause = 0.02
        self.size = (64, 48)


class _Camera(BaseHTTPRequestHandler):
    timeout = 10

    def do_GET(self):  # noqa: N802
        self.server.asked.append(self.path)
        path = self.path.partition("?")[0].strip("/")
        if path == "secret.mjpg" and self.headers.get("Authorization") != _BASIC:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="camera"')
            self.end_headers()
        elif path.endswith(".mjpg"):
            with contextlib.suppress(OSError):
                self._stream()
        elif isinstance(found := self.server.files.get(path, 404), int):
            self.send_error(found)
        else:
            self.send_response(200)
            self.send_header("Content-Type", found[0])
            self.send_header("Content-Length", str(len(found[1])))
            self.end_headers()
            self.wfile.write(found[1][: self.server.most])

    def _stream(self):
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        for number in itertools.takewhile(lambda each: each < self.server.most, itertools.count()):
            picture = jpeg(20 * number % 240, *self.server.size)
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
            self.wfile.write(head.encode() + picture + b"\r\n")
            if self.server.ends.wait(self.server.pause):
                return
        if self.server.stalls:
            self.wfile.write(b"--frame\r\n")
            self.server.ends.wait()

    def log_message(self, *_):
        pass


class RtspServer(_WhileEntered, socketserver.ThreadingTCPServer):
    """Serves JPEG pictures over RTSP and TCP (RFC 2326, RFC 2435) on loopback while it is entered.

    `most` pictures come, and then it hangs up; `refuses` answers DESCRIBE with that status.
    """

    allow_reuse_address = True

    def __init__(self):
        super().__init__(_Rtsp)
        self.most, self.refuses = 10**9, 0


_SDP = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\nm=video 0 RTP/AVP 26\r\n"


class _Rtsp(socketserver.StreamRequestHandler):
    timeout = 10

    def handle(self):
        while line := self.rfile.readline().decode().strip():
            method = line.split()[0]
            fields = iter(lambda: self.rfile.readline().decode().strip(), "")
            number = next(field[5:].strip() for field in fields if field.startswith("CSeq:"))
            for _ in fields:
                pass
            self._answer(method, number)
            if method == "PLAY":
                return self._play()

    def _answer(self, method: str, number: str):
        body, more = "", ""
        if method == "DESCRIBE":
            if self.server.refuses:
                self.wfile.write(
                    f"RTSP/1.0 {self.server.refuses} No\r\nCSeq: {number}\r\n\r\n".encode()
                )
                return
            body = _SDP
            more = f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n"
        if method == "SETUP":
            more = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n"
        self.wfile.write(f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\n{more}\r\n{body}".encode())

    def _play(self):
        for number in itertools.takewhile(lambda each: each < self.server.most, itertools.count()):
            payload = _rtp_jpeg(jpeg(20 * number % 240))
            head = struct.pack("!BBHII", 0x80, 0x80 | 26, number % 65536, 1800 * number, 7)
            packet = head + payload
            self.wfile.write(struct.pack("!cBH", b"$", 0, len(packet)) + packet)
            if self.server.ends.wait(0.02):
                return


def _rtp_jpeg(picture: bytes) -> bytes:
    """A JPEG of 64 x 48 as one RTP payload: its quantization tables and its scan (RFC 2435)."""
    tables = b"".join(
        match[1] for match in re.finditer(rb"\xff\xdb\x00C[\x00\x01](.{64})", picture, re.DOTALL)
    )
    start = picture.index(b"\xff\xda")
    scan = picture[start + 2 + int.from_bytes(picture[start + 2 : start + 4]) : -2]
    # Type 1: colour halved in both directions, as OpenCV writes it; Q 255: tables come along.
    head = struct.pack("!B3sBBBB", 0, bytes(3), 1, 255, 64 // 8, 48 // 8)
    return head + struct.pack("!BBH", 0, 0, len(tables)) + tables + scan
