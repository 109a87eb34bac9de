"""What an address of a preset looks like.

`hf://user/name` is a repository of the Hugging Face Hub, at its newest state or at the branch, tag
or commit after `@`. `https://host/name.zip#sha256=...` is a file that anybody serves, with the
checksum behind it as `pip` takes it; `name.tflite` is a model file that is a preset alone. Plain
HTTP is taken from this machine alone.
"""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from keras_portrait.errors import SettingError

HUB, WEB = "hf", "https"
_ADDRESS = re.compile(r"(?:hf|https?)://")
_REPOSITORY = re.compile(r"hf://([\w.-]+/[\w.-]+)(?:@([\w./-]+))?", re.ASCII)
_CHECKSUM = re.compile(r"sha256=([0-9a-fA-F]{64})")
# The branch that is meant where none is named.
_MAIN = "main"
ARCHIVE, MODEL = ".zip", ".tflite"


@dataclass(frozen=True)
class Address:
    """Where a preset is fetched from.

    Attributes:
        text: as it is shown and typed again: without the query of a URL, which may be a signature.
        kind: `HUB` or `WEB`.
        key: what it is found by in the cache; of a URL its checksum alone.
        place: the repository as user/name, or the URL without its checksum.
        revision: of a repository: a branch, tag or commit.
        sha256: of the file behind a URL, in hexadecimal.
    """

    text: str
    kind: str
    key: str
    place: str
    revision: str = ""
    sha256: str = ""


def is_address(given: object) -> bool:
    """Whether that begins as an address does."""
    return bool(_ADDRESS.match(str(given)))


def parse_address(given: str) -> Address:
    """Reads an address.

    Raises:
        SettingError: it is none, or lacks its checksum.
    """
    if not is_address(given):
        raise SettingError(
            "Not an address of a preset. Expected hf://user/name, or "
            f"https://host/name.zip#sha256=.... Received: {given}"
        )
    return _of_hub(given) if given.startswith(f"{HUB}://") else _of_web(given)


def _of_hub(given: str) -> Address:
    found = _REPOSITORY.fullmatch(given)
    if not found or ".." in given:
        raise SettingError(
            "Not an address of a preset. Expected hf://user/name, or hf://user/name@REVISION with "
            f"a branch, tag or commit. Received: {given}"
        )
    place, revision = found[1], found[2] or _MAIN
    text = f"{HUB}://{place}" + (f"@{revision}" if revision != _MAIN else "")
    return Address(text, HUB, text, place, revision)


def _of_web(given: str) -> Address:
    parts, host = _split(given)
    shown = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
    fits = given.isascii() and given.isprintable() and " " not in given
    if not fits or not host or parts.username is not None:
        raise SettingError(
            "Not an address of a preset. Expected https://host/name.zip#sha256=..., without a "
            f"name and password. Received: {shown}"
        )
    if parts.scheme != WEB and not is_here(host):
        raise SettingError(f"Presets are fetched over https, not over http. Received: {shown}")
    if not parts.path.lower().endswith((ARCHIVE, MODEL)):
        raise SettingError(
            f"Expected the address of a {ARCHIVE} file with a preset, or of a {MODEL} file. "
            f"Received: {shown}"
        )
    checksum = _CHECKSUM.fullmatch(parts.fragment)
    if not checksum:
        raise SettingError(
            "The address lacks the checksum of its file. Expected #sha256= and 64 digits at its "
            f"end, as `sha256sum FILE` tells them. Received: {given if not parts.query else shown}"
        )
    sha256 = checksum[1].lower()
    url = parts._replace(fragment="").geturl()
    return Address(f"{shown}#sha256={sha256}", WEB, f"sha256={sha256}", url, sha256=sha256)


def _split(given: str) -> tuple[SplitResult, str | None]:
    try:
        parts = urlsplit(given)
        return parts, parts.hostname if parts.port != 0 else None
    except ValueError:  # brackets that are no IPv6 address, a port that is no number
        return SplitResult(WEB, "", given.partition("://")[2].rpartition("@")[2], "", ""), None


def is_here(host: str) -> bool:
    """Whether a host is this machine, by its name alone."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
