"""Who may use a server: its token, and the names that a browser may ask for."""

import hmac
import ipaddress
import re
import secrets
from collections.abc import Mapping

from keras_portrait.errors import SettingError


class HostAccess:
    """A token where one is needed, and the names that are answered; for any server of the package.

    On a loopback address nobody but this machine can connect, so no token is needed; but a page
    from the internet may point its own name at 127.0.0.1 (DNS rebinding), so only loopback names
    are answered. On any other address a token is needed.

    Attributes:
        token: what a request must bring, or None when none is needed.
    """

    # Letters that a token has at least, and bytes of one that is made: nobody tries 64^16 of them,
    # however fast they are answered.
    least, made_bytes = 16, 24

    def __init__(self, host: str, token: str | None = None):
        """Makes a token where one is needed and none is given.

        Args:
            host: name or address that the server listens on.
            token: `least` to 128 letters, digits, `-` or `_`, which stand as they are in addresses,
                headers and cookies.

        Raises:
            SettingError: a token of another form.
        """
        form = rf"[A-Za-z0-9_-]{{{self.least},128}}"
        if token is not None and not re.fullmatch(form, token):
            raise SettingError(
                f"A token has {self.least} to 128 letters, digits, - or _. "
                f"Received: {len(token)} characters that do not fit"
            )
        self._only_loopback = is_loopback(host)
        if token is None and not self._only_loopback:
            token = secrets.token_urlsafe(self.made_bytes)
        self.token = token

    def answers_to(self, host_header: str | None) -> bool:
        """Whether a request for this `Host` is answered."""
        return not self._only_loopback or is_loopback(_without_port(host_header or ""))

    def is_token(self, text: str) -> bool:
        """Whether somebody's token is the right one; takes as long for a wrong one."""
        return self.token is None or hmac.compare_digest(text.encode(), self.token.encode())


class Access(HostAccess):
    """Decides which requests the service answers.

    A page of others may also send a form to a loopback address, so without a token requests of
    other pages are not answered.
    """

    def is_own_page(self, headers: Mapping[str, str]) -> bool:
        """Whether a request comes from the service's own page or no page, where that matters.

        No page of others knows a token, and behind a proxy the names may differ.
        """
        if self.token is not None:
            return True
        if headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            return False
        return same_origin(headers.get("origin"), headers.get("host"))

    def has_token(self, headers: Mapping[str, str]) -> bool:
        """Whether `Authorization: Bearer ...` is right; takes as long for a wrong one."""
        if self.token is None:
            return True
        scheme, _, given = headers.get("authorization", "").partition(" ")
        right = self.is_token(given.strip())
        return scheme.lower() == "bearer" and right


def same_origin(origin: str | None, host_header: str | None) -> bool:
    """Whether a request comes from the server's own page, or from no page at all."""
    return origin is None or origin.partition("://")[2] == host_header


def is_loopback(host: str) -> bool:
    """Whether a name or address is reached from this machine only."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _without_port(host: str) -> str:
    name = re.sub(r":\d*$", "", host)
    return name[1:-1] if name.startswith("[") and name.endswith("]") else name
