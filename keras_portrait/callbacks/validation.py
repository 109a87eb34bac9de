"""Pictures that were held back, drawn after every epoch: which epoch was the best?"""

import contextlib
import json
from pathlib import Path

import keras
import numpy as np
from keras import ops

from keras_portrait import losses
from keras_portrait.atomic import write_whole
from keras_portrait.callbacks.state import save_network
from keras_portrait.metrics import kernel_distance
from keras_portrait.perceptual import PerceptualDistance

# Side in pixels of the patches whose features are compared: strokes and their spacing, not faces.
PATCH = 64


class _KeepBest(keras.callbacks.Callback):
    """Measures every epoch, and keeps the generator of the best one.

    Args:
        folder: run folder; the best generator becomes its `best.keras`, the figures `best.json`.

    Attributes:
        judged_by: the figure whose least value is the best.
    """

    judged_by: str

    def __init__(self, folder: Path):
        super().__init__()
        self.folder = folder
        self.best = np.inf
        self.ready = False

    def on_train_begin(self, logs=None):
        """Prepares what every measurement needs once, and reads the best figure so far."""
        self.best = np.inf
        # Without a readable one the next epoch is the best so far.
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            self.best = float(json.loads((self.folder / "best.json").read_bytes())[self.judged_by])
        if not self.ready:
            self._prepare()
            self.ready = True

    def on_epoch_end(self, epoch, logs=None):
        """Measures, and keeps the generator if it is the best so far."""
        values = self._measure()
        logs.update(values)
        if values[self.judged_by] < self.best:
            self.best = values[self.judged_by]
            save_network(self.model.averaged_generator, self.folder / "best.keras")
            text = json.dumps({"epoch": epoch + 1, **values}, indent=1)
            write_whole(self.folder / "best.json", text.encode())

    def _prepare(self):
        """Computes what stays the same."""

    def _measure(self) -> dict[str, float]:
        raise TypeError(f"{type(self).__name__} must measure.")


class Validation(_KeepBest):
    """Measures drawings of held-back photos, and keeps the generator that draws them best.

    Adds to the losses of the epoch `val_content`, the LPIPS between the edges of photo and drawing
    (lower: more of the face is there), and `val_patch_kid`, the kernel distance between patches of
    these drawings and of held-back real ones, on AlexNet features (lower: more like the drawings).
    The best epoch is the one with the least `val_patch_kid`: content alone rewards gray copies.

    Args:
        folder: run folder; the best generator becomes its `best.keras`, the figures `best.json`.
        photos: float (M, S, S, 3) in [-1, 1].
        styles: float (M, K), the style that each is drawn in.
        drawings: float (N, S, S, 1) in [-1, 1], held-back drawings.
    """

    judged_by = "val_patch_kid"

    def __init__(self, folder: Path, photos: np.ndarray, styles: np.ndarray, drawings: np.ndarray):
        super().__init__(folder)
        self.photos = photos
        self.styles = styles
        self.drawings = drawings

    def _prepare(self):
        self.edges = [self._features_of_edges(photo[None]) for photo in self.photos]
        self.real = np.concatenate([self._patches(drawing) for drawing in self.drawings])

    def _measure(self):
        content, patches = [], []
        for photo, style, edges in zip(self.photos, self.styles, self.edges, strict=True):
            drawing = self.model.draw_averaged(photo[None], style[None])
            drawn_edges = self._features_of_edges(ops.repeat(drawing, 3, axis=-1))
            content.append(float(self.model.distance.distance(drawn_edges, edges)[0]))
            patches.append(self._patches(ops.convert_to_numpy(drawing)[0]))
        return {
            "val_content": float(np.mean(content)),
            "val_patch_kid": kernel_distance(np.concatenate(patches), self.real),
        }

    def _features_of_edges(self, photos):
        edges = losses.edge_maps(ops.convert_to_tensor(photos), self.model.edge_detector)
        return self.model.distance.features(edges)

    def _patches(self, drawing):
        """One row of mean AlexNet features for each patch of a drawing (S, S, 1)."""
        size, _, _ = drawing.shape
        side = min(PATCH, size)
        count = size // side
        cut = drawing[: count * side, : count * side].reshape(count, side, count, side, 1)
        patches = cut.transpose(0, 2, 1, 3, 4).reshape(-1, side, side, 1)
        features = self.model.distance.features(ops.convert_to_tensor(patches))[-1]
        means = ops.convert_to_numpy(ops.mean(features, axis=(1, 2)))
        # Features have unit length: scaled so that the kernel's x . y / D is their cosine.
        return means * means.shape[-1] ** 0.5


class TeacherValidation(_KeepBest):
    """Measures how near a student's drawings of held-back photos come to its teacher's.

    Adds to the losses of the epoch `val_lpips`, the LPIPS between both, and `val_l1`, their mean
    absolute difference in [-1, 1]; lower is nearer. The best epoch is the one with the least
    `val_lpips`: the other one prefers gray to a line that is a pixel off.

    Args:
        folder: run folder; the best generator becomes its `best.keras`, the figures `best.json`.
        batch: `photo` float (M, S, S, 3) and `drawing` (M, S, S, 1), the teacher's, in [-1, 1];
            `style` (M, K).
    """

    judged_by = "val_lpips"

    def __init__(self, folder: Path, batch: dict[str, np.ndarray]):
        super().__init__(folder)
        self.batch = batch

    def _measure(self):
        found = {"val_lpips": [], "val_l1": []}
        for photo, drawing, style in zip(
            *(self.batch[name] for name in ("photo", "drawing", "style")), strict=True
        ):
            target = ops.convert_to_tensor(drawing[None])
            drawn = self.model.draw_averaged(photo[None], style[None])
            found["val_lpips"].append(float(self.model.distance(drawn, target)[0]))
            found["val_l1"].append(float(losses.l1(drawn, target)))
        return {name: float(np.mean(values)) for name, values in found.items()}


class PairedValidation(_KeepBest):
    """Measures how near drawings of held-back photos come to what the filters draw of them.

    Adds to the losses of the epoch `val_cross_entropy`, without its weight; lower is nearer. Styles
    take turns. The best epoch is the one with the least.

    Args:
        folder: run folder; the best generator becomes its `best.keras`, the figures `best.json`.
        batch: `photo` float (M, S, S, 3) and `drawings` (M, S, S, K), the filters', in [-1, 1].
    """

    judged_by = "val_cross_entropy"

    def __init__(self, folder: Path, batch: dict[str, np.ndarray]):
        super().__init__(folder)
        self.batch = batch

    def _measure(self):
        found, styles = [], self.batch["drawings"].shape[-1]
        pairs = zip(self.batch["photo"], self.batch["drawings"], strict=True)
        for number, (photo, drawings) in enumerate(pairs):
            style = np.eye(styles, dtype=np.float32)[[number % styles]]
            drawn = self.model.draw_averaged(photo[None], style)
            # Back to logits; in float32 a tanh that rounds to 1 would have none.
            half = ops.arctanh(ops.clip(drawn, -0.999999, 0.999999))
            target = ops.convert_to_tensor(drawings[None, ..., number % styles, None])
            found.append(float(losses.cross_entropy(2.0 * half, target)))
        return {"val_cross_entropy": float(np.mean(found))}


class PictureValidation(_KeepBest):
    """Measures how far generated pictures are from held-back real ones; keeps the best generator.

    Adds to the losses of the epoch `val_kid`: the kernel distance between both sets, on
    `picture_features` (lower: more alike; about 0 for two halves of the real pictures). It compares
    with itself, not with KIDs published for Inception features.

    Args:
        folder: run folder; the best generator becomes its `best.keras`, the figures `best.json`.
        inputs: what the generator makes pictures of: photos float (M, S, S, 3) in [-1, 1], or
            noise (M, Z).
        real: float (N, S, S, 3) in [-1, 1], held-back pictures.
    """

    judged_by = "val_kid"

    def __init__(self, folder: Path, inputs: np.ndarray, real: np.ndarray):
        super().__init__(folder)
        self.inputs = inputs
        self.real = real

    def _prepare(self):
        self.distance = PerceptualDistance()
        self.real_features = picture_features(self.real, self.distance)

    def _measure(self):
        generator = self.model.averaged_generator
        made = [ops.convert_to_numpy(generator(part)) for part in _parts(self.inputs)]
        features = picture_features(np.concatenate(made), self.distance)
        return {"val_kid": kernel_distance(features, self.real_features)}


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


def _parts(pictures, most=25):
    return [pictures[start : start + most] for start in range(0, len(pictures), most)]
