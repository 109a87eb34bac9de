"""What tells a hand: the Gram matrices of its drawings, and which known style comes nearest."""

import itertools
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
# Windows and photos that known styles are compared at: the upper and the middle one of the face.
_COMPARED_WINDOWS, _COMPARED_PHOTOS = (1, 4), 3


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
    style_distance: Callable,
    draw: Callable,
    styles: int,
    photos: Sequence[np.ndarray],
    grams: Sequence[Sequence[np.ndarray]],
    settings: AdaptationDataSettings,
) -> np.ndarray:
    """Finds the known style, or the half-and-half mix of two, whose drawings are nearest.

    Args:
        style_distance: function of drawings (N, H, W, 1) and Gram matrices [(N, C, C)] to a scalar.
        draw: function of photos (N, H, W, 3) and style (N, K) to drawings.
        styles: K.
        photos: uint8 (S, S, 3) each.
        grams: from `measure_hand`.
        settings: windows.

    Returns:
        float32 (K,), shares that sum to 1.
    """
    pairs = [np.mean(pair, axis=0) for pair in itertools.combinations(np.eye(styles), 2)]
    places, side = corners(settings), settings.window
    chosen = photos[:: max(1, len(photos) // _COMPARED_PHOTOS)][:_COMPARED_PHOTOS]
    best, least = None, np.inf
    for mix in [*np.eye(styles), *pairs]:
        style = ops.convert_to_tensor(np.float32(mix)[None])
        total = 0.0
        for photo, window in itertools.product(chosen, _COMPARED_WINDOWS):
            top, left = places[window]
            cut = to_signed(photo[top : top + side, left : left + side])
            drawing = draw(ops.convert_to_tensor(cut[None]), style)
            targets = [ops.convert_to_tensor(gram[None]) for gram in grams[window]]
            total += float(ops.convert_to_numpy(style_distance(drawing, targets)))
        if total < least:
            best, least = np.float32(mix), total
    return best


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
