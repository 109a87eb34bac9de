"""Published networks of other projects: the same pictures as their own code."""

import json
from pathlib import Path

import numpy as np
import pytest

import numpy_networks
import torch_files
from keras_portrait.errors import InputError, SettingError
from keras_portrait.inference.imaging import read_image
from keras_portrait.inference.metadata import read_metadata
from keras_portrait.inference.recording import read_recording
from keras_portrait.inference.stylizer import Stylizer
from keras_portrait_export.__main__ import main
from keras_portrait_export.importing.card import write_card
from keras_portrait_export.importing.importer import (
    Origin,
    compare_recorded,
    open_published,
    read_recorded,
)
from keras_portrait_export.jobs import Artefact
from keras_portrait_export.published.catalog import NAMES, PUBLISHED, build_network, recognize
from keras_portrait_export.verify import Fidelity
from keras_portrait_export.weights import read_weights
from tiny_preset import write_tiny_preset

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

COPIES = Path(__file__).parents[1] / "reference" / "foreign"
RECORDED = Path(__file__).parents[2].parent / "shared" / "reference" / "foreign"
# File -> the network, and numbers that a drawing may be off.
FILES = {
    "animeganv2.pth": ("animegan2", 1e-5),
    "informative_3blocks_sigmoid.pth": ("informative-drawings", 1e-5),
    "informative_3blocks_sigmoid.onnx": ("informative-drawings", 1e-5),
    "upd_generator.pth": ("portrait-drawing", 1e-4),
    "upd_generator.safetensors": ("qmupd", 1e-4),
    "upd_generator_legacy.pth": ("portrait-drawing", 1e-4),
    "upd_inverse_generator.pth": ("portrait-drawing-inverse", 1e-4),
    "cyclegan_9blocks_instance.pth": ("cyclegan", 1e-4),
    "cyclegan_9blocks_instance.onnx": ("cyclegan", 1e-4),
    # Numbers of up to 4,290 go into its tanh, of which float32 keeps seven digits.
    "cyclegan_6blocks_batch.pth": ("cyclegan", 2e-3),
}


def found(name):
    path = next((folder / name for folder in (COPIES, RECORDED) if (folder / name).exists()), None)
    if path is None:
        pytest.skip("needs the recorded networks")
    if path.suffix in (".onnx", ".safetensors"):
        pytest.importorskip(path.suffix[1:])
    return path


@pytest.mark.parametrize("name", FILES)
def test_pictures_as_their_own_code_made_them(name):
    path, (network, most) = found(name), FILES[name]
    weights = read_weights(path)
    styled = network in ("portrait-drawing", "qmupd")
    published = recognize(weights, network if styled else None, path)
    assert published.name == network
    model = build_network(published, weights, path)
    stem = name.split(".")[0].removesuffix("_legacy")
    recorded = read_recorded(published, model, found(f"{stem}.npz"))
    differences = compare_recorded(model, recorded)
    assert differences.max() < most and np.mean(differences > 1e-4) < 0.002


@pytest.mark.parametrize("network", ["cartoongan", "fast-style"])
def test_pictures_as_layers_in_numpy_make_them(network, tmp_path):
    rng = np.random.default_rng(5)
    name = network.replace("-", "_")
    weights = getattr(numpy_networks, f"{name}_weights")(rng)
    image = rng.uniform(-1, 1, (3, 16, 24))
    if network == "cartoongan":
        expected = numpy_networks.cartoongan(weights, image[::-1])[::-1]
        for tensor, values in weights.items():
            np.save(tmp_path / f"{tensor}.npy", values)
        path = tmp_path
    else:
        image = (image + 1) * 127.5
        expected = numpy_networks.fast_style(weights, image)
        path = tmp_path / "theirs.pth"
        path.write_bytes(torch_files.archive_of(weights))
    read = read_weights(path)
    model = build_network(recognize(read, None, path), read, path)
    # A recording has the original's order of colours.
    order = slice(None, None, -1 if network == "cartoongan" else 1)
    np.savez(tmp_path / "recorded.npz", image=image[order][None], output=expected[order][None])
    published = recognize(read, None, path)
    recorded = read_recorded(published, model, tmp_path / "recorded.npz")
    scale = 255 if network == "fast-style" else 1
    assert compare_recorded(model, recorded).max() < 1e-4 * scale


def test_a_generator_of_styles_is_not_guessed(tmp_path):
    weights = {
        "model0.1.weight": np.zeros((1, 3, 7, 7), np.float32),
        "model.0.weight": np.zeros((4, 7, 3, 3), np.float32),
        "model.19.weight": np.zeros((1, 1, 7, 7), np.float32),
    }
    with pytest.raises(SettingError, match="Expected --as portrait-drawing or --as qmupd"):
        recognize(weights, None, "theirs.pth")
    with pytest.raises(SettingError, match='Did you mean "qmupd"'):
        recognize(weights, "qmup", "theirs.pth")


def test_what_finds_no_place_is_named():
    path = found("animeganv2.pth")
    weights = read_weights(path)
    published = recognize(weights, None, path)
    more = weights | {"extra.weight": np.zeros((2, 3), np.float32)}
    with pytest.raises(InputError, match=r"1 of 78. Received: extra.weight \(2, 3\)"):
        build_network(published, more, path)
    less = {name: values for name, values in weights.items() if name != "block_d.1.2.bias"}
    with pytest.raises(InputError, match="Expected: block_d.1.2.bias"):
        build_network(published, less, path)
    wide = weights | {"block_d.0.1.weight": weights["block_d.0.1.weight"][:, :3]}
    with pytest.raises(InputError, match="do not fit together as animegan2"):
        build_network(published, wide, path)
    with pytest.raises(InputError, match=r"one of portrait-drawing.*Received: a \(1,\)"):
        recognize({"a": np.zeros(1, np.float32)}, None, path)
    flat = {name: values.ravel() for name, values in weights.items()}
    with pytest.raises(InputError, match="one of portrait-drawing"):
        recognize(flat, None, path)
    with pytest.raises(InputError, match="Expected the weights of cyclegan"):
        recognize(weights, "cyclegan", path)


def test_pictures_that_differ_from_the_recorded_ones_are_refused(tmp_path):
    path, recorded = found("animeganv2.pth"), found("animeganv2.npz")
    arrays = dict(np.load(recorded))
    np.savez(tmp_path / "other.npz", **arrays | {"output": arrays["output"] + 0.01})
    with pytest.raises(InputError, match="makes other pictures.*Received: up to 0.01, 100.0%"):
        open_published(path, Origin("MIT", recorded=tmp_path / "other.npz"), (64,))
    np.savez(tmp_path / "nan.npz", **arrays | {"output": np.full_like(arrays["output"], np.nan)})
    with pytest.raises(InputError, match="makes other pictures.*100.0%"):
        open_published(path, Origin("MIT", recorded=tmp_path / "nan.npz"), (64,))
    np.savez(tmp_path / "fewer.npz", **arrays | {"output": arrays["output"][:, :1]})
    with pytest.raises(InputError, match=r"makes pictures \(1, 3, 64, 64\)"):
        open_published(path, Origin("MIT", recorded=tmp_path / "fewer.npz"), (64,))
    np.savez(tmp_path / "none.npz", image=arrays["image"])
    with pytest.raises(InputError, match="expected arrays image, output. Received: image"):
        open_published(path, Origin("MIT", recorded=tmp_path / "none.npz"), (64,))
    np.savez(tmp_path / "gray.npz", **arrays | {"image": arrays["image"][:, :1]})
    with pytest.raises(InputError, match=r"expected pictures \(N, 3, H, W\)"):
        open_published(path, Origin("MIT", recorded=tmp_path / "gray.npz"), (64,))
    with pytest.raises(SettingError, match="--styles: expected 1 names. Received: a, b"):
        open_published(path, Origin("MIT", styles=("a", "b")), (64,))
    with pytest.raises(InputError, match="expected a .npz file"):
        open_published(path, Origin("MIT", recorded=path.with_suffix(".txt")), (64,))


def test_the_command_writes_an_ordinary_preset(tmp_path, capsys, monkeypatch):
    path, recorded = found("animeganv2.pth"), found("animeganv2.npz")
    arguments = [str(path), "-o", str(tmp_path / "mine"), "--size", "32", "--mode", "fp32"]
    with pytest.raises(SystemExit, match="2"):
        main(["import", *arguments])
    assert "required: --licence" in capsys.readouterr().err
    assert main(["import", *arguments, "--licence", " "]) == 2
    assert "--licence: expected the licence of the weights" in capsys.readouterr().err
    assert not (tmp_path / "mine").exists()
    arguments += ["--licence", "MIT", "--credit", "A. Painter", "--recorded", str(recorded)]
    assert main(["import", *arguments, "--styles", "paprika"]) == 0
    told = capsys.readouterr().out
    assert "77 tensors placed as animegan2" in told and "of what the original made" in told
    row = json.loads((tmp_path / "mine" / "portrait.json").read_text())
    assert (row["format"], row["framing"], row["styles"]) == (3, "whole", ["paprika"])
    assert row["data_licence"] == "weights of others: MIT" and row["description"] == "A. Painter"
    assert "animeganv2.pth (sha256" in row["origin"]
    card = (tmp_path / "mine" / "README.md").read_text()
    assert "| licence of the weights | MIT |" in card and "| made by | A. Painter |" in card
    assert "of what the original made in animeganv2.npz" in card and "compared.png" not in card
    metadata = read_metadata(tmp_path / "mine")
    assert (metadata.method, metadata.channels, metadata.framing) == ("animegan2", 3, "whole")
    photo = np.random.default_rng(0).integers(0, 256, (20, 32, 3), np.uint8)
    drawn = Stylizer(tmp_path / "mine")(photo, background="keep")  # no face is looked for
    assert drawn.shape == photo.shape and drawn.std() > 1


def test_a_card_shows_the_original_beside_the_preset(tmp_path):
    """A preset of another kind stands in: what is drawn is not looked at here."""
    preset = write_tiny_preset(tmp_path / "tiny")
    artefact = Artefact(preset, read_metadata(preset), Fidelity(0.1, 30.0, 31.0, 2.0, 1), [])
    rng = np.random.default_rng(2)
    recorded = {"image": rng.uniform(0, 1, (2, 3, 64, 64)), "output": np.zeros((2, 1, 64, 64))}
    recorded["style"] = np.full((2, 2), 0.5, np.float32)
    published = next(one for one in PUBLISHED if one.name == "informative-drawings")
    (preset / "README.md").write_text("# Mine")
    write_card(artefact, published, "CC0 | none", "", recorded)
    assert (preset / "README.md").read_text() == "# Mine"
    (preset / "README.md").unlink()
    write_card(artefact, published, "CC0 | none", "", recorded)
    assert "CC0 \\| none" in (preset / "README.md").read_text()
    tiles = read_image(preset / "compared.png")
    expected = np.rint(recorded["image"][0].transpose(1, 2, 0) * 255)
    columns = [tile.max() for tile in np.split(tiles[:, : tiles.shape[1] // 3 * 3], 3, axis=1)]
    assert np.abs(tiles[:64, :64].astype(float) - expected).max() <= 1
    assert columns[0] > 0 and columns[2] > 0 and (tiles[:64, 68:132] == 0).all()
    # `portrait compare` shows the same.
    kept = read_recording(preset, artefact.metadata)
    assert [picture.style.tolist() for picture in kept] == [[[0.5, 0.5]]] * 2
    assert np.abs(kept[0].square - expected).max() <= 1 and kept[0].output.shape == (64, 64, 1)
    assert not kept[1].output.any()
    # A preset of another size, or without a recording, keeps none of the former.
    write_card(artefact, published, "CC0", "", {"image": np.zeros((1, 3, 32, 32))})
    assert read_recording(preset, artefact.metadata) == []
    assert (
        not list(preset.glob("recorded*")) and "compared" not in (preset / "README.md").read_text()
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".pth")])
def test_every_network_is_one_delegate(name, tmp_path, capsys):
    path, network = found(name), FILES[name][0]
    arguments = [str(path), "-o", str(tmp_path / "out"), "--licence", "none", "--size", "64"]
    arguments += ["--as", network, "--mode", "fp32"]
    forced = ["--force"] if name == "cyclegan_6blocks_batch.pth" else []
    assert main(["import", *arguments, *forced]) == 0
    table = capsys.readouterr().out.splitlines()
    (row,) = [line.split() for line in table if line.lstrip().startswith("fp32")]
    assert row[-1] == "1" and float(row[4]) < (5e-3 if forced else 1e-4)


def test_every_name_is_in_the_docs():
    text = (Path(__file__).parents[2] / "docs" / "import.md").read_text()
    assert all(f"`{name}`" in text for name in NAMES)
