"""What a classifier takes for what: a table of counts, as text, as CSV and as a picture."""

import base64
import csv
import io
import warnings
from pathlib import Path

import numpy as np

from keras_portrait.errors import MissingExtra
from keras_portrait.files import write_whole

CSV_NAME = "confusion.csv"
PNG_NAME = "confusion.png"
# Share from which a cell is so dark that white is read better than black.
_DARK = 0.7
# Rows are what a drawing is, columns what it is told as.
_CORNER = "is \\ told as"


def confusion_matrix(labels: np.ndarray, told: np.ndarray, classes: int) -> np.ndarray:
    """Counts how often each class is told as which.

    Args:
        labels: int (N,), the classes.
        told: int (N,), what they were told as.
        classes: number of classes.

    Returns:
        int (classes, classes): rows the classes, columns what they were told as.
    """
    counts = np.zeros((classes, classes), int)
    np.add.at(counts, (labels, told), 1)
    return counts


def confusion_text(counts: np.ndarray, names: list[str]) -> str:
    """The matrix as lines of text, one a class, what it was told as in columns.

    Args:
        counts: from `confusion_matrix`.
        names: of the classes.
    """
    table = [[_CORNER, *names]]
    table += [[name, *map(str, row)] for name, row in zip(names, counts.tolist(), strict=True)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()
        for row in table
    )


def write_confusion(folder: Path, counts: np.ndarray, names: list[str], title: str) -> None:
    """Writes `confusion.csv` and `confusion.png`.

    Args:
        folder: where to.
        counts: from `confusion_matrix`.
        names: of the classes.
        title: of the picture.

    Raises:
        InputError: a file cannot be written.
        MissingExtra: matplotlib is not installed.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow([_CORNER, *names])
    table.writerows([name, *row] for name, row in zip(names, counts.tolist(), strict=True))
    write_whole(folder / CSV_NAME, text.getvalue().encode("utf-8", "replace"))
    write_whole(folder / PNG_NAME, _picture(counts, [_printable(name) for name in names], title))


def confusion_uri(folder: Path) -> str:
    """The picture in a run folder as a `data:` address; "" where there is none to be read."""
    try:
        data = (folder / PNG_NAME).read_bytes()
    except OSError:  # an ornament: the page is worth showing without
        return ""
    return f"data:image/png;base64,{base64.b64encode(data).decode('ascii')}"


def accuracy_facts(accuracy: dict) -> list[tuple[str, str, str]]:
    """What the page of a run says of a classifier: triples of label, answer and further words.

    Args:
        accuracy: what `accuracy.json` holds; {} where there is none.
    """
    held = accuracy.get("validation")
    if not isinstance(held, dict):
        return []
    return [
        ("Right", _share(held.get("accuracy")), f"of {held.get('drawings')} drawings kept back"),
        (
            "Mean over styles",
            _share(held.get("balanced_accuracy")),
            f"chance {_share(accuracy.get('chance'))}",
        ),
    ]


def _share(value):
    return f"{value:.0%}" if isinstance(value, int | float) else "–"


def require_matplotlib() -> None:
    """Says at once, not after a training, that pictures cannot be made.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise MissingExtra(
            "The picture of the confusion matrix needs matplotlib. "
            'Install it with: pip install "keras-portrait[train]"'
        ) from error


def _picture(counts, names, title) -> bytes:
    """A PNG: counts, and their shares of the row; the larger the share, the darker the cell."""
    require_matplotlib()
    from matplotlib.figure import Figure

    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = 1.6 + 0.75 * len(names)
    figure = Figure(figsize=(side + 1.2, side))
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        share = shares[row, column]
        place = {"ha": "center", "color": "white" if share > _DARK else "black"}
        axes.text(column, row, str(count), va="center_baseline", size=12, **place)
        axes.text(column, row + 0.36, f"{share:.0%}", va="center_baseline", size=8, **place)
    ticks = np.arange(len(names))
    axes.set_xticks(ticks, names, rotation=45, ha="left", rotation_mode="anchor", parse_math=False)
    axes.set_yticks(ticks, names, parse_math=False)
    axes.tick_params(length=0, top=True, bottom=False, labeltop=True, labelbottom=False)
    axes.set_ylabel("drawn as")
    axes.set_xlabel("told as")
    axes.xaxis.set_label_position("top")
    axes.set_title(title, size=10, y=0, pad=-8, va="top", parse_math=False)
    axes.spines[:].set_visible(False)
    data = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # names in scripts that the font does not have
        figure.savefig(data, format="png", dpi=110, bbox_inches="tight")
    return data.getvalue()


def _printable(name, most=24):
    name = name.encode("utf-8", "replace").decode()
    return name if len(name) <= most else f"{name[: most - 1]}…"
