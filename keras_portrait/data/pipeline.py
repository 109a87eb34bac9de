"""Training batches from a prepared data folder.

Every batch is a function of the recipe's seed and the number of the step, so a training that is
resumed sees what it would have seen. Plain NumPy: the same batches feed either Keras backend.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_portrait.data.line_drawing import line_drawing
from keras_portrait.data.manifest import Row, read_manifest
from keras_portrait.errors import InputError, PortraitError
from keras_portrait.imaging import read_image, resize, to_signed
from keras_portrait.masks import PARTS
from keras_portrait.settings import DataSettings

# Parts of a photo darker than this share of the face are filled in its line drawing.
SHADE = 0.4


@dataclass(frozen=True)
class PreparedData:
    """The kept pictures of one split.

    Attributes:
        folder: the data folder.
        photos: rows of photos.
        drawings: rows of drawings.
        styles: names of all styles, sorted; their order is the order of the style vector.
    """

    folder: Path
    photos: list[Row]
    drawings: list[Row]
    styles: list[str]


def load_prepared(folder: str | Path, split: str = "train") -> PreparedData:
    """Reads which pictures a prepared folder holds.

    Args:
        folder: made by `portrait prepare`.
        split: "train" or "test".

    Returns:
        `PreparedData`.

    Raises:
        InputError: there is no manifest, or it holds no photos or no drawings of this split.
    """
    folder = Path(folder)
    rows = [row for row in read_manifest(folder) if row.kept]
    styles = sorted({row.style for row in rows if row.kind == "drawing"})
    chosen = [row for row in rows if row.split == split]
    photos = [row for row in chosen if row.kind == "photo"]
    drawings = [row for row in chosen if row.kind == "drawing"]
    for row in chosen:
        for name in (row.file, row.mask):
            if not (folder / name).is_file():
                raise InputError(
                    f"{folder}: expected every picture that the manifest names; `portrait prepare` "
                    f"makes them again. Received: no {name}"
                )
    for name, found in (("photos", photos), ("drawings", drawings)):
        if not found:
            raise InputError(
                f"{folder}: expected at least one of the {name} to be kept for the {split} split. "
                "Received: 0 (the manifest says why each was dropped)"
            )
    return PreparedData(folder, photos, drawings, styles)


class PortraitBatches:
    """Makes the batch of any step.

    Photos come in a shuffled order, each once a pass; drawings are drawn at random: first a style,
    then a subfolder of that style, then a picture, so that a rare kind of sitter in a subfolder of
    its own is not drowned. Photo and drawing are augmented independently, masks with their own
    picture.

    Args:
        data: `PreparedData`.
        settings: `DataSettings`.
        seed: int.
        lines: whether batches carry a filter's line drawing of each photo.

    Attributes:
        failure: the error that ended `stream`, or None.
    """

    def __init__(self, data: PreparedData, settings: DataSettings, seed: int, lines: bool = False):
        self.data = data
        self.settings = settings
        self.seed = seed
        self.lines = lines
        self.groups = _group_by_style(data)
        self.failure = None

    def __len__(self):
        """Steps of one pass over the larger of the two domains."""
        pictures = max(len(self.data.photos), len(self.data.drawings))
        return -(-pictures // self.settings.batch)

    def stream(self, start: int = 0) -> Iterator[tuple[dict[str, np.ndarray]]]:
        """Batches without end, from step `start` on; each in a tuple of one, as `fit` asks."""
        step = start
        while True:
            try:
                batch = self.batch(step)
            except PortraitError as error:
                # It is raised in a thread of the backend, which would report it as its own.
                self.failure = error
                raise
            yield (batch,)
            step += 1

    def batch(self, step: int) -> dict[str, np.ndarray]:
        """The batch of a step.

        Args:
            step: int, counted from 0 over all epochs.

        Returns:
            `photo` float32 (N, S, S, 3) and `drawing` (N, S, S, 1) in [-1, 1]; `style` (N, K);
            masks `photo_<part>`, `drawing_<part>` (N, S, S, 1) in [0, 1]; `lines` (N, S, S, 1) in
            [-1, 1] where asked for.
        """
        rng = np.random.default_rng((self.seed, step))
        samples = [
            self._sample(step * self.settings.batch + i, rng) for i in range(self.settings.batch)
        ]
        return {name: np.stack([sample[name] for sample in samples]) for name in samples[0]}

    def fixed(self, rows: list[Row]) -> dict[str, np.ndarray]:
        """Photos without augmentation, for the sample grids.

        Args:
            rows: rows of photos.

        Returns:
            `photo` float32 (len(rows), S, S, 3) in [-1, 1] and `style` (len(rows), K), the styles
            in turn.
        """
        size = self.settings.size
        photos = [
            to_signed(resize(read_image(self.data.folder / row.file), size, size)) for row in rows
        ]
        styles = np.eye(len(self.data.styles), dtype=np.float32)
        turn = np.arange(len(rows)) % len(self.data.styles)
        return {"photo": np.stack(photos), "style": styles[turn]}

    def _sample(self, number, rng):
        photo_row = self._photo(number)
        style, drawing_row = self._drawing(rng)
        photo, photo_mask = self._augment(self._read(photo_row), rng)
        drawing, drawing_mask = self._augment(self._read(drawing_row), rng)
        sample = {
            "photo": to_signed(photo),
            "drawing": to_signed(drawing[..., :1]),
            "style": np.eye(len(self.data.styles), dtype=np.float32)[style],
        }
        for index, part in enumerate(PARTS):
            sample[f"photo_{part}"] = np.float32(photo_mask[..., index : index + 1]) / 255
            sample[f"drawing_{part}"] = np.float32(drawing_mask[..., index : index + 1]) / 255
        if self.lines:
            sample["lines"] = line_drawing(photo, shade=SHADE)[..., None] * 2.0 - 1.0
        return sample

    def _photo(self, number):
        turn, place = divmod(number, len(self.data.photos))
        order = np.random.default_rng((self.seed, turn, 1)).permutation(len(self.data.photos))
        return self.data.photos[order[place]]

    def _drawing(self, rng):
        style = rng.integers(len(self.groups))
        group = self.groups[style][rng.integers(len(self.groups[style]))]
        return style, group[rng.integers(len(group))]

    def _read(self, row):
        folder = self.data.folder
        return [read_image(folder / row.file), read_image(folder / row.mask)]

    def _augment(self, planes, rng):
        """The same random scale, crop and mirroring for planes uint8 (H, W, C) of one picture."""
        size = self.settings.size
        large = round(size * rng.uniform(1.0, self.settings.scale))
        top, left = rng.integers(large - size + 1, size=2)
        mirrored = self.settings.flip and rng.random() < 0.5
        cut = []
        for plane in planes:
            plane = resize(plane, large, large)[top : top + size, left : left + size]
            cut.append(np.ascontiguousarray(plane[:, ::-1]) if mirrored else plane)
        return cut


def _group_by_style(data):
    """For each style the list of its subfolders, each the list of its rows."""
    styles = []
    for style in data.styles:
        groups = {}
        for row in data.drawings:
            if row.style == style:
                groups.setdefault(Path(row.source).parent, []).append(row)
        if not groups:
            raise InputError(
                f"{data.folder}: expected drawings of every style to train on. "
                f"Received: none of {style}"
            )
        styles.append(list(groups.values()))
    return styles
