"""The README's five lines, the notebooks and the template of a method do what they say."""

import base64
import io
import json
import re
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

import small_methods
from keras_portrait.data.prepare.prepare import prepare
from keras_portrait.data.synthetic_faces import write_drawn_faces
from keras_portrait.inference.imaging import read_image
from keras_portrait.inference.stylizer import Stylizer

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = {
    name: json.loads((ROOT / "examples" / f"{name}.ipynb").read_text(encoding="utf-8"))
    for name in ("draw", "train")
}


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


def run_notebook(name, monkeypatch, tmp_path, **instead):
    """Runs the cells one after the other; answers what they left behind."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    names = {}
    for cell in NOTEBOOKS[name]["cells"]:
        if cell["cell_type"] == "code":
            source = "".join(cell["source"])
            for word, other in instead.items():
                source = source.replace(f'"{word}"', f'"{other}"')
            exec(compile(source, f"{name}.ipynb", "exec"), names)
    return names


@pytest.mark.slow
def test_the_notebook_that_trains_runs(monkeypatch, tmp_path):
    names = run_notebook("train", monkeypatch, tmp_path)
    assert names["again"].styles == len(names["data"].styles)
    assert (names["folder"] / "run.keras").exists()


@pytest.mark.parametrize("preset", ["fast", pytest.param("portrait", marks=pytest.mark.slow)])
def test_the_notebook_that_draws_runs(monkeypatch, tmp_path, preset):
    names = run_notebook("draw", monkeypatch, tmp_path, portrait=preset)
    kept = read_image(names["folder"] / "drawing.png")
    assert np.array_equal(kept, Stylizer(preset, threads=1)(read_image(names["photo"])))
    assert (kept < 128).mean() > 0.01, "an empty sheet proves nothing"
    styles = len(names["stylize"].metadata.styles)
    assert names["row"].shape == (256, styles * 256)
    squares = np.hsplit(names["row"], styles)
    assert np.ptp([square.mean() for square in squares]) > 1, "all the same"
    errors = [line.partition(". ")[0] for line in names["told"]]
    assert errors == ["NoFaceError: No face found", "SettingError: No such style"]
    paths = (names["folder"] / "drawing.svg").read_text(encoding="utf-8").count("<path")
    assert paths == names["svg"].count("<path") > 10


@pytest.mark.parametrize(("name", "count"), [("draw", 3), ("train", 2)])
def test_a_notebook_shows_what_it_made(name, count):
    cells = NOTEBOOKS[name]["cells"]
    outputs = [cell["outputs"] for cell in cells if cell["cell_type"] == "code"]
    pictures = [
        output["data"]["image/png"]
        for cell in outputs
        for output in cell
        if "image/png" in output.get("data", {})
    ]
    assert len(pictures) == count and max(map(len, pictures)) < 100_000
    assert not any(
        output["output_type"] in ("error", "stream") for cell in outputs for output in cell
    )
    if name == "draw":
        shown = [Image.open(io.BytesIO(base64.b64decode(one))).convert("L") for one in pictures]
        # Drawings and no photos: half of them or so is white paper.
        assert all((np.asarray(one) > 240).mean() > 0.4 for one in shown)


@pytest.mark.parametrize("method", small_methods.METHODS)
def test_every_public_method_has_networks_of_its_own(method):
    import keras_portrait

    names = {name.lower(): name for name in dir(keras_portrait)}
    assert method.replace("_", "") in names
