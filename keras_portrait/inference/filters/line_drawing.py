"""Line drawing of a photo without learning: flow-based difference of Gaussians.

The generator's warm start learns this mapping, and an anchor loss can hold on to it.

Reference:
    Kang, Lee, Chui, "Coherent line drawing", NPAR 2007 (the difference-of-Gaussians filter
    across the flow, then along it: equations 6 to 10); Kang, Lee, Chui, "Flow-based image
    abstraction", TVCG 2009.
"""

import cv2
import numpy as np

from keras_portrait.inference.filters.flow import (
    FLOW_SIGMA,
    along_flow,
    edge_tangent_flow,
    gaussian_weights,
    pixel_grid,
    sample_at,
)

# The surround's width over the centre's: Kang et al. 2007, section 3.2 (from Marr and Hildreth).
SURROUND_RATIO = 1.6
# Steepness of the edge of a filled part, per gray level; width in pixels of the blur before it, as
# a share of the flow's smoothing.
FILL_SHARPNESS, FILL_BLUR = 0.25, 0.5


def line_drawing(
    image: np.ndarray,
    sigma: float = 0.9,
    rho: float = 0.985,
    line_sigma: float = 3.0,
    sharpness: float = 0.6,
    shade: float = 0.0,
    flow_sigma: float = FLOW_SIGMA,
) -> np.ndarray:
    """Draws a picture as coherent dark lines on white paper, its darkest parts filled.

    Args:
        image: uint8 picture, (H, W, 3) RGB or (H, W) gray.
        sigma: width of the centre Gaussian across a line, pixels: about half a line's width.
        rho: weight of the surround Gaussian; nearer to 1 draws fainter edges too (2007: 0.99).
        line_sigma: width of the Gaussian along the flow, pixels: longer joins broken lines.
        sharpness: steepness of the soft threshold, per gray level.
        shade: parts darker than this share of the face are filled with ink; 0 fills none. The
            face is taken to be the middle of the picture, so that dark skin stays paper.
        flow_sigma: width over which edge directions are averaged into a flow, pixels. It grows
            with `sigma` and `line_sigma` where a larger picture is to give the same drawing.

    Returns:
        float32 (H, W) in [0, 1]; 1 is paper, 0 is ink.
    """
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.ndim == 3 else image
    gray = gray.astype(np.float32)
    tangent = edge_tangent_flow(gray, flow_sigma)
    response = across_flow(gray, tangent, sigma, rho)
    response = along_flow(response, tangent, line_sigma)
    # Equation 10 of 2007 before its binary threshold: positive responses are paper.
    paper = 1.0 + np.tanh(sharpness * np.minimum(response, 0.0))
    if not shade:
        return paper
    smooth = cv2.GaussianBlur(gray, (0, 0), FILL_BLUR * flow_sigma)
    return np.minimum(paper, _fill(smooth, tangent, line_sigma, shade * face_tone(gray)))


def _fill(smooth: np.ndarray, tangent: np.ndarray, line_sigma: float, tone: float) -> np.ndarray:
    """Paper where it is lighter than a tone, (H, W) in [0, 1]; along the flow, to look brushed."""
    smooth = along_flow(smooth, tangent, line_sigma)
    return 0.5 + 0.5 * np.tanh(FILL_SHARPNESS * (smooth - tone))


def across_flow(gray: np.ndarray, tangent: np.ndarray, sigma: float, rho: float) -> np.ndarray:
    """Difference of Gaussians on the line through each pixel at a right angle to the flow."""
    surround = SURROUND_RATIO * sigma
    reach = int(np.ceil(2.5 * surround))
    offsets = np.arange(-reach, reach + 1)
    weights = gaussian_weights(offsets, sigma) - rho * gaussian_weights(offsets, surround)
    place = pixel_grid(gray.shape)
    normal = np.stack([-tangent[..., 1], tangent[..., 0]], axis=-1)
    response = np.float32(weights[reach]) * gray
    for offset, weight in zip(offsets.tolist(), weights.tolist(), strict=True):
        if offset:
            sample = sample_at(gray, cv2.scaleAdd(normal, float(offset), place))
            response = cv2.scaleAdd(sample, weight, response)
    return response


def face_tone(gray: np.ndarray) -> float:
    """The median of the middle of a picture float32 (H, W), which is taken to be the face."""
    height, width = gray.shape
    return np.median(gray[height * 2 // 5 : height * 7 // 10, width * 2 // 5 : width * 3 // 5])
