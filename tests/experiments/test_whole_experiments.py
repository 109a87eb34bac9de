"""Every experiment from the command to its page, with networks of a few filters; minutes."""

import json
import shutil

import numpy as np
import pytest

from cartoon_faces import write_cartoon_faces
from keras_portrait.data.manifest import read_manifest
from keras_portrait.data.prepare.prepare import prepare
from keras_portrait.data.synthetic_faces import draw_face, write_drawn_faces
from keras_portrait.experiments import conduct as conducting
from keras_portrait.experiments import find_experiment
from keras_portrait.inference.imaging import read_image, write_image
from keras_portrait.models.cartoongan import experiment as cartoongan
from keras_portrait.models.style_classifier import experiment as classifier
from keras_portrait.training import run as training
from keras_portrait.training.callbacks import TrainingStopped
from small_judges import SmallTrunk, replace_networks
from tiny_training import light_features

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
# Keys that all recipes have, or all but DCGAN's, and those of the asymmetric cycle alone.
PICTURES = [
    *("data.size=64", "network.filters=2", "network.blocks=1", "network.discriminator_filters=2"),
    *("train.precision=float32", "train.pool=2"),
]
PARTS = ["network.inverse_filters=2", "network.inverse_blocks=1", "network.part_filters=2"]
PORTRAIT = [*PICTURES, *PARTS]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for seed in range(4):
        write_image(folder / f"{seed}.png", draw_face(seed, 200).photo)
    return folder


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Photos, and drawings in two styles, one of them with its grays turned darker."""
    folder = tmp_path_factory.mktemp("two-styles")
    write_drawn_faces(folder, 8, 160)
    bold = folder / "drawings" / "bold"
    bold.mkdir()
    for path in sorted((folder / "drawings" / "drawn").glob("*.png")):
        drawing = read_image(path)
        write_image(bold / path.name, np.minimum(drawing, np.roll(drawing, 2, axis=1)))
    prepare(
        folder / "photos",
        folder / "drawings",
        folder / "data",
        size=64,
        holdout=0.4,
        edge_promote=True,
    )
    return folder / "data"


@pytest.fixture(scope="module")
def painted(tmp_path_factory):
    return write_cartoon_faces(tmp_path_factory.mktemp("painted"), 64, 64)


@pytest.fixture
def quick(eager, monkeypatch):
    """Stand-ins for all that is large."""
    replace_networks(monkeypatch)
    monkeypatch.setattr(cartoongan, "VGGFeatures", light_features)
    monkeypatch.setattr(classifier, "build_trunk", lambda network: SmallTrunk("", (1, 2)))


def given(name, data, out, photos, *more, steps=2):
    settings = {"report": PICTURES, "comparison": [*PICTURES, *PARTS]}.get(name, PORTRAIT)
    words = [part for setting in settings for part in ("-s", setting)]
    recipes = [f"--recipe={recipe}" for recipe in more if str(recipe).endswith(".toml")]
    rest = [word for word in more if not str(word).endswith(".toml")]
    start = ["experiment", name, data, "-o", out, "--photos", photos]
    return [*start, *words, *recipes, "--steps", steps, *rest]


def results_of(folder):
    return json.loads((folder / "results.json").read_bytes())


@pytest.mark.usefixtures("quick")
def test_ablations_go_on_where_they_were_killed_and_train_nothing_twice(
    portrait, drawn, photos, tmp_path, monkeypatch
):
    out, trained = tmp_path / "out", []
    train = training.train

    def stop_in_the_third(plan, verbose="auto"):
        trained.append(plan.folder.name)
        if len(trained) == 3:
            raise TrainingStopped(1)
        return train(plan, verbose)

    monkeypatch.setattr(training, "train", stop_in_the_third)
    command = given("ablations", drawn, out, photos, "portrait-tiny.toml")
    code, _, err = portrait(*command)
    assert code == 130 and f"the same command goes on: {out}" in err
    assert trained == ["full", "no-style", "no-truncation"]
    assert (out / "index.html").read_text(encoding="utf-8").count(", not finished") == 4
    assert not (out / "results.json").exists()

    def note(plan, verbose="auto"):
        trained.append(plan.folder.name)
        return train(plan, verbose)

    monkeypatch.setattr(training, "train", note)
    code, told, err = portrait(*command)
    assert code == 0 and told == f"{out / 'index.html'}\n"
    assert trained[3:] == ["no-truncation", "strict-cycle", "no-hed", "no-local"]
    assert "full: finished already" in err
    found = results_of(out)
    assert [run["steps"] for run in found["runs"]] == [2] * 6
    assert [line["title"] for line in found["lines"]][-1] == "real drawings"
    assert len(found["lines"]) == 7 and found["photos"]["count"] == 4
    full, other = found["lines"][:2]
    assert {"hed_lpips", "kid_vgg16", "style_distance"} <= set(full["figures"])
    assert other["figures"]["hed_lpips"]["difference"] is not None
    page = (out / "index.html").read_text(encoding="utf-8")
    assert "strict cycle" in page and page.count("data:image/webp") == 2
    # Nothing is left to do: no training, no evaluation.
    monkeypatch.setattr(training, "train", None)
    monkeypatch.setattr(conducting, "_evaluate", None)
    code, _, err = portrait(*command)
    assert code == 0, err


@pytest.mark.usefixtures("quick")
def test_the_comparison_measures_gray_and_colour(portrait, drawn, photos, tmp_path):
    out = tmp_path / "out"
    recipes = ("portrait-tiny.toml", "cyclegan-cpu.toml", "cartoongan-cpu.toml")
    command = given("comparison", drawn, out, photos, *recipes, "--no-photos")
    code, _, err = portrait(*command)
    assert code == 0, err
    found = results_of(out)
    assert [run["method"] for run in found["runs"]] == [
        "asymmetric_cycle",
        "cyclegan",
        "cartoongan",
    ]
    gray, cycle, cartoon, real = (line["figures"] for line in found["lines"])
    assert "colour" not in gray and "colour" in cycle and "colour" in cartoon
    for figures in (gray, cycle, cartoon, real):
        assert figures["kid_vgg16"]["value"] is not None
    assert not (out / "evaluation" / "pictures" / "photos").exists()
    sheet = read_image(out / "figures" / "drawings.png")
    assert sheet.shape[1] == 3 * 196 - 4


@pytest.mark.usefixtures("quick")
def test_styles_are_mixed_and_told(portrait, drawn, photos, tmp_path):
    before = read_manifest(drawn)
    out = tmp_path / "out"
    command = given("styles", drawn, out, photos, "portrait-tiny.toml")
    code, _, err = portrait(*command)
    assert code == 0, err
    assert read_manifest(drawn) == before  # the classifier keeps what it says to itself
    found = results_of(out)
    assert [(line["title"], line["style"]) for line in found["lines"]][:2] == [
        ("generator", "bold"),
        ("generator", "drawn"),
    ]
    assert {path.stem for path in (out / "figures").iterdir()} == {
        *("interpolation", "references", "confusion")
    }
    # A run in the place of the training, and a drawing of one's own.
    shutil.copytree(out / "runs" / "generator", tmp_path / "mine")
    reference = tmp_path / "face.png"
    write_image(reference, draw_face(3, 400).drawing)
    again = tmp_path / "again"
    more = ("--from", tmp_path / "mine", "--reference", reference)
    code, _, err = portrait("experiment", "styles", drawn, "-o", again, "--photos", photos, *more)
    assert code == 0 and sorted(path.name for path in (again / "runs").iterdir()) == ["classifier"]
    assert len(results_of(again)["lines"]) == 4


@pytest.mark.usefixtures("quick")
def test_the_report_has_its_figures(portrait, painted, photos, tmp_path):
    out = tmp_path / "out"
    recipes = ("dcgan-cpu.toml", "cyclegan-cpu.toml", "cartoongan-cpu.toml")
    command = given("report", painted, out, photos, *recipes, "-s", "data.batch=2")
    code, _, err = portrait(*command)
    assert code == 0, err
    assert [path.stem for path in sorted((out / "figures").iterdir())] == sorted(
        figure.key for figure in find_experiment("report").figures
    )
    found = results_of(out)
    assert [line["key"] for line in found["lines"]] == ["cyclegan", "cartoongan", ""]
    assert set(found["noise"]["dcgan"]) == {"kid", "floor"}
    assert found["noise"]["dcgan"]["kid"]["value"] > found["noise"]["dcgan"]["floor"]["high"]


@pytest.mark.usefixtures("quick")
def test_hours_are_turned_into_steps_once(portrait, drawn, photos, tmp_path):
    out = tmp_path / "out"
    command = given(
        "comparison",
        drawn,
        out,
        photos,
        "portrait-tiny.toml",
        "cyclegan-cpu.toml",
        "cartoongan-cpu.toml",
        "-s",
        "data.size=64",
    )
    at = command.index("--steps")
    command[at : at + 2] = ["--hours", 1e-4]
    code, told, _ = portrait(*command, "--dry-run")
    assert code == 0 and told.count("the steps of 0.0001 h, measured at the start") == 3
    assert not out.exists()
    code, _, err = portrait(*command)
    assert code == 0, err
    # Too short for more than a step an epoch.
    assert {run["steps"] for run in results_of(out)["runs"]} <= {10, 11}
    code, told, _ = portrait(*command, "--dry-run")
    assert told.count("as measured") == 4 and told.count("finished") == 3
