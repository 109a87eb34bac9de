"""Training on shards, from a folder or an object store; what cannot be reached or is broken."""

import json
import shutil

import fsspec
import numpy as np
import pytest

from cartoon_faces import write_cartoon_faces
from keras_portrait.data.manifest import read_manifest
from keras_portrait.data.portraits import PortraitBatches, load_prepared
from keras_portrait.data.shards.format import LIST_NAME
from keras_portrait.data.shards.writer import FOLDER, pack_shards
from keras_portrait.errors import InputError
from keras_portrait.model_card.pictures import picture_rows
from keras_portrait.models.asymmetric_cycle.edge_cache import store_edges
from keras_portrait.recipe import DataSettings
from keras_portrait.storage import open_store
from keras_portrait.training import run as training
from keras_portrait.training import run_folder
from keras_portrait.training.checkpoints import list_checkpoints
from tiny_training import light_edges, picture_plan_of, plan_of, state_of, without_tracing

URL = "memory://bucket/faces"


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """A prepared folder of 64 px: eight photos and avatars to train on, two of each held back."""
    data = write_cartoon_faces(tmp_path_factory.mktemp("faces"), 10, 64)
    pack_shards(data, read_manifest(data), 3, smooth=True)
    return data / FOLDER


@pytest.fixture
def bucket(faces):
    """The same in an object store."""
    store = open_store(URL)
    for path in faces.iterdir():
        store.write(path.name, path.read_bytes())
    yield URL
    fsspec.filesystem("memory").store.clear()


@pytest.mark.slow
def test_a_folder_and_an_object_store_train_alike(bucket, faces, tmp_path, monkeypatch):
    without_tracing(monkeypatch)
    runs = [
        training.train(
            picture_plan_of("dcgan", place, tmp_path / name, "train.epochs=1"), verbose=0
        )
        for place, name in ((bucket, "a"), (faces, "b"))
    ]
    first, second = (state_of(list_checkpoints(run)[-1]) for run in runs)
    assert first.keys() == second.keys()
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name])
    options = [json.loads((run / "options.json").read_text()) for run in runs]
    assert [each["data"] for each in options] == [URL, str(faces.resolve())]
    assert [each["pictures"] for each in options] == [8, 8]
    listed = json.loads((faces / LIST_NAME).read_text())["shards"]
    for run in runs:
        assert json.loads((run / "pictures.json").read_text()) == {
            each["name"]: [each["sha256"], each["records"]]
            for each in listed
            if each["kind"] == "avatar"
        }


@pytest.mark.parametrize("method", ["cyclegan", "cartoongan"])
def test_what_the_methods_with_photos_see(method, bucket, faces, tmp_path):
    extras = ["loss.landmarks=3"] if method == "cartoongan" else []
    experiment = picture_plan_of(method, bucket, tmp_path / "run", *extras).experiment
    batches = experiment.batches(tmp_path)
    names = {"a", "b", "e", "landmarks"} if method == "cartoongan" else {"a", "b"}
    assert set(batches.batch(5)) == names
    loose = picture_plan_of(method, faces.parent, tmp_path / "run", *extras).experiment
    for one in (experiment, loose):
        assert one.steps_per_pass() == 4
        assert one.description() == {"photos": 8, "pictures": 8}
    for name, pictures in experiment.samples(batches).items():
        # Two were held back: the samples show both, in whatever order they were packed.
        others = loose.samples(loose.batches(tmp_path))[name]
        assert sorted(map(bytes, pictures)) == sorted(map(bytes, others))
    assert len(experiment.validation(batches, tmp_path)) == 1


def test_changed_shards_are_noticed(faces, tmp_path):
    copy = shutil.copytree(faces.parent, tmp_path / "data")
    plan = picture_plan_of("dcgan", copy / FOLDER, tmp_path / "run")
    run_folder.open_run(plan.folder, plan.identity)
    picture_plan_of("dcgan", copy / FOLDER, tmp_path / "run")
    pack_shards(copy, read_manifest(copy)[:-2], 3, smooth=True)
    with pytest.raises(InputError, match=r"pictures have changed.*avatar-train-0000\d\.tar"):
        picture_plan_of("dcgan", copy / FOLDER, tmp_path / "run")


@pytest.fixture(scope="module")
def portraits(drawn_data, tmp_path_factory):
    """The shards of four photos and drawings."""
    data = shutil.copytree(drawn_data, tmp_path_factory.mktemp("portraits") / "data")
    pack_shards(data, read_manifest(data), 2, smooth=False)
    return data / FOLDER


def test_edge_maps_of_photos_in_shards(portraits, tmp_path):
    data = load_prepared(portraits)
    folder = store_edges(tmp_path, data.folder, data.photos, light_edges)
    times = {path: path.stat().st_mtime_ns for path in folder.rglob("*.png")}
    assert len(times) == 4
    store_edges(tmp_path, data.folder, data.photos, None)
    assert all(path.stat().st_mtime_ns == time for path, time in times.items())
    batch = PortraitBatches(data, DataSettings(64, 2), 0, edges=folder).batch(1)
    assert batch["edges"].shape == (2, 64, 64, 1) and batch["edges"].std() > 0


@pytest.mark.slow
def test_portraits_in_shards_are_trained_on(portraits, tmp_path, eager):
    plan = plan_of(portraits, tmp_path / "run", "train.epochs=1")
    assert (plan.options["photos"], plan.options["drawings"]) == (4, 4)
    run = training.train(plan, verbose=0)
    assert list_checkpoints(run)[-1].step == 3


def test_the_command_packs_and_trains(faces, tmp_path, portrait):
    avatars = faces.parent / "avatars"
    given = ("prepare", "--avatars", avatars, "-o", tmp_path / "data", "--size", "64")
    code, out, err = portrait(*given, "--shards", "2")
    assert (code, err) == (0, "") and out.splitlines()[-1] == str(tmp_path / "data")
    shards = tmp_path / "data" / FOLDER
    code, out, _ = portrait("train", "dcgan", shards, "--dry-run", "--run-dir", tmp_path / "run")
    assert code == 0 and str(shards) in out
    code, _, err = portrait(*given, "--shards", "0")
    assert code == 2 and "from 1 to 100000" in err


def refused(portrait, data, tmp_path):
    """What the command says of data that it cannot train on."""
    code, out, err = portrait("train", "dcgan", data, "--run-dir", tmp_path / "run")
    assert (code, out) == (2, "") and len(err.splitlines()) == 1
    assert not (tmp_path / "run").exists()
    return err


def test_what_cannot_be_trained_on_is_one_line(faces, tmp_path, portrait):
    copy = shutil.copytree(faces, tmp_path / "shards")
    (copy / LIST_NAME).unlink()
    assert "No shards.json there" in refused(portrait, copy, tmp_path)
    assert "No shards.json there" in refused(portrait, "memory://none", tmp_path)
    assert "URL that fsspec knows" in refused(portrait, "nosuch://bucket/faces", tmp_path)
    shutil.copy(faces / LIST_NAME, copy)
    (copy / "avatar-train-00001.tar").unlink()
    assert "no such file" in refused(portrait, copy, tmp_path)


def test_methods_that_need_loose_pictures_say_so(faces, tmp_path, portrait):
    code, _, err = portrait("train", "style-classifier", faces, "--run-dir", tmp_path / "run")
    assert code == 2 and "A style classifier needs the loose pictures" in err
    code, _, err = portrait("distill", "fast", faces, "--run-dir", tmp_path / "run")
    assert code == 2 and "Distillation needs the loose pictures" in err
    assert not (tmp_path / "run").exists()


def test_the_card_counts_the_samples_of_shards(faces, tmp_path):
    plan = picture_plan_of("cyclegan", faces, tmp_path / "run")
    run_folder.open_run(plan.folder, plan.identity)
    assert picture_rows(plan.folder, plan.options, {}) == [
        ("photos", "8 for training, 2 held back"),
        ("avatars", "8 for training, 2 held back"),
    ]


def test_a_store_without_credentials_or_connection_is_one_line(tmp_path, portrait):
    class Closed(fsspec.AbstractFileSystem):
        protocol = "closed"

        def info(self, path, **more):
            raise RuntimeError("Unable to locate credentials\nTraceback follows")

    class Gone(Closed):
        protocol = "gone"

        def info(self, path, **more):
            raise TimeoutError("Connect timeout on endpoint")

    for kind in (Closed, Gone):
        fsspec.register_implementation(kind.protocol, kind, clobber=True)
    text = refused(portrait, "closed://key:secret@bucket/faces", tmp_path)
    assert "Unable to locate credentials" in text and "secret" not in text
    assert "Connect timeout on endpoint" in refused(portrait, "gone://bucket/faces", tmp_path)


def test_damage_that_training_meets_is_one_line(faces, tmp_path, portrait, monkeypatch):
    without_tracing(monkeypatch)
    copy = shutil.copytree(faces, tmp_path / "shards")
    for path in copy.glob("avatar-*.tar"):
        data = bytearray(path.read_bytes())
        data[700] ^= 1
        path.write_bytes(data)
    options = ("-s", "network.filters=2", "-s", "data.batch=2", "--run-dir", tmp_path / "run")
    code, _, err = portrait("train", "dcgan", copy, *options)
    assert code == 2 and "not the one that shards.json names" in err.splitlines()[-1]
    assert "Traceback" not in err
