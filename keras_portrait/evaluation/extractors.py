"""What distances between sets of drawings look at: features of networks trained on photos."""

import contextlib
import io
import socket
from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from keras_portrait.evaluation.content import BATCH, dtype_policy
from keras_portrait.inference.imaging import resize, to_signed
from keras_portrait.models.style_classifier.networks import texture_statistics
from keras_portrait.perceptual.vgg import TRUNKS, VGGFeatures

# Sides of the pictures that the networks see; Inception's is that of FID.
_VGG_SIDE, _INCEPTION_SIDE = 192, 299
# Blocks of VGG whose texture tells styles, as in the style classifier's recipe.
_TEXTURE_BLOCKS = 4
# Seconds that a download may stand still.
_PATIENCE = 10


class VGGExtractor:
    """Features and texture of drawings from the VGG16 trunk that HED brings; needs no download.

    Args:
        precision: dtype policy: "float32" or "mixed_bfloat16".

    Attributes:
        name: what figures of these features are called.
        suffix: of the keys of such figures.
    """

    suffix = "_vgg16"

    def __init__(self, precision: str = "float32"):
        names = tuple(f"block{b}_conv{count}" for b, count in enumerate(TRUNKS["vgg16"], start=1))
        with dtype_policy(precision):
            self._trunk = VGGFeatures("vgg16", names)
        self.name = f"VGG16 trunk of HED ({self._trunk.source}), {names[-1]}"

    def __call__(self, drawings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Features of drawings.

        Args:
            drawings: uint8 (N, S, S), or RGB (N, S, S, 3).

        Returns:
            Features float32 (N, 512), of length sqrt(512), and texture statistics float32 (N, F),
            see `networks.style_classifier.texture_statistics`.
        """
        # The maps of all layers are kept until the statistics are taken: no more at a time.
        parts = [
            self._of_few(drawings[start : start + BATCH])
            for start in range(0, len(drawings), BATCH)
        ]
        features, texture = zip(*parts, strict=True)
        return np.concatenate(features), np.concatenate(texture)

    def _of_few(self, drawings):
        maps = self._trunk(ops.convert_to_tensor(_inputs(drawings, _VGG_SIDE)))
        texture = ops.convert_to_numpy(texture_statistics(maps[:_TEXTURE_BLOCKS]))
        means = ops.convert_to_numpy(ops.mean(maps[-1], axis=(1, 2)))
        lengths = np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
        # So scaled the kernel's x . y / D is the cosine.
        return means / lengths * means.shape[1] ** 0.5, texture


class InceptionExtractor:
    """Features of drawings from InceptionV3 of `keras.applications`: 2048, pooled.

    Raises:
        OSError: its weights are not there and cannot be downloaded.
    """

    suffix = ""

    def __init__(self):
        former = socket.getdefaulttimeout()
        socket.setdefaulttimeout(_PATIENCE)
        try:
            # Keras tells of a download on stdout, where results belong.
            with dtype_policy("float32"), contextlib.redirect_stdout(io.StringIO()):
                self._network = keras.applications.InceptionV3(
                    include_top=False, weights="imagenet", pooling="avg"
                )
        except Exception as error:  # Keras raises a bare Exception where a download fails
            raise OSError(str(error)) from error
        finally:
            socket.setdefaulttimeout(former)
        self.name = "InceptionV3 (keras.applications), pooled"

    def __call__(self, drawings: np.ndarray) -> np.ndarray:
        """Features float32 (N, 2048) of drawings uint8 (N, S, S), or RGB (N, S, S, 3)."""
        pictures = _inputs(drawings, _INCEPTION_SIDE)
        if pictures.shape[-1] == 1:
            pictures = np.repeat(pictures, 3, axis=-1)
        parts = range(0, len(pictures), BATCH)
        return np.concatenate(
            [self._network.predict_on_batch(pictures[start : start + BATCH]) for start in parts]
        )


class Extractor:
    """The features that distances are taken of, and the texture that tells styles.

    Args:
        precision: dtype policy of VGG.

    Attributes:
        name: of the network whose features they are: InceptionV3 where its weights can be had,
            else VGG16.
        suffix: of the keys of figures: "" or "_vgg16".
    """

    def __init__(self, precision: str = "float32"):
        self._vgg, self._inception = VGGExtractor(precision), find_inception()
        judge = self._inception or self._vgg
        self.name, self.suffix = judge.name, judge.suffix

    def __call__(self, drawings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Features (N, D) and texture statistics (N, F) of drawings.

        Args:
            drawings: uint8 (N, S, S), or RGB (N, S, S, 3); gray has the features of gray in RGB.
        """
        features, texture = self._vgg(drawings)
        return features if self._inception is None else self._inception(drawings), texture


def find_inception() -> InceptionExtractor | None:
    """InceptionV3, or None where its weights are neither there nor to be downloaded."""
    try:
        return InceptionExtractor()
    except OSError:
        return None


def stack_pictures(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Pictures of one size, in colour where one of them is.

    Args:
        pictures: uint8 (S, S) or RGB (S, S, 3).

    Returns:
        uint8 (N, S, S), or (N, S, S, 3).
    """
    if all(picture.ndim == 2 for picture in pictures):
        return np.stack(pictures)
    gray = (picture.ndim == 2 for picture in pictures)
    return np.stack(
        [
            np.repeat(picture[..., None], 3, axis=-1) if is_gray else picture
            for picture, is_gray in zip(pictures, gray, strict=True)
        ]
    )


def _inputs(drawings, side):
    """Drawings uint8 (N, S, S), or RGB, as float32 (N, side, side, 1 or 3) in [-1, 1]."""
    small = to_signed(np.stack([resize(drawing, side, side) for drawing in drawings]))
    return small[..., None] if small.ndim == 3 else small
