"""What says how good a training is: measures of held-back pictures, lower is better.

A scorer is made from pictures, computes once what does not change, and is called with a model.
"""

import keras
import numpy as np
from keras import ops

from keras_portrait import losses
from keras_portrait.metrics import kernel_distance
from keras_portrait.perceptual import PerceptualDistance

# Side in pixels of the patches whose features are compared: strokes and their spacing, not faces.
PATCH = 64


class PortraitScorer:
    """Scores drawings of held-back photos by unpaired held-back drawings.

    `content` is the LPIPS between the edges of photo and drawing (lower: more of the face is
    there), `patch_kid` the kernel distance between patches of these drawings and of real ones, on
    AlexNet features (lower: more like the drawings). The best model has the least `patch_kid`:
    content alone rewards gray copies.

    Args:
        photos: float (M, S, S, 3) in [-1, 1].
        styles: float (M, K), the style that each is drawn in.
        drawings: float (N, S, S, 1) in [-1, 1], held-back drawings.
    """

    best_by = "patch_kid"

    def __init__(self, photos: np.ndarray, styles: np.ndarray, drawings: np.ndarray):
        self.photos = photos
        self.styles = styles
        self.drawings = drawings
        self.edges = self.real = None

    def __call__(self, model) -> dict[str, float]:
        if self.edges is None:
            self.edges = [_features_of_edges(model, photo[None]) for photo in self.photos]
            self.real = np.concatenate([_patches(model, drawing) for drawing in self.drawings])
        content, patches = [], []
        for photo, style, edges in zip(self.photos, self.styles, self.edges, strict=True):
            drawing = model.draw_averaged(photo[None], style[None])
            drawn_edges = _features_of_edges(model, ops.repeat(drawing, 3, axis=-1))
            content.append(float(model.distance.distance(drawn_edges, edges)[0]))
            patches.append(_patches(model, ops.convert_to_numpy(drawing)[0]))
        return {
            "content": float(np.mean(content)),
            "patch_kid": kernel_distance(np.concatenate(patches), self.real),
        }


class TeacherScorer:
    """Scores how near a student's drawings of held-back photos come to its teacher's.

    `lpips` is the LPIPS between both, `l1` their mean absolute difference in [-1, 1]. The best
    student has the least `lpips`: the other one prefers gray to a line that is a pixel off.

    Args:
        batch: `photo` float (M, S, S, 3) and `drawing` (M, S, S, 1), the teacher's, in [-1, 1];
            `style` (M, K).
    """

    best_by = "lpips"

    def __init__(self, batch: dict[str, np.ndarray]):
        self.batch = batch

    def __call__(self, model) -> dict[str, float]:
        found = {"lpips": [], "l1": []}
        for photo, drawing, style in zip(
            *(self.batch[name] for name in ("photo", "drawing", "style")), strict=True
        ):
            target = ops.convert_to_tensor(drawing[None])
            drawn = model.draw_averaged(photo[None], style[None])
            found["lpips"].append(float(model.distance(drawn, target)[0]))
            found["l1"].append(float(losses.l1(drawn, target)))
        return {name: float(np.mean(values)) for name, values in found.items()}


class PairedScorer:
    """Scores how near drawings of held-back photos come to given drawings of them.

    `cross_entropy` is without its weight.

    Args:
        batch: `photo` float (M, S, S, 3) and `drawing` (M, S, S, 1) in [-1, 1]; `style` (M, K).
    """

    best_by = "cross_entropy"

    def __init__(self, batch: dict[str, np.ndarray]):
        self.batch = batch

    def __call__(self, model) -> dict[str, float]:
        found = []
        for photo, drawing, style in zip(
            *(self.batch[name] for name in ("photo", "drawing", "style")), strict=True
        ):
            drawn = model.draw_averaged(photo[None], style[None])
            # Back to logits; in float32 a tanh that rounds to 1 would have none.
            half = ops.arctanh(ops.clip(drawn, -0.999999, 0.999999))
            target = ops.convert_to_tensor(drawing[None])
            found.append(float(losses.cross_entropy(2.0 * half, target)))
        return {"cross_entropy": float(np.mean(found))}


class PictureScorer:
    """Scores how far generated pictures are from held-back real ones.

    `kid` is the kernel distance between both sets, on `picture_features` (lower: more alike; about
    0 for two halves of the real pictures). It compares with itself, not with KIDs published for
    Inception features.

    Args:
        inputs: what the generator makes pictures of: photos float (M, S, S, 3) in [-1, 1], or
            noise (M, Z).
        real: float (N, S, S, 3) in [-1, 1], held-back pictures.
    """

    best_by = "kid"

    def __init__(self, inputs: np.ndarray, real: np.ndarray):
        self.inputs = inputs
        self.real = real
        self.distance = self.real_features = None

    def __call__(self, model) -> dict[str, float]:
        if self.distance is None:
            self.distance = PerceptualDistance()
            self.real_features = picture_features(self.real, self.distance)
        generator = model.averaged_generator
        made = [ops.convert_to_numpy(generator(part)) for part in _parts(self.inputs)]
        features = picture_features(np.concatenate(made), self.distance)
        return {"kid": kernel_distance(features, self.real_features)}


def picture_features(pictures: np.ndarray, distance: PerceptualDistance) -> np.ndarray:
    """What a distance between sets of pictures looks at.

    Args:
        pictures: float (M, S, S, 3) in [-1, 1].
        distance: its AlexNet is used.

    Returns:
        float32 (M, 1152): the means over each picture of all five of AlexNet's unit-length feature
        maps, scaled so that the kernel's x . y / D is the mean of the five cosines at most.
    """
    rows = []
    for part in _parts(pictures):
        maps = distance.features(ops.convert_to_tensor(part))
        means = [ops.convert_to_numpy(ops.mean(m, axis=(1, 2))) for m in maps]
        rows.append(np.concatenate(means, axis=-1) * (sum(m.shape[-1] for m in means) / 5) ** 0.5)
    return np.concatenate(rows)


def _features_of_edges(model: keras.Model, photos):
    edges = losses.edge_maps(ops.convert_to_tensor(photos), model.edge_detector)
    return model.distance.features(edges)


def _patches(model, drawing):
    """One row of mean AlexNet features for each patch of a drawing (S, S, 1)."""
    size, _, _ = drawing.shape
    side = min(PATCH, size)
    count = size // side
    cut = drawing[: count * side, : count * side].reshape(count, side, count, side, 1)
    patches = cut.transpose(0, 2, 1, 3, 4).reshape(-1, side, side, 1)
    features = model.distance.features(ops.convert_to_tensor(patches))[-1]
    means = ops.convert_to_numpy(ops.mean(features, axis=(1, 2)))
    # Features have unit length: scaled so that the kernel's x . y / D is their cosine.
    return means * means.shape[-1] ** 0.5


def _parts(pictures, most=25):
    return [pictures[start : start + most] for start in range(0, len(pictures), most)]
