"""Who may use a server: its token, and the names that a browser may ask for."""

import hmac
import ipaddress
import re
import secrets
from collections.abc import Mapping

from keras_portrait.errors import SettingError

# Nobody tries 64^16 tokens, however fast they are answered.
_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,128}")


class Access:
    """Decides which requests are answered.

    On a loopback address nobody but this machine can connect, so no token is needed; but a page
    from the internet may point its own name at 127.0.0.1 (DNS rebinding), so only loopback names
    are answered; and it may send a form there, so without a token requests of other pages are not.

    Attributes:
        token: what a request must bring, or None when none is needed.
    """

    def __init__(self, host: str, token: str | None = None):
        """Makes a token where one is needed and none is given.

        Args:
            host: name or address that the server listens on.
            token: 16 to 128 letters, digits, `-` or `_`.

        Raises:
            SettingError: a token of another form.
        """
        if token is not None and not _TOKEN.fullmatch(token):
            raise SettingError(
                "A token has 16 to 128 letters, digits, - or _. "
                f"Received: {len(token)} characters that do not fit"
            )
        self._only_loopback = is_loopback(host)
        if token is None and not self._only_loopback:
            token = secrets.token_urlsafe(24)
        self.token = token

    def is_own_name(self, headers: Mapping[str, str]) -> bool:
        """Whether the name that is asked for is one of this machine, where that matters."""
        return not self._only_loopback or is_loopback(_without_port(headers.get("host", "")))

    def is_own_page(self, headers: Mapping[str, str]) -> bool:
        """Whether a request comes from the service's own page or no page, where that matters.

        No page of others knows a token, and behind a proxy the names may differ.
        """
        if self.token is not None:
            return True
        if headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            return False
        origin = headers.get("origin")
        return origin is None or origin.partition("://")[2] == headers.get("host")

    def has_token(self, headers: Mapping[str, str]) -> bool:
        """Whether `Authorization: Bearer ...` is right; takes as long for a wrong one."""
        if self.token is None:
            return True
        scheme, _, given = headers.get("authorization", "").partition(" ")
        right = hmac.compare_digest(given.strip().encode(), self.token.encode())
        return scheme.lower() == "bearer" and right


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
