"""What a user says about style and other choices, checked."""

import contextlib

import numpy as np

from keras_portrait.errors import SettingError, nearest


def style_vector(style, styles: tuple[str, ...]) -> np.ndarray:
    """What a user says about style as the network's style vector.

    Args:
        style: None, a name, an index from 0, or one weight for each style. A text may hold any,
            or names with commas between them, each with its weight after a colon or with 1.
        styles: names of the preset's styles.

    Returns:
        float32 (1, K) with a sum of 1.

    Raises:
        SettingError: no such style, or weights that do not fit.
    """
    count, given = len(styles), style
    if style is None:
        style = 0
    if isinstance(style, str):
        style = styles.index(style) if style in styles else _parse_style(style, styles)
    if isinstance(style, int | np.integer):
        if not 0 <= style < count:
            raise SettingError(
                f"The preset has {count} style(s), counted from 0: {', '.join(styles)}. "
                f"Received: {style}"
            )
        return np.eye(count, dtype=np.float32)[[style]]
    try:
        weights = np.asarray(style, np.float64)
    except (TypeError, ValueError):
        weights = np.full(0, np.nan)
    fits = weights.shape == (count,) and np.isfinite(weights).all() and (weights >= 0).all()
    if not fits or weights.sum() == 0:
        raise SettingError(
            f"A mix needs {count} weight(s) from 0 up, not all 0, one for each of: "
            f"{', '.join(styles)}. Received: {given!r}"
        )
    return (weights / weights.sum()).astype(np.float32)[None]


def _parse_style(text: str, styles: tuple[str, ...]) -> "int | list[float]":
    """An index, or the weight of each style."""
    parts = [part.strip() for part in text.split(",")]
    with contextlib.suppress(ValueError):
        return int(text) if len(parts) == 1 else [float(part) for part in parts]
    weights = [0.0] * len(styles)
    for part in parts:
        name, _, weight = (part, "", "1") if part in styles else part.partition(":")
        name = name.strip()
        if name not in styles:
            raise SettingError(
                f"No such style. {nearest(name, styles)}Expected a name, an index, or a mix such "
                f"as 0.7,0.3 or NAME,NAME or NAME:0.7,NAME:0.3. Received: {text}"
            )
        try:
            weights[styles.index(name)] += float(weight)
        except ValueError:
            raise SettingError(
                f"The weight of a style must be a number, as in {name}:0.7. Received: {text}"
            ) from None
    return weights


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raises SettingError, which names near matches, unless value is one of the choices."""
    if value not in choices:
        raise SettingError(f"No such {name}. {nearest(value, choices)}Received: {value}")
