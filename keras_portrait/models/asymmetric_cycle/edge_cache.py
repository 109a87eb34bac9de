"""Edge maps of a run's photos, computed once instead of in every step."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from keras import ops
from rich.console import Console
from rich.progress import track

from keras_portrait.files import make_folder
from keras_portrait.inference.imaging import from_signed, to_signed, write_image
from keras_portrait.losses import edge_maps

# Folder of the edge maps inside a run folder.
EDGES = "edges"


def store_edges(
    folder: Path,
    data_folder: str | Path,
    rows,
    edge_detector,
    check_stop: Callable[[], None] = lambda: None,
) -> Path:
    """Writes the edge maps that are not there yet.

    They lie in the run folder, where nothing else changes the photos that they belong to.

    Args:
        folder: the run folder.
        data_folder: the data folder, or the place of the shards.
        rows: rows of photos.
        edge_detector: `EdgeDetector`.
        check_stop: called before each photo; what it raises ends the work, and the next call goes
            on there.

    Returns:
        The folder of the edge maps: uint8 gray, as large as the photos and named like them.

    Raises:
        InputError: a photo cannot be read, or an edge map cannot be written.
    """
    edges = folder / EDGES
    console = Console(stderr=True)
    for row in track(rows, "Edge maps", console=console, disable=not console.is_terminal):
        path = edges / row.file
        if path.exists():
            continue
        check_stop()
        photo = to_signed(row.read(data_folder, row.file))[None]
        edge_map = ops.convert_to_numpy(edge_maps(ops.convert_to_tensor(photo), edge_detector))
        make_folder(path.parent)
        write_image(path, from_signed(np.squeeze(edge_map, axis=(0, 3))))
    return edges
