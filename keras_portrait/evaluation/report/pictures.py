"""The pictures of an evaluation, reduced and packed so that a page can hold them."""

import base64
import functools
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from keras_portrait.errors import InputError
from keras_portrait.evaluation.report.files import PHOTOS, shows_photos
from keras_portrait.inference.imaging import read_image, resize

# Characters that all pictures of a page may take, as on the page of a run.
BUDGET = 11_500_000
# Longest side in pixels, and WebP quality: of the worst drawings, and of those on the sheet.
_LARGE, _SMALL = (288, 80), (176, 75)
# How many of the worst drawings are shown of each entry: the first of these that takes half the
# budget at most.
_WORST_COUNTS = (10, 5, 2, 1)
# Every k-th photo is on the sheet, for the first of these k that suffices.
_STEPS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
# Rows of the sheet at most, before the budget is looked at.
_MOST_ROWS = 40


@dataclass(frozen=True)
class Picture:
    """A picture in a page.

    Attributes:
        uri: as a `data:` address; empty where the file cannot be read.
        width: pixels.
        height: pixels.
    """

    uri: str = ""
    width: int = 0
    height: int = 0


@dataclass(frozen=True)
class Row:
    """What belongs to one photo.

    Attributes:
        photo: its name.
        pictures: the photo, unless photos are left out, and what was made of it.
    """

    photo: str
    pictures: list[Picture]


@dataclass(frozen=True)
class Pictures:
    """All pictures of a page.

    Attributes:
        worst: for each entry its worst drawings, worst first; empty lists for those not shown.
        sheet: photos with the drawings of all entries that are shown.
        every: k where only every k-th photo is on the sheet, counted from the first.
    """

    worst: list[list[Row]]
    sheet: list[Row]
    every: int


def shown_entries(entries: list[dict], photos: bool) -> list[dict]:
    """Entries with pictures: no floors, and without photos none that show their edge maps."""
    return [
        entry
        for entry in entries
        if entry["kind"] != "floor" and (photos or not shows_photos(entry))
    ]


def pack_pictures(
    result: dict,
    find: Callable[[str, int], Path],
    photos: bool = True,
    budget: int = BUDGET,
) -> Pictures:
    """Packs the worst drawings, and as many rows of the sheet as fit, evenly spread.

    Args:
        result: the evaluation.
        find: the file of a picture, by the key of an entry or "photos", and the photo's index.
        photos: whether the photos are shown beside the drawings, and their edge maps among them.
        budget: characters that all pictures may take. One worst drawing of each entry is shown in
            any case.
    """
    pack = functools.cache(lambda path, limits: pack_picture(path, *limits))
    names, drawn = result["photo_names"], shown_entries(result["entries"], photos)

    def row(entries: Sequence[dict], index: int, limits: tuple[int, int]) -> Row:
        keys = [*([PHOTOS] if photos else []), *(entry["key"] for entry in entries)]
        return Row(names[index], [pack(find(key, index), limits) for key in keys])

    for count in _WORST_COUNTS:
        worst = [
            [row([entry], one["index"], _LARGE) for one in entry["worst"][:count]]
            if entry in drawn
            else []
            for entry in result["entries"]
        ]
        spent = sum(map(_characters, sum(worst, [])))
        if spent <= budget / 2:
            break
    for every in _STEPS:
        shown = range(0, len(names), every)
        if len(shown) > _MOST_ROWS and every != _STEPS[-1]:
            continue
        sheet = _within(budget - spent, (row(drawn, index, _SMALL) for index in shown))
        if sheet is not None:
            return Pictures(worst, sheet, every)
    return Pictures(worst, [], 1)


def _within(budget, rows):
    """The rows as a list, None as soon as they take more than the budget."""
    kept = []
    for row in rows:
        kept.append(row)
        budget -= _characters(row)
        if budget < 0:
            return None
    return kept


def _characters(row):
    return sum(len(picture.uri) for picture in row.pictures)


def pack_picture(path: Path, side: int, quality: int) -> Picture:
    """Reduces a picture file and packs it as WebP.

    Args:
        path: the file; one that cannot be read gives an empty `Picture`.
        side: longest side in pixels that it keeps.
        quality: of WebP, 0 to 100.
    """
    try:
        picture = read_image(path)
    except InputError:  # one broken picture must not cost the page
        return Picture()
    height, width = picture.shape[:2]
    factor = min(1.0, side / max(width, height))
    width, height = max(round(width * factor), 1), max(round(height * factor), 1)
    data = io.BytesIO()
    Image.fromarray(resize(picture, width, height)).save(data, "WEBP", quality=quality, method=4)
    text = base64.b64encode(data.getvalue()).decode("ascii")
    return Picture(f"data:image/webp;base64,{text}", width, height)
