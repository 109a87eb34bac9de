"""Line drawing of a photo without learning: flow-based difference of Gaussians.

The generator's warm start learns this mapping, and an anchor loss can hold on to it.

Reference:
    Kang, Lee, Chui, "Coherent line drawing", NPAR 2007 (the difference-of-Gaussians filter
    across the flow, then along it: equations 6 to 10); Kang, Lee, Chui, "Flow-based image
    abstraction", TVCG 2009. The edge tangent flow is the smoothed structure tensor of
    Kyprianidis and Döllner, "Image abstraction by structure adaptive filtering", 2008: it gives
    the same field without iterating.
"""

import cv2
import numpy as np

# The surround's width over the centre's: Kang et al. 2007, section 3.2 (from Marr and Hildreth).
SURROUND_RATIO = 1.6
# Width in pixels over which edge directions are averaged into a smooth flow.
FLOW_SIGMA = 2.0
# Steepness of the edge of a filled part, per gray level.
FILL_SHARPNESS = 0.25


def line_drawing(
    image: np.ndarray,
    sigma: float = 0.9,
    rho: float = 0.985,
    line_sigma: float = 3.0,
    sharpness: float = 0.6,
    shade: float = 0.0,
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

    Returns:
        float32 (H, W) in [0, 1]; 1 is paper, 0 is ink.
    """
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.ndim == 3 else image
    gray = gray.astype(np.float32)
    tangent = edge_tangent_flow(gray)
    response = _across_flow(gray, tangent, sigma, rho)
    response = _along_flow(response, tangent, line_sigma)
    # Equation 10 of 2007 before its binary threshold: positive responses are paper.
    paper = 1.0 + np.tanh(sharpness * np.minimum(response, 0.0))
    return np.minimum(paper, _fill(gray, tangent, line_sigma, shade)) if shade else paper


def edge_tangent_flow(gray: np.ndarray, sigma: float = FLOW_SIGMA) -> np.ndarray:
    """Finds the direction of the edge at, or nearest to, every pixel.

    Args:
        gray: float32 (H, W), any range.
        sigma: smoothing of the structure tensor, pixels.

    Returns:
        float32 (H, W, 2), unit vectors (x, y) along the edges; the sign is arbitrary.
    """
    across = cv2.Sobel(gray, cv2.CV_32F, 1, 0, ksize=3)
    down = cv2.Sobel(gray, cv2.CV_32F, 0, 1, ksize=3)
    xx, yy, xy = (
        cv2.GaussianBlur(product, (0, 0), sigma)
        for product in (across * across, down * down, across * down)
    )
    # Angle of the tensor's minor eigenvector: a right angle away from the gradient's.
    angle = 0.5 * np.arctan2(2.0 * xy, xx - yy) + np.float32(np.pi / 2)
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def _fill(gray: np.ndarray, tangent: np.ndarray, line_sigma: float, shade: float) -> np.ndarray:
    """Paper outside the dark parts, (H, W) in [0, 1]; smoothed along the flow to look brushed."""
    height, width = gray.shape
    middle = gray[height * 2 // 5 : height * 7 // 10, width * 2 // 5 : width * 3 // 5]
    smooth = _along_flow(cv2.GaussianBlur(gray, (0, 0), 1.0), tangent, line_sigma)
    return 0.5 + 0.5 * np.tanh(FILL_SHARPNESS * (smooth - shade * np.median(middle)))


def _across_flow(gray: np.ndarray, tangent: np.ndarray, sigma: float, rho: float) -> np.ndarray:
    """Difference of Gaussians on the line through each pixel at a right angle to the flow."""
    surround = SURROUND_RATIO * sigma
    reach = int(np.ceil(2.5 * surround))
    offsets = np.arange(-reach, reach + 1)
    weights = _gaussian(offsets, sigma) - rho * _gaussian(offsets, surround)
    place = _pixel_grid(gray.shape)
    normal = np.stack([-tangent[..., 1], tangent[..., 0]], axis=-1)
    response = np.float32(weights[reach]) * gray
    for offset, weight in zip(offsets.tolist(), weights.tolist(), strict=True):
        if offset:
            sample = _sample(gray, cv2.scaleAdd(normal, float(offset), place))
            response = cv2.scaleAdd(sample, weight, response)
    return response


def _along_flow(response: np.ndarray, tangent: np.ndarray, line_sigma: float) -> np.ndarray:
    """Gaussian average along the stream line through each pixel, both ways."""
    reach = int(np.ceil(2.0 * line_sigma))
    weights = _gaussian(np.arange(-reach, reach + 1), line_sigma)[reach:].tolist()
    total = np.float32(weights[0]) * response
    for step in (tangent, -tangent):
        place = _pixel_grid(response.shape) + step
        for index in range(1, reach + 1):
            total = cv2.scaleAdd(_sample(response, place), weights[index], total)
            if index < reach:
                step = _aligned_step(tangent, place, step)
                place = place + step
    return total


def _aligned_step(tangent: np.ndarray, place: np.ndarray, previous: np.ndarray) -> np.ndarray:
    """Flow at a place, its arbitrary sign chosen so that the walk does not turn back.

    The nearest pixel's vector is taken: averaging vectors of opposite sign would cancel them.
    """
    step = cv2.remap(tangent, place, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    forward = step[..., 0] * previous[..., 0] + step[..., 1] * previous[..., 1]
    return step * np.copysign(np.float32(1), forward)[..., None]


def _sample(image: np.ndarray, place: np.ndarray) -> np.ndarray:
    return cv2.remap(image, place, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _pixel_grid(shape: tuple[int, ...]) -> np.ndarray:
    """float32 (H, W, 2): x and y of every pixel."""
    return np.dstack(
        np.meshgrid(np.arange(shape[1], dtype=np.float32), np.arange(shape[0], dtype=np.float32))
    )


def _gaussian(offsets: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian weights at whole offsets, summing to 1."""
    weights = np.exp(-0.5 * (offsets / sigma) ** 2)
    return weights / weights.sum()
