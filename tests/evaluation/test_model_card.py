"""`portrait card`: what is in a card, where it comes from, and what is refused."""

import dataclasses
import hashlib
import io
import json
import zipfile

import h5py
import numpy as np
import pytest

from invented_evaluation import invented_result, write_pictures
from keras_portrait.inference.imaging import read_image
from keras_portrait.inference.litert.graph import network_sha256
from keras_portrait.inference.metadata import read_metadata, write_metadata
from keras_portrait.model_card import card as model_card
from keras_portrait.model_card import figures as model_card_figures
from keras_portrait.model_card.runs import read_run
from keras_portrait.models.load_recipe import load_recipe
from tiny_preset import write_tiny_preset

STYLES = ("thin", "bold")
NOTES = """
weights_licence = "Apache-2.0"
intended_use = ["Portraits of one person."]
limits = ["Not for telling who somebody is."]
training = ["The last epoch was taken."]
data = ["None of the pictures is in this package."]
failures = ["Teeth are hinted at."]

[[sources]]
name = "Invented faces"
used_for = "photos"
licence = "CC0 1.0"

[[sources]]
name = "Newspapers | 1900"
used_for = "drawings of `bold`"
licence = "public domain"
credit = "many hands"
link = "https://example.org"
"""
ROWS = (
    ("warm start", 1, 40, 40, 1800.0),
    ("asymmetric_cycle", 1, 200, 200, 3600.0),
    ("asymmetric_cycle", 2, 400, 150, 1800.0),
)


def write_run(folder, recipe="portrait-cpu", overrides=(), styles=STYLES, rows=ROWS, **options):
    """A run folder as a training leaves it, with 12 numbers in its generator."""
    folder.mkdir()
    values = json.loads(json.dumps(dataclasses.asdict(load_recipe(recipe, overrides))))
    told = {"method": values["method"], "data": str(folder / "gone"), "styles": styles}
    told |= {"photos": 3, "drawings": 3, **options, "recipe": values}
    (folder / "options.json").write_text(json.dumps(told))
    names = ("phase", "epoch", "step", "steps", "seconds", "val_content")
    lines = [json.dumps(dict(zip(names, (*row, 0.25), strict=True))) for row in rows]
    (folder / "losses.jsonl").write_text("\n".join(lines) + "\n")
    pictures = {f"photos/p{index}.png": [9, 9, None] for index in range(4)}
    for style, trained in (("thin", 2), ("bold", 1)):
        for index in range(trained + 1):
            vector = [1.0, 0.0] if index < trained else None
            pictures[f"drawings/{style}/{style}{index}.png"] = [9, 9, vector]
    (folder / "pictures.json").write_text(json.dumps(pictures))
    (folder / "versions.json").write_text(json.dumps({"numpy": "2.0", "keras": "3.15"}))
    weights = io.BytesIO()
    with h5py.File(weights, "w") as file:
        file["layers/conv/vars/0"], file["layers/conv/vars/1"] = np.zeros((2, 5)), np.zeros(2)
    with zipfile.ZipFile(folder / "generator.keras", "w") as archive:
        archive.writestr("model.weights.h5", weights.getvalue())
    return folder


def write_evaluation(folder, name="tiny", styles=STYLES, **changes):
    """An evaluation folder of a preset, floors for all of its styles among it."""
    result = invented_result(photos=6, sources=[(name, style, "preset") for style in styles])
    floor = result["entries"].pop()
    result["entries"] += [{**floor, "style": style, "key": f"real-{style}"} for style in styles]
    for entry in result["entries"][: len(styles)]:
        entry["sha256"] = read_metadata(folder.parent / "tiny").sha256
    result |= changes
    write_pictures(result, lambda key, index: folder / "pictures" / key / f"{index:04d}.png", 32)
    (folder / "evaluation.json").write_text(json.dumps(result))
    return folder


@pytest.fixture
def made(tmp_path):
    """What a card is made of: the arguments of `write_model_card` but the last."""
    preset = write_tiny_preset(tmp_path / "tiny", styles=STYLES)
    metadata = dataclasses.replace(read_metadata(preset), method="asymmetric_cycle")
    write_metadata(preset, metadata)
    (tmp_path / "evaluation").mkdir()
    (tmp_path / "notes.toml").write_text(NOTES)
    return {
        "preset": preset,
        "runs": [write_run(tmp_path / "run")],
        "evaluation": write_evaluation(tmp_path / "evaluation"),
        "notes": tmp_path / "notes.toml",
    }


def arguments(made, output):
    runs = [word for run in made["runs"] for word in ("--run", run)]
    places = ("--evaluation", made["evaluation"], "--notes", made["notes"], "-o", output)
    return ("card", made["preset"], *runs, *places)


def card_of(made, folder, **more):
    model_card.write_model_card(folder / "card.md", **made, **more)
    return (folder / "card.md").read_text(encoding="utf-8")


def row(card, label):
    """The other cells of the first line of a table that begins with that label."""
    lines = [line for line in card.splitlines() if line.startswith(f"| {label} |")]
    return [cell.strip() for cell in lines[0].strip("|").split(" | ")][1:]


def refusal(portrait, made, output):
    code, out, err = portrait(*arguments(made, output))
    assert code == 2 and out == "" and err.count("\n") == 1
    assert not output.exists()
    return err


def test_the_command_writes_card_and_sheet(portrait, made, tmp_path):
    output = tmp_path / "new" / "README.md"
    code, out, err = portrait(*arguments(made, output))
    assert (code, out) == (0, f"{output}\n") and "no source folders" in err
    assert sorted(path.name for path in output.parent.iterdir()) == ["README.md", "worst.png"]
    card = output.read_text(encoding="utf-8")
    assert card.startswith("# Preset `tiny`: the mean of red, green and blue\n")
    assert "`thin` (0), `bold` (1)" in card and "![The worst drawings](worst.png)" in card
    assert card.endswith("\n") and not card.endswith("\n\n") and "\n\n\n" not in card
    lines = [line for line in card.splitlines() if not line.startswith("|")]
    assert max(map(len, lines)) <= 120 and "&#" not in card


def test_the_same_inputs_give_the_same_card_without_their_places(made, tmp_path):
    first = card_of(made, tmp_path)
    sheet = (tmp_path / "worst.png").read_bytes()
    assert card_of(made, tmp_path) == first
    assert (tmp_path / "worst.png").read_bytes() == sheet
    assert str(tmp_path) not in first


def test_training_is_told_from_the_run(made, tmp_path):
    card = card_of(made, tmp_path)
    assert row(card, "network")[0].endswith(
        "line generator of 8 filters and 6 residual blocks; 12 parameters"
    )
    assert row(card, "recipe") == ["`portrait-cpu.toml`"]
    epochs = load_recipe("portrait-cpu", ()).train.epochs
    steps = f"40 of warm start, 400 of asymmetric cycle (2 of {epochs} epochs); batch 1"
    assert row(card, "steps") == [steps]
    assert row(card, "time") == [
        "2.00 hours (warm start 0.50, asymmetric cycle 1.50); broken off within an epoch once, "
        "50 steps before that are not timed"
    ]
    assert row(card, "photos") == ["3 for training, 1 held back"]
    assert row(card, "drawings, `thin`") == ["2 for training, 1 held back"]
    assert row(card, "drawings, `bold`") == ["1 for training, 1 held back"]
    assert row(card, "versions") == ["keras 3.15, numpy 2.0"]
    assert "Settings that differ" not in card


def test_a_run_on_pairs_says_who_drew(tmp_path):
    rows = [("paired", 1, 250, 250, 1800.0)]
    run = write_run(tmp_path / "run", "paired", styles=("ink", "line"), rows=rows)
    facts = read_run(run)
    assert facts.recipe == "paired.toml" and facts.settings == []
    assert facts.network.startswith("line generator of 8 filters and 6 residual blocks")
    told = dict(facts.rows)
    assert told["drawings"] == "of these photos, by the filters `ink`, `line`; none by an artist"
    assert told["time"] == "0.50 hours, the filters' drawings not counted"
    older = write_run(tmp_path / "older", "portrait")
    options = json.loads((older / "options.json").read_text())
    del options["recipe"]["network"]["generator"]
    (older / "options.json").write_text(json.dumps(options))
    assert read_run(older).network.startswith("ResNet, 64 filters, 9 blocks, transposed")


def test_a_student_says_whose_drawings_it_learned_from(tmp_path):
    rows = [("distillation", 1, 250, 250, 1800.0)]
    run = write_run(tmp_path / "run", "student-fast", styles=("ink", "line"), rows=rows)
    facts = read_run(run)
    assert facts.recipe == "student-fast.toml" and facts.settings == []
    told = dict(facts.rows)
    whose = "25% by the filters `ink`, `line`; the others by the teacher"
    assert told["drawings"] == f"of these photos, {whose}; none by an artist"
    assert told["time"] == "0.50 hours, the teacher's drawings not counted"


def test_settings_are_compared_with_the_nearest_recipe(tmp_path):
    changes = ("loss.relaxed=4", "data.lines.thin=filled", "train.seed=7")
    changes += ("train.start_from=/far/away/first",)
    facts = read_run(write_run(tmp_path / "run", "portrait", changes))
    assert facts.recipe == "portrait.toml"
    assert facts.settings == [
        ("`data.lines.thin`", '`"filled"`', "–"),
        ("`loss.relaxed`", "`4.0`", "`5.0`"),
        ("`train.seed`", "`7`", "`0`"),
        ("`train.start_from`", '`"first"`', '`""`'),
    ]


def test_redone_epochs_and_older_logs_are_no_interruptions(tmp_path):
    rows = [(*values, None, 60.0) for values in (("asymmetric_cycle", 1, 9),)]
    run = write_run(tmp_path / "run", rows=[*ROWS[:2], *rows])
    text = (run / "losses.jsonl").read_text().replace('"steps": null, ', "")
    (run / "losses.jsonl").write_text(text)
    told = dict(read_run(run).rows)
    # The row of step 9 says that what came at or after it was done again.
    assert told["time"] == "0.52 hours (warm start 0.50, asymmetric cycle 0.02)"


def test_source_folders_come_from_the_manifest(made, tmp_path):
    data = tmp_path / "run" / "gone"
    data.mkdir()
    common = {"split": "train", "kept": True, "reason": None, "score": 0.9, "landmarks": None}
    common |= {"mask": None, "size": 64, "stamp": "1-1"}
    sources = {
        "photos/p0.png": ("photo", None, "london/0.jpg"),
        "photos/p1.png": ("photo", None, "london/old/1.jpg"),
        "photos/p2.png": ("photo", None, "canada/2.jpg"),
        "photos/p3.png": ("photo", None, "3.jpg"),
        "drawings/bold/bold0.png": ("drawing", "bold", "bold/shaven/0.png"),
    }
    lines = [
        json.dumps({"file": file, "kind": kind, "style": style, "source": source, **common})
        for file, (kind, style, source) in sources.items()
    ]
    (data / "manifest.jsonl").write_text("\n".join(lines) + "\n")
    card = card_of(made, tmp_path)
    assert row(card, "photos")[0].endswith("folder: `canada` 1, `london` 2, others 1")
    assert row(card, "drawings, `bold`")[0].endswith("folder: `shaven` 1, others 1")
    assert row(card, "drawings, `thin`") == ["2 for training, 1 held back"]


def test_licences_are_listed(made, tmp_path):
    card = card_of(made, tmp_path)
    assert row(card, "Invented faces") == ["photos", "CC0 1.0", "–"]
    assert (
        "| [Newspapers \\| 1900](https://example.org) | drawings of `bold` | public domain" in card
    )
    for text in ("Not for telling who", "The last epoch", "None of the pictures", "Teeth are"):
        assert f"\n- {text}" in card
    assert "The weights are under this licence: Apache-2.0." in card


def test_figures_stand_beside_baselines_and_floor(made, tmp_path):
    card = card_of(made, tmp_path)
    result = json.loads((made["evaluation"] / "evaluation.json").read_text())
    heads = "| measure | goal | `bold` | HED map | XDoG | flow-based DoG | real against real |"
    assert heads in card and heads.replace("bold", "thin") in card
    figure = result["entries"][0]["figures"]["kid_vgg16"]
    assert f"{figure['value']:.1f} ({figure['low']:.1f} to {figure['high']:.1f})" in card
    assert result["extractor"] in card and "6 photos (3 women, 3 men), 2 more left out" in card
    assert "where the interval reaches down to 0" in " ".join(card.split())
    assert "Stroke width" not in card  # neither much nor little of it is good


def test_verdicts_name_the_best_baseline():
    result = invented_result(photos=6, sources=[("tiny", "thin", "preset")])
    own, *baselines = result["entries"][:4]
    keys = ("face_found", "landmark_error", "mid_gray", "kid_vgg16")
    result["measures"] = {key: result["measures"][key] for key in keys}
    for number, entry in enumerate(baselines):
        for key in keys:
            entry["figures"][key]["value"] = 10.0 + number
    own["figures"]["face_found"] |= {"value": 97.0, "met": True}
    own["figures"]["landmark_error"] |= {"value": None, "low": None, "high": None, "met": None}
    own["figures"]["mid_gray"] |= {"value": 11.5, "met": False}
    own["figures"]["kid_vgg16"] |= {"value": 10.0}
    figures = model_card_figures.style_figures(result, own)
    assert figures.met == ["Face found again"]
    assert figures.missed == ["Landmark error – (at most 4.5\N{NO-BREAK SPACE}%)"] + [
        "Mid-gray pixels 11.5 (at most 6\N{NO-BREAK SPACE}%)"
    ]
    assert figures.better == ["Face found again", "Kernel distance (VGG16)"]
    assert figures.worse == ["Mid-gray pixels (HED map 10.0)"]
    assert figures.rows[1][1].endswith("no figure")
    assert [cells[2].startswith("**") for cells in figures.rows] == [True, False, False, True]


def test_the_sheet_has_drawings_alone(made, tmp_path):
    entries = json.loads((made["evaluation"] / "evaluation.json").read_text())["entries"][:2]
    entries[1]["worst"] = entries[1]["worst"][:1]
    asked = []

    def find(key, index):
        asked.append((key, index))
        return made["evaluation"] / "pictures" / key / f"{index:04d}.png"

    sheet = model_card_figures.worst_sheet(entries, find)
    side, gap = model_card_figures.SIDE, 4
    assert sheet.shape == (24 + 4 * (side + gap) - gap, 2 * side + gap, 3)
    assert asked == [("tiny-thin", 0), ("tiny-bold", 0), *[("tiny-thin", i) for i in (1, 2, 3)]]
    assert (sheet[-side:, :side] < 128).any() and (sheet[-side:, side + gap :] == 255).all()
    card_of(made, tmp_path)
    assert read_image(tmp_path / "worst.png").shape == sheet.shape


def two_columns(key, own, baseline, against=None, **measure):
    """Figures of a style beside one baseline, in one measure."""
    result = invented_result(40, (("tiny", "thin", "preset"),), ("XDoG",))
    result["measures"] = {key: result["measures"][key] | measure}
    result["entries"][0]["figures"][key] |= own
    result["entries"][1]["figures"][key] |= baseline
    result["entries"][1]["against"] = against or {}
    return model_card_figures.style_figures(result, result["entries"][0])


def test_a_baseline_is_shown_against_the_style_of_the_table():
    nearest = {"value": 1.0, "low": 0.5, "high": 1.5}
    no_goal = {"goal": None, "met": None}
    against = {
        "bold": {"kid_vgg16": nearest},
        "thin": {"kid_vgg16": {"value": 77.0, "low": None, "high": None, "count": 9} | no_goal},
    }
    figures = two_columns("kid_vgg16", {"value": 5.0}, nearest, against)
    assert figures.rows[0][3] == "77.0"
    assert figures.better == ["Kernel distance (VGG16)"] and figures.worse == []


def test_distances_of_other_counts_are_not_ranked():
    figures = two_columns("fid_vgg16", {"value": 5.0, "count": 32}, {"value": 9.0, "count": 20})
    assert figures.better == figures.worse == [] and "**" not in "".join(figures.rows[0])
    figures = two_columns("fid_vgg16", {"value": 5.0, "count": 32}, {"value": 9.0, "count": 32})
    assert figures.better == ["FID-like (VGG16)"] and figures.rows[0][2].startswith("**")


def test_lips_of_few_people_are_no_verdict():
    why = "fewer than 20 women or men"
    figures = two_columns("lip_excess", {"met": None, "remark": why}, {"value": -9.0})
    assert figures.rows[0][1] == f"at most 0\N{NO-BREAK SPACE}%: {why}"
    assert figures.met == figures.missed == figures.better == figures.worse == []


def test_an_evaluation_of_another_file_is_refused(portrait, made, tmp_path):
    place = made["evaluation"] / "evaluation.json"
    result = json.loads(place.read_text())
    result["entries"][1]["sha256"] = "0" * 64
    place.write_text(json.dumps(result))
    err = refusal(portrait, made, tmp_path / "card.md")
    assert "of another file of the preset tiny" in err and err.endswith(f"{'0' * 64}\n")


def test_a_student_has_its_teacher_beside_it(made, tmp_path):
    metadata = read_metadata(made["preset"])
    write_metadata(made["preset"], dataclasses.replace(metadata, method="distillation"))
    teacher = made["runs"][0]
    rows = [("distillation", 100, 12500, 125, 3600.0)]
    sha256 = hashlib.sha256((teacher / "generator.keras").read_bytes()).hexdigest()
    named = [f'teacher="{teacher / "generator.keras"}"']
    student = write_run(
        tmp_path / "student", "student-fast", named, rows=rows, teacher_sha256=sha256
    )
    made["runs"].append(student)
    warnings = model_card.write_model_card(tmp_path / "card.md", **made)
    assert all("no source folders" in warning for warning in warnings)
    card = (tmp_path / "card.md").read_text(encoding="utf-8")
    assert card.index("### Its teacher: run `run`") < card.index("### The preset: run `student`")
    assert row(card, "teacher") == [f"`run`, SHA-256 `{sha256}`"]
    assert "1.00 hours, the teacher's drawings not counted" in card
    (teacher / "generator.keras").write_bytes((teacher / "generator.keras").read_bytes() + b"x")
    doubt = model_card.write_model_card(tmp_path / "card.md", **made)[-1]
    assert doubt.startswith("make sure that student learned from run")


def test_the_export_tells_how_near_the_file_is(portrait, made, tmp_path):
    metadata = read_metadata(made["preset"])
    fidelity = {
        "inputs": ["a", "b"],
        "psnr": {"mean": 44.26, "worst": "Infinity"},
        "ssim": {"mean": 0.99901, "worst": 0.9978},
    }
    artefact = {"contract": {"sha256": metadata.sha256}, "fidelity": fidelity}
    artefact["statistics"] = {"macs": 6_430_654_464}
    report = tmp_path / "report.json"
    report.write_text(json.dumps({"artefacts": [artefact]}))
    card = card_of(made, tmp_path, export=tmp_path)
    assert row(card, "multiply-adds") == ["6.43 billion"]
    assert row(card, "to the float network") == [
        "on 2 pictures: PSNR mean 44.3 dB, worst infinite; SSIM mean 0.9990, worst 0.9978"
    ]
    artefact["contract"]["sha256"] = "0" * 64
    # Words in the file were changed since: the network is the same.
    network = network_sha256((made["preset"] / metadata.file).read_bytes())
    artefact["statistics"]["network_sha256"] = network
    report.write_text(json.dumps({"artefacts": [artefact]}))
    assert row(card_of(made, tmp_path, export=tmp_path), "multiply-adds") == ["6.43 billion"]
    artefact["statistics"]["network_sha256"] = "0" * 64
    report.write_text(json.dumps({"artefacts": [artefact]}))
    code, _, err = portrait(*arguments(made, tmp_path / "other.md"), "--export", tmp_path)
    assert code == 2 and "on the preset tiny, by its SHA-256" in err


@pytest.mark.parametrize(
    ("former", "changed", "expected"),
    [
        (NOTES[NOTES.index("[[sources]]") :], "", "Expected a [[sources]] section"),
        ('licence = "CC0 1.0"', "", "[[sources]] number 1: expected licence. Received: none"),
        ('"public domain"', '" "', "[[sources]] number 2: licence: expected a text"),
        ('failures = ["Teeth are hinted at."]', "", "expected failures. Received: none"),
        ('["Portraits of one person."]', '"Portraits"', "intended_use: expected a list of texts"),
        ("credit", "credits", 'unknown key. Did you mean "credit"?'),
        ("weights_licence =", "weights_licence", "expected notes in TOML"),
    ],
)
def test_incomplete_notes_are_refused(portrait, made, tmp_path, former, changed, expected):
    assert former in NOTES
    made["notes"].write_text(NOTES.replace(former, changed))
    assert expected in refusal(portrait, made, tmp_path / "card.md")


def test_what_does_not_belong_together_is_refused(portrait, made, tmp_path):
    output = tmp_path / "card.md"
    other = write_run(tmp_path / "other", styles=("ink", "thin"))
    assert "Received: asymmetric_cycle with ink, thin" in refusal(
        portrait, made | {"runs": [other]}, output
    )
    (tmp_path / "else").mkdir()
    evaluation = write_evaluation(tmp_path / "else", "portrait")
    err = refusal(portrait, made | {"evaluation": evaluation}, output)
    received = "portrait · thin, portrait · bold"
    assert f"the style thin. Expected an entry tiny. Received: {received}" in err
    err = refusal(portrait, made | {"evaluation": tmp_path}, output)
    assert "Expected what `portrait evaluate` of this version wrote" in err
    err = refusal(portrait, made | {"runs": [tmp_path]}, output)
    assert "Expected the folder of a run of asymmetric_cycle or distillation or paired" in err
    assert "Expected a preset that draws photos" in refusal(
        portrait, made | {"preset": "avatars"}, output
    )
    assert "-o must be a .md file" in refusal(portrait, made, tmp_path / "card.html")


def test_a_missing_drawing_leaves_no_card(portrait, made, tmp_path):
    (made["evaluation"] / "pictures" / "tiny-bold" / "0002.png").unlink()
    assert "0002.png" in refusal(portrait, made, tmp_path / "card.md")
    assert not (tmp_path / "worst.png").exists()
