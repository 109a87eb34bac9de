"""Sends the live picture to everybody who looks, from one thread.

A thread for each viewer that encodes nothing still wakes for each frame, and fifty of them take the
interpreter from the threads that draw. Here the thread of a viewer sleeps, unless its connection
does not take a frame at once.
"""

import contextlib
import selectors
import socket
import threading
import time

from keras_portrait_demo.web.pictures import Pictures

BOUNDARY = "frame"
# One frame must be taken in so many seconds.
SEND_SECONDS = 5.0
# Small, so that a slow viewer skips frames instead of seeing old ones.
_SEND_BUFFER_BYTES = 65536
# Seconds between two looks whether a viewer is still there, while no frames come.
_LOOK_SECONDS = 0.5
_BETWEEN = f"--{BOUNDARY}\r\n".encode()


class _Viewer:
    """A connection, and what of a frame it has not taken yet.

    While `rest` is None the sending thread has the connection, otherwise the viewer's own.
    """

    def __init__(self, connection: socket.socket, kind: str):
        self.connection, self.kind = connection, kind
        self.number = -1
        self.rest: memoryview | None = memoryview(_BETWEEN)
        self.woken = threading.Event()


class Stream:
    """A multipart stream of JPEG files for any number of viewers; slow ones skip frames.

    Args:
        live: has `wait_newer` and `displayed`; see `mobile_demo/live.py`.
        pictures: encodes its frames.
    """

    def __init__(self, live, pictures: Pictures):
        self._live, self._pictures = live, pictures
        self._viewers: set[_Viewer] = set()
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="web stream", daemon=True)

    def start(self) -> None:
        """Begins to send."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the sending and lets go of every viewer."""
        with self._changed:
            self._stopping = True
            for viewer in self._viewers:
                viewer.woken.set()
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def show(self, connection: socket.socket, kind: str) -> None:
        """Sends to a viewer until it leaves or this stops; called in the viewer's own thread.

        Args:
            connection: what the head of the answer has been written to.
            kind: of picture; see `Pictures`.

        Raises:
            TimeoutError: a frame was not taken within `SEND_SECONDS`.
            OSError: the viewer hung up.
        """
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        connection.setblocking(False)
        viewer = _Viewer(connection, kind)
        with self._changed:
            self._viewers.add(viewer)
        try:
            while not self._stopping and not _has_left(connection):
                if viewer.rest is not None:
                    _send_all(connection, viewer.rest)
                    self._give_back(viewer)
                viewer.woken.wait(_LOOK_SECONDS)
                # Here alone: what was set after the last look would let this loop spin.
                viewer.woken.clear()
        finally:
            with self._changed:
                self._viewers.discard(viewer)

    def _give_back(self, viewer: _Viewer) -> None:
        if viewer.number >= 0:
            self._live.displayed(viewer.number)
        with self._changed:
            viewer.rest = None
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopping or self._ready())
                if self._stopping:
                    return
                number = min(viewer.number for viewer in self._ready())
            # Short, for viewers who come meanwhile and have not seen the newest frame.
            result = self._live.wait_newer(number, timeout=0.05)
            if result is not None:
                self._send(result)

    def _ready(self) -> list[_Viewer]:
        return [viewer for viewer in self._viewers if viewer.rest is None]

    def _send(self, result) -> None:
        with self._changed:
            viewers = self._ready()
        parts: dict[str, tuple[int, bytes]] = {}
        for viewer in viewers:
            if viewer.number >= result.number:
                continue
            if viewer.kind not in parts:
                parts[viewer.kind] = self._part(viewer.kind, result)
            number, part = parts[viewer.kind]
            viewer.number = number
            sent = 0
            # A broken connection is found broken by its own thread.
            with contextlib.suppress(OSError):
                sent = viewer.connection.send(part)
            if sent == len(part):
                self._live.displayed(number)
            else:
                viewer.rest = memoryview(part)[sent:]
                viewer.woken.set()

    def _part(self, kind: str, result) -> tuple[int, bytes]:
        number, jpeg = self._pictures.encode(kind, result)
        head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\nX-Frame: {number}"
        # The boundary follows at once: some browsers show a part only when they see its end.
        return number, head.encode() + b"\r\n\r\n" + jpeg + b"\r\n" + _BETWEEN


def _has_left(connection: socket.socket) -> bool:
    try:
        return not connection.recv(4096)
    except BlockingIOError:
        return False


def _send_all(connection: socket.socket, rest: memoryview) -> None:
    ends = time.monotonic() + SEND_SECONDS
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_WRITE)
        while rest:
            if not selector.select(max(0.0, ends - time.monotonic())):
                raise TimeoutError("The viewer takes no frames.")
            with contextlib.suppress(BlockingIOError):
                rest = rest[connection.send(rest) :]
