"""From a photo to the square that a network sees.

Training data and drawing time both come through here, so they cannot differ.
"""

import functools
from dataclasses import dataclass

import cv2
import numpy as np

from keras_portrait.inference.filters.engraving import WAVE_SIDE, wave_phase
from keras_portrait.inference.geometry import (
    border_distance,
    face_template,
    smooth_step,
    square_to_photo,
    warp,
)
from keras_portrait.inference.imaging import resize
from keras_portrait.inference.photo_edge import blur_outside, inside_photo
from keras_portrait.inference.segmentation import PersonSegmenter, keep_region, whiten_background

# Mean alpha between eyes and mouth below which the segmentation has missed the face. Of 565
# portraits one lay under it, at 0.4; turned heads reach down to 0.8.
LEAST_FACE = 0.6
# Versions of the alignment. 1: white outside of the photo, exposure as it is. 2: the photo goes on
# outside of its edge, exposure evened by the face. A generator sees what it was trained on.
ALIGNMENTS = (1, 2)
ALIGNMENT = 2
# Lightness of a face, L of CIE Lab scaled to 0..255, below which a square is lightened; by how much
# at most, since more would show noise alone; and from which lightness on the gain falls, so
# that highlights keep their shapes.
FACE_LIGHTNESS = 165
MOST_GAIN = 6.0
_KNEE = 195
# Nose and cheeks, below the eyes and above the mouth: left, top, right, bottom in 0-based pixels of
# the 512 x 512 square.
_SKIN_512 = (180, 285, 332, 350)
# They are looked at as if the square had so many pixels. The gain of a gray is known at once; that
# of a colour, whose channels lie on other parts of the curve, is found in a few passes.
_SKIN_GRID = 128
_PASSES = 3
# Part of a whole picture that a person must take up before the rest is put to white.
LEAST_PERSON = 0.02
# Where a drawing begins and ends to fade along the border of its square, as shares of the side: for
# the most part within the soft edge of `geometry.paste_back`, which is gray.
_RIM_FADE = (0.035, 0.085)
# Steepness of the edge of a stroke in which a drawing ends, per share of the fade.
_STROKE_EDGE = 5.0
# A square is blank from this level up; lines may lie outside by half of the rim, in pixels.
_BLANK = 245
_RIM = 11


@dataclass(frozen=True)
class AlignedFace:
    """A face as a network sees it.

    Attributes:
        square: uint8 RGB (S, S, 3).
        transform: float64 (2, 3), from pixels of the square to those of the photo.
        inside: float32 (S, S) in [0, 1], how much of the drawing is kept: 0 outside of the photo,
            1 well inside of it; all 1 where the square lies in the photo, and in alignment 1.
    """

    square: np.ndarray
    transform: np.ndarray
    inside: np.ndarray


def prepare_face(
    photo: np.ndarray,
    landmarks: np.ndarray,
    size: int,
    segmenter: PersonSegmenter | None,
    alignment: int = ALIGNMENT,
) -> AlignedFace:
    """Aligns a face, puts the background to white and evens the exposure.

    The person is looked for in the aligned square, not in the whole photo, so that a small face
    in a wide picture gets the same sharp outline as a selfie.

    Args:
        photo: uint8 RGB (H, W, 3).
        landmarks: float (5, 2), 0-based pixels of the photo: left eye, right eye, nose, left and
            right mouth corner as seen in the picture.
        size: side of the square in pixels.
        segmenter: finds the person; None leaves the background as it is. So does a face that is
            not taken for a person (1 of 565 portraits, an old print): it would go white as well.
        alignment: one of `ALIGNMENTS`.

    Returns:
        The aligned face.

    Raises:
        InputError: landmarks that are not five finite points.
    """
    transform = square_to_photo(landmarks, size)
    square = cut_square(photo, transform, size, alignment)
    alpha = None
    if segmenter is not None:
        template = face_template(size)
        alpha = keep_region(segmenter(square), *template[2])  # the one with the nose
        left, top = template.min(axis=0).astype(int)
        right, bottom = template.max(axis=0).astype(int)
        if alpha[top:bottom, left:right].mean() < LEAST_FACE:
            alpha = None
    if alignment > 1:
        # Later than the segmentation, which errs by a quarter more where it sees the blur.
        square = blur_outside(square, photo.shape, transform)
    if alpha is not None:
        square = whiten_background(square, alpha)
    if alignment == 1:
        return AlignedFace(square, transform, np.ones((size, size), np.float32))
    inside = inside_photo(photo.shape, transform, size)
    return AlignedFace(even_exposure(square), transform, inside)


def cut_square(
    photo: np.ndarray, transform: np.ndarray, size: int, alignment: int = ALIGNMENT
) -> np.ndarray:
    """Cuts the aligned square out of a photo, background and exposure as they are.

    Args:
        photo: uint8 RGB (H, W, 3).
        transform: float (2, 3), from pixels of the square to those of the photo.
        size: side of the square in pixels.
        alignment: one of `ALIGNMENTS`: white lies outside of the photo, or its mirror image.

    Returns:
        uint8 RGB (size, size, 3).
    """
    return warp(photo, transform, size, fill=255 if alignment == 1 else None)


def even_exposure(square: np.ndarray) -> np.ndarray:
    """Lightens a square whose face is dark, so that the same tones mean the same in every photo.

    Where the median lightness of nose and cheeks is below `FACE_LIGHTNESS`, lightness is scaled so
    that it is that, by one curve for all channels; white stays white. Lighter faces are left as
    they are: what is burnt out does not come back.

    Args:
        square: uint8 RGB (S, S, 3), an aligned face.

    Returns:
        uint8 RGB (S, S, 3).
    """
    size = square.shape[0]
    left, top, right, bottom = (round(edge * size / 512) for edge in _SKIN_512)
    step = max(1, size // _SKIN_GRID)
    face, curve, gain = square[top:bottom:step, left:right:step], None, 1.0
    for _ in range(_PASSES):
        lightened = face if curve is None else cv2.LUT(face, curve)
        median = float(np.median(cv2.cvtColor(lightened, cv2.COLOR_RGB2Lab)[..., 0]))
        if curve is None and median >= FACE_LIGHTNESS:
            return square
        gain = np.clip(gain * FACE_LIGHTNESS / max(median, 1.0), 1.0, MOST_GAIN)
        curve = _tone_curve(gain)
    return cv2.LUT(square, curve)


def _tone_curve(gain: float) -> np.ndarray:
    """uint8 (256,): for each gray level the one of `gain` times the lightness.

    From `_KNEE` on the curve is a hyperbola that begins with the same slope and ends at white: it
    spreads the highlights of a dark photo where a power would leave them flat.
    """
    levels = np.arange(256)
    # sRGB (IEC 61966-2-1) and L of CIE Lab, both of a gray.
    encoded = levels / 255
    light = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    root = np.where(light > 0.008856, np.cbrt(light), 7.787 * light + 16 / 116)
    lightness = 255 * (1.16 * root - 0.16)
    start = _KNEE / gain
    part = np.clip((lightness - start) / (255 - start), 0, 1)
    steepness = (255 * gain - _KNEE) / (255 - _KNEE)
    bent = 255 - (255 - _KNEE) * (1 - part) / (1 + (steepness - 1) * part)
    wanted = np.where(lightness < start, gain * lightness, bent)
    return np.rint(np.interp(wanted, lightness, levels)).astype(np.uint8)


def prepare_whole(
    photo: np.ndarray, size: int, segmenter: PersonSegmenter | None
) -> tuple[np.ndarray, tuple[slice, slice]]:
    """Fits a whole picture into the square without squashing it, on white.

    Args:
        photo: uint8 RGB (H, W, 3).
        size: side of the square in pixels.
        segmenter: finds the person; None leaves the background as it is. So does a picture in
            which hardly anybody is found: it would end up blank.

    Returns:
        The square, uint8 RGB (size, size, 3), and the rows and columns that the picture takes
        up in it.
    """
    height, width = photo.shape[:2]
    ratio = size / max(height, width)
    small = resize(photo, max(1, round(width * ratio)), max(1, round(height * ratio)))
    if segmenter is not None:
        alpha = segmenter(small)
        if alpha.mean() >= LEAST_PERSON:
            small = whiten_background(small, alpha)
    top, left = (size - small.shape[0]) // 2, (size - small.shape[1]) // 2
    place = (slice(top, top + small.shape[0]), slice(left, left + small.shape[1]))
    square = np.full((size, size, 3), 255, np.uint8)
    square[place] = small
    return square, place


def keep_paper(
    drawing: np.ndarray, square: np.ndarray, inside: np.ndarray | None = None
) -> np.ndarray:
    """Keeps a drawing blank where the photo was blank, a few pixels away from the subject.

    Networks like to close a picture with a line along its border; there is nothing to draw there.

    Args:
        drawing: uint8 (S, S), made from the square.
        square: uint8 RGB (S, S, 3), as the network saw it.
        inside: float32 (S, S) in [0, 1] of the `AlignedFace`, beyond which the drawing fades. None
            for a whole picture.

    Returns:
        uint8 (S, S).
    """
    # A live drawing goes through here many times a second: bytes as long as they will do.
    darkest = cv2.min(cv2.min(square[..., 0], square[..., 1]), square[..., 2])
    subject = (darkest < _BLANK).view(np.uint8)
    near = cv2.dilate(subject, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_RIM, _RIM)))
    near = cv2.GaussianBlur(near.astype(np.float32), (0, 0), 1.0)
    ink = (255 - drawing.astype(np.float32)) * near
    kept = np.rint(255 - ink).astype(np.uint8)
    return kept if inside is None else fade_ink(kept, inside)


def fade_ink(drawing: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Lets a drawing end as people end one: in strokes that get thinner, never in gray.

    Args:
        drawing: uint8 (S, S).
        kept: float32 (S, S) in [0, 1], such as `inside` of an `AlignedFace`: the share of strokes
            of the engraving's plane wave within which ink stays.

    Returns:
        uint8 (S, S); untouched where `kept` is 1, blank where it is 0.
    """
    return drawing.copy() if kept.min() >= 1 else _thinned(drawing, _stroke_share(kept))


def fade_rim(drawing: np.ndarray) -> np.ndarray:
    """Lets a drawing that is placed in a photo end before the border of its square.

    Args:
        drawing: uint8 (S, S).

    Returns:
        uint8 (S, S), see `fade_ink`.
    """
    return _thinned(drawing, _rim_share(len(drawing)))


def _thinned(drawing, share):
    return np.rint(255 - (255 - drawing.astype(np.float32)) * share).astype(np.uint8)


def _stroke_share(kept: np.ndarray) -> np.ndarray:
    """float32 (S, S) in [0, 1]: what is left of each pixel's ink."""
    # Strokes grow with a large drawing, their edges stay as sharp.
    steepness = _STROKE_EDGE * max(1.0, len(kept) / WAVE_SIDE)
    share = np.clip(steepness * (kept - _strokes(len(kept))) + 0.5, 0, 1)
    return np.where(kept > 0, share, np.float32(0))


@functools.lru_cache(maxsize=4)
def _rim_share(size: int) -> np.ndarray:
    """The same of a rim (size, size) along the border; a live picture needs it at every frame."""
    start, stop = _RIM_FADE
    ramp = smooth_step((border_distance(size) / size - start) / (stop - start))
    return _stroke_share(np.outer(ramp, ramp).astype(np.float32))


@functools.lru_cache(maxsize=4)
def _strokes(size: int) -> np.ndarray:
    """float32 (size, size): the part of a fade at which each pixel's ink goes, in (0, 1)."""
    side = min(size, WAVE_SIDE)
    wave = (1 + np.cos(wave_phase(side, side))) / 2
    if size > side:
        wave = cv2.resize(wave, (size, size), interpolation=cv2.INTER_CUBIC)
    # So that the soft edge of a stroke, too, is past at 0 and at 1.
    rim = 0.5 / _STROKE_EDGE
    return (rim + (1 - 2 * rim) * np.clip(wave, 0, 1)).astype(np.float32)
