"""The one page, and the policy that lets its own script and style run and no others."""

import base64
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Page:
    """A page.

    Attributes:
        content: its text.
        policy: value of `Content-Security-Policy`.
    """

    content: str
    policy: str


def read_page() -> Page:
    """The page that lets a visitor draw photos."""
    content = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
    policy = [
        "default-src 'none'",
        f"script-src {_hashes(content, 'script')}",
        f"style-src {_hashes(content, 'style')}",
        "img-src blob: data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
    return Page(content, "; ".join(policy))


def _hashes(content: str, tag: str) -> str:
    parts = re.findall(rf"<{tag}>(.*?)</{tag}>", content, re.DOTALL)
    digests = (base64.b64encode(hashlib.sha256(part.encode()).digest()).decode() for part in parts)
    return " ".join(f"'sha256-{digest}'" for digest in digests)
