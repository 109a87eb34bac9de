"""The table of an experiment, its figures and its page, of invented runs and evaluations."""

import json
import re
from types import SimpleNamespace

import numpy as np
import pytest

from invented_evaluation import invented_result, write_pictures
from keras_portrait.errors import InputError
from keras_portrait.evaluation import intervals
from keras_portrait.evaluation.report.files import JSON_NAME, PICTURES, picture_path
from keras_portrait.experiments import figures, find_experiment, page
from keras_portrait.experiments.conduct import markdown_table
from keras_portrait.experiments.outcome import EVALUATION, Outcome
from keras_portrait.experiments.summary import differs, markdown, table
from keras_portrait.inference.imaging import write_image
from keras_portrait.inference.presets import load_preset
from tiny_preset import write_noise_preset

PHOTOS = 8


def figure(value, reach=1.0, count=PHOTOS):
    return {"value": value, "low": value - reach, "high": value + reach, "count": count}


def entry(name, style, kind="run", kid=10.0, **per_photo):
    return {
        "name": name,
        "style": style,
        "kind": kind,
        "key": f"{name}-{style}",
        "figures": {"kid_vgg16": figure(kid)},
        "against": {},
        "per_photo": per_photo,
    }


@pytest.fixture
def result():
    """Two ablations in two styles, of eight photos."""
    rng = np.random.default_rng(0)
    easy = rng.normal(0.3, 0.05, PHOTOS)
    entries = []
    for name, worse in (("full", 0.0), ("no-hed", 0.02)):
        for style in ("ink", "pen"):
            # Each photo is a little worse without, far less than photos differ.
            values = (easy + worse + rng.normal(0, 0.001, PHOTOS)).round(5).tolist()
            entries.append(entry(name, style, hed_lpips=values, face_found=[1.0] * PHOTOS))
    entries[3]["per_photo"]["face_found"][0] = 0.0
    entries[2]["figures"]["kid_vgg16"] = figure(30.0, 3.0)
    entries += [entry("real against real", style, "floor", 2.0) for style in ("ink", "pen")]
    measures = invented_result()["measures"]
    return {"entries": entries, "seed": 0, "measures": measures, "photos": {"count": PHOTOS}}


def test_runs_are_compared_photo_by_photo(result):
    full, without, real = table(find_experiment("ablations"), result)
    assert [full.title, without.title, real.title] == ["full method", "no HED", "real drawings"]
    a, b = full.figures["hed_lpips"], without.figures["hed_lpips"]
    # The intervals overlap, and yet every photo is worse by 0.02.
    assert b["low"] < a["high"] and differs(b) and not differs(a)
    assert b["difference"] == pytest.approx(0.02, abs=0.001)
    assert b["difference_high"] - b["difference_low"] < 0.003 < b["high"] - b["low"]
    rows = np.array([each["per_photo"]["hed_lpips"] for each in result["entries"][:2]])
    expected = intervals.mean_interval(rows.mean(axis=0), 0)
    assert (a["value"], a["low"], a["high"]) == pytest.approx(expected, abs=1e-5)
    assert a["count"] == PHOTOS


def test_hits_in_all_photos_are_not_sure(result):
    full, without, _ = table(find_experiment("ablations"), result)
    found = full.figures["face_found"]
    assert (found["value"], found["high"]) == (100, 100)
    assert found["low"] == pytest.approx(100 * 8 / (8 + 1.96**2), abs=1e-3)  # Wilson's
    assert without.figures["face_found"]["value"] == pytest.approx(100 * 15 / 16)


def test_distances_are_means_of_those_of_the_styles(result):
    full, without, real = table(find_experiment("ablations"), result)
    assert full.figures["kid_vgg16"]["value"] == 10 and real.figures["kid_vgg16"]["value"] == 2
    found = without.figures["kid_vgg16"]
    assert found["value"] == 20
    # Errors of independent figures add up as squares: (1^2 + 3^2)^(1/2) / 2.
    assert found["high"] - 20 == pytest.approx(10**0.5 / 2, abs=1e-4)
    assert "difference" not in found


def test_a_method_without_styles_stands_against_each(result):
    declared = find_experiment("comparison")
    for each in result["entries"][:2]:
        each["name"] = "asymmetric-cycle"
    lone = entry("cyclegan", "cyclegan", kid=99.0, hed_lpips=[0.5] * PHOTOS)
    lone["against"] = {
        style: {"kid_vgg16": figure(value)}
        for style, value in (("ink", 4.0), ("pen", 8.0), ("all", 99.0))
    }
    result["entries"][2:4] = [lone]
    first, second, _ = table(declared, result)
    assert first.figures["kid_vgg16"]["value"] == 10 and second.figures["kid_vgg16"]["value"] == 6
    assert second.figures["hed_lpips"]["difference"] == pytest.approx(
        0.5 - first.figures["hed_lpips"]["value"], abs=1e-5
    )


def test_styles_have_a_line_each(result):
    for each in result["entries"][:2]:
        each["name"] = "generator"
    del result["entries"][2:4]
    lines = table(find_experiment("styles"), result)
    assert [(line.title, line.style) for line in lines] == [
        *(("generator", "ink"), ("generator", "pen")),
        *(("real drawings", "ink"), ("real drawings", "pen")),
    ]
    assert "difference" not in lines[1].figures["hed_lpips"]


def test_what_cannot_be_told_has_no_figure(result):
    result["entries"][0]["per_photo"]["hed_lpips"] = [None] * PHOTOS
    result["entries"][1]["per_photo"]["hed_lpips"] = [None] * PHOTOS
    result["entries"][0]["figures"]["kid_vgg16"]["value"] = None
    full, without, _ = table(find_experiment("ablations"), result)
    assert full.figures["hed_lpips"]["value"] is None and "kid_vgg16" not in full.figures
    assert without.figures["hed_lpips"]["difference"] is None
    json.dumps([full.figures, without.figures], allow_nan=False)


def test_the_table_in_markdown(result):
    lines = markdown(table(find_experiment("ablations"), result), result["measures"]).splitlines()
    assert len(lines) == 5 and len({line.count("|") for line in lines}) == 1
    assert lines[0].startswith("|  | Kernel distance (VGG16), x 1000 ↓ | Face found again, % ↑")
    assert lines[2].startswith("| full method | 10.0 (9.29 to 10.7) | 100 (67.6 to 100)")
    assert "**0.3" in lines[3] and "**" not in lines[2]


def check_page(text):
    """A page of one file: tags are closed, and nothing is fetched."""
    for tag in ("table", "tr", "td", "section", "figure", "main"):
        assert len(re.findall(rf"<{tag}[ >]", text)) == text.count(f"</{tag}>"), tag
    assert not re.search(r'(?:src|href)="(?!data:|#|runs/|evaluation/)', text)
    assert "@import" not in text and "url(" not in text


def test_the_table_of_a_folder_is_read_back(tmp_path):
    outcome = make_outcome(tmp_path)
    plan = SimpleNamespace(declaration=outcome.declaration, wishes=SimpleNamespace(folder=tmp_path))
    text = markdown_table(plan)
    assert text == markdown(
        table(outcome.declaration, outcome.evaluation), outcome.evaluation["measures"]
    )
    (tmp_path / EVALUATION / JSON_NAME).write_text("{")
    with pytest.raises(InputError, match="Expected the figures of an evaluation"):
        markdown_table(plan)


def make_outcome(folder, name="ablations", sources=None, **more):
    """An outcome with an invented evaluation, and run folders that hold curves."""
    declared = find_experiment(name)
    keys = [row.key for row in declared.rows][:2]
    sources = sources or [(key, style, "run") for key in keys for style in ("ink", "pen")]
    evaluation = invented_result(4, sources, ())
    place = folder / EVALUATION
    write_pictures(evaluation, lambda key, index: picture_path(place / PICTURES, key, index), 48)
    (place / JSON_NAME).write_text(json.dumps(evaluation))
    runs = {key: folder / "runs" / key for key in keys}
    for run in runs.values():
        run.mkdir(parents=True)
        write_image(run / "losses.png", np.full((40, 60, 3), 200, np.uint8))
    return Outcome(declared, folder, runs, open=lambda given: None, **more)


def test_the_page_has_table_and_figures_inside(tmp_path):
    outcome = make_outcome(tmp_path)
    lines = table(outcome.declaration, outcome.evaluation)
    files = page.write_figures(outcome)
    assert list(files) == ["drawings", "losses"]
    facts = [page.RunFacts("full <method>", "Nothing.", "portrait.toml", "9 steps", "")]
    path = page.write_page(outcome, facts, lines, files, {"command": "portrait experiment"})
    text = path.read_text(encoding="utf-8")
    check_page(text)
    assert text.count("data:image/webp") == 2 and "full &lt;method&gt;" in text
    assert text.count('<tr><th scope="row">no style loss') == 1 and "95 % confidence" in text


def test_a_page_before_the_evaluation_shows_what_there_is(tmp_path):
    outcome = make_outcome(tmp_path)
    (tmp_path / EVALUATION / JSON_NAME).unlink()
    files = page.write_figures(outcome)
    assert list(files) == ["losses"]
    text = page.write_page(outcome, [], [], files, {}).read_text(encoding="utf-8")
    check_page(text)
    assert 'id="table"' not in text


def test_photos_are_left_out_where_they_shall_be(tmp_path):
    shown, hidden = make_outcome(tmp_path / "a"), make_outcome(tmp_path / "b", photos=False)
    with_photo, without = figures.drawings(shown), figures.drawings(hidden)
    cell = figures.CELL + 4
    assert with_photo.shape[1] - without.shape[1] == cell
    np.testing.assert_array_equal(with_photo[44:, cell:], without[44:])
    # Rows take the styles in turn.
    second = figures._cell(shown.picture(shown.entries("full")[1]["key"], 1))
    row = 20 + 24 + cell
    np.testing.assert_array_equal(without[row : row + cell - 4, : cell - 4], second)


def test_figures_that_show_photos_by_nature_are_left_out_with_them(tmp_path):
    sources = [("cyclegan", "cyclegan", "run"), ("cartoongan", "cartoongan", "run")]
    outcomes = [
        make_outcome(tmp_path / str(photos), "report", sources, photos=photos)
        for photos in (True, False)
    ]
    for outcome in outcomes:
        samples = outcome.runs["cyclegan"] / "samples"
        samples.mkdir()
        write_image(samples / "epoch-0001.png", np.full((36, 36, 3), 9, np.uint8))
        (samples / "columns.json").write_text('["A"]')
    found = [list(page.write_figures(replace_open(outcome))) for outcome in outcomes]
    assert "cyclegan" in found[0] and "cyclegan" not in found[1]
    assert "comparison" in found[1]


def replace_open(outcome):
    """The outcome, its first run a generator of noise."""
    (outcome.runs["dcgan"] / "generator.keras").write_bytes(b"")
    preset = load_preset(write_noise_preset(outcome.folder / "noise"))
    return Outcome(
        outcome.declaration,
        outcome.folder,
        outcome.runs,
        open=lambda given: preset,
        photos=outcome.photos,
    )


def test_a_figure_that_fails_costs_no_other(tmp_path, capsys):
    outcome = make_outcome(tmp_path)
    (tmp_path / EVALUATION / PICTURES / "full-ink" / "0000.png").write_bytes(b"no picture")
    assert list(page.write_figures(outcome)) == ["losses"]
    assert "drawn by each run: no figure." in capsys.readouterr().err
