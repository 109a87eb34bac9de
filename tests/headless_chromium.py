"""Drives Chromium without a window, a driver program or a package: its protocol over a pipe."""

import contextlib
import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

SECONDS = 20.0
# Chromium reads commands from descriptor 3 and writes answers to 4, each ended by a zero byte.
_START = "import os, sys; os.dup2({0}, 3); os.dup2({1}, 4); os.execvp(sys.argv[1], sys.argv[1:])"


def find_chromium() -> str:
    """Path of the browser; skips the test where there is none."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if found is None:
        pytest.skip("Chromium is not installed (Debian package: chromium)")
    return found


class Navigated(Exception):
    """The page was left before the answer came."""


class Chromium:
    """One tab. Close it after use: `with Chromium(folder) as browser`."""

    def __init__(self, folder: Path, *switches: str):
        self.downloads = folder / "downloads"
        self.downloads.mkdir()
        self.problems = []
        self._number = 0
        self._buffer = b""
        commands, self._commands = os.pipe()
        self._answers, answers = os.pipe()
        # Above 9, so that moving one to 3 or 4 does not hit the other.
        inherited = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (commands, answers)]
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START.format(*inherited), find_chromium()]
            + ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--mute-audio"]
            + ["--disable-background-networking", "--disable-dev-shm-usage"]
            + [
                "--remote-debugging-pipe",
                f"--user-data-dir={folder / 'profile'}",
                *switches,
                "about:blank",
            ],
            pass_fds=inherited,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for end in (commands, answers, *inherited):
            os.close(end)
        self._session = None
        targets = self.send("Target.getTargets")["targetInfos"]
        page = next(target["targetId"] for target in targets if target["type"] == "page")
        attached = self.send("Target.attachToTarget", targetId=page, flatten=True)
        self.send("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(self.downloads))
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.send(f"{domain}.enable")

    def __enter__(self) -> "Chromium":
        return self

    def __exit__(self, *_):
        self._session = None
        with contextlib.suppress(OSError):
            self.send("Browser.close")
        try:
            self._process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._commands)
        os.close(self._answers)

    def send(self, method: str, **parameters) -> dict:
        """Sends a command and waits for its answer; what the page complains of is collected."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                if "navigated" in answer.get("error", {}).get("message", ""):
                    raise Navigated
                assert "error" not in answer, answer
                return answer["result"]
            self._note(answer)

    def open(self, address: str):
        self.send("Page.navigate", url=address)
        self.wait_for("document.readyState === 'complete'")

    @contextlib.contextmanager
    def before_each_page(self, source: str):
        """Has a script run first in every page that is opened meanwhile."""
        script = self.send("Page.addScriptToEvaluateOnNewDocument", source=source)["identifier"]
        try:
            yield
        finally:
            self.send("Page.removeScriptToEvaluateOnNewDocument", identifier=script)

    def run(self, expression: str):
        """Value of an expression in the page, a promise's result included."""
        done = self.send(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def wait_for(self, expression: str):
        """Waits until an expression is true, and returns its value."""
        ends = time.monotonic() + SECONDS
        while True:
            with contextlib.suppress(Navigated):
                if value := self.run(expression):
                    return value
            assert time.monotonic() < ends, f"waited in vain for {expression}"
            time.sleep(0.05)

    def press(self, key: str, text: str = ""):
        code = {"Tab": 9, "ArrowRight": 39, "ArrowDown": 40, "Enter": 13, "Escape": 27}[key]
        for kind in ("keyDown", "keyUp"):
            self.send(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode=code,
                text=text if kind == "keyDown" else "",
            )

    def resize(self, width: int, height: int, scale: float = 1):
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=width < 600,
        )

    def prefer(self, scheme: str):
        """Sets the colour scheme, `light` or `dark`, that the page is asked for."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.send("Emulation.setEmulatedMedia", features=features)

    def _receive(self) -> dict:
        ends = time.monotonic() + SECONDS
        while b"\0" not in self._buffer:
            ready = select.select([self._answers], [], [], max(0, ends - time.monotonic()))[0]
            data = os.read(self._answers, 1 << 20) if ready else b""
            if not data:
                raise OSError(f"Chromium does not answer (exit code {self._process.poll()})")
            self._buffer += data
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def _note(self, event: dict):
        if event["method"] == "Runtime.exceptionThrown":
            self.problems.append(event["params"]["exceptionDetails"])
        if event["method"] == "Log.entryAdded" and event["params"]["entry"]["level"] == "error":
            self.problems.append(event["params"]["entry"])
