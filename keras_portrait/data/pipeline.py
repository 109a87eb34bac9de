"""Training batches of photos and drawings from a prepared data folder."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_portrait.data.batches import Batches, shuffled_index
from keras_portrait.data.line_filters import LINE_FILTERS
from keras_portrait.data.manifest import Row, read_manifest
from keras_portrait.data.styles import check_styles, style_of, style_vector
from keras_portrait.errors import InputError
from keras_portrait.imaging import read_image, resize, to_signed
from keras_portrait.masks import PARTS
from keras_portrait.settings import DataSettings


@dataclass(frozen=True)
class PreparedData:
    """The kept pictures.

    Attributes:
        folder: the data folder.
        photos: rows of the photos to train on.
        drawings: rows of the drawings to train on.
        styles: names of all styles, sorted; their order is the order of the style vector.
        held_photos: rows of the photos that were held back.
        held_drawings: rows of the drawings that were held back.
    """

    folder: Path
    photos: list[Row]
    drawings: list[Row]
    styles: list[str]
    held_photos: list[Row]
    held_drawings: list[Row]


def load_prepared(folder: str | Path) -> PreparedData:
    """Reads which pictures a prepared folder holds.

    Args:
        folder: made by `portrait prepare`.

    Returns:
        `PreparedData`.

    Raises:
        InputError: there is no manifest, it holds no photos or no drawings to train on, a
            drawing has no style, or a style no drawing.
    """
    folder = Path(folder)
    rows = [row for row in read_manifest(folder) if row.kept]
    styles = sorted({row.style for row in rows if row.kind == "drawing" and row.style})
    photos, drawings = _by_kind(row for row in rows if row.split == "train")
    for row in (*photos, *drawings):
        for name in (row.file, row.mask):
            if not (folder / name).is_file():
                raise InputError(
                    f"{folder}: expected every picture that the manifest names; `portrait prepare` "
                    f"makes them again. Received: no {name}"
                )
    for name, found in (("photos", photos), ("drawings", drawings)):
        if not found:
            raise InputError(
                f"{folder}: expected {name} to train on; `portrait prepare PHOTOS DRAWINGS` makes "
                "them ready. Received: none (the manifest says why each picture was dropped)"
            )
    check_styles(folder, drawings, styles)
    held = _by_kind(row for row in rows if row.split != "train")
    data = PreparedData(folder, photos, drawings, styles, *held)
    _group_by_style(data)  # refuses a style without drawings before anything is written
    return data


def _by_kind(rows):
    rows = list(rows)
    return tuple([row for row in rows if row.kind == kind] for kind in ("photo", "drawing"))


class PortraitBatches(Batches):
    """Makes the batch of any step.

    Photos come in a shuffled order, each once a pass; drawings are drawn at random: first a style,
    then a subfolder of that style, then a picture, so that a rare kind of sitter in a subfolder of
    its own is not drowned. Photo and drawing are augmented independently, masks with their own
    picture.

    Args:
        data: `PreparedData`.
        settings: `DataSettings`.
        seed: int.
        lines: whether batches carry a filter's line drawing of each photo, by the filter of the
            drawing's style.
        edges: folder of edge maps that were computed beforehand, named like the photos; None where
            batches carry none.
    """

    def __init__(
        self,
        data: PreparedData,
        settings: DataSettings,
        seed: int,
        lines: bool = False,
        edges: Path | None = None,
    ):
        super().__init__(seed)
        self.data = data
        self.settings = settings
        self.lines = lines
        self.edges = edges
        self.groups = _group_by_style(data)
        self.filters = [LINE_FILTERS[settings.lines.get(style, "filled")] for style in data.styles]

    def batch(self, step: int) -> dict[str, np.ndarray]:
        """The batch of a step.

        Args:
            step: int, counted from 0 over all epochs.

        Returns:
            `photo` float32 (N, S, S, 3) and `drawing` (N, S, S, 1) in [-1, 1]; `style` (N, K);
            masks `photo_<part>`, `drawing_<part>` (N, S, S, 1) in [0, 1]; `lines` and `edges`
            (N, S, S, 1) in [-1, 1] where asked for.
        """
        rng = np.random.default_rng((self.seed, step))
        samples = [
            self._sample(step * self.settings.batch + i, rng) for i in range(self.settings.batch)
        ]
        return {name: np.stack([sample[name] for sample in samples]) for name in samples[0]}

    def fixed(self, rows: list[Row]) -> np.ndarray:
        """Pictures without augmentation, for sample grids and validation.

        Args:
            rows: rows of photos, or of drawings.

        Returns:
            float32 (len(rows), S, S, 3) of photos or (len(rows), S, S, 1) of drawings, in [-1, 1].
        """
        size, pictures = self.settings.size, []
        for row in rows:
            channels = 3 if row.kind == "photo" else 1
            picture = read_image(self.data.folder / row.file)[..., :channels]
            pictures.append(to_signed(resize(picture, size, size)))
        return np.stack(pictures)

    def _sample(self, number, rng):
        photo_row = self._photo(number)
        drawing_row = self._drawing(rng)
        planes = self._read(photo_row)
        if self.edges:
            planes.append(read_image(self.edges / photo_row.file)[..., :1])
        photo, photo_mask, *edges = self._augment(planes, rng)
        drawing, drawing_mask = self._augment(self._read(drawing_row), rng)
        sample = {
            "photo": to_signed(photo),
            "drawing": to_signed(drawing[..., :1]),
            "style": style_vector(drawing_row, self.data.styles, self.settings.soft_styles),
        }
        for index, part in enumerate(PARTS):
            sample[f"photo_{part}"] = np.float32(photo_mask[..., index : index + 1]) / 255
            sample[f"drawing_{part}"] = np.float32(drawing_mask[..., index : index + 1]) / 255
        if edges:
            sample["edges"] = to_signed(edges[0])
        if self.lines:
            draw = self.filters[style_of(drawing_row, self.data.styles)]
            # Widths suit 256 pixels.
            sample["lines"] = draw(photo, self.settings.size / 256)[..., None] * 2.0 - 1.0
        return sample

    def _photo(self, number):
        photos = self.data.photos
        return photos[shuffled_index(self.seed, len(photos), number, 1)]

    def _drawing(self, rng):
        folders = self.groups[rng.integers(len(self.groups))]
        group = folders[rng.integers(len(folders))]
        return group[rng.integers(len(group))]

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
    for number, style in enumerate(data.styles):
        groups = {}
        for row in data.drawings:
            if style_of(row, data.styles) == number:
                groups.setdefault(Path(row.source).parent, []).append(row)
        if not groups:
            raise InputError(
                f"{data.folder}: expected drawings of every style to train on. "
                f"Received: none of {style}"
            )
        styles.append(list(groups.values()))
    return styles
