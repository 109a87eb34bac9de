"""Prepared pictures for Keras's `fit`, without a recipe."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from keras_portrait.data.batches import Batches, stacked
from keras_portrait.data.manifest import SMOOTH, read_manifest
from keras_portrait.data.photos import load_photos
from keras_portrait.data.pictures import PictureBatches, load_pictures
from keras_portrait.data.portraits import PortraitBatches, load_prepared
from keras_portrait.data.shards.reader import ShardFolder, is_sharded, least_side
from keras_portrait.data.styles import style_vector
from keras_portrait.errors import InputError, PortraitError, SettingError
from keras_portrait.inference.imaging import resize, to_signed
from keras_portrait.inference.presets import Generator, load_preset
from keras_portrait.recipe import DataSettings, PictureSettings, check_values
from keras_portrait.storage import as_place

KINDS = ("auto", "portraits", "pictures")
# Threads of the runtime for a preset that draws: it works beside the training.
DRAWING_THREADS = 2


def load_data(
    place: str | Path,
    size: int = 256,
    *,
    kind: str = "auto",
    drawn_by: str | Path | None = None,
    scale: float = 1.117,
    flip: bool = True,
    seed: int = 0,
) -> "TrainingData":
    """Opens prepared pictures for `fit`.

    Args:
        place: a folder made by `portrait prepare`, or the path or URL of a folder of shards.
        size: height and width of the pictures in pixels; `portrait prepare --size` is the most.
        kind: "portraits": photos and drawings with styles and masks, as `AsymmetricCycle` takes
            them; "pictures": photos, and avatars or drawings in colour, as CycleGAN, CartoonGAN and
            DCGAN take them; "auto": pictures where the folder holds avatars, portraits elsewhere.
        drawn_by: name or folder of a preset, or `filter:NAME`, that draws the photos: pairs, as
            `Distillation` and `Paired` take them. The folder's own drawings are left out then.
        scale: pictures are enlarged by up to this factor before a random crop.
        flip: whether pictures are mirrored with probability one half.
        seed: int, of order, crops and mirroring.

    Returns:
        `TrainingData`.

    Raises:
        InputError: the place holds no such pictures, or smaller ones.
        SettingError: there is no such kind or preset, or the size is out of range.
        MissingExtra: what a URL needs is not installed.
    """
    if kind not in KINDS:
        raise SettingError(f"kind: expected one of {', '.join(KINDS)}. Received: {kind}")
    augment = {"size": size, "scale": scale, "flip": flip}
    if drawn_by is not None:
        return _load_drawn(place, augment, seed, load_preset(drawn_by, DRAWING_THREADS))
    if kind == "auto":
        kind = "pictures" if "avatar" in _kinds_of(place) else "portraits"
    load = _load_pictures if kind == "pictures" else _load_portraits
    return load(place, augment, seed)


def _check(settings, sets) -> None:
    """Refuses what a recipe of these settings would refuse, before the first batch.

    Raises:
        SettingError: the size is out of range, or the pictures are smaller.
    """
    check_values(settings)
    least = least_side(sets)
    if least < settings.size:
        raise SettingError(
            f"size: expected at most {least}, the pixels of the prepared pictures. "
            f"Received: {settings.size}"
        )


@dataclass(frozen=True)
class TrainingData:
    """Prepared pictures. Batches hold arrays float32 in [-1, 1] by name.

    Attributes:
        place: where they lie.
        size: height and width in pixels.
        styles: names of the styles of the drawings; none of other pictures.
        counts: how many pictures there are to train on, by name.
        held: how many were held back, by name.
        make: function of a batch's length to `Batches`.
        make_held: function of numbers of held-back pictures to a batch of them as they are.
    """

    place: Path | str
    size: int
    styles: tuple[str, ...]
    counts: dict[str, int]
    held: dict[str, int]
    make: Callable[[int], Batches]
    make_held: Callable[[range], dict[str, np.ndarray]]

    def batches(self, count: int = 1) -> "BatchSequence":
        """Batches of `count` pictures of each kind for `fit`; an epoch is a pass over the most.

        Order, crops and mirroring are others in every epoch, and the same in every training.
        """
        steps = -(-max(self.counts.values()) // count)
        return BatchSequence(self.make(count).batch, steps)

    def validation(self, count: int = 1) -> "BatchSequence":
        """Batches of what was held back, as it is, for `validation_data` and `evaluate`.

        Raises:
            InputError: nothing of a kind was held back.
        """
        if bare := [name for name, number in self.held.items() if not number]:
            raise InputError(
                f"{self.place}: expected pictures that were held back, as `portrait prepare "
                f"--holdout 0.1` leaves them. Received: no {', no '.join(bare)}"
            )
        total = max(self.held.values())
        steps = -(-total // count)

        def make(step):
            return self.make_held(range(step * count, min((step + 1) * count, total)))

        return BatchSequence(make, steps, repeats=True)

    def dataset(self, count: int = 1):
        """The same as `batches` as a `tf.data.Dataset`, with shapes that are known beforehand."""
        import tensorflow as tf

        sequence = self.batches(count)
        signature = {
            name: tf.TensorSpec(array.shape, array.dtype) for name, array in sequence[0].items()
        }

        def one_pass():
            yield from (sequence[step] for step in range(len(sequence)))
            sequence.on_epoch_end()

        dataset = tf.data.Dataset.from_generator(one_pass, output_signature=signature)
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(len(sequence)))
        return dataset.prefetch(tf.data.AUTOTUNE)


class BatchSequence(keras.utils.PyDataset):
    """Batches by their number in the epoch, for `fit` on any Keras backend.

    Args:
        make: function of a number, counted over all epochs, to a batch.
        steps: int, batches of an epoch.
        repeats: whether every epoch holds the same.

    Attributes:
        failure: the error of a picture that could not be read, which a backend would hide; or None.
    """

    def __init__(self, make: Callable[[int], dict], steps: int, repeats: bool = False):
        super().__init__()
        self.make, self.steps, self.repeats = make, steps, repeats
        self.epoch, self.failure = 0, None

    def __len__(self):
        return self.steps

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        try:
            return self.make(index + (0 if self.repeats else self.epoch * self.steps))
        except PortraitError as error:
            self.failure = error
            raise

    def on_epoch_end(self):
        """Goes on to the batches of the next epoch."""
        self.epoch += 1


def _kinds_of(place):
    place = as_place(place)
    if is_sharded(place):
        return ShardFolder(place).kinds
    return {row.kind for row in read_manifest(place) if row.kept}


def _turn(rows: Sequence, numbers: range) -> list:
    """The rows of these numbers; a smaller set begins again."""
    return [rows[number % len(rows)] for number in numbers]


def _load_portraits(place, augment, seed):
    data = load_prepared(place)
    _check(DataSettings(**augment), data.sets)

    def make(count):
        return PortraitBatches(data, DataSettings(batch=count, **augment), seed)

    def make_held(numbers):
        photos, drawings = (_turn(rows, numbers) for rows in (data.held_photos, data.held_drawings))
        vectors = [style_vector(row, data.styles, True) for row in drawings]
        fixed = make(1).fixed
        return {"photo": fixed(photos), "drawing": fixed(drawings), "style": np.stack(vectors)}

    return TrainingData(
        data.folder,
        augment["size"],
        tuple(data.styles),
        {"photo": len(data.photos), "drawing": len(data.drawings)},
        {"photo": len(data.held_photos), "drawing": len(data.held_drawings)},
        make,
        make_held,
    )


def _load_pictures(place, augment, seed):
    with_photos = "photo" in _kinds_of(place)
    try:
        data, smooth = load_pictures(place, with_photos, True), True
    except InputError:  # CartoonGAN alone needs the twins, and says so
        data, smooth = load_pictures(place, with_photos), False
    _check(PictureSettings(**augment), data.sets)
    sets = {"photo": ("", data.photos)} if with_photos else {}
    sets["picture"] = ("", data.pictures)
    if smooth:
        sets["smooth"] = (SMOOTH, data.pictures)
    held = {"photo": data.held_photos} if with_photos else {}
    held["picture"] = data.held_pictures

    def make(count):
        return PictureBatches(data, PictureSettings(batch=count, **augment), seed, sets)

    def make_held(numbers):
        fixed = make(1).fixed
        return {name: fixed(_turn(rows, numbers)) for name, rows in held.items()}

    return TrainingData(
        data.folder,
        augment["size"],
        (),
        {name: len(rows) for name, (_, rows) in sets.items()},
        {name: len(rows) for name, rows in held.items()},
        make,
        make_held,
    )


def _load_drawn(place, augment, seed, generator):
    data = load_photos(place, "Drawing by a preset")
    styles = generator.metadata.styles
    _check(PictureSettings(**augment), (data.photos, data.held_photos))

    def make(count):
        settings = PictureSettings(batch=count, **augment)
        return _DrawnBatches(data, settings, seed, generator)

    def make_held(numbers):
        return make(1).plain(_turn(data.held_photos, numbers), numbers)

    return TrainingData(
        data.folder,
        augment["size"],
        styles,
        {"photo": len(data.photos)},
        {"photo": len(data.held_photos)},
        make,
        make_held,
    )


class _DrawnBatches(PictureBatches):
    """Augmented photos, and what a generator draws of them; styles take turns."""

    def __init__(self, data, settings, seed: int, generator: Generator):
        super().__init__(data, settings, seed, {"photo": ("", data.photos)})
        self.generator = generator

    def part(self, step, places):
        photos = super().part(step, places)["photo"]
        first = step * self.settings.batch + places.start
        return self._drawn(photos, range(first, first + len(photos)))

    def plain(self, rows, numbers):
        """Photos as they are, in the styles of these numbers."""
        return self._drawn(self.fixed(rows), numbers)

    def _drawn(self, photos, numbers):
        styles = np.eye(len(self.generator.metadata.styles), dtype=np.float32)
        samples = []
        for photo, number in zip(photos, numbers, strict=True):
            style = styles[number % len(styles)]
            pixels = np.uint8(np.rint((photo + 1) * 127.5))
            side = self.generator.metadata.size
            drawing = self.generator.draw(resize(pixels, side, side), style[None])
            drawing = resize(drawing, len(photo), len(photo)).reshape(*photo.shape[:2], 1)
            samples.append({"photo": photo, "drawing": to_signed(drawing), "style": style})
        return stacked(samples)
