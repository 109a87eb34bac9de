"""What a training step sees of prepared pictures."""

from dataclasses import dataclass, field

from keras_portrait.errors import SettingError
from keras_portrait.settings.base import between

LINE_FILTER_NAMES = ("filled", "hatched", "thin")


@dataclass(frozen=True)
class DataSettings:
    """What a training step sees.

    Attributes:
        size: height and width of the training crops in pixels, a multiple of 32.
        batch: pictures of each domain in a step.
        scale: the aligned square is enlarged by up to this factor before the random crop. The
            paper's code resizes 512 to 572, which is 1.117.
        flip: whether pictures are mirrored with probability one half.
        soft_styles: whether a drawing's style vector is what a style classifier wrote into the
            manifest, where it did; otherwise 1 for the style of its folder.
        stored_edges: whether the edge map of a photo is computed once, stored, and augmented with
            the photo, instead of being computed from each augmented photo. Nearly equal, and it
            saves an edge detector a step.
        lines: the filter of `LINE_FILTERS` whose drawings warm start and anchor hold on to, by
            style; "filled" where none is named. Filters as different as the styles keep the
            styles apart. With `train.start_from` they hold on to the drawings of that run instead.
    """

    size: int = between(256, 32, 4096)
    batch: int = between(1, 1, 1024)
    scale: float = between(1.117, 1, 4)
    flip: bool = True
    soft_styles: bool = True
    stored_edges: bool = False
    lines: dict[str, str] = field(default_factory=dict)

    def check(self, prefix: str):
        """Refuses sizes that the networks cannot halve often enough."""
        if self.size % 32:
            raise SettingError(f"{prefix}size: expected a multiple of 32. Received: {self.size}")
        for style, name in self.lines.items():
            if name not in LINE_FILTER_NAMES:
                raise SettingError(
                    f"{prefix}lines.{style}: expected one of {', '.join(LINE_FILTER_NAMES)}. "
                    f"Received: {name}"
                )


@dataclass(frozen=True)
class PictureSettings:
    """What a training step sees.

    Attributes:
        size: height and width in pixels, a multiple of 4.
        batch: pictures of each set in a step.
        scale: pictures are enlarged by up to this factor before the random crop.
        flip: whether pictures are mirrored with probability one half.
    """

    size: int = between(256, 32, 2048)
    batch: int = between(1, 1, 4096)
    scale: float = between(1.117, 1, 4)
    flip: bool = True

    def check(self, prefix: str):
        """Refuses sizes that the networks cannot halve twice."""
        if self.size % 4:
            raise SettingError(f"{prefix}size: expected a multiple of 4. Received: {self.size}")
