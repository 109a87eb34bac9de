"""Photos from addresses: of hosts that are allowed, from where these really are, within bounds."""

import asyncio
import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import SplitResult, urljoin, urlsplit

from keras_portrait.serve.photos import MOST_BYTES, too_many_bytes
from keras_portrait.serve.refusals import Refusal, shortened

# Seconds for a photo, with all redirects.
FETCH_SECONDS = 15.0
_MOST_REDIRECTS = 3
_PORTS = {"http": 80, "https": 443}
_REDIRECTS = (301, 302, 303, 307, 308)


class Fetcher:
    """Fetches photos.

    Args:
        allowed: `HOST` for its usual ports, `HOST:PORT` for another. An address that is not of the
            internet is used only where it stands here itself.
        at_once: photos at the same time.
    """

    def __init__(self, allowed: tuple[str, ...], at_once: int = 4):
        self._allowed = {entry.lower() for entry in allowed}
        self._hosts = {_host_of(entry) for entry in self._allowed}
        self._pool = ThreadPoolExecutor(at_once, "fetching")
        self._tls = ssl.create_default_context()

    async def fetch(self, url: str) -> bytes:
        """The bytes behind an address.

        Raises:
            Refusal: the host is not allowed, does not answer as it should or in time, or sends
                too much.
        """
        self._check(url)  # before it takes a thread
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(FETCH_SECONDS + 1):
                return await loop.run_in_executor(self._pool, self._fetch, url)
        except TimeoutError:
            raise _too_slow() from None

    def close(self) -> None:
        """Ends the threads."""
        self._pool.shutdown(cancel_futures=True)

    def _check(self, url: str) -> SplitResult:
        if not self._allowed:
            raise Refusal(
                403, "Photos are not fetched from addresses here. Expected POST with the photo."
            )
        received = f"Received: {shortened(url)}"
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            parts, host, port = urlsplit(""), None, None
        fits = url.isascii() and url.isprintable() and " " not in url
        if not fits or not host or parts.scheme not in _PORTS or parts.username is not None:
            raise Refusal(
                422, f"Not an address of a photo. Expected http:// or https://. {received}"
            )
        entry = f"[{host}]" if ":" in host else host
        if port not in (None, _PORTS[parts.scheme]):
            entry = f"{entry}:{port}"
        if entry not in self._allowed:
            raise Refusal(403, f"Photos are not fetched from this host. {received}")
        return parts

    def _fetch(self, url: str) -> bytes:
        with _Deadline(FETCH_SECONDS) as deadline:
            try:
                for _ in range(_MOST_REDIRECTS + 1):
                    parts = self._check(url)
                    answer = self._ask(parts, deadline)
                    if isinstance(answer, bytes):
                        return answer
                    url = self._next(parts, answer)
            except (OSError, http.client.HTTPException, ValueError) as error:
                # The socket's own bound is as long, and may be met first.
                if deadline.is_over or isinstance(error, TimeoutError):
                    raise _too_slow() from None
                reason = getattr(error, "strerror", None) or type(error).__name__
                raise Refusal(
                    502, f"The photo cannot be fetched ({reason}). Received: {shortened(url)}"
                ) from None
        raise Refusal(502, f"The address leads on and on. Received: {shortened(url)}")

    def _next(self, parts: SplitResult, location: str) -> str:
        url = urljoin(parts.geturl(), location)
        target = urlsplit(url)
        if target.hostname != parts.hostname or (parts.scheme, target.scheme) == ("https", "http"):
            raise Refusal(403, f"The address leads to another host. Received: {shortened(url)}")
        return url

    def _ask(self, parts: SplitResult, deadline: "_Deadline") -> bytes | str:
        """The bytes that lie there, or where they lie instead."""
        port = parts.port or _PORTS[parts.scheme]
        address = self._address_of(parts.hostname, port)
        connection = http.client.HTTPConnection(parts.hostname, port)
        with contextlib.closing(connection):
            connection.sock = deadline.watch(socket.create_connection(address, FETCH_SECONDS))
            if parts.scheme == "https":
                tls = self._tls.wrap_socket(connection.sock, server_hostname=parts.hostname)
                connection.sock = deadline.watch(tls)
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            headers = {"Accept": "image/*", "Host": parts.netloc, "Connection": "close"}
            connection.request("GET", path, headers=headers)
            with connection.getresponse() as answer:
                if answer.status in _REDIRECTS and answer.headers["Location"]:
                    return answer.headers["Location"]
                if answer.status != 200:
                    raise Refusal(
                        502, f"The photo cannot be fetched. Received: status {answer.status}"
                    )
                if (answer.length or 0) > MOST_BYTES:
                    raise too_many_bytes(f"{answer.length} bytes")
                data = answer.read(MOST_BYTES + 1)
        if deadline.is_over:
            raise _too_slow()
        if len(data) > MOST_BYTES:
            raise too_many_bytes("more")
        return data

    def _address_of(self, host: str, port: int) -> tuple[str, int]:
        """Where to connect; what is checked is what is used, whatever the name says next."""
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        for *_, place in found:
            if not self._is_allowed_address(place[0]):
                raise Refusal(
                    403,
                    "Photos are not fetched from addresses inside a network, unless these are "
                    f"named. Received: {shortened(host)}",
                )
        return found[0][4][:2]

    def _is_allowed_address(self, text: str) -> bool:
        address = ipaddress.ip_address(text.partition("%")[0])
        address = getattr(address, "ipv4_mapped", None) or address
        is_public = address.is_global and not address.is_multicast
        return is_public or str(address) in self._hosts


class _Deadline:
    """Hangs up when the time is over: a server that drips meets no other bound."""

    def __init__(self, seconds: float):
        self.is_over = False
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._hang_up)
        self._timer.daemon = True

    def watch(self, connection: socket.socket) -> socket.socket:
        """Has this connection end with the time."""
        self._socket = connection
        return connection

    def __enter__(self) -> "_Deadline":
        self._timer.start()
        return self

    def __exit__(self, *_) -> None:
        self._timer.cancel()

    def _hang_up(self) -> None:
        self.is_over = True
        with contextlib.suppress(OSError, AttributeError):
            self._socket.shutdown(socket.SHUT_RDWR)


def _host_of(entry: str) -> str:
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    return entry.partition(":")[0]


def _too_slow() -> Refusal:
    return Refusal(504, f"The photo came too slowly. Expected it within {FETCH_SECONDS:g} s.")
