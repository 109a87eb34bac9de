"""The page of `portrait web`, written and served for tests."""

import contextlib
import functools
import http.server
import socket
import threading
from pathlib import Path

import pytest
from PIL import Image

from conftest import EXAMPLE
from keras_portrait.errors import MissingExtra
from keras_portrait.web import site
from keras_portrait.web.runtime import read_runtime

# Where a stand-in suffices: what the page loads of the runtime, without its megabytes.
NO_RUNTIME = {
    "core/dist/index.js": b"export {};\n",
    "core/wasm/litert_wasm_internal.wasm": b"\0asm",
}


def write_real_site(folder: Path, **options) -> None:
    """Writes the page with its runtime, from the user's cache or the network.

    Where npm cannot bring it, the test is skipped.
    """
    try:
        read_runtime()
    except MissingExtra as error:
        pytest.skip(str(error))
    site.write_site(folder, **options)


def write_site_without_runtime(folder: Path, **options) -> site.Site:
    """Writes the page with a few bytes in place of the runtime."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(site, "read_runtime", lambda: NO_RUNTIME)
        return site.write_site(folder, **options)


def camera(folder: Path) -> list[str]:
    """Switches that give Chromium a camera of 640 x 480, which shows the example photo."""
    with Image.open(EXAMPLE) as photo:
        frame = Image.new("RGB", (640, 480))
        frame.paste(photo, (64, 0))
    with (folder / "camera.mjpeg").open("wb") as film:
        for _ in range(3):
            frame.save(film, "JPEG", quality=90)
    return [
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={folder / 'camera.mjpeg'}",
    ]


class Files(http.server.SimpleHTTPRequestHandler):
    """A plain server of files, as `python -m http.server`."""

    def log_message(self, *_):
        pass


class _Server(http.server.ThreadingHTTPServer):
    """Knows its connections: browsers open some before they need them."""

    def __init__(self, *arguments):
        self.connections = []
        super().__init__(*arguments)

    def process_request(self, request, client_address):
        self.connections.append(request)
        super().process_request(request, client_address)

    def hang_up(self):
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def served(folder: Path, port: int = 0, handler=Files):
    """Serves a folder on loopback; gives its address."""
    make = functools.partial(handler, directory=str(folder))
    with _Server(("127.0.0.1", port), make) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()
            server.hang_up()
