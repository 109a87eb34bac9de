"""The card of an imported preset, and a picture of what the original and the preset made."""

import os
from pathlib import Path

import numpy as np

from keras_portrait.files import write_whole
from keras_portrait.inference.imaging import as_rgb, encode_image, from_signed, grid
from keras_portrait.inference.presets import load_preset
from keras_portrait.inference.recording import (
    MOST_RECORDED,
    RecordedPicture,
    write_recording,
)
from keras_portrait_export.jobs import Artefact
from keras_portrait_export.published.catalog import Published
from keras_portrait_export.ranges import SIGNED, Range, rescaled

CARD_NAME = "README.md"
PICTURE_NAME = "compared.png"
# How the cards of this module begin: others are left as they are.
_FIRST = "# Imported preset"


def write_card(
    artefact: Artefact,
    published: Published,
    licence: str,
    credit: str,
    recorded: dict[str, np.ndarray] | None,
) -> None:
    """Writes the card beside a preset, and the recording where it has the preset's size.

    A card that somebody else wrote stays.

    Args:
        artefact: as `exporter.export_generator` returned it.
        published: the network.
        licence: as the user gave it.
        credit: as the user gave it; empty for the network's source.
        recorded: from `importer.read_recorded`; None where there is none.

    Raises:
        InputError: a file cannot be written.
    """
    pictures = recorded_pictures(artefact, published, recorded)
    write_recording(artefact.folder, artefact.metadata, pictures)
    card = artefact.folder / CARD_NAME
    if os.path.lexists(card) and not _is_ours(card):
        return
    if pictures:
        write_whole(artefact.folder / PICTURE_NAME, encode_image(side_by_side(artefact, pictures)))
    write_whole(card, _text(artefact, published, licence, credit, bool(pictures)).encode())


def recorded_pictures(
    artefact: Artefact, published: Published, recorded: dict[str, np.ndarray] | None
) -> list[RecordedPicture]:
    """The first pictures of a recording, as pixels.

    Args:
        artefact: what was made.
        published: says in which numbers pictures were recorded.
        recorded: from `importer.read_recorded`; None where there is none.

    Returns:
        The pictures; none where they have another size than the preset's.
    """
    size = artefact.metadata.size
    if recorded is None or recorded["image"].shape[2:] != (size, size):
        return []
    images, outputs = recorded["image"][:MOST_RECORDED], recorded["output"]
    styles = recorded.get("style", np.ones((len(images), 1), np.float32))
    return [
        RecordedPicture(
            as_rgb(_pixels(image, published.input_range)),
            _pixels(outputs[at], published.output_range),
            styles[at][None],
        )
        for at, image in enumerate(images)
    ]


def side_by_side(artefact: Artefact, pictures: list[RecordedPicture]) -> np.ndarray:
    """What went in, what the original made of it, and what the preset makes.

    Args:
        artefact: its folder holds the preset.
        pictures: from `recorded_pictures`.

    Returns:
        uint8 RGB, a row for each picture.
    """
    generator, squares = load_preset(artefact.folder), []
    for each in pictures:
        made = generator.draw(each.square, each.style)
        squares += [each.square, as_rgb(each.output), as_rgb(made)]
    return grid(squares, 3)


def _pixels(picture: np.ndarray, span: Range) -> np.ndarray:
    """(C, H, W) in numbers of a range as uint8 (H, W, C)."""
    return from_signed(rescaled(picture.transpose(1, 2, 0).astype(np.float32), span, SIGNED))


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
