"""Small scans enlarged without their blur, so that no discriminator learns it.

Resampling gives a line the blur of the scan, as wide as it enlarges. Here a scan is enlarged first
and its ink cut out of the blur at that size; gray is left only where the reduction averages ink and
paper.
"""

import cv2
import numpy as np

from keras_portrait.inference.geometry import scale_of, touched_window, warp
from keras_portrait.inference.imaging import resize

# Pixels of the enlarged scan for each of the scan.
ENLARGEMENT = 4
# Pixels of the enlarged scan. A blur takes out grain and the steps of the enlargement; then ink is
# what is darker than its surroundings, so that fine hatching stays apart and thin gray lines stay.
BLUR, SURROUNDINGS, CONTRAST = 1.6, 5.0, 2.0
# Gray levels: where ink ends and paper begins, and how wide the sigmoid between them is. With this
# middle, drawings of 18 artists and books stay as dark as they are, within 7 %.
MIDDLE, SIGMOID_WIDTH = 128.0, 14.0
# Pixels of the scan around a window that the blurs and Lanczos' filter reach.
_REACH = 12
# The square is made at twice its size, as the filters' drawings are, and in tiles of so many pixels
# of it, so that memory is small at any size.
_OVERSAMPLING, _TILE = 2, 128

# Gray is tone where a square of so many pixels, in an aligned square of 256, holds a small range of
# gray levels: no line passes there. As much of the aligned square, or of its face, may be tone. Of
# 568 pen drawings three have more, printed on gray; of 530 engravings and woodcuts 112.
TONE_SIDE, TONE_RANGE, TONE_LEVELS = 7, 100, (64, 216)
MOST_TONE = 0.3
# The face in an aligned square: half an eye distance around eyes and mouth, as shares of its side.
_FACE_ROWS, _FACE_COLUMNS = (0.375, 0.83), (0.285, 0.715)


def is_small(square_to_photo: np.ndarray) -> bool:
    """Whether a square would enlarge a scan: less than one pixel of it for each of its own."""
    return scale_of(square_to_photo) < 1


def has_tone(square: np.ndarray) -> bool:
    """Whether a drawing has tone that no line makes: a halftone, wash, hatching that ran together.

    Made black and white, such would turn to blots.

    Args:
        square: uint8 (256, 256), aligned, paper white, not sharpened.
    """
    kernel = np.ones((TONE_SIDE, TONE_SIDE), np.uint8)
    flat = cv2.morphologyEx(square, cv2.MORPH_GRADIENT, kernel) < TONE_RANGE
    tone = flat & (square >= TONE_LEVELS[0]) & (square < TONE_LEVELS[1])
    size = len(square)
    rows, columns = (
        slice(*(round(share * size) for share in shares)) for shares in (_FACE_ROWS, _FACE_COLUMNS)
    )
    return max(tone.mean(), tone[rows, columns].mean()) > MOST_TONE


def enlarge_ink(scan: np.ndarray, white: float, black: float) -> np.ndarray:
    """Enlarges a scan of lines and makes it nearly black and white.

    Args:
        scan: uint8 (H, W).
        white: gray level of the paper, 0..255; what is lighter becomes white.
        black: gray level of the ink, 0..255, below `white`.

    Returns:
        uint8 (4 H, 4 W), paper 255, ink 0.
    """
    height, width = (ENLARGEMENT * side for side in scan.shape)
    values = cv2.resize(scan.astype(np.float32), (width, height), interpolation=cv2.INTER_LANCZOS4)
    values = np.clip((values - black) * (255 / (white - black)), 0, 255)
    values = cv2.GaussianBlur(values, (0, 0), BLUR)
    values += CONTRAST * (values - cv2.GaussianBlur(values, (0, 0), SURROUNDINGS))
    # 1 / (1 + exp(-x)), written so that nothing overflows.
    sigmoid = 0.5 + 0.5 * np.tanh((values - MIDDLE) / (2 * SIGMOID_WIDTH))
    return np.rint(255 * sigmoid).astype(np.uint8)


def cut_small_scan(
    scan: np.ndarray, white: float, black: float, square_to_photo: np.ndarray, size: int
) -> np.ndarray:
    """Cuts the aligned square out of a small scan, crisp.

    Args:
        scan: uint8 (H, W), of any size; only what the square touches is enlarged.
        white: see `enlarge_ink`.
        black: see `enlarge_ink`.
        square_to_photo: float (2, 3), from pixels of the square to those of the scan, small by
            `is_small`.
        size: side of the square in pixels.

    Returns:
        uint8 (size, size), paper, and what lies outside of the scan, white.
    """
    side = -(-size // _TILE) * _TILE
    square = np.full((side, side), 255, np.uint8)
    for top in range(0, side, _TILE):
        for left in range(0, side, _TILE):
            # From pixels of the tile at its oversampled size; pixel centres lie at integers.
            matrix = np.array(square_to_photo, np.float64)
            corner = (1 / _OVERSAMPLING - 1) / 2
            matrix[:, 2] += matrix[:, :2] @ (left + corner, top + corner)
            matrix[:, :2] /= _OVERSAMPLING
            window, matrix = touched_window(scan, matrix, _OVERSAMPLING * _TILE, _REACH)
            if window.size == 0:
                continue
            matrix *= ENLARGEMENT
            matrix[:, 2] += (ENLARGEMENT - 1) / 2
            tile = warp(enlarge_ink(window, white, black), matrix, _OVERSAMPLING * _TILE)
            square[top : top + _TILE, left : left + _TILE] = resize(tile, _TILE, _TILE)
    return square[:size, :size].copy()
