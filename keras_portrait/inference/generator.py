"""What draws: a network or a filter, with the metadata that says how."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from keras_portrait.inference.imaging import from_signed, to_signed
from keras_portrait.inference.metadata import PresetMetadata


@dataclass(frozen=True)
class Generator:
    """A generator that can be drawn with, whatever runs it.

    Attributes:
        metadata: what it takes and returns.
        net: a function of the arrays that `metadata` speaks of, float32 of batch 1 and given by
            name; it returns float32 (1, S, S, channels) in [-1, 1].
        pixel_net: the same for one that computes in integers: it takes `image` as uint8
            (1, S, S, 3) and returns uint8 (1, S, S, channels). None for any other.
    """

    metadata: PresetMetadata
    net: Callable[..., np.ndarray]
    pixel_net: Callable[..., np.ndarray] | None = None

    def draw(
        self,
        square: np.ndarray,
        style: np.ndarray,
        landmarks: np.ndarray | None = None,
        has_face: bool = True,
    ) -> np.ndarray:
        """Draws an aligned square.

        Args:
            square: uint8 RGB (S, S, 3).
            style: float32 (1, K), not looked at by a generator without styles.
            landmarks: float (5, 2), pixels of the square; None where they lie at the template's.
                Networks do not look at them.
            has_face: whether the square is an aligned face; False for a whole picture.

        Returns:
            uint8 (S, S, channels).
        """
        exact = self.pixel_net is not None
        arrays = {"image": (square if exact else to_signed(square))[None], "style": style}
        arrays = {name: arrays[name] for name in self.metadata.inputs}
        return self.pixel_net(**arrays)[0] if exact else from_signed(self.net(**arrays)[0])

    def side_for(self, pixels: float) -> int:
        """Side of the square to draw, where the photo has `pixels` for its side."""
        return self.metadata.size
