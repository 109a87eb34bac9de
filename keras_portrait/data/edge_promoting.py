"""Edge smoothing of CartoonGAN: a cartoon without its clear edges, as an example of what is wrong.

The discriminator is shown such pictures as false ones, so that the generator learns to draw edges
that are clear.

Reference:
    Chen, Lai, Liu, "CartoonGAN: Generative adversarial networks for photo cartoonization",
    CVPR 2018, section 3.2: edges are found, the edge regions widened, and smoothed there alone.
    The paper gives no numbers; the thresholds and the width of 5 are those of the implementations
    in use, which compute every pixel of an edge by itself.
"""

import cv2
import numpy as np

# Hysteresis thresholds of the Canny detector: gradients on the scale of 8-bit gray.
CANNY_LOW, CANNY_HIGH = 100, 200
# Side, in pixels, of the box that widens the edges and of the Gaussian that smooths them.
WIDTH = 5


def promote_edges(picture: np.ndarray) -> np.ndarray:
    """Smooths a picture on its edges and a little beside them, and nowhere else.

    Args:
        picture: uint8 RGB (H, W, 3), values 0..255, of any size from one pixel.

    Returns:
        uint8 RGB (H, W, 3), a new array: blurred values, rounded, where an edge lies within two
        pixels to each side, elsewhere the picture's own.
    """
    gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    edges = cv2.dilate(cv2.Canny(gray, CANNY_LOW, CANNY_HIGH), np.ones((WIDTH, WIDTH), np.uint8))
    near = edges > 0
    # Width 0 lets OpenCV choose: binomial weights, for which 32-bit floats are exact.
    kernel = cv2.getGaussianKernel(WIDTH, 0)
    blurred = cv2.sepFilter2D(
        picture, cv2.CV_32F, kernel, kernel, borderType=cv2.BORDER_REFLECT_101
    )
    result = picture.copy()
    result[near] = np.rint(blurred[near])
    return result
