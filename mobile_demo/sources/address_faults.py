"""Why nothing can be played from an address: asked for by a plain request of our own.

FFmpeg only says that it failed.
"""

import http.client
import socket
import ssl
import urllib.error
import urllib.request
from urllib.parse import quote, unquote, urlsplit

import cv2

from keras_portrait.inference.video.decoding import CONVERT, unknown_codec

_RTSP_PORT, _RTSPS_PORT = 554, 322
_MOST_BYTES = 4096
# What stays as it is in an address; letters of other alphabets are written in bytes.
_ADDRESS_SIGNS = "%:/?#[]@!$&'()*+,;=~"


def find_fault(url: str, seconds: float, waited: bool) -> str:
    """Why an address could not be opened, as a sentence without its password.

    Args:
        url: `http://`, `https://`, `rtsp://` or `rtsps://`, known to be well-formed.
        seconds: to wait for an answer at most.
        waited: whether FFmpeg had waited in vain for as long.
    """
    ask = _ask_http if urlsplit(url).scheme.lower().startswith("http") else _ask_rtsp
    try:
        status, kind = ask(url, seconds)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return _text_of(error, seconds)
    if status in (401, 403) and urlsplit(url).username is None:
        return (
            f"The address asks for a name and a password ({status}): write them as "
            "SCHEME://NAME:PASSWORD@HOST."
        )
    if status in (401, 403):
        what = "name, password, path or codec" if url.startswith("rtsp") else "name or password"
        return f"The address asks for a password: the {what} in it may be wrong ({status})."
    if status == 404:
        return "The server has nothing at this address (404): its path may be mistyped."
    if not 200 <= status < 300:
        return f"The server refuses, with code {status}."
    if waited:
        return f"The address answers, but sends no picture within {seconds:g} seconds."
    codec = unknown_codec(url, (cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, int(1000 * seconds)))
    if codec is not None:
        return f"This OpenCV cannot decode the stream's codec ({codec}). {CONVERT}"
    return (
        f"The address answers, but with no video that OpenCV reads ({kind}). Expected the address "
        "of the stream itself, not of the page that shows it."
    )


def _text_of(error: Exception, seconds: float) -> str:
    reason = getattr(error, "reason", error)
    if isinstance(reason, socket.gaierror):
        return "The host of the address is not known: it may be mistyped, or there is no network."
    if isinstance(reason, TimeoutError):
        return f"Nothing answers at the address within {seconds:g} seconds."
    if isinstance(reason, ConnectionRefusedError):
        return "Nothing answers at the address: the host refuses the connection at this port."
    if isinstance(reason, ssl.SSLError):
        return "The host does not speak TLS at this port: try the address without the s."
    if isinstance(reason, OSError) and reason.strerror:
        return f"The address cannot be reached ({reason.strerror})."
    return "What answers at the address does not speak the protocol that it names."


def _any_certificate() -> ssl.SSLContext:
    """Takes any certificate, as FFmpeg has done before; most cameras have signed their own."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _ask_http(url: str, seconds: float) -> tuple[int, str]:
    """Status and media type of the answer."""
    parts = urlsplit(url)
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="").geturl()
    bare = quote(bare, safe=_ADDRESS_SIGNS)
    passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    if parts.username is not None:
        passwords.add_password(None, bare, unquote(parts.username), unquote(parts.password or ""))
    opener = urllib.request.build_opener(
        urllib.request.HTTPSHandler(context=_any_certificate()),
        urllib.request.HTTPBasicAuthHandler(passwords),
        urllib.request.HTTPDigestAuthHandler(passwords),
    )
    try:
        with opener.open(bare, timeout=seconds) as answer:
            return answer.status, answer.headers.get_content_type()
    except urllib.error.HTTPError as error:
        error.close()
        return error.code, ""


def _ask_rtsp(url: str, seconds: float) -> tuple[int, str]:
    """Status of the answer to DESCRIBE (RFC 2326), and the media type that it asked for."""
    parts = urlsplit(url)
    is_secret = parts.scheme.lower() == "rtsps"
    address = parts.hostname, parts.port or (_RTSPS_PORT if is_secret else _RTSP_PORT)
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    head = f"DESCRIBE {bare} RTSP/1.0\r\nCSeq: 1\r\nAccept: application/sdp\r\n\r\n"
    with socket.create_connection(address, timeout=seconds) as connection:
        if is_secret:
            connection = _any_certificate().wrap_socket(connection, server_hostname=parts.hostname)
        connection.sendall(head.encode())
        line = connection.recv(_MOST_BYTES).split(b"\r\n")[0]
    if not line.startswith(b"RTSP/"):
        raise ValueError("no RTSP")
    return int(line.split()[1]), "application/sdp"
