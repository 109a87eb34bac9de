"""Training batches of pictures in colour: avatars or cartoons, photos beside them, and noise."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_portrait.data.batches import Batches, shuffled_row
from keras_portrait.data.landmarks import cut_landmarks
from keras_portrait.data.manifest import Row, read_manifest
from keras_portrait.data.shards.reader import ShardFolder, ShardRows, is_sharded
from keras_portrait.errors import InputError
from keras_portrait.inference.imaging import resize, to_signed
from keras_portrait.losses import heat_maps
from keras_portrait.recipe import PictureSettings
from keras_portrait.storage import as_place

# Standard deviation of the Gaussian around a landmark, as a share of the picture's side.
LANDMARK_WIDTH = 0.03


@dataclass(frozen=True)
class PictureData:
    """The kept pictures of a prepared folder; rows are lists, or the samples of shards.

    Attributes:
        folder: the data folder, or the place of the shards.
        photos: rows of photos to train on.
        pictures: rows of avatars to train on; of drawings where there are no avatars.
        held_photos: rows of the photos that were held back.
        held_pictures: rows of the pictures that were held back.
    """

    folder: Path | str
    photos: Sequence[Row]
    pictures: Sequence[Row]
    held_photos: Sequence[Row]
    held_pictures: Sequence[Row]

    @property
    def sharded(self) -> bool:
        """Whether they are samples of shards."""
        return isinstance(self.pictures, ShardRows)

    @property
    def sets(self) -> tuple[Sequence[Row], ...]:
        """The four sets."""
        return self.photos, self.pictures, self.held_photos, self.held_pictures

    def rows(self) -> list[Row]:
        """All of them as one list, which shards are too large for."""
        return [row for rows in self.sets for row in rows]


def load_pictures(folder: str | Path, with_photos: bool, with_smooth: bool = False) -> PictureData:
    """Reads which pictures a prepared folder holds.

    Args:
        folder: made by `portrait prepare`, or the path or URL of a folder of shards.
        with_photos: whether photos are needed.
        with_smooth: whether the smoothed twins of the pictures are needed.

    Returns:
        `PictureData`; without photos where they are not needed.

    Raises:
        InputError: there is no manifest and no list of shards, nothing of a kind that is needed
            was kept for training, or a file is missing.
        MissingExtra: what a URL needs is not installed.
        SettingError: no such kind of URL.
    """
    folder = as_place(folder)
    if is_sharded(folder):
        shards = ShardFolder(folder)
        kinds, choose, name = shards.kinds, shards.rows, shards.name
    else:
        rows = [row for row in read_manifest(folder) if row.kept]
        kinds, name = {row.kind for row in rows}, folder

        def choose(kind, held):
            return [row for row in rows if row.kind == kind and (row.split != "train") == held]

    kind = "avatar" if "avatar" in kinds else "drawing"
    photos, held_photos = [choose("photo", held) if with_photos else [] for held in (False, True)]
    data = PictureData(name, photos, choose(kind, False), held_photos, choose(kind, True))
    if not data.pictures or (with_photos and not photos):
        wanted, photos_too = "photos" if data.pictures else "avatars", "PHOTOS " * with_photos
        raise InputError(
            f"{folder}: expected {wanted} to train on; `portrait prepare {photos_too}--avatars "
            "AVATARS` makes them ready. Received: none (the manifest says why each picture was "
            "dropped)"
        )
    if data.sharded:
        if with_smooth and not shards.list.smooth:
            _refuse(name, "smoothed twins in the shards", " --edge-promote --shards N")
        return data
    for row in data.rows():
        _require(folder, row.file)
    for row in data.pictures if with_smooth else ():
        _require(folder, row.smooth, " --edge-promote")
    return data


def _require(folder, name, option=""):
    if not (folder / name).is_file():
        _refuse(folder, name, option)


def _refuse(folder, name, option):
    raise InputError(
        f"{folder}: expected every picture; `portrait prepare{option}` makes what is missing. "
        f"Received: no {name}"
    )


class PictureBatches(Batches):
    """Makes the batch of any step.

    Each set comes in a shuffled order of its own, every picture once a pass, and each picture is
    augmented independently. Samples of shards come in an order that goes through few of them at a
    time, see `shards_order`.

    Args:
        data: `PictureData`.
        settings: `PictureSettings`.
        seed: int.
        sets: for each name in a batch the rows that it is drawn from, as pairs of a folder below
            the data folder ("" for itself) and rows.
        noise: length of a noise vector; 0 leaves noise out.
        landmarks: name of the set of photos whose heat maps are wanted, or None.
    """

    def __init__(
        self,
        data: PictureData,
        settings: PictureSettings,
        seed: int,
        sets: dict[str, tuple[str, Sequence[Row]]],
        noise: int = 0,
        landmarks: str | None = None,
    ):
        super().__init__(seed)
        self.data = data
        self.settings = settings
        self.sets = sets
        self.noise = noise
        self.landmarks = landmarks

    def __len__(self):
        """Steps of one pass over the largest set."""
        return -(-max(len(rows) for _, rows in self.sets.values()) // self.settings.batch)

    def batch(self, step: int) -> dict[str, np.ndarray]:
        """The batch of a step.

        Args:
            step: int, counted from 0 over all epochs.

        Returns:
            For each set float32 (N, S, S, 3) in [-1, 1]; `noise` float32 (N, Z), standard normal,
            and `landmarks` float32 (N, S, S, 5) in [0, 1] where asked for.
        """
        return self.part(step, range(self.settings.batch))

    def part(self, step: int, places: range) -> dict[str, np.ndarray]:
        """What lies at some places of the batch of a step; the rest of it is not read."""
        rng = np.random.default_rng((self.seed, step))
        count, found = self.settings.batch, {}
        for place, (name, (folder, rows)) in enumerate(self.sets.items()):
            numbers = range(step * count, (step + 1) * count)
            cuts = [self._cut(rng) for _ in numbers]
            chosen = [shuffled_row(rows, self.seed, numbers[i], place, 1) for i in places]
            samples = [
                self._sample(folder, row, cuts[i]) for row, i in zip(chosen, places, strict=True)
            ]
            pictures, points = zip(*samples, strict=True)
            found[name] = np.stack(pictures)
            if name == self.landmarks:
                size = self.settings.size
                found["landmarks"] = heat_maps(np.stack(points), (size,) * 2, LANDMARK_WIDTH * size)
        if self.noise:
            noise = rng.standard_normal((count, self.noise), dtype=np.float32)
            found["noise"] = noise[places.start : places.stop]
        return found

    def fixed(self, rows: list[Row]) -> np.ndarray:
        """Pictures without augmentation, for sample grids and validation.

        Args:
            rows: rows of photos, avatars or drawings.

        Returns:
            float32 (len(rows), S, S, 3) in [-1, 1].
        """
        size = self.settings.size
        pictures = [row.read(self.data.folder, row.file) for row in rows]
        return np.stack([to_signed(resize(picture, size, size)) for picture in pictures])

    def _cut(self, rng):
        """A random scale, crop and mirroring: a side in pixels, a corner, yes or no."""
        size = self.settings.size
        large = round(size * rng.uniform(1.0, self.settings.scale))
        top, left = rng.integers(large - size + 1, size=2)
        return large, top, left, self.settings.flip and rng.random() < 0.5

    def _sample(self, folder, row, cut):
        """A picture (S, S, 3) in [-1, 1], cut out, and where its landmarks (5, 2) went."""
        size, (large, top, left, mirrored) = self.settings.size, cut
        name = f"{folder}/{row.file}" if folder else row.file
        picture = resize(row.read(self.data.folder, name), large, large)
        picture = picture[top : top + size, left : left + size]
        points = None
        if row.landmarks is not None:
            points = cut_landmarks(row, size, cut)
        return to_signed(picture[:, ::-1] if mirrored else picture), points
