"""The filters as presets: `filter:ink`, and `filter` for all of them as styles of one preset.

`mesh:ink` and `mesh` are the same filters with eyes, brows, nose, lips and jaw along the points of
a face mesh.
"""

from dataclasses import dataclass

import numpy as np

from keras_portrait.inference.alignment import ALIGNMENT
from keras_portrait.inference.faces.face_points import FacePointsFinder
from keras_portrait.inference.filters import FILTERS, MOST_SIDE, check_filters, draw_filters
from keras_portrait.inference.generator import Generator
from keras_portrait.inference.geometry import face_template
from keras_portrait.inference.imaging import from_signed, to_signed
from keras_portrait.inference.metadata import PresetMetadata

# Of each prefix, what `portrait presets` says.
DESCRIPTIONS = {
    "filter": "no network: lines, masses and hatching as filters find them in the photo",
    "mesh": "the same with eyes, brows, nose and lips along a face mesh (extra facemesh)",
}
# Side of the square where no photo's resolution is asked for: that at which the filters work.
_SIDE = 1024


@dataclass(frozen=True)
class FilterGenerator(Generator):
    """Draws with filters; the styles of its metadata are their names.

    Attributes:
        find_points: where the features of a face lie; None draws them by contrast.
    """

    find_points: FacePointsFinder | None = None

    def draw(self, square, style, landmarks=None, has_face=True):
        """See `Generator.draw`; a mix of styles is the mean of their drawings."""
        shares = style[0] if len(self.metadata.styles) > 1 else np.ones(1, np.float32)
        named = zip(self.metadata.styles, shares, strict=True)
        chosen = {name: share for name, share in named if share}
        points = None
        if self.find_points is not None and has_face:
            marks = face_template(len(square)) if landmarks is None else landmarks
            points = self.find_points(square, marks)
        drawings = draw_filters(square, list(chosen), None, landmarks, has_face, points)
        mixed = sum(np.float32(share) * drawings[name] for name, share in chosen.items())
        return np.rint(mixed).astype(np.uint8)[..., None]

    def __reduce__(self):
        return load_filter, (self.metadata.name,)

    def side_for(self, pixels):
        """The photo's own side: lines are cut sharp at any."""
        return int(np.clip(np.ceil(pixels), 256, MOST_SIDE))


def is_filter(given: str) -> bool:
    """Whether that is `filter` or `mesh`, or begins with one of them and a colon."""
    return str(given).partition(":")[0] in DESCRIPTIONS


def load_filter(given: str) -> FilterGenerator:
    """Makes the generator of a filter.

    Args:
        given: `filter:NAME` for one filter, `filter` for all as styles; `mesh:NAME` and `mesh` with
            features along a face mesh.

    Raises:
        SettingError: no such filter.
        MissingExtra: the networks of the mesh are not installed.
    """
    prefix, _, name = str(given).partition(":")
    if name:
        check_filters([name])
    styles = (name,) if name else FILTERS
    metadata = PresetMetadata(
        name=str(given),
        method="filter",
        file="",
        size=_SIDE,
        mode="fp32",
        styles=styles,
        inputs=("image", "style") if len(styles) > 1 else ("image",),
        alignment=ALIGNMENT,
        description=DESCRIPTIONS[prefix],
    )

    def net(image: np.ndarray, style: np.ndarray | None = None) -> np.ndarray:
        style = np.ones((1, 1), np.float32) if style is None else style
        return to_signed(generator.draw(from_signed(image[0]), style))[None]

    find_points = FacePointsFinder() if prefix == "mesh" else None
    generator = FilterGenerator(metadata, net, find_points=find_points)
    return generator
