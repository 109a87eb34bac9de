"""Prepared pictures for `fit`: kinds, order, held-back pictures, datasets, presets that draw."""

import shutil

import numpy as np
import pytest
import tensorflow as tf

import small_methods
from cartoon_faces import write_cartoon_faces
from keras_portrait import InputError, SettingError, load_data
from keras_portrait.data.manifest import NAME
from keras_portrait.data.prepare.prepare import prepare
from keras_portrait.data.synthetic_faces import write_drawn_faces
from keras_portrait.inference.geometry import PARTS


@pytest.fixture(scope="module")
def portraits(tmp_path_factory):
    """Ten photos and drawings of two styles, 64 px, some held back."""
    folder = tmp_path_factory.mktemp("portraits")
    write_drawn_faces(folder, 10)
    prepare(folder / "photos", folder / "drawings", folder / "data", size=64, holdout=0.3)
    return folder / "data"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Ten photos and cartoons with their smoothed twins, 64 px, two of each held back."""
    return write_cartoon_faces(tmp_path_factory.mktemp("pictures"), 10, 64)


def test_portraits_have_styles_and_masks(portraits):
    data = load_data(portraits, 64)
    assert len(data.styles) >= 1 and data.size == 64
    batches = data.batches(2)
    assert len(batches) == -(-max(data.counts.values()) // 2)
    batch = batches[0]
    masks = {f"{kind}_{part}" for kind in ("photo", "drawing") for part in PARTS}
    assert set(batch) == {"photo", "drawing", "style", *masks}
    assert batch["photo"].shape == (2, 64, 64, 3) and batch["drawing"].shape == (2, 64, 64, 1)
    assert batch["style"].shape == (2, len(data.styles))
    for array in batch.values():
        assert array.dtype == np.float32 and -1 <= array.min() and array.max() <= 1


def test_epochs_differ_and_trainings_agree(portraits):
    one, other = (load_data(portraits, 64, seed=3).batches(2) for _ in range(2))
    first = one[0]["photo"]
    np.testing.assert_array_equal(first, other[0]["photo"])
    one.on_epoch_end()
    assert np.any(first != one[0]["photo"])
    assert np.any(first != load_data(portraits, 64, seed=4).batches(2)[0]["photo"])


def test_held_back_pictures_come_as_they_are(portraits):
    data = load_data(portraits, 64)
    held = data.validation(2)
    assert len(held) == -(-max(data.held.values()) // 2) > 0
    again = held[0]["photo"]
    held.on_epoch_end()
    np.testing.assert_array_equal(again, held[0]["photo"])
    assert sum(len(held[step]["photo"]) for step in range(len(held))) == max(data.held.values())
    assert set(held[0]) == {"photo", "drawing", "style"}


def test_without_any_the_option_is_named(drawn_data):
    with pytest.raises(InputError, match="--holdout 0.1.*Received: no photo, no drawing"):
        load_data(drawn_data, 64).validation()


def test_a_dataset_has_shapes_and_a_length(portraits):
    dataset = load_data(portraits, 64).dataset(2)
    assert isinstance(dataset, tf.data.Dataset)
    assert dataset.element_spec["photo"].shape == (2, 64, 64, 3)
    sequence = load_data(portraits, 64).batches(2)
    assert int(dataset.cardinality()) == len(sequence)
    for _ in range(2):
        for step, batch in enumerate(dataset):
            np.testing.assert_array_equal(batch["photo"], sequence[step]["photo"])
        sequence.on_epoch_end()


@pytest.mark.slow
def test_pictures_serve_the_other_methods(pictures):
    batch = load_data(pictures, 64).batches(3)[0]
    assert {name: array.shape for name, array in batch.items()} == dict.fromkeys(
        ("photo", "picture", "smooth"), (3, 64, 64, 3)
    )
    for method in ("cyclegan", "cartoongan", "dcgan"):
        model = small_methods.METHODS[method]()
        model.compile(run_eagerly=True)
        history = model.fit(load_data(pictures, 64).batches(8), verbose=0).history
        assert np.isfinite(history["loss"]).all()
    held = load_data(pictures, 64).validation(2)[0]
    assert set(held) == {"photo", "picture"}


def test_drawings_serve_as_pictures_without_twins(portraits):
    batch = load_data(portraits, 64, kind="pictures").batches(1)[0]
    assert set(batch) == {"photo", "picture"} and batch["picture"].shape == (1, 64, 64, 3)


def test_a_preset_draws_the_photos(portraits, tiny_preset):
    data = load_data(portraits, 64, drawn_by=tiny_preset)
    assert data.styles == ("thin", "bold")
    batch = data.batches(2)[0]
    assert set(batch) == {"photo", "drawing", "style"}
    assert batch["drawing"].shape == (2, 64, 64, 1)
    np.testing.assert_array_equal(batch["style"], np.eye(2))
    model = small_methods.distillation(data.styles)
    model.compile(run_eagerly=True)
    history = model.fit(data.batches(4), validation_data=data.validation(2), verbose=0).history
    assert np.isfinite(history["val_loss"]).all()


@pytest.mark.slow
def test_filters_draw_too(portraits):
    data = load_data(portraits, 64, drawn_by="filter:line")
    drawing = data.batches(1)[0]["drawing"]
    assert data.styles == ("line",) and drawing.min() < 0 < drawing.max()


def test_shards_are_opened_alike(portraits, tmp_path):
    shutil.copytree(portraits, tmp_path / "data")
    place = portraits.parent
    prepare(place / "photos", place / "drawings", tmp_path / "data", size=64, holdout=0.3, shards=2)
    batch = load_data(tmp_path / "data" / "shards", 64).batches(1)[0]
    assert batch["photo"].shape == (1, 64, 64, 3)


def test_a_broken_picture_is_told_in_our_words(portraits, tmp_path):
    shutil.copytree(portraits, tmp_path / "data")
    for photo in (tmp_path / "data" / "photos").rglob("*.png"):
        photo.write_bytes(b"no picture")
    model = small_methods.asymmetric_cycle(load_data(portraits, 64).styles)
    model.compile(run_eagerly=True)
    with pytest.raises(InputError, match="Received"):
        model.fit(load_data(tmp_path / "data", 64).batches(1), verbose=0)


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"kind": "photos"}, SettingError, "auto, portraits, pictures. Received: photos"),
        ({"size": 48}, SettingError, "multiple of 32. Received: 48"),
        ({"drawn_by": "portret"}, SettingError, "portrait"),
    ],
)
def test_wrong_settings_are_refused(portraits, given, error, said):
    with pytest.raises(error, match=said):
        load_data(portraits, **given).batches()


def test_larger_pictures_than_prepared_are_refused(portraits):
    with pytest.raises(SettingError, match="Received: 128"):
        load_data(portraits, 128)


def test_an_empty_folder_is_no_data(tmp_path):
    with pytest.raises(InputError, match=NAME):
        load_data(tmp_path)
