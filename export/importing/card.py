"""The card of an imported preset, and a picture of what the original and the preset made."""

import os
from pathlib import Path

import numpy as np

from keras_portrait.files import write_whole
from keras_portrait.inference.imaging import as_rgb, encode_image, from_signed, grid
from keras_portrait.inference.presets import load_preset
from keras_portrait_export.jobs import Artefact
from keras_portrait_export.published.catalog import Published
from keras_portrait_export.ranges import SIGNED, Range, rescaled

CARD_NAME = "README.md"
PICTURE_NAME = "compared.png"
# How the cards of this module begin: others are left as they are.
_FIRST = "# Imported preset"
# Pictures of a recording that are shown.
_MOST_SHOWN = 4


def write_card(
    artefact: Artefact,
    published: Published,
    licence: str,
    credit: str,
    recorded: dict[str, np.ndarray] | None,
) -> None:
    """Writes the card beside a preset, and the picture where there is a recording of its size.

    Args:
        artefact: as `exporter.export_generator` returned it.
        published: the network.
        licence: as the user gave it.
        credit: as the user gave it; empty for the network's source.
        recorded: from `importer.read_recorded`; None where there is none.

    Raises:
        InputError: a file cannot be written.
    """
    card = artefact.folder / CARD_NAME
    if os.path.lexists(card) and not _is_ours(card):
        return
    shown = None if recorded is None else side_by_side(artefact, published, recorded)
    if shown is not None:
        write_whole(artefact.folder / PICTURE_NAME, encode_image(shown))
    write_whole(card, _text(artefact, published, licence, credit, shown is not None).encode())


def side_by_side(
    artefact: Artefact, published: Published, recorded: dict[str, np.ndarray]
) -> np.ndarray | None:
    """What went in, what the original made of it, and what the preset makes.

    Args:
        artefact: its folder holds the preset.
        published: says in which numbers pictures were recorded.
        recorded: from `importer.read_recorded`.

    Returns:
        uint8 RGB, a row for each picture; None where they have another size than the preset's.
    """
    metadata = artefact.metadata
    if recorded["image"].shape[2:] != (metadata.size, metadata.size):
        return None
    generator, squares = load_preset(artefact.folder), []
    styles = recorded.get("style", np.ones((len(recorded["image"]), 1), np.float32))
    for at, image in enumerate(recorded["image"][:_MOST_SHOWN]):
        square = _pixels(image, published.input_range)
        original = _pixels(recorded["output"][at], published.output_range)
        squares += [square, original, generator.draw(square, styles[at][None])]
    return grid(squares, 3)


def _pixels(picture: np.ndarray, span: Range) -> np.ndarray:
    """(C, H, W) in numbers of a range as uint8 RGB (H, W, 3)."""
    signed = rescaled(picture.transpose(1, 2, 0).astype(np.float32), span, SIGNED)
    return as_rgb(from_signed(signed))


def _is_ours(card: Path) -> bool:
    try:
        return card.read_text(encoding="utf-8").startswith(_FIRST)
    except (OSError, ValueError):
        return False


def _text(artefact, published, licence, credit, has_picture) -> str:
    metadata, fidelity = artefact.metadata, artefact.fidelity
    rows = {
        "network": f"`{published.name}`, {published.source}",
        "made by": credit or "see the source",
        "licence of the weights": licence,
        "origin": metadata.origin,
        "pictures": f"{metadata.size} x {metadata.size} pixels, "
        + ("aligned faces" if metadata.framing == "face" else "whole pictures"),
        "styles": ", ".join(f"`{name}`" for name in metadata.styles),
        "stored as": f"{metadata.mode}; {fidelity.delegates} XNNPACK delegate(s)",
    }
    table = "\n".join(f"| {name} | {_cell(value)} |" for name, value in rows.items())
    notes = "\n".join(f"- {note}." for note in artefact.notes)
    stored = (
        "- Stored against exact weights, in numbers from -1 to 1: at most "
        f"{fidelity.max_error:.2g} off; {fidelity.mean_psnr:.1f} dB in the mean, "
        f"{fidelity.worst_psnr:.1f} dB at worst."
    )
    picture = (
        f"\n\nWhat went in, what the original made of it, what this preset makes:\n\n"
        f"![The original beside the preset]({PICTURE_NAME})"
        if has_picture
        else ""
    )
    return (
        f"{_FIRST} `{metadata.name}`\n\nThe weights were made by others; keras-portrait "
        f"rebuilt their network and exported it.\n\n| | |\n| --- | --- |\n{table}\n\n## "
        f"Measured\n\n{notes}\n{stored}{picture}\n"
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
