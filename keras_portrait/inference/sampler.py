"""Noise in, pictures out: avatars, one by one or from one into another."""

import os
from pathlib import Path

import numpy as np

from keras_portrait.errors import SettingError
from keras_portrait.inference.imaging import from_signed
from keras_portrait.inference.metadata import NOISE
from keras_portrait.inference.presets import Generator, load_preset

# Below this sine of the angle between two noise vectors the arc between them is a straight line, or
# there is no one arc.
_LEAST_SINE = 1e-6


class Sampler:
    """Makes pictures out of noise with one preset.

    Args:
        preset: name of a preset in the package, a folder that is one, the model file in it, an
            address as `presets.find_preset` takes it, or a generator that is loaded already.
        threads: CPU threads to use; None for up to four.

    Attributes:
        metadata: what the preset says about itself, such as the length of its noise.

    Raises:
        SettingError: there is no such preset, or it draws photos.
        InputError: a file of the preset is missing or altered.
        MissingExtra: no LiteRT runtime is installed.
    """

    def __init__(self, preset: str | Path | Generator, threads: int | None = None):
        loaded = isinstance(preset, Generator)
        threads = min(4, os.cpu_count() or 1) if threads is None else threads
        generator = preset if loaded else load_preset(preset, threads)
        self.metadata = generator.metadata
        if self.metadata.inputs != NOISE:
            raise SettingError(
                "The preset draws photos; use `portrait stylize`. Expected one that takes noise. "
                f"Received: {self.metadata.name if loaded else preset}"
            )
        self._net = generator.net

    def __call__(self, noise: np.ndarray) -> np.ndarray:
        """Makes a picture of each noise vector.

        Args:
            noise: float (N, Z), standard normal; Z is `metadata.noise`.

        Returns:
            uint8 (N, S, S, channels), RGB where there are 3.

        Raises:
            SettingError: noise of another shape.
        """
        noise = np.asarray(noise, np.float32)
        length = self.metadata.noise
        if noise.ndim != 2 or noise.shape[1] != length or not len(noise):
            raise SettingError(f"Expected noise of shape (N, {length}). Received: {noise.shape}")
        return np.concatenate([from_signed(self._net(noise=one[None])) for one in noise])


def random_noise(count: int, length: int, seed: int = 0) -> np.ndarray:
    """Noise vectors of their own.

    Args:
        count: how many; a larger number begins with the same ones.
        length: of each.
        seed: 0 or more; the same seed gives the same noise.

    Returns:
        float32 (count, length), standard normal.
    """
    return np.random.default_rng(seed).standard_normal((count, length), dtype=np.float32)


def noise_paths(paths: int, steps: int, length: int, seed: int = 0) -> np.ndarray:
    """Noise vectors on the way from one to another, for the sheet of "continuous noises".

    Args:
        paths: how many pairs of vectors; each has a way of its own.
        steps: vectors of a way, both ends among them; 2 or more.
        length: of each vector.
        seed: as for `random_noise`.

    Returns:
        float32 (paths * steps, length), way after way.

    Reference:
        Shown in the report "Generating Anime Avatars Using GAN" (2020). Spherical interpolation:
        White, "Sampling Generative Networks", 2016 (arXiv 1609.04468).
    """
    ends = random_noise(2 * paths, length, seed).reshape(paths, 2, length)
    shares = np.linspace(0, 1, steps)
    return np.concatenate([_arc(start, end, shares) for start, end in ends])


# Along an arc, not along the straight line: nearly all standard normal vectors of length Z have a
# norm near sqrt(Z) (10 +- 0.7 for 100), and two of them are nearly at right angles. The middle of
# the line between them has a norm of 7, which the generator never saw in training. There the
# pictures of a DCGAN of 32 filters differ from each other by 37 gray levels (standard deviation of
# a pixel); in the middle of the arc, whose norms stay near 10, by 42; random ones by 44.
def _arc(start: np.ndarray, end: np.ndarray, shares: np.ndarray) -> np.ndarray:
    start, end = start.astype(np.float64), end.astype(np.float64)
    cosine = start @ end / (np.linalg.norm(start) * np.linalg.norm(end))
    angle = np.arccos(np.clip(cosine, -1, 1))
    if np.sin(angle) < _LEAST_SINE:  # always so where noise is a single number
        first, second = 1 - shares, shares
    else:
        first, second = (np.sin(part * angle) / np.sin(angle) for part in (1 - shares, shares))
    return (np.outer(first, start) + np.outer(second, end)).astype(np.float32)
