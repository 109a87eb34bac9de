"""Photos that could not be drawn: each is named, and what many have in common is said once."""

from collections import Counter

from keras_portrait.inference.formats import shared_reason
from keras_portrait.terminal import remark


class Skipped:
    """Counts photos that could not be drawn, and tells of them on standard error.

    Attributes:
        count: how many there are.
    """

    def __init__(self):
        self.count = 0
        self._shared, self._first = Counter(), {}

    def add(self, reason: object, name: str = "", line: str = "") -> None:
        """Tells of a photo, or keeps it for `tell_shared`.

        Args:
            reason: an error, or its text.
            name: the photo, where that text does not say it.
            line: what is printed; "" for what name and reason make.
        """
        self.count += 1
        text = str(reason)
        shared = shared_reason(text)
        if shared is None:
            remark(line or (f"skipped: {name}: {text}" if name else f"skipped: {text}"))
            return
        self._shared[shared] += 1
        self._first.setdefault(shared, name or text.partition(" Received: ")[2])

    def tell_shared(self) -> None:
        """Tells, in one line for each format, of the photos whose format is not read."""
        for reason, count in self._shared.items():
            noun = "picture" if count == 1 else "pictures"
            remark(f"skipped: {count} {noun}: {reason} The first: {self._first[reason]}")
