"""Reads one request with patience, but not without end."""

import io
import socket
import time

# Seconds in which a request must have arrived whole: one byte now and then does not hold a thread.
REQUEST_SECONDS = 10.0
# Head and body. What a browser sends is a tenth of it.
MOST_REQUEST_BYTES = 16384


class RequestTooLarge(Exception):
    """The request is longer than any that the page makes."""


def bounded_reader(connection: socket.socket) -> io.BufferedReader:
    """A file to read one request from.

    Reading raises `TimeoutError` after `REQUEST_SECONDS`, counted from now, and
    `RequestTooLarge` after `MOST_REQUEST_BYTES`.
    """
    return io.BufferedReader(_Request(connection))


class _Request(io.RawIOBase):
    """Bytes of one request, of a bounded number, before a deadline."""

    def __init__(self, connection: socket.socket):
        self._connection = connection
        self._ends = time.monotonic() + REQUEST_SECONDS
        self._left = MOST_REQUEST_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        seconds = self._ends - time.monotonic()
        if seconds <= 0:
            raise TimeoutError
        if self._left <= 0:
            raise RequestTooLarge
        self._connection.settimeout(seconds)
        count = self._connection.recv_into(buffer, min(len(buffer), self._left))
        self._left -= count
        return count
