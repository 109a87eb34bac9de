"""Presets, recipes, data folders, run folders and checkpoints that are damaged or forged.

`write_bases` makes one whole example of each kind; `spoil` changes a copy of it. What is sealed
with a SHA-256 is damaged in two ways: as it is, and with a seal that fits again, as a forger would.
"""

import hashlib
import io
import json
import os
import shutil
import stat
import zipfile
from pathlib import Path

import numpy as np

from keras_portrait.inference import metadata as metadata_module
from keras_portrait.models import recipe_files
from mutations import damage, mutate_json, mutate_lines
from tiny_preset import tiny_model, write_tiny_preset

# How many parts of a set are of which kind, and what loads them: see `fuzz.py`.
KINDS = ("preset", "model", "recipe", "data", "keras", "checkpoint")
_ESCAPES = ("../escaped", "/escaped", "a/../../escaped", "..\\escaped")


def write_bases(folder: Path) -> None:
    """Writes a whole example of every kind, each in a folder of its name."""
    from keras_portrait.data.prepare.prepare import prepare
    from keras_portrait.data.synthetic_faces import write_drawn_faces

    write_tiny_preset(folder / "preset")
    (folder / "model").mkdir()
    shutil.copy(folder / "preset" / "tiny.tflite", folder / "model")
    (folder / "recipe").mkdir()
    shutil.copy(recipe_files()["portrait-cpu.toml"], folder / "recipe" / "recipe.toml")
    write_drawn_faces(folder / "faces", 2)
    prepare(
        folder / "faces" / "photos",
        folder / "faces" / "drawings",
        folder / "data",
        size=64,
        holdout=0.0,
    )
    write_run(folder / "keras")
    write_checkpoint(folder / "checkpoint")


def write_run(folder: Path) -> None:
    """A run folder with a generator of two styles and few weights."""
    import keras

    from keras_portrait.layers import InstanceNormalization, ReflectionPadding2D

    folder.mkdir()
    image = keras.Input((None, None, 3), name="image")
    style = keras.Input((2,), name="style")
    maps = keras.layers.Conv2D(2, 3, activation="tanh")(ReflectionPadding2D(1)(image))
    maps = InstanceNormalization()(maps) + keras.layers.Reshape((1, 1, 2))(style)
    drawing = keras.layers.Conv2D(1, 1, activation="tanh")(maps)
    keras.Model([image, style], drawing).save(folder / "generator.keras")
    options = {
        "format": 2,
        "method": "asymmetric_cycle",
        "styles": ["ink", "pen"],
        "data": "/nowhere",
        "recipe": {"data": {"size": 64}},
    }
    (folder / "options.json").write_text(json.dumps(options))


def small_model(value: float = 0.0):
    """The model whose state the checkpoints hold."""
    import keras

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(4), keras.layers.Dense(2)])
    model.set_weights([np.full_like(weights, value) for weights in model.get_weights()])
    return model


def write_checkpoint(folder: Path) -> None:
    from keras_portrait.training.checkpoints import save_checkpoint

    folder.mkdir()
    save_checkpoint(small_model(5), folder, 5)
    save_checkpoint(small_model(10), folder, 10)


def spoil(kind: str, folder: Path, rng) -> str:
    """Damages a copy of the base of a kind; says what was done to it."""
    return globals()[f"_spoil_{kind}"](folder, rng)


def _pick(rng, *choices):
    return choices[rng.integers(len(choices))]


def _change(path: Path, change, rng, what: str = "") -> str:
    how, data = change(path.read_bytes(), rng)
    path.write_bytes(data)
    return f"{path.name}{what} {how}"


def _as_text(change):
    """A change of texts as one of bytes."""

    def changed(data: bytes, rng):
        how, text = change(data.decode(), rng)
        return how, text.encode("utf-8", "surrogatepass" if "\ud800" in text else "surrogateescape")

    return changed


def _reseal(folder: Path, model: bytes) -> None:
    """A preset whose SHA-256 fits a damaged model, as a forger would write it."""
    path = folder / metadata_module.FILE_NAME
    row = json.loads(path.read_text()) | {"sha256": hashlib.sha256(model).hexdigest()}
    path.write_text(json.dumps(row))
    (folder / "tiny.tflite").write_bytes(model)


def _spoil_preset(folder: Path, rng) -> str:
    path, model = folder / metadata_module.FILE_NAME, folder / "tiny.tflite"
    chance = rng.random()
    if chance < 0.5:
        return _change(path, _as_text(mutate_json), rng)
    if chance < 0.65:
        return _change(model, damage, rng)
    if chance < 0.9:
        bare = metadata_module.split_model(model.read_bytes())[0]
        how, bare = damage(bare, rng)
        _reseal(folder, bare)
        return f"resealed {how}"
    return _spoil_links(folder, path, model, rng)


def _spoil_links(folder, path, model, rng) -> str:
    how = _pick(rng, "link out", "link loop", "link to a device", "folder", "no model", "name")
    if how == "link out":
        path.unlink()
        path.symlink_to("/etc/passwd")
    elif how == "link loop":
        model.unlink()
        model.symlink_to(model)
    elif how == "link to a device":
        model.unlink()
        model.symlink_to("/dev/zero")
    elif how == "folder":
        path.unlink()
        path.mkdir()
    elif how == "no model":
        model.unlink()
    else:
        row = json.loads(path.read_text()) | {"file": _pick(rng, *_ESCAPES, "/etc/passwd", "..")}
        path.write_text(json.dumps(row))
    return how


def _spoil_model(folder: Path, rng) -> str:
    """A model file alone, with its metadata appended."""
    path = folder / "tiny.tflite"
    data = path.read_bytes()
    bare, texts = metadata_module.split_model(data)
    chance = rng.random()
    if chance < 0.3:
        return _change(path, damage, rng)
    if chance < 0.5:
        path.write_bytes(bare + damage(data[len(bare) :], rng)[1])
        return "damaged contract"
    how, text = "without", ""
    if chance < 0.6:
        bare = damage(tiny_model(64, (0.0, -0.5)), rng)[1] if rng.random() < 0.8 else bare
        path.write_bytes(bare)
        return "without a contract"
    if chance < 0.8:
        how, bare = damage(bare, rng)
        row = json.loads(texts["portrait.json"]) | {"sha256": hashlib.sha256(bare).hexdigest()}
        text = json.dumps(row)
        how = f"resealed {how}"
    elif chance < 0.9:
        how, text = _as_text(mutate_json)(texts["portrait.json"].encode(), rng)
    elif chance < 0.95:
        how, text = "names", texts["portrait.json"]
    else:
        how, text = "bomb", texts["portrait.json"] + " " * 300_000_000
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("portrait.json", text)
        archive.writestr(_pick(rng, *_ESCAPES), "escaped")
    path.write_bytes(bare + buffer.getvalue())
    return how


def _spoil_recipe(folder: Path, rng) -> str:
    recipes = list(recipe_files().values())
    path = folder / "recipe.toml"
    shutil.copy(recipes[rng.integers(len(recipes))], path)
    return _change(path, _as_text(mutate_lines), rng)


def _spoil_data(folder: Path, rng) -> str:
    manifest = folder / "manifest.jsonl"
    chance = rng.random()
    if chance < 0.5:
        lines = manifest.read_text().splitlines()
        place = int(rng.integers(len(lines)))
        how, lines[place] = mutate_json(lines[place], rng)
        text = "\n".join(lines) + "\n"
        manifest.write_bytes(text.encode("utf-8", "surrogateescape"))
        return f"row {how}"
    if chance < 0.6:
        return _change(manifest, damage, rng)
    if chance < 0.75:
        return _change(folder / "prepare.json", _as_text(mutate_json), rng)
    if chance < 0.9:
        lines = [json.loads(line) for line in manifest.read_text().splitlines()]
        row = lines[rng.integers(len(lines))]
        key, value = _pick(rng, "file", "mask"), _pick(rng, *_ESCAPES, "../canary.png")
        row[key] = value
        manifest.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return f"{key} {value}"
    place = _pick(rng, *(path for path in folder.rglob("*.png")))
    how = _pick(rng, "damaged", "linked", "gone")
    if how == "damaged":
        return _change(place, damage, rng)
    place.unlink()
    if how == "linked":
        place.symlink_to(folder.parent / "canary.png")
    return f"{place.name} {how}"


def rewrite_archive(path: Path, change) -> None:
    """Writes a zip archive again; `change(name, data)` answers what becomes of a member's bytes."""
    with zipfile.ZipFile(path) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members:
            archive.writestr(name, change(name, data))


def _spoil_keras(folder: Path, rng) -> str:
    path = folder / "generator.keras"
    chance = rng.random()
    if chance < 0.15:
        return _change(folder / "options.json", _as_text(mutate_json), rng)
    if chance < 0.4:
        return _change(path, damage, rng)
    if chance < 0.9:
        target = _pick(rng, "config.json", "config.json", "model.weights.h5", "metadata.json")
        change = damage if target.endswith("h5") else _as_text(mutate_json)
        told = []

        def spoiled(name, data):
            if name != target:
                return data
            how, data = change(data, rng)
            told.append(how)
            return data

        rewrite_archive(path, spoiled)
        return f"{target} {told[0]}"
    return _spoil_archive(path, rng)


def _spoil_archive(path: Path, rng) -> str:
    how = _pick(rng, "escape", "link", "bomb", "absent")
    if how == "absent":
        gone = _pick(rng, "config.json", "model.weights.h5", "metadata.json")
        with zipfile.ZipFile(path) as archive:
            members = [(name, archive.read(name)) for name in archive.namelist() if name != gone]
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in members:
                archive.writestr(name, data)
        return f"without {gone}"
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        if how == "escape":
            archive.writestr(_pick(rng, *_ESCAPES), "escaped")
        elif how == "link":
            link = zipfile.ZipInfo("assets/link")
            link.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(link, "/etc/passwd")
        else:
            archive.writestr("assets/bomb", bytes(200_000_000))
    return how


def _spoil_checkpoint(folder: Path, rng) -> str:
    files = sorted(folder.iterdir())
    chance = rng.random()
    if chance < 0.35:
        return _change(files[rng.integers(len(files))], damage, rng)
    if chance < 0.9:
        for path in (path for path in files if path.suffix == ".h5"):
            how, data = damage(path.read_bytes(), rng)
            path.write_bytes(data)
            path.with_name(path.name + ".sha256").write_text(hashlib.sha256(data).hexdigest())
        return f"resealed {how}"
    path = folder / "checkpoint-00000010.weights.h5"
    how = _pick(rng, "link loop", "folder", "long number", "no digest")
    if how == "no digest":
        path.with_name(path.name + ".sha256").unlink()
        return how
    path.unlink()
    if how == "link loop":
        os.symlink(path, path)
    elif how == "folder":
        path.mkdir()
    else:
        (folder / f"checkpoint-{'9' * 200}.weights.h5").write_bytes(b"")
    return how
