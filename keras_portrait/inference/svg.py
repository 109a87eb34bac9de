"""A drawing as vector paths: the SVG that a plotter, a cutter or an editor takes.

The paths are outlines of the ink, closed and filled. The package vtracer traces them, out of a
picture in pure black and white: enlarged, so that the edges lie where the grays of the drawing say,
and without speckle. Pen strokes instead: `keras_portrait.inference.plotter`.
"""

import re
from xml.sax.saxutils import escape

import cv2
import numpy as np

from keras_portrait.errors import MissingExtra
from keras_portrait.inference.bulk.drawing import style_text
from keras_portrait.inference.ink import find_ink
from keras_portrait.inference.metadata import PresetMetadata

# Traced edges may be a pixel of the traced picture off, mostly outwards, so it is enlarged as
# far as time and memory allow: 16 million pixels take about two seconds.
_MOST_ENLARGEMENT = 8
_TRACED_PIXELS = 16_000_000

# What vtracer writes: `<path d="M0 0 C1 2 3 4 5 6 Z " fill="#000000" transform="translate(7,8)"/>`.
_PATH = re.compile(r'<path d="([^"]*)"[^>]*translate\(([^,]*),([^)]*)\)')
_POINT = re.compile(r"(-?[\d.]+)[ ,](-?[\d.]+)")

_PAGE = """<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" \
xmlns:inkscape="http://www.inkscape.org/namespaces/inkscape" \
width="{width}" height="{height}" viewBox="0 0 {width} {height}">
<title>{title}</title>
<desc>{description}</desc>
<g inkscape:groupmode="layer" inkscape:label="ink" id="ink" fill="#000000" fill-rule="evenodd">
{paths}</g>
</svg>
"""


def trace_drawing(drawing: np.ndarray, title: str = "", description: str = "") -> str:
    """Traces the ink of a drawing to closed paths.

    Args:
        drawing: uint8 (H, W), dark lines on white.
        title: what the drawing is; browsers show it.
        description: more about it.

    Returns:
        The text of an SVG file as large as the drawing, a unit for each of its pixels. It has one
        layer, `ink`, with one path for each connected piece of ink: an outline and those of its
        holes, all closed. Without ink the layer is empty. The same drawing gives the same text.

    Raises:
        MissingExtra: vtracer is not installed.
    """
    height, width = drawing.shape
    return _PAGE.format(
        width=width,
        height=height,
        title=escape(title),
        description=escape(description),
        paths="".join(f'<path d="{path}"/>\n' for path in _trace(drawing)),
    )


def portrait_svg(drawing: np.ndarray, metadata: PresetMetadata, style: np.ndarray) -> bytes:
    """Traces a portrait, and names what it was drawn with.

    Args:
        drawing: uint8 RGB (H, W, 3), black lines on white.
        metadata: of the preset.
        style: float32 (1, K), the weights of its styles.

    Returns:
        The bytes of an SVG file; see `trace_drawing`.

    Raises:
        MissingExtra: vtracer is not installed.
    """
    return trace_drawing(drawing[..., 0], *title_and_description(metadata, style)).encode()


def title_and_description(metadata: PresetMetadata, style: np.ndarray) -> tuple[str, str]:
    """What a file says of the portrait in it: see `portrait_svg` for the arguments."""
    named = style_text(style[0], metadata.styles)
    return (
        f"Portrait in the style {named}",
        f"Drawn by keras-portrait with the preset {metadata.name}, style {named}.",
    )


def load_tracer():
    """Imports the module vtracer.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        import vtracer
    except ModuleNotFoundError:
        raise MissingExtra(
            "Tracing a drawing to an SVG file needs vtracer. Install it with: "
            'pip install "keras-portrait[svg]"'
        ) from None
    return vtracer


def _trace(drawing: np.ndarray) -> list[str]:
    """The `d` of each path, in pixels of the drawing."""
    tracer = load_tracer()
    part = find_ink(drawing)
    if part is None:
        return []
    scale = int(np.clip(np.sqrt(_TRACED_PIXELS / part.grays.size), 1, _MOST_ENLARGEMENT))
    height, width = part.grays.shape
    ink = part.enlarged(scale * width, scale * height)
    picture = cv2.imencode(".png", np.where(ink, 0, 255).astype(np.uint8))[1].tobytes()
    traced = tracer.convert_raw_image_to_svg(
        picture,
        "png",
        colormode="binary",
        mode="spline",
        filter_speckle=0,
        # Points of a curve lie a pixel of the drawing apart, or as near as vtracer takes.
        length_threshold=float(np.clip(scale, 3.5, 10)),
        path_precision=2,
    )
    return [
        _move(path, scale, part.left + float(x) / scale, part.top + float(y) / scale)
        for path, x, y in _PATH.findall(traced)
    ]


def _move(path: str, scale: int, left: float, top: float) -> str:
    """A path in pixels of the enlarged part as one in pixels of the drawing."""

    def place(point: re.Match) -> str:
        x, y = (float(number) / scale for number in point.groups())
        return f"{left + x:.2f} {top + y:.2f}"

    return _POINT.sub(place, path).strip()
