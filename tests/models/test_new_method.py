"""A fifth method needs no other file: in a folder of its own, or in one file outside."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cartoon_faces import write_cartoon_faces
from keras_portrait.inference.imaging import read_image

ROOT = Path(__file__).resolve().parents[2]
# Trains, exports and draws with a method whose folder was put beside the others.
SCRIPT = """
import sys
from pathlib import Path
import keras_portrait.models
folder = Path(sys.argv[1])
keras_portrait.models.__path__.append(str(folder / "methods"))
from keras_portrait import cli, Stylizer
from keras_portrait.models.load_recipe import load_recipe
from keras_portrait_export.exporter import ExportOptions, export_generator
sys.argv = ["portrait", "train", "ours.toml", str(folder / "data")]
sys.argv += ["--run-dir", str(folder / "run")]
try:
    cli.main()
except SystemExit as ended:
    assert not ended.code, ended.code
export_generator(str(folder / "run"), folder / "preset", ExportOptions(modes=("fp16",)))
photo = Path(keras_portrait.__file__).with_name("example.jpg")
drawing = Stylizer(folder / "preset")(str(photo))
drawing.save(folder / "drawing.png")
"""
TINY = """method = "ours"
[data]
size = 32
[network]
filters = 2
blocks = 1
discriminator_filters = 2
[train]
epochs = 1
steps_per_epoch = 2
pool = 2
"""


def test_a_folder_of_its_own_is_enough(tmp_path):
    ours = tmp_path / "methods" / "ours"
    shutil.copytree(ROOT / "keras_portrait" / "models" / "cyclegan", ours)
    shutil.rmtree(ours / "recipes")
    (ours / "recipes").mkdir()
    (ours / "recipes" / "ours.toml").write_text(TINY)
    for file in ours.glob("*.py"):
        file.write_text(file.read_text().replace("cyclegan", "ours").replace("CycleGAN", "Ours"))
    write_cartoon_faces(tmp_path / "data", 4, 32)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, tmp_path], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads((tmp_path / "run" / "options.json").read_text())["method"] == "ours"
    assert json.loads((tmp_path / "preset" / "portrait.json").read_text())["method"] == "ours"
    assert read_image(tmp_path / "drawing.png").ndim == 3


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """What the template of a method leaves."""
    folder = tmp_path_factory.mktemp("sketch")
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "new_method.py"), str(folder)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


def test_the_template_trains_exports_and_draws(example):
    assert (example / "run" / "index.html").is_file()
    assert json.loads((example / "preset" / "portrait.json").read_text())["method"] == "sketch"
    drawing = read_image(example / "drawing.png")
    assert np.ptp(drawing) > 0


def test_the_template_gets_a_card(example, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    import new_method

    from keras_portrait.model_card.runs import read_run
    from keras_portrait.models import methods

    assert methods()["sketch"] is new_method.SketchRecipe
    facts = read_run(example / "run")
    assert dict(facts.rows)["method"] == "sketches (this example)"
    assert facts.network.startswith("ResNet of 4 filters; ")


def test_every_folder_is_a_method():
    from keras_portrait.models import methods, recipe_files
    from keras_portrait.models.load_recipe import load_recipe

    folders = {
        path.parent.name for path in (ROOT / "keras_portrait" / "models").glob("*/config.py")
    }
    assert folders <= set(methods())
    assert {load_recipe(name).method for name in recipe_files()} == folders


def test_the_template_is_evaluated_and_described(example, monkeypatch, tmp_path, portrait):
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    import new_method  # noqa: F401  makes the method known

    photos = tmp_path / "photos"
    photos.mkdir()
    shutil.copy(ROOT / "keras_portrait" / "example.jpg", photos)
    report, card = tmp_path / "report", tmp_path / "README.md"
    code, _, error = portrait(
        *("evaluate", example / "preset", "--photos", photos, "-o", report, "--no-classical")
    )
    assert code == 0, error
    entries = json.loads((report / "evaluation.json").read_text())["entries"]
    assert entries[0]["name"] == "preset"
    notes = tmp_path / "notes.toml"
    notes.write_text(
        'weights_licence = "MIT"\nintended_use = ["a test"]\nfailures = ["all"]\n'
        '[[sources]]\nname = "invented"\nused_for = "photos"\nlicence = "none"\n'
    )
    code, _, error = portrait(
        *("card", example / "preset", "--run", example / "run", "--evaluation", report),
        *("--notes", notes, "-o", card),
    )
    assert code == 0, error
    assert "sketches (this example)" in card.read_text()
