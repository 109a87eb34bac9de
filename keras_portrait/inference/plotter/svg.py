"""Pen strokes as an SVG file in millimetres."""

from xml.sax.saxutils import escape

from keras_portrait.inference.plotter.plot import Plot

_PAGE = """<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" \
xmlns:inkscape="http://www.inkscape.org/namespaces/inkscape" \
width="{width:g}mm" height="{height:g}mm" viewBox="0 0 {width:g} {height:g}">
<title>{title}</title>
<desc>{description}</desc>
<g inkscape:groupmode="layer" inkscape:label="ink" id="ink" fill="none" stroke="#000000" \
stroke-width="{pen:g}" stroke-linecap="round" stroke-linejoin="round">
{paths}</g>
</svg>
"""


def plot_svg(plot: Plot, title: str = "", description: str = "") -> bytes:
    """Writes strokes as Inkscape, vpype and the programs of plotters read them.

    Args:
        plot: the strokes; their order is that of the file.
        title: what the drawing is; browsers show it.
        description: more about it.

    Returns:
        The bytes of an SVG file as large as the page, a unit for each millimetre. It has one layer,
        `ink`, with one path for each stroke, as wide as the pen.
    """
    paths = (
        "M" + " ".join(f"{x:.2f},{y:.2f}" for x, y in stroke.tolist()) for stroke in plot.strokes
    )
    return _PAGE.format(
        width=plot.page.width,
        height=plot.page.height,
        title=escape(title),
        description=escape(description),
        pen=plot.pen_width,
        paths="".join(f'<path d="{path}"/>\n' for path in paths),
    ).encode()
