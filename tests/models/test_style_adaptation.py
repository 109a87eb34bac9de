"""One more style from few drawings: what learns and what stays, the hand, the command, going on."""

import json
import shutil
from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import ops

from keras_portrait.data.manifest import read_manifest
from keras_portrait.data.prepare import one_hand
from keras_portrait.data.prepare.one_hand import check_hand, flat_gray, refuse_photos
from keras_portrait.data.synthetic_faces import write_drawn_faces
from keras_portrait.errors import InputError, SettingError
from keras_portrait.inference.metadata import read_metadata
from keras_portrait.inference.presets import load_preset
from keras_portrait.models.load_recipe import load_recipe
from keras_portrait.models.style_adaptation import model as adaptation
from keras_portrait.models.style_adaptation.batches import (
    AdaptationBatches,
    AdaptationPictures,
    corners,
    mirrored,
)
from keras_portrait.models.style_adaptation.config import AdaptationDataSettings, AdaptationWeights
from keras_portrait.models.style_adaptation.hand import ink_and_outlines, measure_hand, nearest_mix
from keras_portrait.networks import line_generator, patch_discriminator, resnet_generator
from keras_portrait.perceptual import PerceptualDistance
from keras_portrait.training.checkpoints import list_checkpoints
from keras_portrait.training.experiment import experiment_for
from keras_portrait.training.more_styles import begin_as, require_styles, with_one_more_style
from keras_portrait.training.saved_generator import load_model, load_run
from keras_portrait_export.exporter import export_generator
from tiny_training import light_edges, light_features, state_of, without_tracing

STYLES = ("ink", "line", "engraving")
TINY = [
    *("data.window=32", "network.discriminator_filters=2"),
    *("train.epochs=2", "train.steps_per_epoch=2", "train.checkpoint_steps=1"),
]


def few_features(*_, **__):
    """Three maps of light features, as many as `STYLE_LAYERS`."""
    features = light_features()
    return lambda drawings: features(drawings) * 3


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Steps without tracing, and stand-ins for the frozen networks."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(adaptation, "VGGFeatures", few_features)
        patched.setattr(adaptation, "PerceptualDistance", lambda: PerceptualDistance(load=False))
        patched.setattr(adaptation, "EdgeDetector", lambda: light_edges)
        without_tracing(patched)
        yield


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """Folders of six photos and six drawings of invented faces."""
    folder = tmp_path_factory.mktemp("faces")
    write_drawn_faces(folder, 6)
    return folder


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """A run folder of generators of 64 pixels; that of three styles draws something."""
    folder = tmp_path_factory.mktemp("start") / "run"
    folder.mkdir()
    keras.utils.set_random_seed(0)
    net = line_generator(3, filters=2, blocks=1, period=2)
    net.layers[-2].set_weights([8 * weight for weight in net.layers[-2].get_weights()])
    net.save(folder / "generator.keras")
    resnet_generator(1, 3, filters=2, blocks=1).save(folder / "inverse_generator.keras")
    row = {
        "method": "asymmetric_cycle",
        "recipe": {"data": {"size": 64}},
        "styles": STYLES,
        "alignment": 2,
    }
    (folder / "options.json").write_text(json.dumps(row))
    return folder


@pytest.fixture(scope="module")
def photos():
    return np.random.default_rng(0).uniform(-1, 1, (2, 64, 64, 3)).astype("float32")


@pytest.mark.parametrize("style_input", ["appended", "line"])
def test_a_generator_with_one_more_style_draws_the_others_as_before(style_input, photos):
    keras.utils.set_random_seed(0)
    if style_input == "line":
        model = line_generator(3, filters=2, blocks=1, period=2)
    else:
        model = resnet_generator(3, 1, 3, filters=2, blocks=1)
    mix = np.float32([0.5, 0, 0.5])
    wider = with_one_more_style(model, mix)
    for style, wide in (([0, 1, 0], [0, 1, 0, 0]), (mix, [0, 0, 0, 1])):
        expected = model([photos, np.float32([style, style])])
        np.testing.assert_allclose(wider([photos, np.float32([wide, wide])]), expected, atol=1e-5)
    begin_as(wider, [0, 1, 0])
    expected = model([photos, np.float32([[0, 1, 0]] * 2)])
    np.testing.assert_allclose(wider([photos, np.float32([[0, 0, 0, 1]] * 2)]), expected, atol=1e-5)


def test_a_generator_without_styles_is_refused():
    with pytest.raises(SettingError, match="of two styles or more.*Received: lonely"):
        require_styles(line_generator(1, filters=2, blocks=1), "lonely")


@pytest.fixture(scope="module")
def stepped(start):
    """A model after two steps on noise, the generator that it started from, and what was lost."""
    old = load_run(start).model
    model = adaptation.StyleAdaptation(
        (*STYLES, "mine"),
        with_one_more_style(old, [1, 0, 0]),
        lambda photos, style: ops.stop_gradient(old([photos, style])),
        drawing_disc=patch_discriminator(1, 2),
        inverse_generator=load_model(start / "inverse_generator.keras"),
        weights=AdaptationWeights(cycle=3),
        last_layers=0,
    )
    model.compile(generator=keras.optimizers.Adam(1e-2))
    model.mix.assign([1, 0, 0])
    rng = np.random.default_rng(1)
    batch = {
        "photo": rng.uniform(-1, 1, (1, 32, 32, 3)),
        "drawing": rng.uniform(-1, 1, (1, 32, 32, 1)),
        **{f"gram_{index}": np.full((1, 2, 2), 0.5) for index in range(3)},
    }
    batch = {name: ops.convert_to_tensor(array, "float32") for name, array in batch.items()}
    logs = [model.train_step(batch) for _ in range(2)]
    return model, old, batch, {name: float(value) for name, value in logs[-1].items()}


def test_only_the_new_style_learns(stepped, photos):
    model, old, *_ = stepped
    moved = 0
    for layer in old.layers:
        for before, after in zip(
            layer.get_weights(), model.generator.get_layer(layer.name).get_weights(), strict=True
        ):
            if before.shape != after.shape:  # it has a channel more
                moved += not np.array_equal(after[:, :, -1], before[:, :, 0])
                after = after[:, :, :-1]
            np.testing.assert_array_equal(before, after)
    assert moved >= 6
    for network in (model.generator, model.averaged_generator):
        expected = old([photos, np.float32([[0, 0.3, 0.7]] * 2)])
        found = network([photos, np.float32([[0, 0.3, 0.7, 0]] * 2)])
        np.testing.assert_array_equal(found, expected)


def test_every_term_is_reported_with_its_weight(stepped):
    model, _, _, logs = stepped
    assert set(model.loss_names) <= set(logs)
    assert all(logs[name] > 0 for name in model.loss_names)
    drawings = ops.ones((1, 8, 8, 1))
    model_features, model.features = model.features, lambda drawings: [drawings]
    # The mean of 1 is 1; it should be 4.
    distance = model.style_distance(drawings, [ops.full((1, 1, 1), 4.0)])
    model.features = model_features
    assert float(distance) == pytest.approx(0.75, abs=1e-5)


def test_the_cycle_compares_the_edges_of_a_photo_made_of_the_drawing(stepped, start):
    model, _, batch, _ = stepped
    drawing = model.draw(batch["photo"])
    again, real = (
        2 * light_edges(each) - 1 for each in (model.inverse_generator(drawing), batch["photo"])
    )
    expected = 3 * float(model.distance(again, real)[0])
    assert float(model.losses_of(batch)["relaxed_cycle"]) == pytest.approx(expected, rel=1e-5)
    # It learned along in the two steps, and is left for who adapts from this run.
    before = load_model(start / "inverse_generator.keras").get_weights()
    assert not np.array_equal(model.inverse_generator.get_weights()[0], before[0])
    assert set(model.exported()) == {"generator", "inverse_generator"}


def test_the_cycle_is_left_out_without_weight_and_without_an_inverse_generator(start):
    generator = with_one_more_style(load_run(start).model, [1, 0, 0])
    inverse = load_model(start / "inverse_generator.keras")
    for given, weight in ((inverse, 0), (None, 1)):
        model = adaptation.StyleAdaptation(
            (*STYLES, "mine"),
            generator,
            lambda photos, style: photos,
            inverse_generator=given,
            weights=AdaptationWeights(adversarial=0, style=0, likeness=0, cycle=weight),
        )
        assert set(model.trainable_groups()) == {"generator"}
        assert set(model.exported()) == {"generator"}
        batch = {"photo": ops.zeros((1, 32, 32, 3))}
        assert set(model.losses_of(batch)) == {"gray"}


@pytest.mark.parametrize("channels", [(1, 3), (3, 3)])
def test_the_inverse_generator_is_that_of_the_run(channels, start, drawn_data, tmp_path):
    folder = shutil.copytree(start, tmp_path / "run")
    resnet_generator(*channels, filters=2, blocks=1).save(folder / "inverse_generator.keras")
    for source, found in ((folder, True), (folder / "generator.keras", False)):
        overrides = [f"train.start_from={source}", "data.size=64", "data.window=32"]
        experiment = experiment_for(load_recipe("adapt", overrides), drawn_data)
        assert ("inverse_sha256" in experiment.contents()) == found
        if channels == (1, 3):
            assert (experiment.inverse_generator is not None) == found
        elif found:
            with pytest.raises(InputError, match=r"3 channels of one of 1.*Received: .*\[3, 3\]"):
                _ = experiment.inverse_generator


def test_the_last_layers_learn_where_they_shall(start, photos):
    old = load_run(start).model
    model = adaptation.StyleAdaptation(
        (*STYLES, "mine"),
        with_one_more_style(old, [1, 0, 0]),
        lambda photos, style: photos,
        weights=AdaptationWeights(adversarial=0, style=0, likeness=0),
        last_layers=2,
    )
    last = model.trainable_groups()["last_layers"]
    assert [tuple(weight.shape) for weight in last][-2:] == [(5, 5, 6, 1), (1,)] and len(last) == 4
    model.compile(last_layers=keras.optimizers.Adam(1e-2))
    before = [np.array(weight) for weight in last]
    model.train_step({"photo": ops.convert_to_tensor(photos)})
    assert all(np.abs(np.array(w) - b).max() > 0 for w, b in zip(last, before, strict=True))


def test_the_hand_is_the_mean_of_gram_matrices_at_each_window():
    cuts = AdaptationDataSettings(size=64, window=32, flip=False)
    left_dark = np.full((64, 64, 1), 255, np.uint8)
    left_dark[:, :32] = 0
    gray = np.full((64, 64, 1), 51, np.uint8)  # -0.6

    def features(drawings):
        return [ops.concatenate([drawings, 2 * drawings], axis=-1)]

    grams = measure_hand([left_dark, gray], cuts, features)
    assert len(grams) == 9 and corners(cuts)[4] == (16, 16)
    # Of one channel x and one 2 x: the mean of x^2 times [[1, 2], [2, 4]], over two channels.
    expected = (1 + 0.36) / 2 * np.array([[1, 2], [2, 4]]) / 2
    for found in grams:
        np.testing.assert_allclose(found[0], expected, atol=1e-6)

    def brightness(drawings):
        return [drawings + 1]

    plain = measure_hand([left_dark], cuts, brightness)
    both = measure_hand([left_dark], AdaptationDataSettings(size=64, window=32), brightness)
    assert [round(one[0].item(), 3) for one in plain[:3]] == [0, 2, 4]
    assert [round(one[0].item(), 3) for one in both[:3]] == [2, 2, 2]
    assert [mirrored(number) for number in range(9)] == [2, 1, 0, 5, 4, 3, 8, 7, 6]


def test_hatching_has_more_outline_than_a_black_of_as_much_ink():
    cuts = AdaptationDataSettings(size=64, window=32)
    solid, hatched = np.ones((2, 64, 64, 1), np.float32)
    solid[:32] = -1
    hatched[::2] = -1
    (ink, lines), (same, more) = (ink_and_outlines(each, cuts)[4] for each in (solid, hatched))
    assert ink == same == 0.5
    # The middle window has 32 rows, and between them one step of darkness, or 31.
    assert lines == pytest.approx(1 / 31) and more == pytest.approx(1)
    dark_left = solid.transpose(1, 0, 2)
    left, right = (ink_and_outlines(side, cuts) for side in (dark_left, dark_left[:, ::-1]))
    np.testing.assert_allclose(left, right)


@pytest.mark.parametrize(
    ("wanted", "mix"),
    [
        (0.1, [1, 0, 0]),
        (0.24, [1, 0, 0]),
        (0.75, [0, -0.5, 1.5]),
        (0.9, [0, -1, 2]),
        (0.93, [-0.5, 0, 1.5]),
    ],
)
def test_a_style_begins_as_a_known_one_or_beyond_one(wanted, mix):
    ink = ops.convert_to_tensor([[0.1], [0.4], [0.65]])

    def draw(photos, style):
        return ops.broadcast_to(1 - 2 * ops.matmul(style, ink)[:, :, None, None], (1, 64, 64, 1))

    drawing = np.full((64, 64, 1), round(255 * (1 - wanted)), np.uint8)
    photos = [np.zeros((64, 64, 3), np.uint8)] * 5
    cuts = AdaptationDataSettings(size=64, window=32)
    np.testing.assert_allclose(nearest_mix(draw, 3, photos, [drawing], cuts), mix, atol=1e-6)


def test_a_step_sees_about_the_same_place_of_photo_and_drawing():
    cuts = AdaptationDataSettings(size=64, window=32, batch=2, flip=False)
    rows = np.repeat(np.arange(64, dtype=np.uint8)[:, None], 64, axis=1)[..., None]
    pictures = AdaptationPictures([np.repeat(rows, 3, axis=-1)], [rows])
    grams = [[np.full((1, 1), number, np.float32)] for number in range(9)]
    batches = AdaptationBatches(pictures, cuts, 7, grams)
    seen = set()
    for step in range(30):
        batch = batches.batch(step)
        assert batch["photo"].shape == (2, 32, 32, 3) and batch["drawing"].shape == (2, 32, 32, 1)
        tops = {name: (batch[name][:, 0, 0, 0] + 1) * 127.5 for name in ("photo", "drawing")}
        # The plane wave repeats every two pixels of this size: photos are moved by whole periods.
        assert (np.rint(tops["photo"]) % 2 == 0).all()
        for place in range(2):
            number = int(batch["gram_0"][place, 0, 0])
            seen.add(number)
            top = corners(cuts)[number][0]
            assert all(abs(tops[name][place] - top) <= 2.01 for name in tops)
    assert len(seen) == 9
    np.testing.assert_array_equal(batches.batch(3)["photo"], batches.batch(3)["photo"])


def test_shading_tells_photos_from_drawings(faces, tmp_path):
    rng = np.random.default_rng(0)
    lines = np.full((300, 200, 3), 230, np.uint8)  # on paper that is not quite white
    lines[rng.random((300, 200)) < 0.2] = 30
    assert flat_gray(lines) < 0.01
    shaded = np.repeat(np.linspace(20, 240, 300, dtype=np.uint8)[:, None, None], 200, axis=1)
    assert flat_gray(np.repeat(shaded, 3, axis=2)) > 0.2
    refuse_photos(faces / "drawings")
    with pytest.raises(
        InputError, match=r"drawings, of ink.*[56] of 6 pictures are shaded as photos"
    ):
        refuse_photos(faces / "photos")
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match="without a picture"):
        refuse_photos(tmp_path / "none")


@pytest.fixture(scope="module")
def prepared(drawn_data):
    """A prepared folder of four drawings, and their rows."""
    return drawn_data, [row for row in read_manifest(drawn_data) if row.kind == "drawing"]


def test_too_few_drawings_are_refused_with_the_reasons(prepared):
    folder, rows = prepared
    bad = [
        replace(rows[0], kept=False, file=None, mask=None, reason=reason)
        for reason in ("turned head (yaw 0.4, at most 0.32)", "turned head (1)", "dark paper")
    ]
    expected = r"5 drawings.*Received: 4 of 7; dropped: 2 turned head, 1 dark paper$"
    with pytest.raises(InputError, match=expected):
        check_hand(folder, [*bad, *rows])


def test_few_and_small_drawings_are_told(prepared, monkeypatch):
    folder, rows = prepared
    assert all(row.scale > 1 for row in rows)  # `prepare` notes it; these sheets are large
    monkeypatch.setattr(one_hand, "LEAST_DRAWINGS", 4)
    sharp = [replace(row, scale=1.5) for row in rows]
    assert check_hand(folder, sharp) == ["4 drawings are few; 10 tell a hand better"]
    small = [replace(sharp[0], scale=0.25), replace(sharp[1], scale=0.5), *sharp[2:]]
    assert check_hand(folder, small)[-1] == (
        "2 of 4 scans are small, 4.0 times enlarged at most; their lines are traced anew, not "
        "blurred"
    )


def test_one_picture_many_times_is_refused(prepared):
    folder, rows = prepared
    with pytest.raises(InputError, match="5 sitters or more.*7 drawings, nearly the same one$"):
        check_hand(folder, [rows[0]] * 7)
    with pytest.raises(InputError, match="6 drawings, nearly the same 3$"):
        check_hand(folder, [*rows[:2], *[rows[3]] * 4])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"output": None}, "as -o MINE. Received: none"),
        ({"deep": True}, "Expected --alone with it"),
        ({"source": "filter:ink"}, "a filter has no weights"),
        ({"photos": None}, "--photos: expected a folder of photos"),
        ({"source": "portrat"}, "No such preset. Did you mean .portrait"),
        ({"licence": "two\nlines"}, "--licence: expected one line of text"),
    ],
)
def test_what_does_not_fit_is_one_line_before_anything_is_made(
    changes, expected, start, faces, tmp_path
):
    from keras_portrait.cli.adapt import adapt

    given = {
        "source": str(start),
        "drawings": faces / "drawings",
        "output": tmp_path / "mine",
        "photos": faces / "photos",
    }
    with pytest.raises((SettingError, InputError), match=expected):
        adapt(**given | changes)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_name_that_is_taken_is_refused(start, faces, tmp_path):
    from keras_portrait.cli.adapt import adapt

    with pytest.raises(SettingError, match="a name of its own, beside ink, line, engraving"):
        adapt(
            str(start),
            faces / "drawings",
            tmp_path / "mine",
            photos=faces / "photos",
            name="ink",
            setting=TINY,
        )
    assert not (tmp_path / "mine").exists()


def test_averages_are_refused_that_would_round_the_other_styles():
    with pytest.raises(SettingError, match="average_decay: expected 0"):
        load_recipe("adapt", ["train.average_decay=0.9"])


LEARNED = "mine, a style learned from drawings of one hand"


def test_a_preset_says_what_its_start_says_and_what_has_come_to_it():
    from keras_portrait.cli.adapt import _words

    said = {"name": "old", "description": "fine lines", "data_licence": "photos CC0"}
    assert _words(said, "mine", False, "CC BY 4.0, A. Lee") == {
        "description": f"fine lines; and {LEARNED}",
        "data_licence": "photos CC0; drawings of mine: CC BY 4.0, A. Lee",
    }
    assert _words(said, "mine", True, None) == {
        "description": f"{LEARNED}, by a generator that began as old",
        "data_licence": "photos CC0; drawings of mine: licence not told",
    }
    assert _words({"name": "old"}, "mine", False, "CC0") == {
        "description": f"the styles of old; and {LEARNED}",
        "data_licence": "drawings of mine: CC0",
    }


@pytest.fixture
def just_trained(start, tmp_path):
    """The run `start`, as the training before an export leaves it."""
    shutil.copytree(start, tmp_path / "trained")
    return tmp_path / "trained"


def test_the_words_are_in_the_model_file_and_beside_it(just_trained, tmp_path):
    from keras_portrait.cli.adapt import _export

    for licence, expected in (("CC0", "drawings: CC0"), (None, "drawings: CC0"), ("MIT", "MIT")):
        words = {"description": "lines; and mine", "data_licence": expected}
        _export(just_trained, tmp_path / "mine", None, words, licence)
        words["data_licence"] = expected
        for place in (tmp_path / "mine", tmp_path / "mine" / "generator.tflite"):
            metadata = read_metadata(place)
            assert (metadata.name, metadata.description) == ("mine", words["description"])
            assert metadata.data_licence == expected
        # In the words of TensorFlow Lite, too, which other tools read.
        assert (tmp_path / "mine" / "generator.tflite").read_bytes().count(expected.encode()) == 2


def test_words_of_other_drawings_do_not_stay(tmp_path):
    from keras_portrait.cli.adapt import _own_words, _words

    def own(words):
        (tmp_path / "portrait.json").write_text(json.dumps(words))
        return sorted(_own_words(tmp_path))

    assert _own_words(tmp_path) == []
    start = {"name": "old", "description": "fine lines", "data_licence": "photos CC0"}
    for alone in (False, True):
        assert own(_words(start, "mine", alone, "CC0")) == ["data_licence", "description"]
    by_hand = {"description": "lines of Ann's hand", "data_licence": "drawings by Ann, CC0"}
    assert own(by_hand) == [] and own([]) == []


@pytest.fixture(scope="module")
def adapted(start, faces, tmp_path_factory):
    """The command, of two short epochs: the preset that it makes."""
    return run(start, faces, tmp_path_factory.mktemp("adapted") / "mine")


def run(start, faces, output, *more):
    """`portrait adapt` in this process."""
    from keras_portrait.cli.adapt import adapt

    adapt(
        str(start),
        faces / "drawings",
        output,
        photos=faces / "photos",
        name="mine",
        licence="CC0",
        alone="alone" in more,
        setting=TINY,
    )
    return output


@pytest.mark.slow
def test_the_preset_has_the_new_style_beside_the_old_ones(adapted, start, photos):
    metadata = load_preset(adapted).metadata
    assert metadata.styles == (*STYLES, "mine") and metadata.size == 64
    assert metadata.method == "style_adaptation"
    assert metadata.name == "mine" and metadata.description.endswith(
        f"of {start.name}; and {LEARNED}"
    )
    assert metadata.data_licence == "drawings of mine: CC0"
    export_generator(start, start / "preset")
    old, new = load_preset(start / "preset").net, load_preset(adapted).net
    for number in range(3):
        wide = np.eye(4, dtype="float32")[[number]]
        expected = old(image=photos[:1], style=wide[:, :3])
        np.testing.assert_array_equal(new(image=photos[:1], style=wide), expected)


@pytest.mark.slow
def test_the_run_has_a_page_previews_and_the_hand(adapted):
    folder = adapted.with_name("mine-training")
    names = {path.name for path in (folder / "samples").iterdir()}
    assert {"epoch-0000.png", "epoch-0001.png", "epoch-0002.png"} <= names
    assert (folder / "index.html").is_file() and (folder / "hand.npz").is_file()
    rows = [json.loads(line) for line in (folder / "losses.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2]
    assert {"style", "likeness", "g_adversarial", "d_drawing"} <= set(rows[0])


@pytest.mark.slow
def test_the_same_command_goes_on(adapted, start, faces, tmp_path):
    # As one that was killed after its first epoch.
    for name in ("mine-pictures", "mine-training"):
        shutil.copytree(adapted.with_name(name), tmp_path / name)
    folder = tmp_path / "mine-training"
    whole = state_of(list_checkpoints(folder)[-1])
    for checkpoint in list_checkpoints(folder)[-1:]:
        checkpoint.path.unlink()
    run(start, faces, tmp_path / "mine")
    again = state_of(list_checkpoints(folder)[-1])
    assert again.keys() == whole.keys()
    for name, array in whole.items():
        np.testing.assert_allclose(again[name], array, atol=1e-6, err_msg=name)
    assert load_preset(tmp_path / "mine").metadata.styles[-1] == "mine"


@pytest.mark.slow
def test_the_new_style_alone_needs_no_style_vector(adapted, start, faces, tmp_path, photos):
    for name in ("pictures", "training"):
        shutil.copytree(adapted.with_name(f"mine-{name}"), tmp_path / f"lone-{name}")
    alone, beside = load_preset(run(start, faces, tmp_path / "lone", "alone")), load_preset(adapted)
    assert alone.metadata.styles == ("mine",) and alone.metadata.inputs == ("image",)
    expected = beside.net(image=photos[:1], style=np.float32([[0, 0, 0, 1]]))
    np.testing.assert_allclose(alone.net(image=photos[:1]), expected, atol=0.02)
