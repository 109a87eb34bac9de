"""What a Keras user is used to: compile, fit, evaluate, predict, save, load, callbacks."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

import small_methods
from keras_portrait.layers import ImagePool
from keras_portrait.saved_objects import DEFINED_IN
from small_methods import METHODS, arrays_for, inputs_for

TENSORFLOW_ALONE = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="of the TensorFlow backend"
)
# The others are tried in `make test-slow`: all share this code.
QUICK = ("asymmetric_cycle",)
EVERY = pytest.mark.parametrize(
    "method",
    [pytest.param(name, marks=pytest.mark.slow) if name not in QUICK else name for name in METHODS],
)


def model_for(method, **settings):
    keras.utils.set_random_seed(0)
    model = METHODS[method]()
    model.compile(**{"run_eagerly": True, **settings})
    return model


def fitted(model, method, **settings):
    """The history of a fit on arrays."""
    given = {"x": arrays_for(method), "batch_size": 2, "verbose": 0, "shuffle": False}
    return model.fit(**{**given, **settings}).history


def numbers_of(weights):
    return [ops.convert_to_numpy(weight) for weight in weights]


# fit


def test_fit_moves_the_progress_by_itself():
    model, seen = model_for("dcgan"), []

    class Watch(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            seen.append(float(self.model.progress))

    fitted(model, "dcgan", epochs=4, callbacks=[Watch()])
    assert seen == [0.0, 0.25, 0.5, 0.75]


@pytest.mark.slow
def test_the_truncated_cycle_grows_with_the_epochs():
    history = fitted(model_for("asymmetric_cycle"), "asymmetric_cycle", epochs=3)
    assert history["truncated_cycle"][0] == 0
    assert 0 < history["truncated_cycle"][1] < history["truncated_cycle"][2]


def test_a_single_callback_and_a_list_of_keras_are_taken():
    model, ran = model_for("dcgan"), []
    note = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: ran.append(epoch))
    fitted(model, "dcgan", callbacks=note)
    listed = keras.callbacks.CallbackList([note], add_history=True, model=model, epochs=2)
    fitted(model, "dcgan", callbacks=listed, epochs=2)
    assert ran == [0, 0, 1] and float(model.progress) == 0.5


FORMS = ("dataset", "generator", "tuples", "pair", "arrays")


@pytest.mark.parametrize(
    ("method", "form"),
    [
        *(("paired", form) for form in FORMS),
        ("asymmetric_cycle", "arrays"),
        *(
            pytest.param(method, "arrays", marks=pytest.mark.slow)
            for method in ("cyclegan", "cartoongan", "dcgan", "distillation")
        ),
    ],
)
def test_fit_takes_batches_in_every_form(method, form):
    model, arrays = model_for(method), arrays_for(method)
    order = [name for name in arrays if name != "smooth"] if method != "cartoongan" else arrays
    values = tuple(arrays[name] for name in order)
    batched = [{name: array[i : i + 1] for name, array in arrays.items()} for i in range(3)]
    given = {
        "dataset": lambda: {"x": tf.data.Dataset.from_tensor_slices(arrays).batch(2)},
        "generator": lambda: {"x": ((batch,) for batch in batched), "steps_per_epoch": 3},
        "tuples": lambda: {"x": tf.data.Dataset.from_tensor_slices((values,)).batch(2)},
        "pair": lambda: {"x": values[0], "y": values[1:] or None, "batch_size": 2},
        "arrays": lambda: {"x": values if len(values) > 1 else values[0], "batch_size": 2},
    }[form]()
    before = numbers_of(model.generator.trainable_variables)
    history = model.fit(**given, verbose=0).history
    assert set(history) == {*model.loss_names, *model.accuracy_names, "loss"}
    assert all(np.isfinite(values).all() for values in history.values())
    after = numbers_of(model.generator.trainable_variables)
    assert any(np.any(old != new) for old, new in zip(before, after, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_batches_of_unknown_length_are_traced(method):
    model = model_for(method, run_eagerly=False)
    dataset = tf.data.Dataset.from_tensor_slices(arrays_for(method)).batch(2)
    assert dataset.element_spec[next(iter(dataset.element_spec))].shape[0] is None
    history = model.fit(dataset, epochs=2, verbose=0).history
    assert all(np.isfinite(values).all() for values in history.values())


@pytest.mark.parametrize("traced", [False, pytest.param(True, marks=TENSORFLOW_ALONE)])
def test_a_pool_answers_every_image_of_any_batch(traced):
    pool, alone = ImagePool(2, seed=5), ImagePool(2, seed=5)
    shape = tf.TensorSpec((None, 2, 2, 1))
    call = tf.function(pool, input_signature=[shape]) if traced else pool
    pool.build((None, 2, 2, 1))
    images = np.arange(9, dtype="float32")[:, None, None, None] * np.ones((1, 2, 2, 1), "float32")
    answers = [np.asarray(call(ops.convert_to_tensor(part))) for part in np.split(images, [1, 5])]
    expected = [np.asarray(alone(ops.convert_to_tensor(image[None]))) for image in images]
    np.testing.assert_array_equal(np.concatenate(answers), np.concatenate(expected))
    assert len({float(image[0, 0, 0]) for image in np.concatenate(answers)}) > 2


def test_what_is_missing_is_named():
    model = model_for("asymmetric_cycle")
    arrays = arrays_for("asymmetric_cycle")
    photo, drawing = arrays["photo"], arrays["drawing"]
    for given, said in [
        ({"photo": photo}, "Received: no drawing, but photo"),
        ((photo, drawing), "Received: no style"),
        ((photo, drawing, photo, drawing), "in this order. Received: 4 arrays"),
        ({"photo": photo[:, :32], "drawing": drawing}, "64 x 64 pixels.*Received: 32 x 64"),
    ]:
        with pytest.raises(ValueError, match=said):
            model.train_step(given)
    arrays = arrays_for("cartoongan")
    del arrays["smooth"]
    with pytest.raises(ValueError, match="edge-promote"):
        model_for("cartoongan").train_step(arrays)


def test_pairs_alone_train_a_model_of_one_style():
    model = small_methods.asymmetric_cycle(("ink",))
    model.compile(run_eagerly=True)
    arrays = arrays_for("asymmetric_cycle", 1)
    reported = model.train_step(((arrays["photo"], arrays["drawing"]),))
    # Local discriminators look where alignment puts eyes, nose and lips.
    assert all(float(reported[f"d_{part}"]) > 0 for part in ("eyes", "nose", "lips"))


# compile


@EVERY
def test_compile_takes_none_one_or_several_optimizers(method):
    model = METHODS[method]()
    model.compile()
    rates = {name: float(one.learning_rate) for name, one in optimizers_of(model).items()}
    assert set(rates.values()) == {np.float32(model.learning_rate)}
    assert {one.beta_1 for one in optimizers_of(model).values()} == {0.5}
    model.compile("sgd")
    assert all(isinstance(one, keras.optimizers.SGD) for one in optimizers_of(model).values())
    model.compile(keras.optimizers.Adam(1e-3), discriminator="rmsprop")
    assert isinstance(model.discriminator_optimizer, keras.optimizers.RMSprop)
    assert float(model.generator_optimizer.learning_rate) == np.float32(1e-3)
    assert len({id(one) for one in optimizers_of(model).values()}) == 2


def optimizers_of(model):
    return {name: getattr(model, f"{name}_optimizer") for name in model.trainable_groups()}


@pytest.mark.slow
def test_one_optimizer_for_all_is_copied():
    model = METHODS["dcgan"]()
    given = keras.optimizers.Adam(1e-3)
    model.compile(given)
    assert fitted(model, "dcgan")
    counts = {int(one.iterations) for one in optimizers_of(model).values()}
    assert counts == {2}


def test_compile_refuses_what_is_no_group():
    with pytest.raises(ValueError, match="Received: loss, metrics"):
        METHODS["cyclegan"]().compile(loss="mse", metrics=["mae"])


@pytest.mark.slow
@TENSORFLOW_ALONE
@pytest.mark.parametrize("how", [{"jit_compile": True}, {"steps_per_execution": 2}])
def test_steps_are_compiled_and_bundled(how):
    model = model_for("dcgan", run_eagerly=False, **how)
    history = fitted(model, "dcgan", x=arrays_for("dcgan", 4), epochs=2)
    assert np.isfinite(history["loss"]).all()
    assert int(model.generator_optimizer.iterations) == 4


# evaluate, predict


@EVERY
def test_evaluate_measures_without_learning(method):
    model = model_for(method)
    fitted(model, method)
    before = numbers_of(model.weights)
    measured = model.evaluate(arrays_for(method, seed=3), batch_size=2, return_dict=True, verbose=0)
    assert set(measured) >= {*model.loss_names, *model.accuracy_names, "loss"}
    trackers = {id(v) for tracker in model.trackers.values() for v in tracker.variables}
    for weight, old in zip(model.weights, before, strict=True):
        if id(weight) not in trackers and "seed" not in weight.path:
            np.testing.assert_array_equal(weight, old)
    scores = [value for name, value in measured.items() if name.startswith("score_")]
    assert scores and np.isfinite(scores).all()
    own = {name for name in model.loss_names if not name.startswith("d_")}
    assert measured["loss"] == pytest.approx(sum(measured[name] for name in own), rel=1e-5)


@pytest.mark.slow
def test_validation_data_are_reported_beside_the_losses():
    model = model_for("asymmetric_cycle")
    held = arrays_for("asymmetric_cycle", seed=3)
    history = fitted(model, "asymmetric_cycle", validation_data=held, epochs=2)
    assert len(history["val_loss"]) == len(history["val_strict_cycle"]) == 2


@EVERY
def test_predict_draws_with_the_averaged_generator(method):
    model = model_for(method)
    inputs = inputs_for(method)
    made = model.predict(inputs, batch_size=2, verbose=0)
    arrays = list(inputs.values()) if isinstance(inputs, dict) else inputs
    np.testing.assert_allclose(made, model.averaged_generator(arrays), atol=1e-5)


def test_photos_alone_are_drawn_in_the_first_style():
    model = model_for("paired")
    photos = arrays_for("paired")["photo"]
    first = np.repeat(np.float32([[1, 0]]), len(photos), axis=0)
    expected = model.predict((photos, first), verbose=0)
    np.testing.assert_allclose(model.predict(photos, verbose=0), expected, atol=1e-6)


# save and load


@EVERY
def test_a_saved_model_goes_on_where_it_was(method, tmp_path):
    model = model_for(method)
    fitted(model, method, epochs=2)
    model.save(tmp_path / "run.keras")
    other = keras.models.load_model(tmp_path / "run.keras")
    assert type(other) is type(model) and other.run_eagerly
    np.testing.assert_array_equal(
        *(one.predict(inputs_for(method), verbose=0) for one in (model, other))
    )
    assert [int(one.iterations) for one in optimizers_of(other).values()] == [4, 4]
    assert float(other.progress) == float(model.progress) == 0.5
    rows = [fitted(one, method, x=arrays_for(method, 2, seed=9)) for one in (model, other)]
    for name, values in rows[0].items():
        assert values == pytest.approx(rows[1][name], rel=1e-4, abs=1e-6), name


def test_what_cannot_be_saved_says_so(tmp_path):
    model = small_methods.asymmetric_cycle(edge_detector=lambda photos: photos[..., :1])
    with pytest.raises(TypeError, match="edge_detector: expected EdgeDetector with"):
        model.save(tmp_path / "run.keras")


@EVERY
def test_weights_come_back_into_a_fresh_compiled_model(method, tmp_path):
    model = model_for(method)
    fitted(model, method)
    model.save_weights(tmp_path / "state.weights.h5")
    other = model_for(method)
    other.load_weights(tmp_path / "state.weights.h5")
    for ours, theirs in zip(model.weights, other.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for name, one in optimizers_of(model).items():
        for ours, theirs in zip(one.variables, optimizers_of(other)[name].variables, strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    "imported",
    [
        ("keras_portrait", "keras"),
        pytest.param(("keras", "keras_portrait"), marks=pytest.mark.slow),
    ],
)
def test_a_generator_loads_after_nothing_but_our_import(imported, tmp_path):
    model = METHODS["asymmetric_cycle"]()
    model.generator.save(tmp_path / "generator.keras")
    model.compile()
    model.save(tmp_path / "run.keras")
    code = (
        "import sys, {first}\nimport {second}\nassert 'keras_portrait.models' not in sys.modules\n"
        "import keras\nfor file in ('generator', 'run'):\n"
        "    print(type(keras.models.load_model(f'{{file}}.keras')).__name__)"
    )
    first, second = imported
    done = subprocess.run(
        [sys.executable, "-c", code.format(first=first, second=second)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["Functional", "AsymmetricCycle"], done.stderr


def test_keras_is_told_of_every_registered_class():
    import keras_portrait.models.asymmetric_cycle.model
    import keras_portrait.schedules  # noqa: F401

    known = keras.saving.get_custom_objects()
    ours = {name.split(">")[1] for name in known if name.startswith("keras_portrait>")}
    assert ours == set(DEFINED_IN)
    for name, module in DEFINED_IN.items():
        __import__(module)
        assert isinstance(known[f"keras_portrait>{name}"], type)


# Keras's own callbacks


@pytest.mark.slow
def test_checkpoints_of_keras(tmp_path):
    model = model_for("cyclegan")
    kept = [
        keras.callbacks.ModelCheckpoint(tmp_path / "whole.keras"),
        keras.callbacks.ModelCheckpoint(
            tmp_path / "best.weights.h5",
            save_weights_only=True,
            monitor="loss",
            save_best_only=True,
        ),
    ]
    fitted(model, "cyclegan", callbacks=kept)
    other = keras.models.load_model(tmp_path / "whole.keras")
    photos = inputs_for("cyclegan")
    np.testing.assert_array_equal(
        other.predict(photos, verbose=0), model.predict(photos, verbose=0)
    )
    model_for("cyclegan").load_weights(tmp_path / "best.weights.h5")


@pytest.mark.slow
def test_backup_and_restore_goes_on(tmp_path):
    class Broken(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise RuntimeError("power cut")

    model = model_for("asymmetric_cycle")
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    with pytest.raises(RuntimeError, match="power cut"):
        fitted(model, "asymmetric_cycle", epochs=4, callbacks=[backup, Broken()])
    other, epochs = model_for("asymmetric_cycle"), []
    note = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: epochs.append((epoch, float(other.progress)))
    )
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    fitted(other, "asymmetric_cycle", epochs=4, callbacks=[backup, note])
    assert epochs == [(2, 0.5), (3, 0.75)]
    assert int(other.generator_optimizer.iterations) == 8


def test_learning_rates_are_scheduled_for_every_optimizer():
    model = METHODS["dcgan"]()
    model.compile(generator=keras.optimizers.Adam(1e-2), discriminator=keras.optimizers.Adam(1e-3))
    halve = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    fitted(model, "dcgan", epochs=3, callbacks=[halve])
    rates = [float(one.learning_rate) for one in optimizers_of(model).values()]
    assert sorted(rates) == pytest.approx([1e-3 / 8, 1e-2 / 8], rel=1e-5)


def test_early_stopping_and_plateaus():
    model = model_for("dcgan")
    stop = keras.callbacks.EarlyStopping(
        "loss", patience=0, min_delta=100, restore_best_weights=True
    )
    plateau = keras.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=0, min_delta=100)
    history = fitted(model, "dcgan", epochs=6, callbacks=[plateau, stop])
    assert len(history["loss"]) == 2
    assert float(model.optimizer.learning_rate) == pytest.approx(1e-4)


@pytest.mark.slow
@TENSORFLOW_ALONE
def test_tensorboard_of_keras(tmp_path):
    board = keras.callbacks.TensorBoard(tmp_path / "logs", update_freq=1)
    fitted(model_for("dcgan", run_eagerly=False), "dcgan", callbacks=[board])
    assert list((tmp_path / "logs" / "train").glob("events*"))


def test_nan_ends_a_training():
    model, arrays = model_for("dcgan"), arrays_for("dcgan", 6)
    arrays["picture"][2] = np.nan
    model.generator.layers[-2].set_weights(
        [np.full_like(w, np.nan) for w in model.generator.layers[-2].get_weights()]
    )
    stop = keras.callbacks.TerminateOnNaN()
    history = fitted(model, "dcgan", x=arrays, epochs=3, callbacks=[stop])
    assert len(history["loss"]) == 1
