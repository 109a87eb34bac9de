"""What the commands here share: TensorFlow, loaded late, and a table of what was made."""

import importlib
import os

from keras_portrait.errors import MissingExtra


def with_tensorflow(name: str):
    """A module of this package that loads TensorFlow.

    Args:
        name: dotted, within the package.

    Raises:
        MissingExtra: TensorFlow or the runtime is not installed.
    """
    # The converter is TensorFlow's. The result is compared in full float32, which GPUs round.
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    try:
        return importlib.import_module(f".{name}", __package__)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("tensorflow", "keras", "ai_edge_litert"):
            raise
        raise MissingExtra(
            "Exporting needs TensorFlow and ai-edge-litert. Install them with: "
            'pip install "keras-portrait[train]"'
        ) from error


def lines_on(made, source) -> list[str]:
    """What is told of artefacts that were made of a source: notes, a table, folders."""
    lines = [f"{source}: {note}" for note in made[0].notes]
    lines += _table([_row(artefact) for artefact in made])
    return lines + [str(artefact.folder) for artefact in made]


def _row(artefact) -> dict[str, str]:
    metadata, fidelity = artefact.metadata, artefact.fidelity
    bytes_of_file = (artefact.folder / metadata.file).stat().st_size
    return {
        "mode": metadata.mode,
        "size": str(metadata.size),
        "file": metadata.file,
        "kB": f"{bytes_of_file / 1000:.0f}",
        "max error": f"{fidelity.max_error:.2g}",
        "worst dB": f"{fidelity.worst_psnr:.1f}",
        "mean dB": f"{fidelity.mean_psnr:.1f}",
        "CPU ms": f"{fidelity.milliseconds:.0f}",
        "delegates": f"{fidelity.delegates}",
    }


def _table(rows: list[dict[str, str]]) -> list[str]:
    heads = {name: name for name in rows[0]}
    lines = [heads, *rows]
    widths = {name: max(len(line[name]) for line in lines) for name in heads}
    return ["  ".join(line[name].rjust(widths[name]) for name in heads) for line in lines]
