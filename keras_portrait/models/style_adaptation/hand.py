"""What tells a hand: the Gram matrices of its drawings, and which known style comes nearest."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from keras import ops

from keras_portrait import losses
from keras_portrait.errors import InputError
from keras_portrait.files import whole_file
from keras_portrait.inference.imaging import to_signed
from keras_portrait.models.style_adaptation.batches import GRID, corners, mirrored
from keras_portrait.models.style_adaptation.config import AdaptationDataSettings

# Of a run folder: the Gram matrices.
GRAMS = "hand.npz"
# Photos that known styles are compared at.
_COMPARED_PHOTOS = 3
# How far from the nearest style away from another one, which lets more of it show. At twice the way
# from its neighbours the preset portrait still draws clean lines. Half of the way to the other is
# the hand of neither: begun there, a hand of outlines lost a blind panel that it had won.
_STEPS = (-0.5, -1.0)


def measure_hand(
    drawings: Sequence[np.ndarray],
    settings: AdaptationDataSettings,
    features: Callable,
    check_stop: Callable[[], None] = lambda: None,
) -> list[list[np.ndarray]]:
    """Computes the mean Gram matrices of drawings at each window.

    Args:
        drawings: uint8 (S, S, 1) each.
        settings: windows; mirrored drawings count as well where pictures are mirrored.
        features: function of drawings float (N, H, W, 1) in [-1, 1] to a list of feature maps.
        check_stop: called before each drawing; what it raises ends the work.

    Returns:
        For each window a list of float32 (C, C).
    """
    sums = None
    for drawing in drawings:
        check_stop()
        square, side = to_signed(drawing), settings.window
        found = [
            _grams(features, square[top : top + side, left : left + side])
            for top, left in corners(settings)
        ]
        sums = found if sums is None else _added(sums, found)
    if settings.flip:
        # Gram matrices know no place: a window and its mirror image differ little in them, and the
        # window on the other side stands for it.
        sums = _added(sums, [sums[mirrored(number)] for number in range(GRID * GRID)])
    count = len(drawings) * (2 if settings.flip else 1)
    return [[np.float32(gram / count) for gram in grams] for grams in sums]


def nearest_mix(
    draw: Callable,
    styles: int,
    photos: Sequence[np.ndarray],
    drawings: Sequence[np.ndarray],
    settings: AdaptationDataSettings,
) -> np.ndarray:
    """Finds what comes nearest to the hand: a known style, or one that goes beyond another.

    Compared are ink and outlines at each window. Gram matrices would not do: they find bare paper
    nearer to hatching than other hatching, whose lines go another way.

    Args:
        draw: function of photos (N, S, S, 3) and style (N, K) to drawings (N, S, S, 1).
        styles: K.
        photos: uint8 (S, S, 3) each.
        drawings: uint8 (S, S, 1) each, those of the hand.
        settings: windows.

    Returns:
        float32 (K,), shares that sum to 1; beyond another style one is above 1 and one below 0.
    """
    wanted = np.mean([ink_and_outlines(to_signed(each), settings) for each in drawings], axis=0)
    chosen = photos[:: max(1, len(photos) // _COMPARED_PHOTOS)][:_COMPARED_PHOTOS]

    def distance(mix):
        style = ops.convert_to_tensor(np.float32(mix)[None])
        drawn = (draw(ops.convert_to_tensor(to_signed(photo)[None]), style) for photo in chosen)
        found = [ink_and_outlines(ops.convert_to_numpy(each)[0], settings) for each in drawn]
        # Relative, so that thin lines count as much as solid blacks.
        return (np.abs(np.mean(found, axis=0) - wanted).sum(0) / (wanted.sum(0) + 1e-6)).sum()

    alone = list(np.eye(styles))
    best = min(alone, key=distance)
    others = [other for other in alone if other is not best]
    steps = [best + step * (other - best) for other in others for step in _STEPS]
    return np.float32(min([best, *steps], key=distance))


def ink_and_outlines(drawing: np.ndarray, settings: AdaptationDataSettings) -> np.ndarray:
    """How much ink there is at each window, and how much outline.

    Much ink of little outline is a solid black, as much of much outline is hatching.

    Args:
        drawing: float (S, S, 1) in [-1, 1].
        settings: windows; each counts as its mirror image does where pictures are mirrored.

    Returns:
        float (9, 2): the mean darkness, in [0, 1], and the mean absolute difference of darkness
        between neighbours, down and across together, in [0, 2].
    """
    dark, side = (1 - drawing[..., 0]) / 2, settings.window
    cuts = [dark[top : top + side, left : left + side] for top, left in corners(settings)]
    outlines = [sum(np.abs(np.diff(cut, axis=axis)).mean() for axis in (0, 1)) for cut in cuts]
    found = np.stack([[cut.mean() for cut in cuts], outlines], axis=1)
    if settings.flip:
        found = (found + found[[mirrored(number) for number in range(GRID * GRID)]]) / 2
    return found


def save_grams(path: Path, grams: Sequence[Sequence[np.ndarray]]) -> None:
    """Writes what `measure_hand` found, whole or not at all."""
    arrays = {f"{w}_{i}": gram for w, some in enumerate(grams) for i, gram in enumerate(some)}
    with whole_file(path) as part, open(part, "wb") as file:
        np.savez(file, **arrays)


def load_grams(path: Path) -> list[list[np.ndarray]]:
    """Reads what `save_grams` wrote.

    Raises:
        InputError: it is broken.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            named = {tuple(map(int, name.split("_"))): file[name] for name in file.files}
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"Expected the Gram matrices of a run; without the file they are made again. "
            f"Received: {path} ({error})"
        ) from error
    windows = sorted({window for window, _ in named})
    return [[named[key] for key in sorted(named) if key[0] == window] for window in windows]


def _grams(features, window):
    cut = ops.convert_to_tensor(np.ascontiguousarray(window)[None])
    return [ops.convert_to_numpy(losses.gram(maps))[0] for maps in features(cut)]


def _added(one, other):
    return [[a + b for a, b in zip(x, y, strict=True)] for x, y in zip(one, other, strict=True)]
