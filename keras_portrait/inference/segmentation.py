"""Person against background, with a small network that travels in the package.

The network is `selfie_segmentation.tflite` of MediaPipe (Apache-2.0, see
`selfie_segmentation.NOTICE.txt`), rewritten by `export/makers/segmentation.py` so that it holds
builtin operations only.
"""

from pathlib import Path

import cv2
import numpy as np

from keras_portrait.inference.imaging import resize
from keras_portrait.inference.litert.runner import Runner

WEIGHTS = Path(__file__).with_name("selfie_segmentation.tflite")
_SIDE = 256  # the network's square input
# Alpha is 0 at this value of the blurred mask and 1 at `_ALPHA_START + _ALPHA_WIDTH`: hair and
# shoulders stay whole, and the soft rim is a few pixels wide. Found by trial on portraits.
_ALPHA_START = 0.25
_ALPHA_WIDTH = 0.4


class PersonSegmenter:
    """Finds the person in a picture.

    Args:
        threads: CPU threads for the network.
    """

    def __init__(self, threads: int = 1):
        self._runner = Runner(WEIGHTS, threads=threads)

    def __call__(self, photo: np.ndarray) -> np.ndarray:
        """How much each pixel belongs to a person.

        Args:
            photo: uint8 RGB (H, W, 3), any size; the person should fill a good part of it.

        Returns:
            float32 (H, W) in [0, 1].
        """
        height, width = photo.shape[:2]
        # The network wants [0, 1] and, as in MediaPipe, the whole picture without regard to aspect.
        small = resize(photo, _SIDE, _SIDE).astype(np.float32) / 255
        mask = self._runner(small[None]).reshape(_SIDE, _SIDE)
        mask = cv2.GaussianBlur(mask, (0, 0), 1.0)
        mask = cv2.resize(mask, (width, height), interpolation=cv2.INTER_LINEAR)
        return np.clip((mask - _ALPHA_START) / _ALPHA_WIDTH, 0, 1)


def keep_region(alpha: np.ndarray, x: float, y: float) -> np.ndarray:
    """Keeps the connected region that holds a point: flags and strangers beside it go.

    Args:
        alpha: float32 (H, W) in [0, 1].
        x: column of the point in pixels.
        y: row of the point in pixels.

    Returns:
        float32 (H, W); `alpha` itself where the point lies on background.
    """
    _, labels = cv2.connectedComponents((alpha > 0.5).astype(np.uint8))
    label = labels[round(y), round(x)]
    if label == 0:
        return alpha
    # Grown by the soft rim, which lies outside the threshold.
    region = cv2.dilate((labels == label).astype(np.uint8), np.ones((9, 9), np.uint8))
    return alpha * region


def whiten_background(photo: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Puts what is not the person to white.

    Args:
        photo: uint8 (H, W, 3).
        alpha: float (H, W) in [0, 1], 1 on the person.

    Returns:
        uint8 (H, W, 3).
    """
    alpha = alpha[..., None]
    return np.rint(photo * alpha + 255 * (1 - alpha)).astype(np.uint8)
