"""The page's runtime, LiteRT.js: brought by npm once, pinned, kept in the user's cache.

It is no part of the package, which it would make three times as large. `npm/package-lock.json`
holds versions and the integrity hashes that npm checks; `npm/files.json` the SHA-256 of the files
that the page needs, which are checked whenever they are taken from the cache.
"""

import json
import re
import shutil
import subprocess
import tempfile
from hashlib import sha256
from pathlib import Path

from keras_portrait.errors import InputError, MissingExtra
from keras_portrait.files import (
    UNFINISHED_PREFIX,
    cache_folder,
    make_folder,
    read_bounded,
    remove_forgotten,
)
from keras_portrait.terminal import remark

_PINS = Path(__file__).with_name("npm")
# Bytes that a file of the runtime has at most; its WebAssembly has nearly 10 million.
_MOST_BYTES = 2**26
_SCOPE = "@litertjs/"
# The one import of its entry by a package's name, which a browser's worker cannot resolve.
_ENTRY = "core/dist/index.js"
_BY_NAME = b'from "@litertjs/wasm-utils"'
_BY_PLACE = b'from "../../wasm-utils/dist/index.js"'
_NPM_SECONDS = 600


def read_runtime() -> dict[str, bytes]:
    """The files of the runtime; npm fetches them the first time.

    Returns:
        Contents by path, such as `core/dist/index.js`, which is the module to import.

    Raises:
        MissingExtra: npm is missing, or cannot fetch them.
        InputError: the cache cannot be written to, or what npm brought is not what is pinned.
    """
    pins = _pins()
    folder = cache_folder() / f"web-runtime-{_version()}"
    files = _read_pinned(folder, pins)
    if files is None:
        _fetch(folder, pins)
        files = _read_pinned(folder, pins)
    if files is None:
        raise InputError(
            "What npm brought is not the runtime that this version is made for (a file's sha256 "
            f"differs). Expected @litertjs/core {_version()}. Received: {folder}"
        )
    if files[_ENTRY].count(_BY_NAME) != 1:
        raise InputError(f"The runtime does not import wasm-utils as expected. Received: {folder}")
    return files | {_ENTRY: files[_ENTRY].replace(_BY_NAME, _BY_PLACE)}


def _pins() -> dict[str, str]:
    """SHA-256 by path below `node_modules`."""
    return json.loads((_PINS / "files.json").read_text(encoding="utf-8"))


def _version() -> str:
    lock = json.loads((_PINS / "package-lock.json").read_text(encoding="utf-8"))
    return lock["packages"][f"node_modules/{_SCOPE}core"]["version"]


def _read_pinned(folder: Path, pins: dict[str, str]) -> dict[str, bytes] | None:
    """The pinned files of a folder; None where one is missing or is another."""
    files = {}
    for name, expected in pins.items():
        try:
            data = read_bounded(folder / name, _MOST_BYTES)
        except OSError:
            return None
        if sha256(data).hexdigest() != expected:
            return None
        files[name.removeprefix(_SCOPE)] = data
    return files


def _fetch(folder: Path, pins: dict[str, str]) -> None:
    """Lets npm install what is pinned, and moves it to the cache when it is whole."""
    npm = shutil.which("npm")
    if npm is None:
        raise MissingExtra(
            "npm brings the page's runtime the first time. Expected Node.js with npm "
            "(https://nodejs.org). Received: no npm on the PATH"
        )
    remark("portrait: fetching the page's runtime with npm ...")
    make_folder(folder.parent)
    remove_forgotten(folder.parent)
    try:
        with tempfile.TemporaryDirectory(prefix=UNFINISHED_PREFIX, dir=folder.parent) as place:
            for name in ("package.json", "package-lock.json"):
                shutil.copyfile(_PINS / name, Path(place) / name)
            _install(npm, place)
            _keep(Path(place) / "node_modules", folder, pins)
    except OSError as error:
        raise InputError(
            f"Cannot write to the cache ({error.strerror}). Received: {folder}"
        ) from error


def _keep(made: Path, folder: Path, pins: dict[str, str]) -> None:
    """Moves what npm brought to the cache, unless another process was quicker, whom it serves."""
    try:
        made.rename(folder)
    except OSError:
        if not folder.exists():
            raise
        if _read_pinned(folder, pins) is None:
            # Damaged: put where it is removed with the rest.
            folder.rename(made.with_name("damaged"))
            made.rename(folder)


def _install(npm: str, place: str) -> None:
    options = (
        "ci --ignore-scripts --no-audit --no-fund --no-update-notifier "
        "--fetch-retries=1 --fetch-retry-mintimeout=1000 --fetch-retry-maxtimeout=2000"
    )
    command = [npm, *options.split()]
    try:
        done = subprocess.run(
            command, cwd=place, capture_output=True, text=True, timeout=_NPM_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise MissingExtra(
            f"npm did not fetch the page's runtime. Expected at most {_NPM_SECONDS} seconds. "
            "Received: no answer"
        ) from None
    except OSError as error:
        raise MissingExtra(f"npm cannot be run ({error.strerror}). Received: {npm}") from error
    if done.returncode:
        raise MissingExtra(
            "npm could not fetch the page's runtime, which comes from the network the first "
            f"time. Received: {_complaint(done.stderr)}"
        )


def _complaint(text: str) -> str:
    """What npm says went wrong, as one line: its code, and the first line that is no code."""
    said = re.findall(r"^npm (?:error|ERR!) (.+)$", text, re.MULTILINE)
    codes = [line for line in said if re.match(r"(code|errno|syscall|path) ", line)]
    rest = [line for line in said if line not in codes]
    return ": ".join(codes[:1] + rest[:1]) or " ".join(text.split())[:200]
