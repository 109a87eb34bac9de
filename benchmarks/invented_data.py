"""A prepared data folder of invented faces, for the benchmarks that train."""

from pathlib import Path

from keras_portrait.data.prepare.prepare import prepare
from keras_portrait.data.synthetic_faces import write_drawn_faces


def prepare_invented_faces(folder: Path, count: int, size: int) -> Path:
    """Draws faces and prepares them.

    Args:
        folder: where everything is written.
        count: how many photos, and as many drawings.
        size: side of the prepared squares in pixels.

    Returns:
        The data folder.
    """
    write_drawn_faces(folder, count)
    prepare(folder / "photos", folder / "drawings", folder / "data", size=size, holdout=0.0)
    return folder / "data"
