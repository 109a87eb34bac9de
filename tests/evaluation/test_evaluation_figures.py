"""Intervals, goals, groups of people, sources and the style classifier."""

import hashlib

import numpy as np
import pytest

from cartoon_faces import write_cartoon_faces
from keras_portrait.data.manifest import read_manifest
from keras_portrait.errors import InputError, SettingError
from keras_portrait.evaluation import Source, inputs, intervals
from keras_portrait.evaluation.measures import figure, measures
from keras_portrait.evaluation.photo_measures import find_methods
from keras_portrait.evaluation.references import References, StyleClassifier
from keras_portrait.evaluation.summary import Entry, Summarizer
from keras_portrait.inference.imaging import write_image
from keras_portrait.inference.presets import load_preset
from keras_portrait.metrics import frechet_distance, kernel_distance
from tiny_preset import write_colour_preset, write_noise_preset

TABLE = measures("_vgg16", "VGG16")


def test_bootstrap_is_repeatable_and_as_wide_as_it_must_be():
    values = np.random.default_rng(0).normal(5, 2, 400)
    found = intervals.mean_interval(values, seed=3)
    assert found == intervals.mean_interval(values, seed=3)
    assert found != intervals.mean_interval(values, seed=4)
    value, low, high = found
    assert value == pytest.approx(values.mean())
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)


def test_what_cannot_be_told_does_not_count():
    assert intervals.mean_interval(np.array([1.0, np.nan, 1.0]), 0) == (1, 1, 1)
    assert np.isnan(intervals.mean_interval(np.full(3, np.nan), 0)).all()


def test_interval_of_a_distance_holds_it_and_needs_four_of_each():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(40, 8)), rng.normal(1.0, 1.0, size=(30, 8))
    value, low, high = intervals.subset_interval(kernel_distance, a, b, 0)
    assert value == pytest.approx(kernel_distance(a, b)) and low < value < high
    assert np.isnan(intervals.subset_interval(kernel_distance, a[:3], b, 0)).all()
    value, low, high = intervals.floor_interval(kernel_distance, a, 20, 0)
    assert low < 0 < high and abs(value) < 0.2
    assert np.isnan(intervals.floor_interval(kernel_distance, a, 3, 0)).all()


def test_distances_of_one_count_are_level_with_the_floor():
    rng = np.random.default_rng(0)
    photos, real = rng.normal(size=(200, 16)), rng.normal(size=(100, 16))
    few = photos[:32]
    floor = intervals.floor_interval(frechet_distance, real, 20, 0)[0]
    found = [
        intervals.fixed_size_interval(frechet_distance, drawn, real, 20, 0)
        for drawn in (photos, few)
    ]
    for value, low, high in found:
        assert low < value < high and value == pytest.approx(floor, rel=0.15)
    # As they come, the many are nearer than the few, though both are of one distribution.
    unequal = [frechet_distance(drawn, real) for drawn in (photos, few)]
    assert unequal[1] > 1.5 * unequal[0]
    assert np.isnan(intervals.fixed_size_interval(frechet_distance, few, real, 3, 0)).all()


def test_intervals_of_shares_are_wilsons():
    # By hand: the upper end of 0 in 30 is z^2 / (n + z^2).
    value, low, high = intervals.share_interval(np.zeros(30))
    assert (value, low) == (0, 0) and high == pytest.approx(100 * 3.8416 / 33.8416)
    value, low, high = intervals.share_interval(np.ones(30))
    assert (value, high) == (100, 100) and low == pytest.approx(100 * 30 / 33.8416)
    half = intervals.share_interval(np.array([1.0, 0.0, np.nan] * 50))
    assert half == pytest.approx((50, 40.383, 59.617), abs=0.001)
    assert np.isnan(intervals.share_interval(np.full(2, np.nan))).all()


def test_excess_is_the_difference_of_differences():
    women = np.array([True] * 20 + [False] * 30)
    rng = np.random.default_rng(0)
    photos = 2.0 - 1.0 * women + rng.normal(0, 0.01, 50)
    same = photos + rng.normal(0, 0.01, 50)
    value, low, high = intervals.difference_excess(same, photos, women, 0)
    assert low < 0 < high and abs(value) < 0.02
    value, low, high = intervals.difference_excess(same + 0.5 * women, photos, women, 0)
    assert low > 0.4 and value == pytest.approx(0.5, abs=0.02) and high < 0.6
    alone = intervals.difference_excess(same, photos, np.full(50, True), 0)
    assert np.isnan(alone).all()


@pytest.mark.parametrize(("key", "style", "values", "goal", "met"), [
    ("face_found", "ink", (96.0, 90.0, 99.0), 95.0, True),
    ("landmark_error", "ink", (4.6, 4.0, 5.0), 4.5, False),
    ("mid_gray", "ink", (10.0, 9.0, 11.0), 6.0, False),
    ("mid_gray", "pen", (10.0, 9.0, 11.0), 15.0, True),
    ("lip_excess", "ink", (3.0, -1.0, 7.0), 0.0, True),
    ("lip_excess", "ink", (3.0, 1.0, 5.0), 0.0, False),
    ("kid_vgg16", "ink", (3.0, 1.0, 5.0), None, None),
])  # fmt: skip
def test_goals(key, style, values, goal, met):
    found = figure(key, TABLE[key], style, values, 9)
    assert (found["goal"], found["met"], found["count"]) == (goal, met, 9)
    assert (found["value"], found["low"], found["high"]) == values


def test_a_figure_of_too_few_has_no_verdict():
    found = figure("lip_excess", TABLE["lip_excess"], "ink", (3.0, -1.0, 7.0), 9, "too few")
    assert found["met"] is None and found["remark"] == "too few" and found["value"] == 3.0


def test_a_figure_that_cannot_be_told_is_null():
    found = figure("hed_lpips", TABLE["hed_lpips"], "", (np.nan,) * 3, 0)
    assert found["value"] is found["low"] is found["met"] is None


def test_vgg_is_never_called_fid_and_every_distance_names_its_network():
    assert "fid" not in TABLE and TABLE["fid_vgg16"]["title"] != "FID"
    for key in ("kid_vgg16", "fid_vgg16"):
        assert "VGG16" in TABLE[key]["title"] and "VGG16" in TABLE[key]["explanation"]


def photo_folder(folder, names):
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_image(folder / name, np.full((4, 4, 3), number, np.uint8))
    return folder


def test_groups_are_told_by_whole_words_of_folders_and_files(tmp_path):
    names = ["Women/a.png", "b/female-1.png", "b/male_2.png", "men/c.png", "mental.png"]
    photos = inputs.find_photos(photo_folder(tmp_path, names))
    assert {photo.name: photo.group for photo in photos} == {
        "Women/a.png": "women",
        "b/female-1.png": "women",
        "b/male_2.png": "men",
        "men/c.png": "men",
        "mental.png": None,
    }


def test_a_table_of_groups_wins_over_names(tmp_path):
    folder = photo_folder(tmp_path / "photos", ["men/a.png", "men/b.png", "men/c.png"])
    table = tmp_path / "groups.csv"
    table.write_text("file,group\nmen/a.png,Female\nb.png,men\n")
    groups = [photo.group for photo in inputs.find_photos(folder, table)]
    assert groups == ["women", "men", None]
    for text in ("file,group\na.png,people\n", "name\na.png\n", "file,group\nd.png,men\n"):
        table.write_text(text)
        with pytest.raises(InputError, match="Received: .*(people|groups.csv|d.png)"):
            inputs.find_photos(folder, table)


def test_of_a_prepared_folder_the_photos_are_taken_that_were_held_back(tmp_path):
    data = write_cartoon_faces(tmp_path, 10, 64)
    photos = inputs.find_photos(data)
    rows = [row for row in read_manifest(data) if row.kind == "photo" and row.split == "test"]
    assert [photo.path for photo in photos] == [data / row.file for row in rows] != []
    np.testing.assert_allclose(photos[0].landmarks, rows[0].landmarks)
    assert len(inputs.find_photos(data, limit=1)) == 1


def test_a_prepared_folder_without_such_photos_is_refused(drawn_data):
    with pytest.raises(InputError, match="held back; .*--holdout.* Received: 4 to train on"):
        inputs.find_photos(drawn_data)


def test_a_limit_takes_photos_evenly_and_the_fingerprint_notices_each(tmp_path):
    folder = photo_folder(tmp_path, [f"{number}.png" for number in range(9)])
    photos = inputs.find_photos(folder, limit=3)
    assert [photo.name for photo in photos] == ["0.png", "4.png", "8.png"]
    before = inputs.fingerprint(photos)
    assert before == inputs.fingerprint(photos) and len(before) == hashlib.sha256().digest_size * 2
    write_image(folder / "4.png", np.zeros((4, 4, 3), np.uint8))
    assert inputs.fingerprint(photos) != before


def test_what_makes_pictures_of_photos_is_measured(tmp_path, tiny_preset):
    drawer = Source("tiny", load_preset(tiny_preset))
    painter = Source("colour", load_preset(write_colour_preset(tmp_path / "colour")))
    inputs.check_sources([drawer, painter])
    noise = Source("noise", load_preset(write_noise_preset(tmp_path / "noise")))
    with pytest.raises(SettingError, match="of photos. Received: noise, which takes noise"):
        inputs.check_sources([drawer, noise])
    with pytest.raises(SettingError, match="different names. Received: tiny twice"):
        inputs.check_sources([drawer, drawer])
    with pytest.raises(SettingError, match="Received: none"):
        inputs.check_sources([])


def test_the_style_classifier_tells_textures_apart_even_rare_ones():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(3, 40))
    style = np.repeat([0, 1, 2], [60, 60, 6])
    texture = centres[style] + 0.5 * rng.normal(size=(126, 40))
    classify = StyleClassifier(texture, style)
    fresh = centres[[0, 1, 2, 2]] + 0.5 * rng.normal(size=(4, 40))
    assert classify(fresh).tolist() == [0, 1, 2, 2]


def row(**changes):
    return {
        "smudge": 0.1,
        "readable_eyes": 1.0,
        "face_found": 1.0,
        "landmark_error": 1.0,
        "mid_gray": 2.0,
        "empty_parts": 0.0,
    } | changes


def summarizer(photos, references=None, compared=None, groups=None):
    lips = [(0.1, 0.2)] * photos
    names = [f"{number}.png" for number in range(photos)]
    compared = set(range(photos) if compared is None else compared)
    groups = groups or [None] * photos
    return Summarizer(TABLE, "_vgg16", names, groups, lips, references, compared, 0)


def entry(rows, empty=None, kind="preset", style="ink", indices=None):
    count = len(rows)
    widths = np.zeros((count, 256))
    widths[:, 16] = 1
    rng = np.random.default_rng(0)
    return Entry(
        name="tiny",
        style=style,
        kind=kind,
        key="tiny-ink",
        indices=indices or list(range(count)),
        rows=rows,
        widths=list(widths),
        features=list(rng.normal(size=(count, 8))),
        texture=list(rng.normal(size=(count, 6))),
        empty=empty or [[]] * count,
        lips=[(0.1, 0.2)] * count,
    )


def test_the_worst_come_first_with_reasons():
    rows = [
        row(),
        row(mid_gray=16.0),
        row(landmark_error=np.nan, face_found=0.0),
        row(landmark_error=30.0),
        row(empty_parts=1.0),
        row(smudge=5.5, readable_eyes=0.0),
    ]
    found = summarizer(6).entry(entry(rows, empty=[[], [], [], [], ["nose", "lips"], []]))
    assert [each["photo"] for each in found["worst"]] == [
        "2.png", "4.png", "3.png", "5.png", "1.png", "0.png"
    ]  # fmt: skip
    assert [each["score"] for each in found["worst"]] == [100, 41, 30, 26, 11, 1]
    assert found["worst"][0]["why"] == "no face found"
    assert "empty: nose, lips" in found["worst"][1]["why"]
    assert found["worst"][3]["why"].endswith("smudge 5.5 %; an eye cannot be read")
    assert found["figures"]["face_found"]["value"] == pytest.approx(100 * 5 / 6, abs=1e-4)
    assert found["figures"]["readable_eyes"]["value"] == pytest.approx(100 * 5 / 6, abs=1e-4)
    assert found["figures"]["landmark_error"]["count"] == 5
    assert found["per_photo"]["landmark_error"] == [1, 1, None, 30, 1, 1]


def test_photos_that_were_not_measured_are_null():
    found = summarizer(4).entry(entry([row(), row()], indices=[0, 3], kind="baseline", style=""))
    assert found["per_photo"]["face_found"] == [1, None, None, 1]
    assert {each["index"] for each in found["worst"]} == {0, 3}


def test_a_baseline_is_held_against_the_style_it_comes_nearest_to():
    rng = np.random.default_rng(1)
    drawn = entry([row()] * 12, kind="baseline", style="")
    near, far = np.stack(drawn.features) + 0.1, rng.normal(4.0, 1.0, size=(12, 8))
    references = References(
        styles=["bold", "thin"],
        style=np.repeat([0, 1], 12),
        held=np.tile([True, False, False], 8),
        features=np.concatenate([far, near]),
        texture=rng.normal(size=(24, 6)),
        widths=np.tile(drawn.widths, (2, 1)),
        figures={"mid_gray": np.full(24, 2.0)},
    )
    found = summarizer(12, references).entry(drawn)
    assert found["reference"] == "thin"
    assert found["figures"]["stroke_distance"]["value"] == 0
    # The figures of the nearest are those shown; a card takes those of the style that it shows.
    assert list(found["against"]) == ["bold", "thin", "all"]
    assert found["against"]["thin"].items() <= found["figures"].items()
    kid = {name: figures["kid_vgg16"]["value"] for name, figures in found["against"].items()}
    assert kid["thin"] < kid["all"] < kid["bold"]
    told = [found["against"][name]["style_accuracy"]["value"] for name in ("bold", "thin")]
    assert sum(told) == pytest.approx(100, abs=0.01)
    assert found["figures"]["style_accuracy"]["value"] == told[1]
    assert "style_accuracy" not in found["against"]["all"]
    pen = entry([row()] * 12, style="pen")
    assert summarizer(12, references).entry(pen)["reference"] == "all"
    floors = summarizer(12, references).floors()
    assert [(each["kind"], each["style"]) for each in floors] == [
        ("floor", "bold"), ("floor", "thin")
    ]  # fmt: skip
    assert "style_accuracy" in floors[0]["figures"]
    assert found["figures"]["fid_vgg16"]["count"] == 6 == floors[0]["figures"]["fid_vgg16"]["count"]


def test_distances_are_taken_of_the_same_photos_and_as_many_drawings():
    rng = np.random.default_rng(1)
    references = References(
        styles=["ink"],
        style=np.zeros(20, int),
        held=np.zeros(20, bool),
        features=rng.normal(size=(20, 8)),
        texture=rng.normal(size=(20, 6)),
        widths=np.tile(entry([row()]).widths, (20, 1)),
        figures={"mid_gray": np.full(20, 2.0)},
    )
    judge = summarizer(40, references, compared=range(0, 40, 2))
    whole = entry([row()] * 40)
    some = entry([row()] * 20, kind="baseline", style="", indices=list(range(0, 40, 2)))
    some.features = whole.features[::2]
    a, b = (judge.entry(each) for each in (whole, some))
    [floor] = judge.floors()
    for key in ("fid_vgg16", "stroke_distance"):
        assert a["figures"][key] == b["against"]["ink"][key]
        assert [each["figures"][key]["count"] for each in (a, b, floor)] == [10] * 3
    assert [each["figures"]["kid_vgg16"]["count"] for each in (a, b)] == [40, 20]


def lips_of(groups, lips):
    drawn = entry([row()] * len(groups))
    drawn.lips = lips
    return summarizer(len(groups), groups=groups).entry(drawn)["figures"]


def test_moustaches_on_everybody_show_in_the_lips_of_women():
    figures = lips_of(["women"] * 25 + ["men"] * 25, [(0.3, 0.2)] * 50)
    assert figures["lip_excess"]["value"] == 0 and figures["lip_excess"]["met"] is True
    # By hand: 0.3 / 0.2 of the drawings less 0.1 / 0.2 of the photos.
    women = figures["lip_women"]
    assert (women["value"], women["low"], women["count"]) == (100, 100, 25)


def test_upper_lips_of_fewer_than_twenty_are_no_verdict():
    figures = lips_of(["women"] * 25 + ["men"] * 19, [(0.3, 0.2)] * 44)
    assert figures["lip_excess"]["met"] is None and figures["lip_excess"]["value"] == 0
    assert figures["lip_excess"]["remark"] == "fewer than 20 women or men"


def test_a_preset_is_told_by_its_file(tiny_preset):
    generator = load_preset(tiny_preset)
    [hand] = find_methods([Source("tiny", generator)], [None], False)[:1]
    sha256 = generator.metadata.sha256
    hand.entry.rows.append(row())
    for name in ("widths", "features", "texture", "empty", "lips"):
        getattr(hand.entry, name).extend(getattr(entry([row()]), name))
    hand.entry.indices.append(0)
    assert len(sha256) == 64 and summarizer(1).entry(hand.entry)["sha256"] == sha256
