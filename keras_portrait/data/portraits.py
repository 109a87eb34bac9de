"""Training batches of photos and drawings from a prepared data folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_portrait.data.batches import Batches, shuffled_row, stacked
from keras_portrait.data.landmarks import boxes_around, cut_landmarks
from keras_portrait.data.manifest import Row, read_manifest
from keras_portrait.data.shards.reader import ShardFolder, ShardRows, is_sharded
from keras_portrait.data.styles import check_styles, style_of, style_vector
from keras_portrait.errors import InputError
from keras_portrait.inference.filters.line_filters import LINE_FILTERS
from keras_portrait.inference.geometry import PARTS
from keras_portrait.inference.imaging import read_image, resize, to_signed
from keras_portrait.recipe import DataSettings
from keras_portrait.storage import as_place


@dataclass(frozen=True)
class PreparedData:
    """The kept pictures; rows are lists, or the samples of shards.

    Attributes:
        folder: the data folder, or the place of the shards.
        photos: rows of the photos to train on.
        drawings: rows of the drawings to train on.
        styles: names of all styles, sorted; their order is the order of the style vector.
        held_photos: rows of the photos that were held back.
        held_drawings: rows of the drawings that were held back.
    """

    folder: Path | str
    photos: Sequence[Row]
    drawings: Sequence[Row]
    styles: list[str]
    held_photos: Sequence[Row]
    held_drawings: Sequence[Row]

    @property
    def sharded(self) -> bool:
        """Whether they are samples of shards."""
        return isinstance(self.drawings, ShardRows)

    @property
    def sets(self) -> tuple[Sequence[Row], ...]:
        """The four sets."""
        return self.photos, self.drawings, self.held_photos, self.held_drawings


def load_prepared(folder: str | Path) -> PreparedData:
    """Reads which pictures a prepared folder holds.

    Args:
        folder: made by `portrait prepare`, or the path or URL of a folder of shards.

    Returns:
        `PreparedData`.

    Raises:
        InputError: there is no manifest and no list of shards, they hold no photos or no drawings
            to train on, a drawing has no style, or a style no drawing.
        MissingExtra: what a URL needs is not installed.
        SettingError: no such kind of URL.
    """
    folder = as_place(folder)
    if is_sharded(folder):
        return _load_shards(folder)
    rows = [row for row in read_manifest(folder) if row.kept]
    styles = sorted({row.style for row in rows if row.kind == "drawing" and row.style})
    photos, drawings = _by_kind(row for row in rows if row.split == "train")
    for row in (*photos, *drawings):
        for name in (row.file, row.mask):
            if name is None or not (folder / name).is_file():
                raise InputError(
                    f"{folder}: expected every picture that the manifest names; `portrait prepare` "
                    f"makes them again. Received: no {name}"
                )
    _require_both(folder, photos, drawings)
    check_styles(folder, drawings, styles)
    held = _by_kind(row for row in rows if row.split != "train")
    data = PreparedData(folder, photos, drawings, styles, *held)
    _group_by_style(data)  # refuses a style without drawings before anything is written
    return data


def _load_shards(place):
    shards = ShardFolder(place)
    photos, held_photos = [shards.rows("photo", held) for held in (False, True)]
    drawings = shards.rows("drawing", False, at_random=True)
    held = shards.rows("drawing", True)
    _require_both(shards.name, photos, drawings)
    data = PreparedData(shards.name, photos, drawings, shards.list.styles, held_photos, held)
    _group_by_style(data)
    return data


def _require_both(folder, photos, drawings):
    for name, found in (("photos", photos), ("drawings", drawings)):
        if not found:
            raise InputError(
                f"{folder}: expected {name} to train on; `portrait prepare PHOTOS DRAWINGS` makes "
                "them ready. Received: none (the manifest says why each picture was dropped)"
            )


def _by_kind(rows):
    rows = list(rows)
    return tuple([row for row in rows if row.kind == kind] for kind in ("photo", "drawing"))


class PortraitBatches(Batches):
    """Makes the batch of any step.

    Photos come in a shuffled order, each once a pass; drawings are drawn at random: first a style,
    then a subfolder of that style, then a picture, so that a rare kind of subject in a subfolder of
    its own is not drowned. Photo and drawing are augmented independently, masks with their own
    picture.

    Args:
        data: `PreparedData`.
        settings: `DataSettings`.
        seed: int.
        lines: whether batches carry a filter's line drawing of each photo, by the filter of the
            drawing's style.
        faces: whether batches carry the landmarks of each photo, and boxes around its face.
        edges: folder of edge maps that were computed beforehand, named like the photos; None where
            batches carry none.
    """

    def __init__(
        self,
        data: PreparedData,
        settings: DataSettings,
        seed: int,
        lines: bool = False,
        faces: bool = False,
        edges: Path | None = None,
    ):
        super().__init__(seed)
        self.data = data
        self.settings = settings
        self.lines = lines
        self.faces = faces
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
            (N, S, S, 1) in [-1, 1], `photo_landmarks` float32 (N, 5, 2) and `photo_boxes`
            (N, K, 4) in pixels, where asked for.
        """
        return self.part(step, range(self.settings.batch))

    def part(self, step: int, places: range) -> dict[str, np.ndarray]:
        """What lies at some places of the batch of a step; the rest of it is not read."""
        rng, count = np.random.default_rng((self.seed, step)), self.settings.batch
        chosen = [self._choose(number, rng) for number in range(step * count, (step + 1) * count)]
        samples = [self._sample(*chosen[place]) for place in places]
        return stacked(samples)

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
            picture = row.read(self.data.folder, row.file)[..., :channels]
            pictures.append(to_signed(resize(picture, size, size)))
        return np.stack(pictures)

    def _choose(self, number, rng):
        """The rows of a photo and of a drawing, how each is cut, and a seed for the boxes."""
        rows = self._photo(number), self._drawing(rng)
        return *rows, self._cut(rng), self._cut(rng), (self.seed, number, 2, 1)

    def _sample(self, photo_row, drawing_row, photo_cut, drawing_cut, box_seed):
        planes = self._read(photo_row)
        if self.edges:
            planes.append(read_image(self.edges / photo_row.file)[..., :1])
        photo, photo_mask, *edges = self._augment(planes, photo_cut)
        drawing, drawing_mask = self._augment(self._read(drawing_row), drawing_cut)
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
        if self.faces:
            landmarks = cut_landmarks(photo_row, self.settings.size, photo_cut)
            sample["photo_landmarks"] = np.float32(landmarks)
            sample["photo_boxes"] = boxes_around(landmarks, np.random.default_rng(box_seed))
        if self.lines:
            draw = self.filters[style_of(drawing_row, self.data.styles)]
            parts = np.float32(photo_mask.max(axis=-1)) / 255
            # Widths suit 256 pixels.
            lines = draw(photo, self.settings.size / 256, parts)
            sample["lines"] = lines[..., None] * 2.0 - 1.0
        return sample

    def _photo(self, number):
        return shuffled_row(self.data.photos, self.seed, number, 1)

    def _drawing(self, rng):
        folders = self.groups[rng.integers(len(self.groups))]
        group = folders[rng.integers(len(folders))]
        row = group[rng.integers(len(group))]
        if self.data.sharded:
            _check_tag(self.data, row)
        return row

    def _read(self, row):
        return [row.read(self.data.folder, name) for name in (row.file, row.mask)]

    def _cut(self, rng):
        """A random scale, crop and mirroring: a side in pixels, a corner, yes or no."""
        size = self.settings.size
        large = round(size * rng.uniform(1.0, self.settings.scale))
        top, left = rng.integers(large - size + 1, size=2)
        return large, top, left, self.settings.flip and rng.random() < 0.5

    def _augment(self, planes, how):
        """Cuts all planes uint8 (H, W, C) of one picture in the same way."""
        size, (large, top, left, mirrored) = self.settings.size, how
        cut = []
        for plane in planes:
            plane = resize(plane, large, large)[top : top + size, left : left + size]
            cut.append(np.ascontiguousarray(plane[:, ::-1]) if mirrored else plane)
        return cut


def _group_by_style(data):
    """For each style the list of its subfolders, each the sequence of its rows."""
    if data.sharded:
        return _group_shards(data)
    styles = []
    for number, style in enumerate(data.styles):
        groups = {}
        for row in data.drawings:
            if style_of(row, data.styles) == number:
                groups.setdefault(Path(row.source).parent, []).append(row)
        _require_style(data, style, groups)
        styles.append(list(groups.values()))
    return styles


def _check_tag(data, row):
    """Refuses a drawing whose style is not that of its group; of shards it is seen here first."""
    check_styles(data.folder, [row], data.styles)
    if row.style not in (None, *data.styles):
        raise InputError(
            f"{data.folder}: expected drawings of {', '.join(data.styles)}. Received: {row.style}"
        )


def _group_shards(data):
    """The same of drawings in shards, by what their list says."""
    if not data.styles:
        check_styles(data.folder, [], data.styles)
    groups = data.drawings.grouped()
    bare = sum(len(found) for (style, _), found in groups.items() if style is None)
    if bare and len(data.styles) > 1:
        raise InputError(
            f"{data.folder}: expected shards that were packed when every drawing had a style. "
            f"Received: {bare} untagged of {len(data.drawings)}"
        )
    styles = []
    for style in data.styles:
        found = [some for (tag, _), some in groups.items() if tag in (style, None)]
        _require_style(data, style, found)
        styles.append(found)
    return styles


def _require_style(data, style, groups):
    if not groups:
        raise InputError(
            f"{data.folder}: expected drawings of every style to train on. "
            f"Received: none of {style}"
        )
