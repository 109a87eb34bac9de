"""Fetches one file over HTTPS: bounded, against its checksum, from one scheme."""

import hashlib
import http.client
import urllib.error
import urllib.request
from pathlib import Path

import keras_portrait
from keras_portrait.errors import InputError
from keras_portrait.inference.addresses.address import Address
from keras_portrait.inference.addresses.cache import Unreachable
from keras_portrait.terminal import amount_shown

# Seconds without a byte after which a server is given up.
_PATIENCE = 30.0
_CHUNK = 2**16


def download(address: Address, target: Path, most: int) -> None:
    """Writes the file behind an address.

    Args:
        address: of kind `WEB`.
        target: the new file; it may be there in part after an error.
        most: bytes that it may have.

    Raises:
        Unreachable: there is no connection.
        InputError: the server answers something else, redirects to another scheme, sends more than
            that, or a file of another checksum.
    """
    headers = {"User-Agent": f"keras-portrait/{keras_portrait.__version__}"}
    request = urllib.request.Request(address.place, headers=headers)
    opener = urllib.request.build_opener(_SameScheme(address.text))
    try:
        with opener.open(request, timeout=_PATIENCE) as answer:
            found = _copy(answer, target, most, address.text)
    except InputError:
        raise
    except urllib.error.HTTPError as error:
        with error:
            raise InputError(
                f"The preset cannot be fetched (the server answers {error.code} {error.reason}). "
                f"Received: {address.text}"
            ) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unreachable(_reason(error), address.text) from None
    if found != address.sha256:
        raise InputError(
            "The file is not the one that the checksum was made of. Expected sha256 "
            f"{address.sha256}. Received: {found} from {address.text}"
        )


class _SameScheme(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never from https to http or to what is no address of the web."""

    def __init__(self, where: str):
        self._where = where

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        """See `urllib.request.HTTPRedirectHandler`."""
        scheme = newurl.partition(":")[0].lower()
        if scheme != req.type:
            raise InputError(
                f"The address leads on to another scheme. Expected {req.type}. "
                f"Received: {scheme} from {self._where}"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)

    def http_error_302(self, req, fp, code, msg, headers):
        """Looks at schemes that urllib refuses in words of its own."""
        target = headers.get("location", "")
        if ":" in target.partition("/")[0]:
            self.redirect_request(req, fp, code, msg, headers, target)
        return super().http_error_302(req, fp, code, msg, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def _copy(answer, target: Path, most: int, where: str) -> str:
    """Writes what comes, and returns its SHA-256 in hexadecimal."""
    told, digest, done = answer.length, hashlib.sha256(), 0
    name = where.partition("#")[0].rpartition("/")[2]
    if (told or 0) > most:
        raise _too_large(most, f"{told} bytes", where)
    with target.open("xb") as file, amount_shown(name, told) as show:
        while data := answer.read1(_CHUNK):
            done += len(data)
            if done > most:
                raise _too_large(most, "more", where)
            digest.update(data)
            _write(file, data, target)
            show(done)
    if told is not None and done < told:
        raise InputError(
            f"The connection ended early. Expected {told} bytes. Received: {done} from {where}"
        )
    return digest.hexdigest()


def _write(file, data: bytes, target: Path) -> None:
    try:
        file.write(data)
        file.flush()
    except OSError as error:  # of this disk, not of the network
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
