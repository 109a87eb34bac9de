"""Which style a drawing has: by the folder that it lay in, or by what a style classifier says."""

from pathlib import Path

import numpy as np

from keras_portrait.data.manifest import Row
from keras_portrait.errors import InputError

# How far from 1 the shares of a drawing may sum up.
TOLERANCE = 1e-3


def check_styles(folder: Path, drawings: list[Row], styles: list[str]) -> None:
    """Sees to it that every drawing has a style.

    Args:
        folder: the data folder, for the texts.
        drawings: rows of drawings.
        styles: names of all styles. Where there is only one, every drawing has it.

    Raises:
        InputError: there is no style; drawings have neither a tag nor shares; or a drawing's
            shares are no shares of these styles.
    """
    if not styles:
        raise InputError(
            f"{folder}: expected drawings in a folder of a style. Received: untagged ones alone"
        )
    for row in drawings:
        fault = None if row.style_shares is None else _fault(row.style_shares, styles)
        if fault:
            raise InputError(
                f"{folder}: expected shares from 0 to 1 of {', '.join(styles)}, 1 together; "
                "`portrait train style-classifier.toml DATA` writes them. "
                f"Received: {fault} for {row.source}"
            )
    bare = sum(row.style is None and row.style_shares is None for row in drawings)
    if bare and len(styles) > 1:
        raise InputError(
            f"{folder}: {bare} drawings have no style. Put them into the folder of a style and "
            "prepare again, or let `portrait train style-classifier.toml DATA` tell their styles. "
            f"Received: {bare} untagged of {len(drawings)}"
        )


def _fault(shares, styles):
    """What is wrong with the shares of a drawing, or None."""
    if not isinstance(shares, dict):
        return f"{shares!r}"
    unknown = sorted(set(shares) - set(styles))
    if unknown:
        return f"the unknown style {unknown[0]}"
    values = list(shares.values())
    if not all(isinstance(value, int | float) and value >= 0 for value in values):
        return f"the shares {values}"
    # Written so that nan fails, too.
    if not abs(sum(values) - 1) <= TOLERANCE:
        return f"shares that sum to {sum(values):g}"
    return None


def style_of(row: Row, styles: list[str]) -> int:
    """The style that a drawing counts to: its tag, else the one with the largest share.

    Args:
        row: a drawing that `check_styles` let pass.
        styles: names of all styles.

    Returns:
        An index into `styles`.
    """
    if len(styles) == 1:
        return 0
    return styles.index(row.style or max(styles, key=lambda style: row.style_shares.get(style, 0)))


def style_vector(row: Row, styles: list[str], soft: bool) -> np.ndarray:
    """The style vector of a drawing.

    Args:
        row: a drawing that `check_styles` let pass.
        styles: names of all styles; their order is that of the vector.
        soft: whether to take the classifier's shares where there are any.

    Returns:
        float32 (K,), summing to 1; without shares 1 for `style_of`, 0 for the others.

    Reference:
        Yi et al., CVPR 2020: the style feature of a drawing is the softmax of a style classifier,
        soft for drawings that lie between the styles.
    """
    if soft and row.style_shares is not None:
        shares = np.array([row.style_shares.get(style, 0.0) for style in styles], np.float64)
        return np.float32(shares / shares.sum())
    return np.eye(len(styles), dtype=np.float32)[style_of(row, styles)]
