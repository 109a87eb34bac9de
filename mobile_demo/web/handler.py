"""Answers one request to the web view.

A connection carries one request (HTTP/1.0). Nothing is served by its path in a file system: the
routes below are all there is.
"""

import json
import math
import time
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qsl

from keras_portrait.errors import PortraitError
from keras_portrait.serve.access import same_origin
from keras_portrait_demo.web.access import FORGET_COOKIE, token_of
from keras_portrait_demo.web.limits import visitor_of
from keras_portrait_demo.web.pictures import qr_code
from keras_portrait_demo.web.request import RequestTooLarge, bounded_reader
from keras_portrait_demo.web.stream import BOUNDARY

# One answer must be taken in so many seconds.
SEND_SECONDS = 5.0
MOST_BODY_BYTES = 4096
# Without a new picture for so many seconds the demo is not healthy.
STALE_SECONDS = 10.0
_CHOICES = {"style", "preset", "layout"}

_HEADERS = {
    "Cache-Control": "no-store",
    # Of everything but the page, which says what it may run.
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    # On loopback there is no token: no other site may show the camera's picture in its page.
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Handler(BaseHTTPRequestHandler):
    """One request; `server` is the server of `mobile_demo/web/server.py`."""

    server_version = "portrait-demo"
    sys_version = ""

    def setup(self):
        """Reads through a deadline and a limit."""
        super().setup()
        self.rfile.close()
        self.rfile = bounded_reader(self.connection)

    def handle_one_request(self):
        """Also answers a request that is too long."""
        try:
            super().handle_one_request()
        except RequestTooLarge:
            self.close_connection = True
            self.command = self.requestline = self.request_version = ""
            self.send_error(431)

    def _dispatch(self):
        self.visitor = visitor_of(self.client_address[0])
        if not self.server.limits.requests.take(self.visitor):
            return self._say(429, "Too many requests.", {"Retry-After": "1"})
        path, _, query = self.path.partition("?")
        try:
            self.query = dict(parse_qsl(query, max_num_fields=8))
        except ValueError:
            return self.send_error(400)
        if not self.server.access.answers_to(self.headers.get("Host")):
            return self._say(403, "This name is not served here. Open http://localhost instead.")
        methods = _ROUTES.get(path)
        if methods is None:
            return self.send_error(404)
        if self.command not in methods:
            return self._say(405, "Method not allowed", {"Allow": ", ".join(methods)})
        if self._is_open(path) or self._has_token():
            methods[self.command](self)

    do_GET = do_HEAD = do_POST = _dispatch
    do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_TRACE = do_CONNECT = _dispatch

    def _is_open(self, path: str) -> bool:
        # A snapshot's name is a secret of its own: who has it, by its QR code, sees that picture
        # and nothing else.
        return (
            self.server.access.token is None
            or path == "/healthz"
            or (
                path in _BY_NAME and self.server.pictures.snapshot(self.query.get("id")) is not None
            )
        )

    def _has_token(self) -> bool:
        """Whether the visitor brings the token; says so where not."""
        guesses = self.server.limits.guesses
        brought = [token_of(self.headers.get("Cookie")), self.query.get("token")]
        brought = [token for token in brought if token is not None]
        if brought and guesses.is_spent(self.visitor):
            self._say(429, "Too many wrong tokens. Wait a minute.", {"Retry-After": "60"})
            return False
        if any([self.server.access.is_token(token) for token in brought]):
            return True
        for _ in brought:
            guesses.take(self.visitor)
        # A page left open from before a restart would go on guessing.
        headers = {"Set-Cookie": FORGET_COOKIE} if brought else {}
        self._say(403, "Open the address with ?token=, as portrait-demo printed it.", headers)
        return False

    # ---- pages and pictures ----

    def _page(self):
        if "token" in self.query:
            headers = {"Location": "/"}
            if self.server.access.token is not None:
                headers["Set-Cookie"] = self.server.access.cookie()
            return self._say(303, "Open /", headers)
        page = self.server.page
        headers = {"Content-Security-Policy": page.policy}
        self._reply(200, page.content, "text/html; charset=utf-8", headers)

    def _snapshot_drawing(self):
        self._snapshot("drawing", "portrait.png")

    def _snapshot_photo(self):
        self._snapshot("photo", "photo.png")

    def _snapshot(self, kind: str, filename: str):
        if "id" in self.query:
            kept = self.server.pictures.snapshot(self.query["id"])
            picture = kept and getattr(kept, kind)
        else:
            picture = self.server.pictures.latest(kind)
        if picture is None:
            return self._say(404, "There is no such picture (any more).")
        headers = {"Content-Disposition": f'inline; filename="{filename}"'}
        self._reply(200, picture, "image/png", headers)

    def _qr_code(self):
        name = self.query.get("id")
        if self.server.pictures.snapshot(name) is None or not self.server.address_for_phones:
            return self.send_error(404)
        self._reply(200, qr_code(self._phone_address(name)), "image/png")

    def _phone_page_code(self):
        if self.server.phone_page is None:
            return self.send_error(404)
        self._reply(200, qr_code(self.server.phone_page), "image/png")

    def _phone_address(self, name: str) -> str:
        return f"{self.server.address_for_phones}snapshot.png?id={name}"

    def _stream(self):
        kind = "pair" if self.query.get("picture") == "pair" else "view"
        if self.command == "HEAD":
            return self._stream_headers()
        if not self.server.viewers.acquire(blocking=False):
            return self._say(503, "Too many viewers.", {"Retry-After": "5"})
        try:
            self._stream_headers()
            self.server.stream.show(self.connection, kind)
        finally:
            self.server.viewers.release()

    def _stream_headers(self):
        self._start(200, f"multipart/x-mixed-replace; boundary={BOUNDARY}", {})

    # ---- facts and choices ----

    def _status(self):
        facts = self.server.live.status()
        booth = self.server.booth
        if booth is not None:
            name = booth.picture and self.server.pictures.name_of(booth.picture)
            facts["booth"] = booth.status() | {"picture": name and self._kept(name)}
        if self.server.phone_page is not None:
            facts["phone_page"] = self.server.phone_page
        self._json(200, facts)

    def _health(self):
        result = self.server.live.latest()
        age = math.inf if result is None else time.monotonic() - result.captured
        if age < STALE_SECONDS:
            return self._say(200, "ok")
        self._say(503, "no picture yet" if result is None else f"no new picture for {age:.0f} s")

    def _choose(self):
        choice = self._body()
        if choice is None:
            return
        fits = choice and set(choice) <= _CHOICES
        if not fits or not all(isinstance(value, str) for value in choice.values()):
            return self._json(400, {"error": 'Expected {"style" | "preset" | "layout": text}.'})
        try:
            self.server.live.choose(**choice)
        except PortraitError as error:
            return self._json(400, {"error": str(error)})
        self._status()

    def _take_snapshot(self):
        if self._body() is None:
            return
        name = self.server.pictures.take_snapshot()
        if name is None:
            return self._json(503, {"error": "There is no picture yet."})
        self._json(200, self._kept(name))

    def _kept(self, name: str) -> dict:
        address = self._phone_address(name) if self.server.address_for_phones else None
        return {"id": name, "address": address}

    def _begin_round(self):
        if self._body() is None:
            return
        if self.server.booth is None:
            return self.send_error(404)
        if not self.server.booth.press():
            return self._json(409, {"error": "A picture is being taken already."})
        self._status()

    def _body(self):
        """The JSON object of a POST from our own page; None after an error has been answered."""
        if not self.server.limits.posts.take(self.visitor):
            return self._json(429, {"error": "Too many requests. Wait a few seconds."})
        if not same_origin(self.headers.get("Origin"), self.headers.get("Host")):
            return self.send_error(403)
        # Another site's form cannot send this type, and its script must ask first.
        if self.headers.get_content_type() != "application/json":
            return self._json(415, {"error": "Expected application/json."})
        length = self.headers.get("Content-Length")
        if length is None:
            return self.send_error(411)
        if not (length.isascii() and length.isdigit()):
            return self.send_error(400)
        if len(length) > 9 or int(length) > MOST_BODY_BYTES:
            return self.send_error(413)
        try:
            body = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict):
            return self._json(400, {"error": "Expected a JSON object."})
        return body

    # ---- answers ----

    def _json(self, status: int, value: dict):
        self._reply(status, json.dumps(value).encode(), "application/json")

    def _say(self, status: int, text: str, headers: dict[str, str] | None = None):
        self._reply(status, f"{text}\n".encode(), "text/plain; charset=utf-8", headers)

    def _reply(self, status: int, body: bytes, kind: str, headers: dict[str, str] | None = None):
        self._start(status, kind, {"Content-Length": str(len(body)), **(headers or {})})
        if self.command != "HEAD":
            # A large picture to a phone at the edge of the Wi-Fi, at 50 kB a second.
            self.connection.settimeout(SEND_SECONDS + len(body) / 50_000)
            self.wfile.write(body)

    def _start(self, status: int, kind: str, headers: dict[str, str]):
        self.connection.settimeout(SEND_SECONDS)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        for name, value in {**_HEADERS, **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def send_error(self, code, message=None, explain=None):
        """Answers in plain text, without a word of what was sent."""
        self.close_connection = True
        self._say(code, self.responses.get(code, ("Error",))[0])

    def log_message(self, format, *arguments):
        """Keeps quiet: an address may hold the token."""


def _get(answer) -> dict:
    return {"GET": answer, "HEAD": answer}


_ROUTES = {
    "/": _get(Handler._page),
    "/stream.mjpg": _get(Handler._stream),
    "/status.json": _get(Handler._status),
    "/healthz": _get(Handler._health),
    "/snapshot.png": _get(Handler._snapshot_drawing),
    "/snapshot-photo.png": _get(Handler._snapshot_photo),
    "/qr.png": _get(Handler._qr_code),
    "/phone-page.png": _get(Handler._phone_page_code),
    "/choose": {"POST": Handler._choose},
    "/snapshot": {"POST": Handler._take_snapshot},
    "/round": {"POST": Handler._begin_round},
}
# What a visitor with a snapshot's name may see without the token.
_BY_NAME = {"/snapshot.png", "/snapshot-photo.png"}
