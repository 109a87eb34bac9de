"""Who may see the web view: the token, its cookie, and which names the browser may ask for."""

import hmac
import re
import secrets

from keras_portrait.errors import SettingError
from keras_portrait.serve.access import is_loopback as is_loopback

COOKIE = "portrait_demo"
_COOKIE_ATTRIBUTES = "HttpOnly; SameSite=Lax; Path=/"
# The `Set-Cookie` line that takes a token away that is not the right one (any more).
FORGET_COOKIE = f"{COOKIE}=; Max-Age=0; {_COOKIE_ATTRIBUTES}"
# Letters that stand in an address and in a cookie as they are.
_TOKEN = re.compile(r"[A-Za-z0-9_-]{8,128}")


class Access:
    """Decides which requests are answered.

    On a loopback address nobody but this machine can connect, so no token is needed; but a page
    from the internet may point its own name at 127.0.0.1 (DNS rebinding), so only loopback names
    are answered. On any other address a token is needed.

    Attributes:
        token: what a visitor must bring, or None when none is needed.
    """

    def __init__(self, host: str, token: str | None = None):
        """Makes a token where one is needed and none is given.

        Args:
            host: name or address that the server listens on.
            token: 8 to 128 letters, digits, `-` or `_`.

        Raises:
            SettingError: a token of another form.
        """
        if token is not None and not _TOKEN.fullmatch(token):
            raise SettingError(
                "A token has 8 to 128 letters, digits, - or _. "
                f"Received: {len(token)} characters that do not fit"
            )
        self._only_loopback = is_loopback(host)
        if token is None and not self._only_loopback:
            token = secrets.token_urlsafe(16)
        self.token = token

    def answers_to(self, host_header: str | None) -> bool:
        """Whether a request for this `Host` is answered."""
        return not self._only_loopback or is_loopback(_without_port(host_header or ""))

    def is_token(self, text: str) -> bool:
        """Whether a visitor's token is the right one; takes as long for a wrong one."""
        return self.token is None or hmac.compare_digest(text.encode(), self.token.encode())

    def cookie(self) -> str:
        """The `Set-Cookie` line that spares a visitor the token from now on."""
        return f"{COOKIE}={self.token}; {_COOKIE_ATTRIBUTES}"


def token_of(cookie_header: str | None) -> str | None:
    """The token that the cookies hold: the first, so that one request is one guess."""
    pairs = (pair.strip().partition("=") for pair in (cookie_header or "").split(";"))
    return next((value for name, _, value in pairs if name == COOKIE), None)


def same_origin(origin: str | None, host_header: str | None) -> bool:
    """Whether a request comes from the web view's own page, or from no page at all."""
    return origin is None or origin.partition("://")[2] == host_header


def _without_port(host_header: str) -> str:
    name = re.sub(r":\d*$", "", host_header)
    return name[1:-1] if name.startswith("[") and name.endswith("]") else name
