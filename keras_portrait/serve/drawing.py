"""From the bytes of a photo to those of a drawing, as `portrait stylize` makes them."""

import numpy as np

from keras_portrait.errors import SettingError
from keras_portrait.inference.formats import EXPECTED, HEAD, UnreadableFormat, kind_of_bytes
from keras_portrait.inference.imaging import encode_image
from keras_portrait.inference.metadata import PresetMetadata
from keras_portrait.inference.reading import read_image
from keras_portrait.inference.style import style_vector
from keras_portrait.inference.stylizer import Stylizer
from keras_portrait.inference.svg import load_tracer, portrait_svg

MEDIA_TYPES = {"png": "image/png", "jpeg": "image/jpeg", "svg": "image/svg+xml"}


def check_options(options, metadata: PresetMetadata) -> np.ndarray:
    """Refuses options that do not fit, before the photo is read.

    Args:
        options: `app.DrawOptions`.
        metadata: of the preset that is drawn with.

    Returns:
        The style's weights, float32 (1, K).

    Raises:
        SettingError: there is no such style, or options exclude each other.
        MissingExtra: an SVG file is wanted and its tracer is not installed.
    """
    if options.crop and options.whole:
        raise SettingError("Choose either crop or whole. Received: both")
    vector = style_vector(options.style, metadata.styles)
    if options.format == "svg":
        if metadata.channels == 3:
            raise SettingError(
                "An SVG file holds lines in black, and pictures of this preset are in colour. "
                f"Expected format=png or jpeg. Received: preset={metadata.name}"
            )
        draws_whole = metadata.draws_whole(options.crop, options.whole)
        if options.background == "keep" and not (options.crop or draws_whole):
            raise SettingError(
                "An SVG file holds lines alone, not the photo around them. Expected crop, whole "
                "or background=white with it. Received: background=keep"
            )
        load_tracer()
    return vector


def draw(stylizer: Stylizer, photo: bytes, options, vector: np.ndarray, most_pixels: int) -> bytes:
    """Draws a photo.

    Args:
        stylizer: of the preset.
        photo: bytes of the photo's file.
        options: `app.DrawOptions`, checked.
        vector: what `check_options` returned.
        most_pixels: as `reading.read_image` takes it.

    Returns:
        The bytes of the drawing's file.

    Raises:
        InputError: the photo cannot be read or drawn.
    """
    if kind_of_bytes(photo[:HEAD]) is None:
        raise UnreadableFormat(f"No picture. {EXPECTED} Received: {len(photo)} bytes")
    drawing = stylizer(
        read_image(photo, most_pixels=most_pixels),
        style=options.style,
        faces=options.faces,
        crop=options.crop,
        whole=options.whole,
        background=options.background,
    )
    if options.format == "svg":
        return portrait_svg(drawing, stylizer.metadata, vector)
    return encode_image(drawing, f".{options.format}")
