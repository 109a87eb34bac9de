"""Photos as other cameras would have taken them: for networks that are to draw all of them."""

import cv2
import numpy as np

from keras_portrait.inference.imaging import resize

# Ranges at a jitter of 1. Exposure and gamma stay small: the drawings' blacks follow the tones of
# the photo, and exposure has been evened before.
GAIN, GAMMA, SATURATION, WHITE_BALANCE = 0.1, 0.12, 0.3, 0.06
# Standard deviation of noise in gray levels, reduction of the size, and JPEG quality, at most, each
# in a share of the photos.
NOISE, REDUCTION, LEAST_QUALITY = 8.0, 2.5, 35
NOISE_SHARE, REDUCTION_SHARE, JPEG_SHARE = 0.5, 0.4, 0.5
# The background is white from this level up, as alignment left it; it stays so.
_WHITE = 250


def jitter_photo(photo: np.ndarray, jitter: float, rng: np.random.Generator) -> np.ndarray:
    """Changes exposure, colours, sharpness, noise and compression of a photo, no places.

    Args:
        photo: uint8 RGB (H, W, 3).
        jitter: factor of all ranges; 0 changes nothing.
        rng: source of chance; the same numbers are drawn whatever the factor is.

    Returns:
        uint8 RGB (H, W, 3). What was white stays white: no camera saw that background.
    """
    tone = np.exp(rng.uniform(-1, 1, 6) * jitter * [GAIN, GAMMA, SATURATION, *[WHITE_BALANCE] * 3])
    noise, reduction, quality = rng.random(3) * jitter
    noisy, reduced, compressed = rng.random(3) < [NOISE_SHARE, REDUCTION_SHARE, JPEG_SHARE]
    grain = rng.standard_normal(photo.shape, dtype=np.float32)
    if not jitter:
        return photo
    height, width = photo.shape[:2]
    changed = photo
    if reduced:
        factor = REDUCTION**-reduction
        changed = resize(changed, round(width * factor), round(height * factor))
    if noisy:
        grain = grain[: changed.shape[0], : changed.shape[1]] * (NOISE * noise)
        changed = _to_bytes(changed + grain)
    changed = _tone(changed, *tone)
    if compressed:
        changed = _compress(changed, round(max(95 - (95 - LEAST_QUALITY) * quality, 10)))
    changed = resize(changed, width, height)
    return np.where((photo >= _WHITE).all(axis=-1, keepdims=True), photo, changed)


def _tone(photo, gain, gamma, saturation, *white):
    x = np.float32(photo) / 255
    x = x * np.float32(gain * np.array(white))
    gray = x.mean(axis=-1, keepdims=True)
    x = np.clip(gray + (x - gray) * np.float32(saturation), 0, 1) ** np.float32(gamma)
    return _to_bytes(x * 255)


def _compress(photo, quality):
    _, data = cv2.imencode(
        ".jpg", cv2.cvtColor(photo, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def _to_bytes(x):
    return np.uint8(np.clip(np.rint(x), 0, 255))
