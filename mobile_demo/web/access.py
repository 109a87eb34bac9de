"""Who may see the web view: the token and its cookie."""

from keras_portrait.serve.access import HostAccess

COOKIE = "portrait_demo"
_COOKIE_ATTRIBUTES = "HttpOnly; SameSite=Lax; Path=/"
# The `Set-Cookie` line that takes a token away that is not the right one (any more).
FORGET_COOKIE = f"{COOKIE}=; Max-Age=0; {_COOKIE_ATTRIBUTES}"


class Access(HostAccess):
    """Decides which requests are answered, and spares visitors the token."""

    # Wrong tokens are slowed down, see `limits`.
    least, made_bytes = 8, 16

    def cookie(self) -> str:
        """The `Set-Cookie` line that spares a visitor the token from now on."""
        return f"{COOKIE}={self.token}; {_COOKIE_ATTRIBUTES}"


def token_of(cookie_header: str | None) -> str | None:
    """The token that the cookies hold: the first, so that one request is one guess."""
    pairs = (pair.strip().partition("=") for pair in (cookie_header or "").split(";"))
    return next((value for name, _, value in pairs if name == COOKIE), None)
