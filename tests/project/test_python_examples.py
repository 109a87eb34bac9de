"""The README's five lines, the notebook and the template of a method do what they say."""

import json
import re
from pathlib import Path

import keras
import pytest

import small_methods
from keras_portrait.data.prepare.prepare import prepare
from keras_portrait.data.synthetic_faces import write_drawn_faces

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = json.loads((ROOT / "examples" / "train.ipynb").read_text(encoding="utf-8"))


def five_lines():
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("### In Python")[1]
    assert section.split("### ")[0].strip().count("\n") <= 15
    return re.search(r"```python\n(.*?)```", section, re.DOTALL)[1]


def test_the_five_lines_of_the_readme_train(tmp_path, monkeypatch):
    write_drawn_faces(tmp_path, 4)
    prepare(tmp_path / "photos", tmp_path / "drawings", tmp_path / "data", size=64, holdout=0.0)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("keras_portrait.AsymmetricCycle", small_cycle, raising=False)
    code = five_lines().replace("size=256", "size=64").replace("epochs=300", "epochs=1")
    assert code.count("\n") == 7
    exec(compile(code, "README.md", "exec"), {})
    model = keras.models.load_model("run.keras")
    assert int(model.generator_optimizer.iterations) > 0


def small_cycle(styles):
    return small_methods.asymmetric_cycle(styles)


def test_the_notebook_runs(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    names = {}
    for cell in NOTEBOOK["cells"]:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), "train.ipynb", "exec"), names)
    assert names["again"].styles == len(names["data"].styles)
    assert (names["folder"] / "run.keras").exists()


def test_the_notebook_shows_what_it_made():
    outputs = [cell["outputs"] for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]
    pictures = [
        len(output["data"]["image/png"])
        for cell in outputs
        for output in cell
        if "image/png" in output.get("data", {})
    ]
    assert len(pictures) == 2 and max(pictures) < 100_000
    assert not any(
        output["output_type"] in ("error", "stream") for cell in outputs for output in cell
    )


@pytest.mark.parametrize("method", small_methods.METHODS)
def test_every_public_method_has_networks_of_its_own(method):
    import keras_portrait

    names = {name.lower(): name for name in dir(keras_portrait)}
    assert method.replace("_", "") in names
