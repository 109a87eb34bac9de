"""Is there a face in a drawing, and where? A loss, with gradients, by the nets of MTCNN."""

import numpy as np
from keras import ops

from keras_portrait.inference.geometry import DRAWING_DETECTION_SIDE
from keras_portrait.perceptual.face_nets import ONET_SIDE, PNET_SIDE, RNET_SIDE, load_face_nets

# A score as good as this is not pushed any further: exp(-0.02) is 0.98.
MARGIN = 0.02
# Weights of the scores of PNet, RNet and ONet, and of the landmark error in shares of the eye
# distance, found by trial.
SCORE_WEIGHTS = (0.5, 1.0, 1.0)
LANDMARK_WEIGHT = 10.0


class FaceFinder:
    """Says how far a drawing is from being found as the face that it was drawn from.

    Args:
        load: whether to load weights; False leaves random ones, for tests.
    """

    def __init__(self, load: bool = True):
        self.nets = load_face_nets(load)
        for net in self.nets.values():
            net.trainable = False

    def __call__(self, drawings, landmarks, boxes):
        """The loss of drawings whose faces should lie where the photos' faces lie.

        Cross-entropy of "face" in each box for the three nets, and the distance of ONet's five
        points to the photo's: the loss of Zhang et al., eq. 1 and 3, turned from the nets to the
        picture. The points are compared by distance and in shares of the eye distance.

        Args:
            drawings: float (N, H, W, 1) in [-1, 1].
            landmarks: float (N, 5, 2), x and y in pixels of the drawing.
            boxes: float (N, K, 4), left, top, right, bottom in pixels of the drawing, where the
                cascade might look.

        Returns:
            float32 scalar.
        """
        drawings = ops.cast(drawings, "float32")
        pixel = max(1.0, drawings.shape[1] / DRAWING_DETECTION_SIDE)
        small, middle, large = (
            cut_patches(drawings, boxes, side, pixel, averaged)
            for side, averaged in ((PNET_SIDE, True), (RNET_SIDE, False), (ONET_SIDE, False))
        )
        found = self.nets["onet"](large)
        scores = (
            self.nets["pnet"](small)["scores"][:, 0, 0],
            self.nets["rnet"](middle)["scores"],
            found["scores"],
        )
        value = sum(
            weight * _cross_entropy(score)
            for weight, score in zip(SCORE_WEIGHTS, scores, strict=True)
        )
        return value + LANDMARK_WEIGHT * _landmark_error(found["landmarks"], landmarks, boxes)


def cut_patches(pictures, boxes, side: int, pixel: float = 1.0, averaged: bool = False):
    """Cuts boxes out of gray pictures and resizes them as the nets of MTCNN want them.

    Rows and columns are interpolated one after the other, by matrices, which every backend has
    gradients for.

    Args:
        pictures: float32 (N, H, W, 1) in [-1, 1].
        boxes: float (N, K, 4), left, top, right, bottom in pixels.
        side: of the patches in pixels.
        pixel: width in pixels of the picture of what is interpolated between.
        averaged: whether each pixel of a patch is the mean of the area it covers, as PNet's
            pyramid is; RNet's and ONet's patches are points of the picture.

    Returns:
        float32 (N * K, side, side, 3) in [-1, 1]; 0 outside the picture.
    """
    pictures, boxes = ops.cast(pictures, "float32")[..., 0], ops.cast(boxes, "float32")
    left, top, right, bottom = (boxes[..., i : i + 1] for i in range(4))
    rows = _interpolation(top, bottom, pictures.shape[1], side, pixel, averaged)
    columns = _interpolation(left, right, pictures.shape[2], side, pixel, averaged)
    patches = ops.einsum("nkyh,nhw,nkxw->nkyx", rows, pictures, columns)
    patches = ops.reshape(patches, (-1, side, side, 1))
    # The nets take (value - 127.5) / 128.
    return ops.repeat(patches * (127.5 / 128), 3, axis=-1)


def _interpolation(start, end, length, side, pixel, averaged):
    """Matrices (N, K, side, length): how much of each pixel goes into each of the patch."""
    if averaged:
        step = (end - start) / side
        points, width = start + (np.arange(side, dtype="float32") + 0.5) * step, step[..., None]
        width = ops.maximum(width, pixel)
    else:
        step = (end - start) / (side - 1)
        points, width = start + np.arange(side, dtype="float32") * step, pixel
    distance = ops.abs(points[..., None] - np.arange(length, dtype="float32")) / width
    return ops.relu(1.0 - distance) / width


def _cross_entropy(scores):
    """Of "face", scores (M, 2); nothing where the net is sure."""
    sure = ops.clip(ops.cast(scores, "float32")[:, 1], 1e-6, 1.0)
    return ops.mean(ops.relu(-ops.log(sure) - MARGIN))


def _landmark_error(found, landmarks, boxes):
    """Mean distance of ONet's points (N * K, 10) to the expected ones, over the eye distance."""
    landmarks, boxes = ops.cast(landmarks, "float32"), ops.cast(boxes, "float32")
    # Five x, then five y, in shares of the box.
    found = ops.reshape(ops.cast(found, "float32"), (-1, boxes.shape[1], 2, 5))
    points = boxes[..., :2, None] + found * (boxes[..., 2:] - boxes[..., :2])[..., None]
    off = points - ops.swapaxes(landmarks, 1, 2)[:, None]
    eyes = ops.norm(landmarks[:, 0] - landmarks[:, 1], axis=-1)
    # A square root has no gradient at 0.
    distance = ops.sqrt(ops.sum(ops.square(off), axis=2) + 1e-4)
    return ops.mean(distance / eyes[:, None, None])
