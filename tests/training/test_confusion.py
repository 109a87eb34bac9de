"""The confusion matrix: counted, as text, as CSV and as a picture."""

import numpy as np

from keras_portrait.inference.imaging import read_image
from keras_portrait.training.run_page.confusion import (
    accuracy_facts,
    confusion_matrix,
    confusion_text,
    confusion_uri,
    write_confusion,
)


def test_confusion_of_many_and_odd_names(tmp_path):
    names = ["$x^{$", "日本", "caf\udce9", "a" * 300, *(f"style {i}" for i in range(12))]
    labels = np.repeat(np.arange(16), 5)
    told = (labels + (np.arange(80) % 5 == 0)) % 16
    counts = confusion_matrix(labels, told, 16)
    assert counts.sum() == 80 and np.diag(counts).sum() == 64 and counts[0, 1] == 1
    write_confusion(tmp_path, counts, names, "a title with $ and %")
    picture = read_image(tmp_path / "confusion.png")
    assert 600 < picture.shape[1] < 3000 and picture.std() > 10
    assert (tmp_path / "confusion.csv").read_text().count("\n") == 17


def test_confusion_as_text():
    text = confusion_text(np.array([[10, 2], [0, 3]]), ["pen", "engraving"])
    assert text.splitlines() == [
        "is \\ told as  pen  engraving",
        "pen            10          2",
        "engraving       0          3",
    ]


def test_what_is_missing_for_the_page_is_left_out(tmp_path):
    assert confusion_uri(tmp_path) == ""
    assert accuracy_facts({}) == [] and accuracy_facts({"validation": 3}) == []
    held = {"accuracy": 0.456, "drawings": 11}
    assert accuracy_facts({"validation": held, "chance": 0.5}) == [
        ("Right", "46%", "of 11 drawings kept back"),
        ("Mean over styles", "–", "chance 50%"),
    ]
