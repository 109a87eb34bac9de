"""Batches of pictures in colour: what a step sees, and which folders cannot be trained on."""

import json
from collections import Counter
from dataclasses import asdict

import numpy as np
import pytest

from cartoon_faces import write_cartoon_faces
from keras_portrait.data.manifest import NAME, SMOOTH, Row
from keras_portrait.data.pictures import PictureBatches, load_pictures
from keras_portrait.errors import InputError
from keras_portrait.inference.imaging import write_image
from keras_portrait.recipe import PictureSettings

# Gray values of photos and avatars, by which a batch tells what it holds.
PHOTOS, AVATARS = (10, 20, 30, 40, 50), (110, 120, 130, 140, 150, 160, 170)
KINDS = ("photo", "avatar")
# Left eye, right eye, nose, left and right corner of the mouth, in pixels of a square of 48.
POINTS = [[14.0, 18.0], [32.0, 19.0], [23.0, 27.0], [17.0, 34.0], [30.0, 35.0]]
FIXED = PictureSettings(size=32, batch=2, scale=1.0, flip=False)


def write_rows(folder, pictures, size, landmarks=None):
    """Writes pictures by (kind, file, split) with their manifest."""
    rows = []
    for (kind, file, split), picture in pictures.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        write_image(folder / file, picture)
        points = landmarks if kind == "photo" else None
        rows.append(Row(file, kind, None, file, split, True, None, None, points, None, size, ""))
    (folder / NAME).write_text("".join(json.dumps(asdict(row)) + "\n" for row in rows))
    return rows


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A data folder of squares of one gray each, 48 px, and their twins, one gray darker."""
    folder, pictures = tmp_path_factory.mktemp("plain"), {}
    for kind, values in (("photo", PHOTOS), ("avatar", AVATARS)):
        for value in values:
            square = np.full((48, 48, 3), value, np.uint8)
            pictures[kind, f"{kind}s/{value}.png", "train"] = square
    for row in write_rows(folder, pictures, 48):
        if row.smooth:
            (folder / row.smooth).parent.mkdir(parents=True, exist_ok=True)
            value = int(row.file.split("/")[1].split(".")[0])
            write_image(folder / row.smooth, np.full((48, 48, 3), value - 1, np.uint8))
    return folder


def batches_of(folder, settings=FIXED, seed=0, **more):
    data = load_pictures(folder, with_photos=True)
    sets = {"a": ("", data.photos), "b": ("", data.pictures), "e": (SMOOTH, data.pictures)}
    return PictureBatches(data, settings, seed, sets, **more)


def grays(batch, name):
    """The gray value of each picture of a set."""
    values = (batch[name].astype(np.float64) + 1.0) * 127.5
    assert np.all(np.ptp(values, axis=(1, 2, 3)) < 0.01)
    return [round(value) for value in values.mean(axis=(1, 2, 3))]


def handed_out(batches, name, steps):
    return [gray for step in range(steps) for gray in grays(batches.batch(step), name)]


def test_every_picture_comes_once_a_pass(plain):
    batches = batches_of(plain)
    assert len(batches) == 4  # seven avatars, two a step
    for name, values in (("a", PHOTOS), ("b", AVATARS), ("e", [x - 1 for x in AVATARS])):
        seen = handed_out(batches, name, steps=35)
        passes = [seen[i : i + len(values)] for i in range(0, len(seen), len(values))]
        assert all(sorted(one) == sorted(values) for one in passes)
        assert len(set(map(tuple, passes))) > len(passes) / 2


def test_sets_come_in_orders_of_their_own(plain):
    batches = batches_of(plain)
    rows = zip(*(handed_out(batches, name, 35) for name in "abe"), strict=True)
    met = [(a, b, e) for a, b, e in rows]
    # Cartoons and smoothed cartoons are two sets for the discriminator, not pairs.
    assert 0 < sum(b == e + 1 for _, b, e in met) < len(met) / 3
    assert len({(a, b) for a, b, _ in met}) > 2 * len(AVATARS)


def test_orders_are_drawn_apart_from_the_steps_own_chance(plain):
    """NumPy takes (seed, step) and (seed, step, 0) for the same seed."""
    seen = [PHOTOS.index(gray) for gray in handed_out(batches_of(plain, seed=3), "a", 50)]
    orders = [seen[i : i + 5] for i in range(0, 100, 5)]
    steps = [np.random.default_rng((3, turn)).permutation(5).tolist() for turn in range(20)]
    assert orders != steps
    assert sum(one == other for one, other in zip(orders, steps, strict=True)) < 5


def test_fewer_pictures_than_a_batch_are_repeated(plain):
    batches = batches_of(plain, PictureSettings(32, 12, 1.0, False))
    assert len(batches) == 1
    counts = Counter(grays(batches.batch(0), "a"))
    assert set(counts) == set(PHOTOS) and set(counts.values()) == {2, 3}


def test_the_last_batch_is_as_large_and_begins_the_next_pass(plain):
    batches = batches_of(plain)
    last = grays(batches.batch(3), "b")
    assert len(last) == 2
    former = handed_out(batches, "b", 3)
    assert set(former) | {last[0]} == set(AVATARS)
    following = [last[1], *(gray for step in (4, 5, 6) for gray in grays(batches.batch(step), "b"))]
    assert sorted(following) == sorted(AVATARS)


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """Photos with landmarks, cartoons and their twins, 48 px, as `portrait prepare` leaves them."""
    return write_cartoon_faces(tmp_path_factory.mktemp("faces"), 10, 48)


def test_batches_depend_on_seed_and_step_alone(faces):
    settings = PictureSettings(32, 3, 1.3, True)
    one, two = (batches_of(faces, settings, 5, noise=4, landmarks="a") for _ in "ab")
    one.batch(0)
    first, second = one.batch(7), two.batch(7)
    assert set(first) == {"a", "b", "e", "landmarks", "noise"}
    for name, value in first.items():
        assert value.dtype == np.float32
        np.testing.assert_array_equal(value, second[name])
    for other in (one.batch(8), batches_of(faces, settings, 6, noise=4, landmarks="a").batch(7)):
        assert all(np.any(other[name] != value) for name, value in first.items())


def test_shapes_and_ranges(faces):
    batch = batches_of(faces, PictureSettings(32, 3, 1.3), noise=4, landmarks="a").batch(2)
    for name in "abe":
        assert batch[name].shape == (3, 32, 32, 3)
        assert -1 <= batch[name].min() < -0.5 < 0.5 < batch[name].max() <= 1
    assert batch["noise"].shape == (3, 4) and batch["landmarks"].shape == (3, 32, 32, 5)
    assert 0 <= batch["landmarks"].min() < 0.01 and 0.5 < batch["landmarks"].max() <= 1


def test_without_augmentation_a_picture_is_only_reduced(faces):
    batches = batches_of(faces, FIXED)
    fixed = batches.fixed(batches.data.photos)
    seen = np.concatenate([batches.batch(step)["a"] for step in range(4)])
    assert len(fixed) == len(seen) == 8
    for picture in fixed:
        assert sum(np.array_equal(picture, other) for other in seen) == 1


def test_crops_stay_inside_and_are_enlarged_no_more_than_asked(tmp_path):
    ramp = np.linspace(0, 255, 40)
    picture = np.stack(np.broadcast_arrays(ramp[None], ramp[:, None], 0 * ramp), axis=-1)
    pictures = {(kind, f"{kind}s/0.png", "train"): picture.astype(np.uint8) for kind in KINDS}
    write_rows(tmp_path, pictures, 40)
    data = load_pictures(tmp_path, with_photos=True)
    batches = PictureBatches(
        data, PictureSettings(32, 8, 1.5, True), 0, {"a": ("", data.photos)}, noise=1
    )
    crops = np.concatenate([batches.batch(step)["a"] for step in range(12)])
    across = crops[:, 16, :, 0]
    share = np.abs(across[:, -1] - across[:, 0]) / 2
    # A crop shows between two thirds and all of a side; less the half pixels at both ends.
    assert 0.63 < share.min() < 0.7 and 0.9 < share.max() <= 1.0
    down = crops[:, :, 16, 1]
    np.testing.assert_allclose(np.abs(down[:, -1] - down[:, 0]) / 2, share, atol=0.03)
    assert np.all(down[:, -1] > down[:, 0])  # nothing stands on its head
    mirrored = np.mean(across[:, -1] < across[:, 0])
    assert 0.3 < mirrored < 0.7
    # Crops come from everywhere: some touch the upper border, some the lower one.
    assert down.min() < -0.95 and down.max() > 0.95


@pytest.fixture(scope="module")
def marked(tmp_path_factory):
    """A photo of black with dots at landmarks: left eye red, nose green, left corner blue."""
    y, x = np.mgrid[:48, :48]
    dots = [
        np.exp(-((x - px) ** 2 + (y - py) ** 2) / 8) for px, py in (POINTS[i] for i in (0, 2, 3))
    ]
    picture = np.rint(255 * np.stack(dots, axis=-1)).astype(np.uint8)
    folder = tmp_path_factory.mktemp("marked")
    write_rows(folder, {(kind, f"{kind}s/0.png", "train"): picture for kind in KINDS}, 48, POINTS)
    return folder


def brightest(plane):
    """Centre of mass of what is bright, (x, y)."""
    weight = np.where(plane > 0.3 * plane.max(), plane, 0.0)
    y, x = np.mgrid[: len(plane), : len(plane)]
    return np.array([(x * weight).sum(), (y * weight).sum()]) / weight.sum()


@pytest.mark.parametrize(("flip", "size"), [(False, 48), (True, 48), (True, 32)])
def test_heat_maps_are_where_the_landmarks_went(marked, flip, size):
    data = load_pictures(marked, with_photos=True)
    settings = PictureSettings(size, 4, 1.15, flip)
    batches = PictureBatches(data, settings, 0, {"a": ("", data.photos)}, landmarks="a")
    batch = {
        name: np.concatenate([batches.batch(i)[name] for i in range(5)])
        for name in ("a", "landmarks")
    }
    turned = 0
    for picture, maps in zip(batch["a"], batch["landmarks"], strict=True):
        eye, nose, mouth = (brightest((picture[..., c] + 1) / 2) for c in range(3))
        mirrored = eye[0] > nose[0]
        turned += mirrored
        # What is red is the left eye as seen in the picture, in a mirrored one the right.
        numbers = (1, 2, 4) if mirrored else (0, 2, 3)
        for number, found in zip(numbers, (eye, nose, mouth), strict=True):
            np.testing.assert_allclose(brightest(maps[..., number]), found, atol=0.35)
        # The left ones stay left of the right ones.
        xs = [brightest(maps[..., number])[0] for number in range(5)]
        assert xs[0] < xs[2] < xs[1] and xs[3] < xs[4]
    assert (0 < turned < 20) if flip else turned == 0


def test_noise_is_standard_normal(plain):
    batches = batches_of(plain, noise=1000)
    drawn = np.concatenate([batches.batch(step)["noise"] for step in range(10)])
    assert drawn.shape == (20, 1000)
    assert abs(drawn.mean()) < 0.02 and abs(drawn.std() - 1) < 0.02
    assert np.mean(np.abs(drawn) > 1.96) == pytest.approx(0.05, abs=0.005)
    assert abs(np.corrcoef(drawn[0], drawn[1])[0, 1]) < 0.15


def test_a_folder_without_avatars_gives_its_drawings(drawn_data):
    data = load_pictures(drawn_data, with_photos=True)
    assert {row.kind for row in data.pictures} == {"drawing"} and len(data.photos) == 4
    sets = {"b": ("", data.pictures)}
    assert PictureBatches(data, FIXED, 0, sets).batch(0)["b"].shape == (2, 32, 32, 3)


def test_what_was_held_back_or_dropped_is_not_trained_on(tmp_path):
    square = np.zeros((32, 32, 3), np.uint8)
    pictures = {
        ("photo", "photos/0.png", "train"): square,
        ("photo", "photos/1.png", "test"): square,
        ("avatar", "avatars/0.png", "train"): square,
        ("avatar", "avatars/1.png", "test"): square,
        ("drawing", "drawings/0.png", "train"): square,
    }
    write_rows(tmp_path, pictures, 32)
    dropped = Row(None, "avatar", None, "x.png", "train", False, "small", None, None, None, 32, "")
    with (tmp_path / NAME).open("a") as file:
        file.write(json.dumps(asdict(dropped)) + "\n")
    data = load_pictures(tmp_path, with_photos=True)
    assert [row.file for row in data.photos] == ["photos/0.png"]
    assert [row.file for row in data.pictures] == ["avatars/0.png"]
    assert [row.file for row in data.held_photos] == ["photos/1.png"]
    assert [row.file for row in data.held_pictures] == ["avatars/1.png"]
    assert len(data.rows()) == 4
    alone = load_pictures(tmp_path, with_photos=False)
    assert alone.photos == alone.held_photos == [] and len(alone.pictures) == 1


@pytest.mark.parametrize(
    ("kinds", "with_photos", "text"),
    [
        (
            "photo",
            True,
            "expected avatars to train on; `portrait prepare PHOTOS --avatars AVATARS`",
        ),
        (
            "photo",
            False,
            "expected avatars to train on; `portrait prepare --avatars AVATARS` makes",
        ),
        (
            "avatar",
            True,
            "expected photos to train on; `portrait prepare PHOTOS --avatars AVATARS`",
        ),
        ("", True, "expected avatars to train on"),
    ],
)
def test_a_kind_that_is_missing_is_named_in_one_line(tmp_path, kinds, with_photos, text):
    square = np.zeros((32, 32, 3), np.uint8)
    kinds = kinds.split()
    write_rows(tmp_path, {(kind, f"{kind}s/0.png", "train"): square for kind in kinds}, 32)
    with pytest.raises(InputError) as error:
        load_pictures(tmp_path, with_photos)
    assert str(error.value).startswith(f"{tmp_path}: {text}") and "\n" not in str(error.value)
    assert "Received: none (the manifest says why" in str(error.value)


def test_missing_files_are_named(tmp_path):
    write_cartoon_faces(tmp_path, 2, 32)
    (tmp_path / SMOOTH / "avatars" / "1.png").unlink()
    assert len(load_pictures(tmp_path, with_photos=True).pictures) == 1
    with pytest.raises(InputError) as error:
        load_pictures(tmp_path, with_photos=True, with_smooth=True)
    assert str(error.value) == (
        f"{tmp_path}: expected every picture; `portrait prepare --edge-promote` makes what is "
        "missing. Received: no smooth/avatars/1.png"
    )
    (tmp_path / "photos" / "0.png").unlink()
    with pytest.raises(InputError, match="`portrait prepare` makes .* no photos/0.png$"):
        load_pictures(tmp_path, with_photos=True)
    with pytest.raises(InputError, match="No manifest.jsonl in the data folder"):
        load_pictures(tmp_path / "photos", with_photos=True)


def test_a_broken_picture_is_named(tmp_path):
    write_cartoon_faces(tmp_path, 2, 32)
    (tmp_path / "photos" / "1.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match="Received: .*photos/1.png"):
        batches_of(tmp_path).batch(0)
