"""What a trained style classifier is worth, and what it says of every drawing, as files."""

import json
import os
from pathlib import Path

import numpy as np

from keras_portrait.data.manifest import write_style_shares
from keras_portrait.errors import InputError
from keras_portrait.files import write_whole
from keras_portrait.models.style_classifier.data import TaggedDrawings
from keras_portrait.models.style_classifier.features import is_kept
from keras_portrait.training.run_page.confusion import (
    confusion_matrix,
    confusion_text,
    write_confusion,
)

ACCURACY_NAME = "accuracy.json"
VECTORS_NAME = "style-vectors.jsonl"
# Digits after the point of the shares that are written.
_DIGITS = 5


def is_finished(folder: Path) -> bool:
    """Whether the run in a folder has come to its end.

    The views that it learned from are removed last, after the manifest has the shares.
    """
    return os.path.isfile(folder / ACCURACY_NAME) and not is_kept(folder)


def write_results(folder: Path, data: TaggedDrawings, shares: np.ndarray, origin: dict) -> dict:
    """Writes the vectors, the confusion matrix and the accuracy.

    Args:
        folder: the run folder.
        data: the drawings.
        shares: float (N, K), what the classifier says of each drawing, rows summing to 1.
        origin: further entries of `accuracy.json`: the trunk, and where its weights came from.

    Returns:
        What `accuracy.json` holds: "train", "validation" (each with "accuracy",
        "balanced_accuracy", "drawings" and "styles", by style "drawings" and "accuracy"),
        "chance" (of the balanced accuracy), "confusion" (of the drawings that were kept back;
        rows are tags), and `origin`.

    Raises:
        InputError: a file cannot be written.
        MissingExtra: matplotlib is not installed.
    """
    told = shares.argmax(axis=1)
    matrices = {}
    for name, held in (("train", False), ("validation", True)):
        chosen, labels = data.labelled(held)
        matrices[name] = confusion_matrix(labels, told[chosen], len(data.styles))
    accuracy = {
        **{name: _scores(matrix, data.styles) for name, matrix in matrices.items()},
        "chance": round(1 / len(data.styles), 4),
        "confusion": matrices["validation"].tolist(),
        **origin,
    }
    lines = (
        json.dumps({"file": drawing.file, "tag": drawing.tag, "shares": row})
        for drawing, row in zip(data.drawings, _by_style(data, shares), strict=True)
    )
    write_whole(folder / VECTORS_NAME, "".join(f"{line}\n" for line in lines).encode())
    validation = accuracy["validation"]
    title = (
        f"{validation['accuracy']:.0%} of {validation['drawings']} drawings that were kept back; "
        f"balanced {validation['balanced_accuracy']:.0%}, chance {accuracy['chance']:.0%}"
    )
    write_confusion(folder, matrices["validation"], data.styles, title)
    text = json.dumps(accuracy, indent=1) + "\n"
    write_whole(folder / ACCURACY_NAME, text.encode())
    return accuracy


def share_results(folder: Path, data: TaggedDrawings, shares: np.ndarray) -> None:
    """Writes the shares into the manifest, where `portrait prepare` made the data folder.

    Args:
        folder: the run folder, for the text of the error.
        data: the drawings.
        shares: float (N, K), as in `write_results`.

    Raises:
        InputError: the manifest cannot be written; it is the former one then.
    """
    if not data.prepared:
        return
    files = [drawing.file for drawing in data.drawings]
    try:
        by_file = dict(zip(files, _by_style(data, shares), strict=True))
        write_style_shares(data.folder, by_file)
    except InputError as error:
        raise InputError(
            f"The shares could not be written into the manifest; they stand in {folder}, as does "
            "the accuracy. Expected a data folder that can be written to; the same command then "
            f"finishes. {error}"
        ) from error


def describe_results(accuracy: dict, styles: list[str]) -> str:
    """The accuracy and the confusion matrix as text.

    Args:
        accuracy: from `write_results`.
        styles: names of the styles.
    """
    train, validation = accuracy["train"], accuracy["validation"]
    return (
        f"right: {validation['accuracy']:.1%} of {validation['drawings']} drawings that were kept "
        f"back ({train['accuracy']:.1%} of {train['drawings']} learned from); "
        f"mean over styles {validation['balanced_accuracy']:.1%}, chance {accuracy['chance']:.1%}\n"
        + confusion_text(np.array(accuracy["confusion"]), styles)
    )


def _scores(matrix, styles):
    counts, right = matrix.sum(axis=1), np.diag(matrix)
    by_style = right / counts
    return {
        "accuracy": round(float(right.sum() / counts.sum()), 4),
        "balanced_accuracy": round(float(by_style.mean()), 4),
        "drawings": int(counts.sum()),
        "styles": {
            style: {"drawings": int(count), "accuracy": round(float(share), 4)}
            for style, count, share in zip(styles, counts, by_style, strict=True)
        },
    }


def _by_style(data, shares):
    """The shares of each drawing, by style."""
    rows = np.round(np.float64(shares), _DIGITS).tolist()
    return [dict(zip(data.styles, row, strict=True)) for row in rows]
