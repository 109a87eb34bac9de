"""Whether a row of a manifest holds what `portrait prepare` writes.

A data folder may come from elsewhere. Nothing in its manifest leads out of it, and no field is of
another type than those who read it expect.
"""

import math
from pathlib import Path, PurePosixPath

KINDS = ("photo", "drawing", "avatar")
SPLITS = ("train", "test")
MASK_SOURCES = ("", "files", "facemesh")


def row_fits(row) -> bool:
    """Whether every field of a `manifest.Row` holds what it should.

    Not `style_shares`: `keras_portrait.data.styles` says in more words what is wrong with them.
    """
    if row.kept is True:
        names_fit = is_inside(row.file) and (row.mask is None or is_inside(row.mask))
    else:
        names_fit = row.kept is False and row.file is None and row.mask is None
    return (
        names_fit
        and row.kind in KINDS
        and row.split in SPLITS
        and isinstance(row.source, str)
        and isinstance(row.style, str | None)
        and isinstance(row.reason, str | None)
        and isinstance(row.stamp, str)
        and type(row.size) is int
        and (row.score is None or _is_number(row.score))
        and _landmarks_fit(row.landmarks)
        and isinstance(row.landmarks_given, bool)
        and row.turn in (0, 90, 180)
        and (row.scale is None or _is_number(row.scale))
        and row.mask_source in MASK_SOURCES
    )


def shares_fit(shares: object) -> bool:
    """Whether `style_shares` of a row can be compared: None, or a number for each style."""
    return shares is None or (
        isinstance(shares, dict)
        and all(isinstance(share, int | float) for share in shares.values())
    )


def is_inside(name: object) -> bool:
    """Whether something is a name that leads to a file inside the data folder."""
    if not isinstance(name, str) or "\0" in name:
        return False
    # As written, and as this system reads it: on Windows backslashes and drives lead elsewhere.
    paths = (PurePosixPath(name), Path(name))
    return all(path.parts and not path.anchor and ".." not in path.parts for path in paths)


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _landmarks_fit(landmarks: object) -> bool:
    return landmarks is None or (
        isinstance(landmarks, list)
        and len(landmarks) == 5
        and all(
            isinstance(point, list) and len(point) == 2 and all(map(_is_number, point))
            for point in landmarks
        )
    )
