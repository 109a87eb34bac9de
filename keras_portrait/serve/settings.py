"""How a service is set up, in a form that its worker processes can be given."""

import json
import os
from dataclasses import asdict, dataclass

# Where worker processes find the settings, as JSON.
VARIABLE = "KERAS_PORTRAIT_SERVE"


@dataclass(frozen=True)
class Settings:
    """What the service offers, and within which bounds.

    Attributes:
        host: name or address that is listened on.
        token: what each request must bring; None where none is needed.
        presets: what there is to draw with, the default first; empty for all in the package.
        most_pixels: of a photo; JPEG files with more are reduced while they are read.
        at_once: drawings at the same time.
        queue: requests that may wait besides these.
        timeout: seconds from a whole photo to its drawing.
        allowed_hosts: names and addresses that photos may be fetched from, `HOST` or `HOST:PORT`.
        threads: CPU threads of one network; None for up to four.
    """

    host: str = "127.0.0.1"
    token: str | None = None
    presets: tuple[str, ...] = ()
    most_pixels: int = 25_000_000
    at_once: int = 2
    queue: int = 16
    timeout: float = 60.0
    allowed_hosts: tuple[str, ...] = ()
    threads: int | None = None

    def hand_to_workers(self) -> None:
        """Puts the settings where processes that this one starts find them."""
        os.environ[VARIABLE] = json.dumps(asdict(self))

    @classmethod
    def in_worker(cls) -> "Settings":
        """The settings that the parent process handed over."""
        given = json.loads(os.environ[VARIABLE])
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in given.items()})
