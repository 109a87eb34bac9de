"""Nothing is unpickled, nothing runs that a file brings, and unknown formats are refused."""

import ast
import hashlib
import io
import json
import os
import stat
import tracemalloc
import zipfile
from pathlib import Path, PureWindowsPath
from types import SimpleNamespace

import numpy as np
import pytest

import keras_portrait
from keras_portrait.data import manifest_rows
from keras_portrait.data.manifest import read_manifest
from keras_portrait.data.manifest_rows import is_inside
from keras_portrait.data.portraits import load_prepared
from keras_portrait.data.prepare.prepared_folder import PreparedFolder
from keras_portrait.errors import InputError, PortraitError, SettingError
from keras_portrait.files import parse_json, read_bounded
from keras_portrait.inference import metadata as metadata_module
from keras_portrait.inference.imaging import read_image
from keras_portrait.inference.litert import crash_test as trial
from keras_portrait.inference.litert.runner import Runner
from keras_portrait.inference.presets import BUILT_IN, load_preset
from keras_portrait.models.load_recipe import load_recipe
from mutated_files import rewrite_archive, write_run
from mutated_pictures import CRAFTED
from tiny_preset import tiny_model

ROOT = Path(keras_portrait.__file__).parents[1]
SOURCES = sorted(
    path
    for folder in ("keras_portrait", "export", "mobile_demo")
    for path in (ROOT / folder).rglob("*.py")
)
# Modules that turn bytes into objects of any class, or texts into code.
FORBIDDEN_IMPORTS = {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal", "cloudpickle"}
FORBIDDEN_CALLS = {
    "eval",
    "exec",
    "compile_command",
    "__import__",
    "torch.load",
    "yaml.load",
    "yaml.unsafe_load",
    "yaml.full_load",
    "keras.config.enable_unsafe_deserialization",
    "os.system",
    "os.popen",
}


def dotted(node) -> str:
    """The name of what is called, with dots; "" for anything but names."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        inner = dotted(node.value)
        return f"{inner}.{node.attr}" if inner else ""
    return ""


def unsafe(tree) -> list[str]:
    """What a module does that would run what a file brings."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".")[0] for alias in node.names]
            found += [name for name in names if name in FORBIDDEN_IMPORTS]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in (
            FORBIDDEN_IMPORTS
        ):
            found.append(node.module)
        elif isinstance(node, ast.Call):
            found += _unsafe_call(dotted(node.func), node.keywords)
    return found


def _unsafe_call(name, keywords):
    given = {keyword.arg: getattr(keyword.value, "value", "?") for keyword in keywords}
    if name in FORBIDDEN_CALLS or name.endswith(".unpickle"):
        yield name
    if name in ("np.load", "numpy.load") and given.get("allow_pickle", "missing") is not False:
        yield f"{name} without allow_pickle=False"
    if name.endswith("load_model") and name.startswith(("keras.", "tf.")):
        if given.get("safe_mode", "missing") is not True:
            yield f"{name} without safe_mode=True"
    if given.get("shell") not in (None, False):
        yield f"{name} with a shell"
    if "extractall" in name or name.endswith(".extract"):
        yield name


def test_the_look_for_unsafe_code_sees_it():
    text = """
import pickle
from joblib import load
np.load(path)
np.load(path, allow_pickle=True)
keras.models.load_model(path)
keras.models.load_model(path, safe_mode=False)
eval(text)
torch.load(path)
subprocess.run(text, shell=True)
archive.extractall(folder)
"""
    assert len(unsafe(ast.parse(text))) == 10


def test_nothing_is_unpickled_and_no_text_is_run():
    assert len(SOURCES) > 100
    found = {
        str(path.relative_to(ROOT)): names
        for path in SOURCES
        if (names := unsafe(ast.parse(path.read_text(encoding="utf-8"))))
    }
    # The weights of an installed package, held to their SHA-256: see the test below.
    assert found == {"export/makers/mtcnn.py": ["joblib"]}


def test_the_only_pickle_is_held_to_its_sha256(tmp_path, monkeypatch):
    from keras_portrait_export.makers import mtcnn

    weights = tmp_path / "assets" / "weights"
    weights.mkdir(parents=True)
    (weights / "pnet.lz4").write_bytes(b"another")
    package = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: package)
    with pytest.raises(InputError, match="not those of mtcnn 1.0.0.*Received: "):
        mtcnn.load_net("pnet")


def test_arrays_with_pickled_objects_are_not_read(tmp_path):
    from keras_portrait.models.style_classifier.features import _stored

    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "exploded"),)

    np.save(tmp_path / "bomb.npy", np.array([[[Bomb()]]], object), allow_pickle=True)
    assert _stored(tmp_path / "bomb.npy", 1) is None
    assert not (tmp_path / "exploded").exists()


@pytest.fixture
def run(tmp_path):
    """A run folder with a small generator."""
    write_run(tmp_path / "run")
    return tmp_path / "run"


def refused(run):
    from keras_portrait.training.saved_generator import load_generator

    with pytest.raises(InputError) as error:
        load_generator(run)
    assert "\n" not in str(error.value)
    return str(error.value)


def layer_of(config):
    """Puts a layer of this configuration in the place of the last one."""

    def change(name, data):
        if name != "config.json":
            return data
        values = json.loads(data)
        values["config"]["layers"][-1] |= config
        return json.dumps(values).encode()

    return change


def test_a_whole_run_is_loaded(run):
    from keras_portrait.training.saved_generator import load_generator

    generator = load_generator(run)
    drawing = generator.draw(np.zeros((64, 64, 3), np.uint8), np.full((1, 2), 0.5, np.float32))
    assert drawing.shape == (64, 64, 1)


@pytest.mark.parametrize(
    "layer",
    [
        {"module": "keras.layers", "class_name": "Lambda"},
        {"module": "keras.layers", "class_name": "TFSMLayer"},
        {"module": "keras.layers", "class_name": "TorchModuleWrapper"},
        {"module": "os", "class_name": "system", "registered_name": None},
        {"module": "subprocess", "class_name": "Popen", "registered_name": None},
        {"module": "builtins", "class_name": "eval", "registered_name": None},
        {"module": "kerasx.layers", "class_name": "Conv2D"},
    ],
    ids=lambda layer: layer["class_name"],
)
def test_layers_that_carry_code_or_are_unknown_are_refused(run, layer):
    rewrite_archive(run / "generator.keras", layer_of(layer))
    assert f"carry no code. Received: {layer['module']}.{layer['class_name']}" in refused(run)


def test_a_real_lambda_layer_is_refused_even_where_keras_is_told_to_be_careless(run, tmp_path):
    import keras

    image = keras.Input((None, None, 3), name="image")
    drawing = keras.layers.Lambda(lambda x: x[..., :1], output_shape=(None, None, 1))(image)
    keras.Model(image, drawing).save(run / "generator.keras")
    keras.config.enable_unsafe_deserialization()
    try:
        assert "Received: keras.layers.Lambda" in refused(run)
    finally:
        keras.src.backend.common.global_state.set_global_attribute("safe_mode_saving", None)


def test_unknown_classes_of_keras_are_refused_by_keras(run):
    rewrite_archive(
        run / "generator.keras",
        layer_of({"module": "keras.layers", "class_name": "Nothing", "registered_name": None}),
    )
    assert "Cannot load the generator" in refused(run)


@pytest.mark.parametrize("name", ["../escaped", "/escaped", "assets/../../escaped", "x.pkl"])
def test_files_that_keras_does_not_write_are_refused(run, name):
    with zipfile.ZipFile(run / "generator.keras", "a") as archive:
        archive.writestr(name, "escaped")
    assert repr(name) in refused(run)
    assert not list(run.parent.glob("escaped")) and not os.path.lexists("/escaped")


def test_links_and_doubled_files_in_an_archive_are_refused(run):
    with zipfile.ZipFile(run / "generator.keras", "a") as archive:
        link = zipfile.ZipInfo("assets")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc")
    assert "'assets'" in refused(run)
    write_run(run.parent / "other")
    with zipfile.ZipFile(run.parent / "other" / "generator.keras", "a") as archive:
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("config.json", "{}")
    assert "alone. Received" in refused(run.parent / "other")


def test_a_bomb_in_an_archive_is_refused_before_it_is_unpacked(run):
    with zipfile.ZipFile(run / "generator.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["config.json"] = b" " * 20_000_000 + members["config.json"]
    with zipfile.ZipFile(run / "generator.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    assert (run / "generator.keras").stat().st_size < 200_000
    assert "config.json is too large" in refused(run)


def test_a_bomb_behind_a_model_is_not_unpacked(tiny_preset):
    model = tiny_preset / "tiny.tflite"
    bare, texts = metadata_module.split_model(model.read_bytes())
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("portrait.json", texts["portrait.json"] + " " * 20_000_000)
    (tiny_preset / "portrait.json").unlink()
    model.write_bytes(bare + buffer.getvalue())
    with pytest.raises(InputError, match="A preset is a folder that holds portrait.json"):
        load_preset(model)


FORMATS = [0, 99, -1, "1", None, 1.5, True, [1]]


@pytest.mark.parametrize("made", FORMATS, ids=repr)
def test_unknown_formats_are_refused(tiny_preset, run, tmp_path, drawn_data, made):
    path = tiny_preset / "portrait.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": made}))
    with pytest.raises(InputError, match="reads presets of formats 1 to 3. Received: format"):
        load_preset(tiny_preset)
    path = run / "options.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": made}))
    assert "reads run folders up to format 2. Received: format" in refused(run)
    data = tmp_path / "data"
    data.mkdir()
    (data / "manifest.jsonl").write_bytes((drawn_data / "manifest.jsonl").read_bytes())
    options = json.loads((drawn_data / "prepare.json").read_text())
    (data / "prepare.json").write_text(json.dumps(options | {"format": made}))
    before = {each: each.read_bytes() for each in data.iterdir()}
    for read in (read_manifest, load_prepared, lambda folder: PreparedFolder(folder, options)):
        with pytest.raises(InputError, match="reads data folders up to format 2"):
            read(data)
    assert {each: each.read_bytes() for each in data.iterdir()} == before


def test_a_run_of_an_unknown_format_is_not_gone_on_with(drawn_data, tmp_path):
    from tiny_training import plan_of

    run = tmp_path / "run"
    run.mkdir()
    options = plan_of(drawn_data, tmp_path / "none").options
    (run / "options.json").write_text(json.dumps(options | {"format": 99}))
    with pytest.raises(SettingError, match="Received: format: 99 there, 2 now"):
        plan_of(drawn_data, run)


@pytest.mark.parametrize("name", ["../a.png", "/a.png", "a/../../b", "..", "", "a\0b", 3])
def test_names_that_lead_out_of_a_data_folder(drawn_data, tmp_path, name):
    assert not is_inside(name)
    lines = (drawn_data / "manifest.jsonl").read_text().splitlines()
    lines[0] = json.dumps(json.loads(lines[0]) | {"file": name})
    (tmp_path / "manifest.jsonl").write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match="Line 1 is no row of a manifest"):
        read_manifest(tmp_path)


def test_a_backslash_is_a_letter_but_on_windows(monkeypatch):
    # As in files that a careless program unpacked.
    assert is_inside("photos/a\\b.png")
    monkeypatch.setattr(manifest_rows, "Path", PureWindowsPath)
    assert is_inside("photos/a.png")
    for name in ("a\\..\\..\\b", "\\a", "C:a", "C:/a", "\\\\host\\share\\a"):
        assert not is_inside(name)


def test_pictures_are_not_written_through_links(tmp_path, drawn_data):
    data, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    data.mkdir()
    elsewhere.mkdir()
    options = json.loads((drawn_data / "prepare.json").read_text())
    (data / "prepare.json").write_text(json.dumps(options))
    (data / "drawings").mkdir()
    (data / "drawings" / "pen").symlink_to(elsewhere)
    with pytest.raises(InputError, match="is a link.*Received: .*drawings/pen"):
        PreparedFolder(data, options)
    (data / "drawings" / "pen").unlink()
    (tmp_path / "linked").symlink_to(data)
    PreparedFolder(tmp_path / "linked", options)  # the folder itself may be one


def test_only_ordinary_files_of_some_size_are_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    (tmp_path / "large").write_bytes(bytes(101))
    for name, reason in (("pipe", "regular"), ("device", "regular"), ("large", "More than 100")):
        with pytest.raises(OSError, match=reason):
            read_bounded(tmp_path / name, 100)
    with pytest.raises(OSError):
        read_bounded(Path("a\0b"))
    assert read_bounded(tmp_path / "large", 101) == bytes(101)


def test_reading_takes_no_more_memory_than_there_is_to_read(tmp_path):
    from PIL import Image

    (tmp_path / "small").write_bytes(bytes(100))
    Image.new("RGB", (64, 64)).save(tmp_path / "small.jpg")
    tracemalloc.start()  # it counts what is asked for, used or not: a small board has not that much
    try:
        assert len(read_bounded(tmp_path / "small", 2**30)) == 100
        read_image(tmp_path / "small.jpg")
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()


def test_json_that_is_nested_too_deeply():
    with pytest.raises(ValueError, match="nested"):
        parse_json("[" * 100_000)


def reseal(preset, model):
    """Puts a model into a preset as a forger would, with a SHA-256 that fits."""
    path = preset / "portrait.json"
    row = json.loads(path.read_text()) | {"sha256": hashlib.sha256(model).hexdigest()}
    path.write_text(json.dumps(row))
    (preset / "tiny.tflite").write_bytes(model)


def test_an_altered_model_is_refused_and_never_reaches_the_runtime(tiny_preset, monkeypatch):
    model = bytearray((tiny_preset / "tiny.tflite").read_bytes())
    model[100] ^= 1
    (tiny_preset / "tiny.tflite").write_bytes(model)
    monkeypatch.setattr(Runner, "__init__", pytest.fail)
    monkeypatch.setattr("keras_portrait.inference.presets.try_model", pytest.fail)
    with pytest.raises(InputError, match="its sha256 differs"):
        load_preset(tiny_preset)


def test_a_forged_model_that_crashes_the_runtime_is_refused_in_one_line(tiny_preset):
    bare = metadata_module.split_model((tiny_preset / "tiny.tflite").read_bytes())[0]
    # Where the table of the model says at which place its list of buffers is: nowhere. The runtime
    # follows it without asking.
    reseal(tiny_preset, bare[:18] + b"\0" + bare[19:])
    with pytest.raises(InputError, match="crashes the runtime.*somebody you trust. Received: "):
        load_preset(tiny_preset)


def test_a_model_that_does_not_end_is_given_up(tiny_preset, monkeypatch):
    monkeypatch.setattr(trial, "PATIENCE", 0.01)
    trial.try_model.cache_clear()
    with pytest.raises(InputError, match="did not end within"):
        load_preset(tiny_preset)


def test_the_presets_of_the_package_need_no_trial(tiny_preset, monkeypatch):
    tried = []
    monkeypatch.setattr(
        "keras_portrait.inference.presets.try_model", lambda *given: tried.append(given)
    )
    assert load_preset("fast").metadata.name == "fast"
    assert not tried
    # A way that begins at theirs leads elsewhere.
    load_preset(BUILT_IN / os.path.relpath(tiny_preset.resolve(), BUILT_IN))
    assert len(tried) == 1


@pytest.mark.parametrize("program", [None, "", "/usr/bin/uwsgi", "/opt/booth/booth.exe"])
def test_a_program_that_holds_python_is_not_started_for_a_trial(tiny_preset, monkeypatch, program):
    monkeypatch.setattr(trial.sys, "executable", program)
    monkeypatch.setattr(trial.subprocess, "run", pytest.fail)
    trial.try_model.cache_clear()
    load_preset(tiny_preset)


def test_a_model_that_passed_is_not_tried_again(tiny_preset, monkeypatch):
    load_preset(tiny_preset)
    monkeypatch.setattr(trial.subprocess, "run", pytest.fail)
    load_preset(tiny_preset)


def test_a_model_without_a_contract_is_refused(tmp_path):
    (tmp_path / "bare.tflite").write_bytes(tiny_model(64, (0.0, -0.5)))
    with pytest.raises(InputError, match="A preset is a folder that holds portrait.json"):
        load_preset(tmp_path / "bare.tflite")


def test_errors_are_one_line_whatever_a_name_holds(tmp_path):
    error = InputError("a\nb\x1b[2J\u2028\ud800é")
    assert str(error) == r"a\nb\x1b[2J\u2028\ud800é"
    with pytest.raises(PortraitError) as caught:
        read_image(tmp_path / "a\nb.jpg")
    assert len(str(caught.value).splitlines()) == 1 and r"a\nb.jpg" in str(caught.value)


def test_a_jpeg_of_thousands_of_scans_is_refused_at_once():
    with pytest.raises(InputError, match="too many scans. Expected at most 100"):
        read_image(CRAFTED["bomb-of-2000-scans.jpg"]())


def test_a_jpeg_of_countless_empty_parts_is_refused():
    whole = CRAFTED["bomb-of-2000-scans.jpg"]()
    start = whole[: whole.index(b"\xff\xda")]
    with pytest.raises(InputError, match="too many parts. Expected at most 10000"):
        read_image(start + whole[len(start) :][:14] + b"\xff\x01" * 20_000)


def test_pictures_of_absurd_sides_are_refused():
    with pytest.raises(InputError, match="65535 a side"):
        read_image(CRAFTED["bomb-column.png"]())


@pytest.mark.parametrize("line", ["x = " + "[" * 3000, "size = " + "9" * 5000, 'method = "a\\nb"'])
def test_recipes_that_python_cannot_follow(tmp_path, line):
    (tmp_path / "recipe.toml").write_text(line)
    with pytest.raises(SettingError) as error:
        load_recipe(tmp_path / "recipe.toml")
    assert len(str(error.value).splitlines()) == 1
