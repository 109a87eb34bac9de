"""The edge tangent flow of a picture, and averages along it: what line drawing filters share.

Reference:
    The edge tangent flow is the smoothed structure tensor of Kyprianidis and Döllner, "Image
    abstraction by structure adaptive filtering", 2008: it gives the field of Kang, Lee, Chui,
    "Coherent line drawing", NPAR 2007, without iterating.
"""

import cv2
import numpy as np

# Width in pixels over which edge directions are averaged into a smooth flow.
FLOW_SIGMA = 2.0


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


def along_flow(response: np.ndarray, tangent: np.ndarray, line_sigma: float) -> np.ndarray:
    """Gaussian average along the stream line through each pixel, both ways.

    Args:
        response: float32 (H, W), what is averaged.
        tangent: float32 (H, W, 2), the flow.
        line_sigma: width of the Gaussian, pixels.

    Returns:
        float32 (H, W).
    """
    reach = int(np.ceil(2.0 * line_sigma))
    weights = gaussian_weights(np.arange(-reach, reach + 1), line_sigma)[reach:].tolist()
    total = np.float32(weights[0]) * response
    for step in (tangent, -tangent):
        place = pixel_grid(response.shape) + step
        for index in range(1, reach + 1):
            total = cv2.scaleAdd(sample_at(response, place), weights[index], total)
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


def sample_at(image: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Reads a picture (H, W) at places (H, W, 2), linearly between pixels."""
    return cv2.remap(image, place, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def pixel_grid(shape: tuple[int, ...]) -> np.ndarray:
    """float32 (H, W, 2): x and y of every pixel."""
    return np.dstack(
        np.meshgrid(np.arange(shape[1], dtype=np.float32), np.arange(shape[0], dtype=np.float32))
    )


def gaussian_weights(offsets: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian weights at whole offsets (N,), summing to 1."""
    weights = np.exp(-0.5 * (offsets / sigma) ** 2)
    return weights / weights.sum()
