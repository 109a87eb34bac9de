"""From a file of published weights to a preset: read, rebuilt, compared, exported."""

import hashlib
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np

from keras_portrait.errors import InputError, SettingError
from keras_portrait.files import file_sha256
from keras_portrait_export.exporter import export_generator
from keras_portrait_export.foreign import ForeignGenerator, adopt, with_output_range
from keras_portrait_export.importing.card import write_card
from keras_portrait_export.jobs import Artefact, ExportOptions
from keras_portrait_export.published.catalog import Published, build_network, recognize
from keras_portrait_export.weights import read_weights
from keras_portrait_export.weights.arrays import read_npz

# How far a number of a picture in [-1, 1] may be from what the original returned, in float32, ...
MOST_OFF = 1e-4
# ... but for so many of all pixels: where numbers of thousands go into a tanh, rounding alone does
# more.
_STRAYS = 0.002


@dataclass(frozen=True)
class Origin:
    """What is kept in a preset about weights that others made.

    Attributes:
        licence: under which they may be used.
        credit: who is to be named; empty for the network's source.
        styles: names of the styles; empty numbers them.
        network: a name of `catalog.NAMES`, or None where the weights tell.
        recorded: a `.npz` of what the original made: `image` (N, C, H, W), `output` (N, C, H, W)
            and, for a network of styles, `style` (N, K) or a map (N, K, h, w), in the numbers that
            the original takes and returns.
    """

    licence: str
    credit: str = ""
    styles: tuple[str, ...] = ()
    network: str | None = None
    recorded: Path | None = None


def import_weights(
    path: str | Path, folder: str | Path, origin: Origin, options: ExportOptions | None = None
) -> list[Artefact]:
    """Makes presets of published weights, each with a card that names origin and licence.

    Args:
        path: as `weights.read_weights` takes it.
        folder: as `exporter.export_generator` takes it.
        origin: what is known about them.
        options: what to make; of `sizes`, the first is that of the published pictures by default.

    Raises:
        InputError: the weights cannot be read or fit no network, or make other pictures than the
            original.
        SettingError, PortraitError: as `exporter.export_generator`.
    """
    path, options = Path(path), options or ExportOptions()
    if not origin.licence.strip():
        raise SettingError(
            "--licence: expected the licence of the weights, or who permitted their use; it is "
            "kept in the preset. Received: none"
        )
    generator, published, recorded = open_published(path, origin, options.sizes)
    made = export_generator(generator, folder, options)
    for artefact in made:
        write_card(artefact, published, origin.licence.strip(), origin.credit.strip(), recorded)
    return made


def open_published(
    path: Path, origin: Origin, sizes: tuple[int, ...] = ()
) -> tuple[ForeignGenerator, Published, dict[str, np.ndarray] | None]:
    """The generator of published weights, in the form that generators have here.

    It comes with the network that they belong to, and with what `read_recorded` returns.

    Args:
        path: as `weights.read_weights` takes it.
        origin: what is known about them.
        sizes: sides of pictures that will be asked for.

    Raises:
        InputError, SettingError: as `import_weights`.
    """
    weights = read_weights(path)
    published = recognize(weights, origin.network, path)
    model = build_network(published, weights, path)
    note = f"{len(weights)} tensors placed as {published.name}, {published.source}"
    path_of = origin.recorded
    recorded = None if path_of is None else read_recorded(published, model, path_of)
    notes = [note, _recorded_note(model, recorded, path_of)]
    taken = adopt(model, path, sizes or (published.size,), published.input_range)
    low, high = published.output_range
    taken = with_output_range(
        taken, published.output_range, f"output taken as {low:g} to {high:g}, as the network has it"
    )
    count = len(taken.styles)
    if origin.styles and len(origin.styles) != count:
        raise SettingError(
            f"--styles: expected {count} names. Received: {', '.join(origin.styles)}"
        )
    generator = replace(
        taken,
        name=path.stem,
        method=published.name,
        styles=origin.styles or taken.styles,
        framing=published.framing,
        notes=tuple(notes),
        words={
            "data_licence": f"weights of others: {origin.licence.strip()}",
            "description": f"{origin.credit or published.source}",
        },
        origin=f"weights {path.name} (sha256 {_digest(path)}) of the {published.source}",
    )
    return generator, published, recorded


def _recorded_note(
    model: keras.Model, recorded: dict[str, np.ndarray] | None, path: Path | None
) -> str:
    """Compares the network with what the original made.

    Raises:
        InputError: the pictures differ.
    """
    if recorded is None:
        return "not compared with the original; --recorded FILE.npz does"
    differences = compare_recorded(model, recorded)
    # Written so that what is not a number strays.
    off, strays = float(differences.max()), float(np.mean(~(differences <= MOST_OFF)))
    if strays > _STRAYS:
        raise InputError(
            "The network makes other pictures than the original did. Expected: within "
            f"{MOST_OFF:g}. Received: up to {off:.2g}, {strays:.1%} of the pixels beyond it, for "
            f"{path}"
        )
    return f"within {off:.1e} of what the original made in {path.name}"


def read_recorded(published: Published, model: keras.Model, path: Path) -> dict[str, np.ndarray]:
    """What the original took and made, red first.

    Args:
        published: the network.
        model: from `catalog.build_network`.
        path: as `Origin.recorded`.

    Returns:
        float32 `image` and `output` (N, C, H, W), and `style` (N, K) where the network takes one.

    Raises:
        InputError: the file is no such recording, or of another network.
    """
    if not zipfile.is_zipfile(path):
        raise InputError(f"--recorded: expected a .npz file. Received: {path}")
    arrays = {name: values.astype(np.float32) for name, values in read_npz(path).items()}
    styled = len(model.inputs) > 1
    names = ["image", "output", *(["style"] if styled else [])]
    if not set(names) <= set(arrays):
        raise InputError(
            f"--recorded: expected arrays {', '.join(names)}. Received: "
            f"{', '.join(arrays)} in {path}"
        )
    image, output = arrays["image"], arrays["output"]
    shape = image.shape
    taken, made = model.inputs[0].shape[-1], model.outputs[0].shape[-1]
    if image.ndim != 4 or image.size == 0 or shape[1] != taken:
        raise InputError(
            f"--recorded: expected pictures (N, {taken}, H, W). Received: {shape} in {path}"
        )
    if output.shape != (shape[0], made, *shape[2:]):
        raise InputError(
            f"--recorded: the network makes pictures {(shape[0], made, *shape[2:])}. "
            f"Received: {output.shape} in {path}"
        )
    if published.blue_first:
        image, output = image[:, ::-1], output[:, ::-1]
    recorded = {"image": image, "output": output}
    if styled:
        style, wanted = arrays["style"], (shape[0], model.inputs[1].shape[-1])
        if style.ndim not in (2, 4) or style.shape[:2] != wanted:
            raise InputError(
                f"--recorded: expected styles {wanted}, or a map of them. "
                f"Received: {style.shape} in {path}"
            )
        # The same at every pixel of a map.
        recorded["style"] = style.reshape(*wanted, -1)[..., 0]
    return recorded


def compare_recorded(model: keras.Model, recorded: dict[str, np.ndarray]) -> np.ndarray:
    """How far a network's pictures are from recorded ones.

    Args:
        model: from `catalog.build_network`.
        recorded: from `read_recorded`.

    Returns:
        float32, the absolute difference of every number.

    Raises:
        InputError: it draws no pictures of that size.
    """
    given = [recorded["image"].transpose(0, 2, 3, 1)]
    given += [recorded["style"]] if "style" in recorded else []
    made = keras.ops.convert_to_numpy(model(given if len(given) > 1 else given[0], training=False))
    made = made.transpose(0, 3, 1, 2)
    if made.shape != recorded["output"].shape:
        raise InputError(
            "--recorded: expected pictures whose sides the network can halve as often as it "
            f"does. Received: {recorded['image'].shape[2:]}"
        )
    return np.abs(made - recorded["output"])


def _digest(path: Path) -> str:
    """SHA-256 of a file, or of the names and contents of a folder's arrays."""
    if path.is_file():
        return file_sha256(path)
    whole = hashlib.sha256()
    for file in sorted(path.glob("*.npy")):
        whole.update(f"{file.name} {file_sha256(file)}\n".encode())
    return whole.hexdigest()
