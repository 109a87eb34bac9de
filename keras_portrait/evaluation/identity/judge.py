"""How surely a drawing's sitter is told among other people."""

from math import comb

import numpy as np

from keras_portrait.evaluation.content import BATCH, dtype_policy
from keras_portrait.evaluation.identity.network import SIDE, build_network
from keras_portrait.evaluation.identity.weights import read_weights
from keras_portrait.inference.geometry import fit_similarity, warp

# People among whom a sitter is looked for, at most: figures of more would not be comparable.
MOST_PEOPLE = 100
# Where eyes (the mean of six points each), tip of the nose and mouth corners of dlib's mean face
# lie in the box around its landmarks (`get_face_chip_details`), and the margin around that box in
# shares of its side, as in the descriptor's training.
_MEAN_FACE = np.array(
    [
        [0.225492, 0.215990],
        [0.754761, 0.215990],
        [0.490127, 0.515625],
        [0.254149, 0.780233],
        [0.726104, 0.780233],
    ]
)
_MARGIN = 0.25


class FaceDescriptor:
    """Turns faces, photographed or drawn, into 128 numbers.

    A judge only: no loss and no training may learn from it, or it would say how well it was
    learned and not how like the drawings are. Nothing below this package can import it.

    Raises:
        MissingExtra: the weights are not there and npm cannot bring them.
        InputError: the weights are not those that are pinned.
    """

    def __init__(self):
        with dtype_policy("float32"):
            self._network = build_network(read_weights())

    def __call__(self, pictures: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """Descriptors of one person's face in several pictures.

        Args:
            pictures: uint8 (N, S, S, 3) RGB, or (N, S, S) gray.
            landmarks: float (5, 2), where the face lies in all of them.

        Returns:
            float32 (N, 128); faces of one person are nearer than 0.6 to each other, Euclidean.
        """
        chips = np.stack([face_chip(picture, landmarks) for picture in pictures])
        if chips.ndim == 3:
            chips = np.repeat(chips[..., None], 3, axis=-1)
        parts = range(0, len(chips), BATCH)
        return np.concatenate(
            [self._network.predict_on_batch(chips[start : start + BATCH]) for start in parts]
        )


def face_chip(picture: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """The face as the descriptor was trained to see it.

    Args:
        picture: uint8 (S, S, 3) or (S, S).
        landmarks: float (5, 2).

    Returns:
        uint8 (150, 150, 3) or (150, 150).
    """
    places = SIDE * (_MEAN_FACE + _MARGIN) / (1 + 2 * _MARGIN)
    return warp(picture, fit_similarity(places, landmarks), SIDE)


def chance_first(distances: np.ndarray, own: int, people: int) -> float:
    """How likely the sitter is found first among people of whom the others are chosen at random.

    Args:
        distances: float (N,), of a drawing to the photo of each person.
        own: which of them is the sitter.
        people: how many are looked through, the sitter among them, N at most.

    Returns:
        1 where no photo is as near as the sitter's; where b of the others are, the chance that none
        of them is among those that are looked through: C(N - 1 - b, people - 1) / C(N - 1, people
        - 1). With `people` N it is 0 then.
    """
    others = len(distances) - 1
    nearer = int(np.sum(distances <= distances[own])) - 1
    return comb(others - nearer, people - 1) / comb(others, people - 1)
