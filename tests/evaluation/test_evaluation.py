"""Three invented faces, from photo to result."""

import json
import sys

import numpy as np
import pytest

from cartoon_faces import write_cartoon_faces
from face_weights import random_weights
from found_faces import FoundFaces
from keras_portrait.data.synthetic_faces import draw_face, write_drawn_faces
from keras_portrait.errors import InputError
from keras_portrait.evaluation import (
    Source,
    evaluate,
    extractors,
    picture_path,
    references,
)
from keras_portrait.evaluation.drawing_measures import gray_figures
from keras_portrait.evaluation.identity import judge
from keras_portrait.evaluation.references import measure_references
from keras_portrait.inference.imaging import enlarge_drawing, read_image, write_image
from keras_portrait.inference.presets import load_preset
from small_judges import replace_networks
from tiny_preset import write_colour_preset

# The module: in its package the function of the same name stands before it.
evaluation = sys.modules["keras_portrait.evaluation.evaluate"]
SIZE = 128
NAMES = ("women/a.png", "women/b.png", "men/c.png")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for seed, name in enumerate(NAMES):
        (folder / name).parent.mkdir(exist_ok=True)
        write_image(folder / name, draw_face(seed, 200).photo)
    write_image(folder / "women" / "blank.png", np.full((64, 64, 3), 255, np.uint8))
    return folder


@pytest.fixture
def small_networks(monkeypatch):
    replace_networks(monkeypatch)


@pytest.fixture
def sources(tiny_preset):
    return [Source("tiny", load_preset(tiny_preset))]


@pytest.mark.usefixtures("small_networks")
def test_three_faces_from_photo_to_result(photos, sources, tmp_path, monkeypatch):
    write_drawn_faces(tmp_path / "data", 8, 160)
    told = []
    monkeypatch.setattr(judge, "read_weights", random_weights)
    monkeypatch.setattr(evaluation, "BASELINE_PHOTOS", 2)
    result = evaluate(
        sources,
        photos,
        tmp_path / "first",
        drawings=tmp_path / "data" / "drawings",
        identity=True,
        size=SIZE,
        progress=lambda *given: told.append(given),
    )
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert result["photo_names"] == sorted(NAMES)
    assert result["photos"]["count"] == 3 and result["photos"]["groups"] == {"women": 2, "men": 1}
    assert [each["file"] for each in result["photos"]["skipped"]] == ["women/blank.png"]
    assert result["drawings"]["styles"] == {"drawn": result["drawings"]["count"]}
    assert "VGG16" in result["extractor"] and result["precision"] == "float32"
    found = [(each["name"], each["style"], each["kind"]) for each in result["entries"]]
    assert found == [
        ("tiny", "thin", "preset"),
        ("tiny", "bold", "preset"),
        ("HED map", "", "baseline"),
        ("XDoG", "", "baseline"),
        ("flow-based DoG", "", "baseline"),
        ("real against real", "drawn", "floor"),
    ]
    assert len({each["key"] for each in result["entries"]}) == 6
    stages = {stage for stage, _, _ in told}
    assert stages == {"photos", "people", "training drawings", "drawings"}
    assert told[-1] == ("drawings", 3, 3)
    assert "among 3 people, of 3 photos" in result["measures"]["identity"]["explanation"]
    for entry in result["entries"][:-1]:
        # Baselines, measured on fewer photos, are asked for the sitters of all.
        assert entry["figures"]["identity"]["count"] == 3
        assert set(entry["per_photo"]["identity"]) <= {0.0, 1.0}
        distances = entry["per_photo"]["identity_distance"]
        assert entry["figures"]["identity_distance"]["value"] == pytest.approx(
            np.mean(distances), abs=1e-3
        )
        assert np.isfinite(distances).all() and min(distances) > 0
    flat = result["entries"][2]
    assert [value is None for value in flat["per_photo"]["mid_gray"]].count(True) == 1
    assert "identity" not in result["entries"][-1]["figures"]


@pytest.mark.usefixtures("small_networks")
def test_the_same_inputs_give_the_same_figures_and_pictures(photos, sources, tmp_path):
    results = [evaluate(sources, photos, tmp_path / name, size=SIZE) for name in "ab"]
    for result in results:
        result.pop("seconds")
    assert results[0] == results[1]
    thin, bold = results[0]["entries"][:2]
    for key in ("photos", "edges", *(entry["key"] for entry in results[0]["entries"])):
        for index in range(3):
            picture = read_image(picture_path(tmp_path / "a", key, index))
            assert picture.shape == (SIZE, SIZE, 3)
            assert np.array_equal(picture, read_image(picture_path(tmp_path / "b", key, index)))
    # The stand-in draws the gray of the photo, and in its other style a quarter darker.
    assert thin["figures"]["mid_gray"]["met"] is False
    assert all(1 <= x <= 256 for x in thin["per_photo"]["gray_levels"])
    shades = [
        read_image(picture_path(tmp_path / "a", entry["key"], 0)).mean() for entry in (thin, bold)
    ]
    assert shades[0] > shades[1] + 20
    for entry in (thin, bold):
        assert entry["reference"] is None and not {"kid_vgg16", "fid"} & set(entry["figures"])
        assert [len(values) for values in entry["per_photo"].values()] == [3] * len(
            entry["per_photo"]
        )
    for key in ("smudge", "softness", "readable_eyes", "border_line"):
        assert all(key in entry["figures"] for entry in results[0]["entries"]), key
    # A face on a soft ground has gray on eyes, nose and lips, and no ink along the photo's edge.
    assert thin["figures"]["smudge"]["value"] > 10 and thin["figures"]["smudge"]["met"] is False
    assert thin["figures"]["border_line"]["met"] is True
    # The two styles of the stand-in are each other's next; a baseline has none.
    near = [entry["figures"].get("style_distance") for entry in results[0]["entries"]]
    assert near[0] == near[1] and 0 < near[0]["value"] < 100 and near[2:] == [None] * 3
    # A difference between groups cannot be told from one man.
    assert thin["figures"]["lip_excess"]["value"] is None
    edge_map, flow = results[0]["entries"][2], results[0]["entries"][4]
    # The wash of the stand-in is not steepened away: its square has 64 pixels, measured at 128.
    enlarged = read_image(picture_path(tmp_path / "a", thin["key"], 0))[..., 0]
    assert thin["per_photo"]["mid_gray"][0] > 1.1 * gray_figures(enlarged)["mid_gray"]
    assert "line_f1" not in flow["figures"] and "line_f1" in edge_map["figures"]


@pytest.mark.usefixtures("small_networks")
def test_photos_without_a_face_are_an_error(sources, tmp_path):
    (tmp_path / "photos").mkdir()
    with pytest.raises(InputError, match="no picture in"):
        evaluate(sources, tmp_path / "photos", tmp_path / "out", size=SIZE)
    write_image(tmp_path / "photos" / "blank.png", np.full((64, 64, 3), 255, np.uint8))
    with pytest.raises(InputError, match="at least one photo with a face.*no face that looks"):
        evaluate(sources, tmp_path / "photos", tmp_path / "out", size=SIZE)


def test_prepared_drawings_are_taken_as_they_lie(drawn_data):
    seen, told = [], []

    def extractor(drawings):
        seen.extend(drawings)
        return np.ones((len(drawings), 3)), np.ones((len(drawings), 5))

    detector = FoundFaces([])
    found = measure_references(
        drawn_data, SIZE, 0, extractor, detector, lambda *given: told.append(given)
    )
    count = len(seen)
    assert found.styles == ["drawn"] and count >= 2 and detector.asked == count
    assert {drawing.shape for drawing in seen} == {(SIZE, SIZE)}
    assert found.features.shape == (count, 3) and found.of("drawn").sum() == count
    assert not found.figures["face_found"].any() and found.figures["ink_eyes"].min() > 0
    assert told[-1] == (count, count)


def test_gray_is_that_of_the_drawing_before_it_is_enlarged(drawn_data, monkeypatch):
    washed = np.full((SIZE // 2, SIZE // 2), 255, np.uint8)
    washed[:32] = 180  # steepened twofold it would be 210, and count as paper

    def extractor(drawings):
        return np.ones((len(drawings), 3)), np.ones((len(drawings), 5))

    assert enlarge_drawing(washed, SIZE, SIZE)[10, 10] == 210
    monkeypatch.setattr(references, "_square", lambda *_: washed)
    found = measure_references(drawn_data, SIZE, 0, extractor, FoundFaces([]), lambda *_: None)
    assert found.figures["mid_gray"] == pytest.approx(50)


def test_features_are_taken_of_few_drawings_at_a_time(small_networks):
    seen, extractor = [], extractors.VGGExtractor()
    trunk = extractor._trunk
    extractor._trunk = lambda pictures: seen.append(len(pictures)) or trunk(pictures)
    drawings = np.random.default_rng(0).integers(0, 256, (9, 32, 32), np.uint8)
    features, texture = extractor(drawings)
    assert len(features) == len(texture) == 9 and max(seen) <= 4
    np.testing.assert_allclose(features[8], extractor(drawings[8:])[0][0], rtol=1e-5)


def test_without_weights_inception_is_not_available(monkeypatch):
    def broken(**_):
        raise Exception("URL fetch failure: no route to host")

    monkeypatch.setattr(extractors.keras.applications, "InceptionV3", broken)
    assert extractors.find_inception() is None


@pytest.mark.usefixtures("small_networks")
def test_pictures_in_colour_are_measured_beside_drawings(photos, sources, tmp_path):
    painter = Source("painter", load_preset(write_colour_preset(tmp_path / "colour")), "run")
    write_drawn_faces(tmp_path / "data", 6, 160)
    result = evaluate(
        [*sources, painter],
        photos,
        tmp_path / "out",
        drawings=tmp_path / "data" / "drawings",
        size=SIZE,
        baselines=False,
    )
    thin, _, colour, _ = result["entries"]
    picture = read_image(picture_path(tmp_path / "out", colour["key"], 0)).astype(float)
    photo = read_image(picture_path(tmp_path / "out", "photos", 0)).astype(float)
    # It swaps red and blue.
    assert picture[..., ::-1].mean(axis=(0, 1)) == pytest.approx(photo.mean(axis=(0, 1)), abs=6)
    expected = 100 * np.abs(picture - photo).mean() / 255
    assert colour["per_photo"]["photo_difference"][0] == pytest.approx(expected, rel=1e-4)
    spread = (picture.max(axis=-1) - picture.min(axis=-1)).mean()
    assert colour["per_photo"]["colour"][0] == pytest.approx(100 * spread / 255, rel=1e-4)
    own = colour["per_photo"].keys() - thin["per_photo"].keys()
    assert own == {"colour", "photo_difference"} and "colour" not in thin["figures"]
    # It has no style of the drawings: it stands against each of them, and all.
    assert colour["reference"] == "all" and list(colour["against"]) == ["drawn", "all"]
    assert colour["against"]["all"].items() <= colour["figures"].items()


@pytest.mark.usefixtures("small_networks")
def test_avatars_are_looked_at_in_colour(tmp_path):
    data, seen = write_cartoon_faces(tmp_path, 9, 64), []

    def extractor(pictures):
        seen.append(pictures)
        return np.zeros((len(pictures), 2)), np.zeros((len(pictures), 2))

    found = measure_references(data, SIZE, 0, extractor, FoundFaces(), lambda *told: None)
    assert found.styles == [references.AVATARS] and len(found.style) == 9
    assert found.held.sum() == 2  # the manifest's test split
    first = read_image(data / "avatars" / "0.png")
    assert seen[0].shape[1:] == (SIZE, SIZE, 3)
    np.testing.assert_allclose(seen[0][0].mean(axis=(0, 1)), first.mean(axis=(0, 1)), atol=1.0)
    assert np.ptp(seen[0][0].mean(axis=(0, 1))) > 5
