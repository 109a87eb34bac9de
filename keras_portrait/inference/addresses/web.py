"""Fetches one file over HTTPS: bounded, against its checksum, from one scheme."""

import contextlib
import hashlib
import http.client
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import keras_portrait
from keras_portrait.errors import InputError
from keras_portrait.inference.addresses.address import WEB, Address, is_here
from keras_portrait.inference.addresses.cache import Unreachable
from keras_portrait.terminal import amount_shown

# Seconds without a byte after which a server is given up.
_PATIENCE = 30.0
# Seconds for the whole file, as large as it may be: a server that sends a byte now and then would
# hold the lock on the cache for ever.
_LONGEST = 3600.0
_CHUNK = 2**16
_MOST_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_USER_AGENT = f"keras-portrait/{keras_portrait.__version__}"


def download(address: Address, target: Path, most: int) -> None:
    """Writes the file behind an address.

    Args:
        address: of kind `WEB`.
        target: the new file; it may be there in part after an error.
        most: bytes that it may have.

    Raises:
        Unreachable: there is no connection, or the file does not come in time.
        InputError: the server answers something else, redirects to another scheme, sends more than
            that, or a file of another checksum; the file cannot be written.
    """
    found: list[str | Exception] = []
    given_up = threading.Event()

    def fetch() -> None:
        try:
            found.append(_fetch(address, target, most, given_up))
        except Exception as error:
            found.append(error)

    # Timeouts of sockets begin anew with each byte, of a name, a handshake or a header too. What
    # such a server holds in the end is a thread that nobody waits for.
    thread = threading.Thread(target=fetch, daemon=True)
    try:
        thread.start()
        thread.join(_LONGEST)
    finally:
        given_up.set()
    if not found:
        raise Unreachable(f"it takes longer than {_LONGEST:g} seconds", address.text)
    if isinstance(found[0], Exception):
        raise found[0]
    if found[0] != address.sha256:
        raise InputError(
            "The file is not the one that the checksum was made of. Expected sha256 "
            f"{address.sha256}. Received: {found[0]} from {address.text}"
        )


def _fetch(address: Address, target: Path, most: int, given_up: threading.Event) -> str:
    """Writes what is behind an address, and returns its SHA-256 in hexadecimal."""
    url, opener = address.place, urllib.request.build_opener(_NoRedirects)
    try:
        for _ in range(_MOST_REDIRECTS + 1):
            request = urllib.request.Request(url, headers={"User-Agent": _USER_AGENT})
            try:
                with opener.open(request, timeout=_PATIENCE) as answer:
                    return _copy(answer, target, most, address.text, given_up)
            except urllib.error.HTTPError as error:
                with error:
                    url = _next(url, error, address.text)
    except InputError:
        raise
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unreachable(_reason(error), address.text) from None
    raise InputError(f"The address leads on and on. Received: {address.text}")


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Leaves redirects to `download`: urllib would go from https to http, and to ftp."""

    def redirect_request(self, *_):
        """None is followed."""


def _next(url: str, error: urllib.error.HTTPError, where: str) -> str:
    """Where a redirect leads."""
    location = error.headers.get("Location")
    if error.code not in _REDIRECTS or not location:
        raise InputError(
            f"The preset cannot be fetched (the server answers {error.code} {error.reason}). "
            f"Received: {where}"
        )
    target = urljoin(url, location)
    parts, expected = urlsplit(target), urlsplit(url).scheme
    scheme = parts.scheme
    if scheme != expected:
        raise InputError(
            f"The address leads on to another scheme. Expected {expected}. "
            f"Received: {scheme} from {where}"
        )
    if scheme != WEB and not is_here(parts.hostname or ""):
        raise InputError(
            "The address leads on to another machine over http. Expected https, or this machine. "
            f"Received: {parts.hostname} from {where}"
        )
    return target


def _copy(answer, target: Path, most: int, where: str, given_up: threading.Event) -> str:
    """Writes what comes, and returns its SHA-256 in hexadecimal."""
    told, digest, done = answer.length, hashlib.sha256(), 0
    name = where.partition("#")[0].rpartition("/")[2]
    if (told or 0) > most:
        raise _too_large(most, f"{told} bytes", where)
    with _of_this_disk(target):
        file = target.open("xb")
    with file, amount_shown(name, told) as show:
        while (data := answer.read1(_CHUNK)) and not given_up.is_set():
            done += len(data)
            if done > most:
                raise _too_large(most, "more", where)
            digest.update(data)
            with _of_this_disk(target):
                file.write(data)
                file.flush()
            show(done)
    if told is not None and done < told:
        raise InputError(
            f"The connection ended early. Expected {told} bytes. Received: {done} from {where}"
        )
    return digest.hexdigest()


@contextlib.contextmanager
def _of_this_disk(target: Path) -> Iterator[None]:
    """Says of errors that the network has no part in them."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"Cannot write the file ({error.strerror}). Received: {target.parent}"
        ) from error


def _too_large(most: int, received: str, where: str) -> InputError:
    return InputError(
        f"The file is too large. Expected at most {most} bytes. Received: {received} from {where}"
    )


def _reason(error: Exception) -> str:
    error = getattr(error, "reason", error)
    if isinstance(error, TimeoutError):
        return "it does not answer in time"
    text = getattr(error, "verify_message", "") or getattr(error, "strerror", "") or str(error)
    return (text or type(error).__name__).splitlines()[0].rstrip(".")
