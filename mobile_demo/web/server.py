"""The web view: the live drawing in a browser, from the standard library's server."""

import base64
import contextlib
import hashlib
import re
import socket
import socketserver
import sys
import threading
from collections import Counter
from http.server import ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from keras_portrait.errors import SettingError
from keras_portrait.serve.access import is_loopback
from keras_portrait_demo.booth.booth import Booth
from keras_portrait_demo.web.access import Access
from keras_portrait_demo.web.handler import Handler
from keras_portrait_demo.web.limits import RateLimit, visitor_of
from keras_portrait_demo.web.pictures import Pictures
from keras_portrait_demo.web.stream import Stream

# Each connection is a thread. Viewers take one for as long as they look; the page of each needs
# another now and then.
MOST_CONNECTIONS = 128
MOST_VIEWERS = 64
# From one visitor, where others can reach this machine: one alone does not take all the room.
MOST_FROM_ONE = 32
# Seconds between two looks whether the view is stopped.
_LOOK_SECONDS = 0.1
# Of an address, so that its QR code can be read from a screen.
_MOST_LETTERS = 300
_EVERY_ADDRESS = {"", "0.0.0.0", "::"}


class WebView:
    """Shows a `Live` in the browser until it is stopped.

    Example:
        with WebView(live, "127.0.0.1", 8000) as view:
            print(f"Open {view.url}")
    """

    def __init__(
        self,
        live,
        host: str = "127.0.0.1",
        port: int = 8000,
        token: str | None = None,
        booth: Booth | None = None,
        phone_page: str | None = None,
    ):
        """Takes the port; `start` begins to answer.

        Args:
            live: has `latest`, `wait_newer`, `displayed`, `choose` and `status`; see
                `mobile_demo/live.py`.
            host: name or address to listen on; `0.0.0.0` for all of this machine.
            port: 0 takes any that is free.
            token: what a visitor must bring once; see `mobile_demo/web/access.py`. Without one,
                one is made where the address is not a loopback one.
            booth: takes the page's pictures; None where each visitor takes their own.
            phone_page: http or https address of a page that draws in a browser, for visitors'
                own phones.

        Raises:
            SettingError: the address or port cannot be listened on, or the token or the page for
                phones does not fit.
        """
        access = Access(host, token)
        _check_phone_page(phone_page)
        try:
            self._server = _Server(host, port)
        except (OSError, OverflowError, TypeError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise SettingError(
                f"The web view cannot listen there ({reason}). "
                f"Expected an address of this machine and a free port. Received: {host}:{port}"
            ) from None
        self._server.live = live
        self._server.booth = booth
        self._server.access = access
        self._server.pictures = Pictures(live)
        self._server.limits = Limits()
        self._server.stream = Stream(live, self._server.pictures)
        if not is_loopback(host):
            self._server.most_from_one = MOST_FROM_ONE
        self._server.page = Page(Path(__file__).with_name("static") / "index.html")
        address = _address(host, self._server.server_port)
        self._server.phone_page = phone_page
        self._server.address_for_phones = None if is_loopback(host) else address
        self._url = address
        self._token = access.token
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_LOOK_SECONDS,), name="web view", daemon=True
        )

    @property
    def url(self) -> str:
        """What to open, with the token where one is needed."""
        return self._url if self._token is None else f"{self._url}?token={self._token}"

    def start(self) -> None:
        """Begins to answer."""
        self._server.stream.start()
        self._thread.start()

    def stop(self) -> None:
        """Hangs up on every viewer, frees the port and waits for all threads."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.stream.stop()
        self._server.hang_up()
        self._server.server_close()

    def __enter__(self) -> "WebView":
        self.start()
        return self

    def __exit__(self, *_) -> None:
        self.stop()


class Page:
    """The one page, and the policy that lets its own script and style run and no others.

    Attributes:
        content: the page's bytes.
        policy: value of `Content-Security-Policy`.
    """

    def __init__(self, path: Path):
        self.content = path.read_bytes()
        self.policy = "; ".join(
            [
                "default-src 'none'",
                f"script-src {self._hashes('script')}",
                f"style-src {self._hashes('style')}",
                "img-src 'self' data:",
                "connect-src 'self'",
                "base-uri 'none'",
                "form-action 'none'",
                "frame-ancestors 'none'",
            ]
        )

    def _hashes(self, tag: str) -> str:
        parts = re.findall(rf"<{tag}>(.*?)</{tag}>".encode(), self.content, re.DOTALL)
        digests = (base64.b64encode(hashlib.sha256(part).digest()).decode() for part in parts)
        return " ".join(f"'sha256-{digest}'" for digest in digests)


class Limits:
    """How often each visitor may ask; more is refused until some seconds have passed."""

    def __init__(self):
        # Wrong tokens: a token of 8 letters stands for longer than anybody tries.
        self.guesses = RateLimit(burst=20, per_second=0.2)
        # Snapshots, choices and rounds, which cost the most.
        self.posts = RateLimit(burst=30, per_second=2.0)
        # Everything. A page asks once a second, and all visitors of a proxy are one.
        self.requests = RateLimit(burst=400, per_second=100.0)


class _Server(ThreadingHTTPServer):
    """Bounds the connections, and knows them so that they can be ended."""

    request_queue_size = 32

    def __init__(self, host: str, port: int):
        if ":" in host:
            self.address_family = socket.AF_INET6
        self.most_from_one = MOST_CONNECTIONS
        self.viewers = threading.Semaphore(MOST_VIEWERS)
        self._open: dict[threading.Thread, socket.socket] = {}
        self._visitors: Counter[str] = Counter()  # connections of each
        self._open_lock = threading.Lock()
        super().__init__((host, port), Handler)

    def server_bind(self):
        """Binds without asking the name service who we are, which may take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]

    def process_request(self, request, client_address):
        """Answers a connection in its own thread, or turns it away when there are too many."""
        visitor = visitor_of(client_address[0])
        with self._open_lock:
            is_full = self._visitors[visitor] >= self.most_from_one
            is_full = is_full or self._visitors.total() >= MOST_CONNECTIONS
            if not is_full:
                self._visitors[visitor] += 1
        if is_full:
            request.setblocking(False)
            with contextlib.suppress(OSError):
                request.send(b"HTTP/1.0 503 Service Unavailable\r\nRetry-After: 5\r\n\r\n")
            self.shutdown_request(request)
            return
        thread = threading.Thread(
            target=self.process_request_thread,
            args=(request, client_address),
            name="web visitor",
            daemon=True,
        )
        with self._open_lock:
            self._open[thread] = request
        try:
            thread.start()
        except RuntimeError:  # the system has no room for another thread
            self._forget(thread, client_address)
            self.shutdown_request(request)

    def process_request_thread(self, request, client_address):
        """Answers a connection, then makes room for another."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._forget(threading.current_thread(), client_address)

    def _forget(self, thread, client_address):
        with self._open_lock:
            del self._open[thread]
            self._visitors -= Counter([visitor_of(client_address[0])])

    def hang_up(self):
        """Ends every connection and waits for its thread."""
        with self._open_lock:
            connections = dict(self._open)
        for connection in connections.values():
            # One that has just ended is closed already.
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in connections:
            thread.join(2.0)

    def handle_error(self, request, client_address):
        """Viewers come and go; only other faults are told."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


def _check_phone_page(address: str | None) -> None:
    parts = None
    with contextlib.suppress(ValueError):
        parts = address and urlsplit(address)
    fits = parts and parts.scheme in ("http", "https") and parts.hostname and address.isprintable()
    if address is not None and not (fits and len(address) <= _MOST_LETTERS):
        raise SettingError(
            "--phone-page: expected the http or https address of a page that `portrait web` made. "
            f"Received: {address}"
        )


def _address(host: str, port: int) -> str:
    if host in _EVERY_ADDRESS:
        host = _address_in_network()
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def _address_in_network() -> str:
    """The address that others in the network reach this machine by."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Sends nothing: it only asks the system which way a packet would leave. The address
            # is one of those for documentation (RFC 5737).
            probe.connect(("192.0.2.1", 9))
            return probe.getsockname()[0]
        except OSError:
            return socket.gethostname()
