import numpy as np
import pytest

from keras_portrait.errors import InputError, SettingError
from keras_portrait.inference import presets
from keras_portrait.inference.imaging import read_image
from keras_portrait.inference.metadata import read_metadata
from keras_portrait.inference.sampler import Sampler, random_noise
from tiny_preset import write_noise_preset, write_tiny_preset

MODEL_CARD = "README.md"


def test_every_preset_in_the_package_is_whole():
    assert {"portrait", "portrait-256", "fast", "fine", "fine-256"} <= set(presets.list_presets())
    for name in presets.list_presets():
        folder = presets.find_preset(name)
        metadata = read_metadata(folder)
        assert metadata.name == name
        assert metadata.description and metadata.data_licence
        assert (folder / MODEL_CARD).is_file()
        assert presets.load_preset(name).metadata == metadata


def test_the_networks_of_all_presets_together_stay_small():
    files = [
        path / read_metadata(path).file for path in map(presets.find_preset, presets.list_presets())
    ]
    assert sum(file.stat().st_size for file in files) <= 8_000_000


def test_a_name_wins_and_a_folder_is_found(tiny_preset, tmp_path, monkeypatch):
    monkeypatch.setattr(presets, "BUILT_IN", tiny_preset.parent)
    monkeypatch.chdir(tmp_path)
    assert presets.list_presets() == ["tiny"]
    (tmp_path / "tiny").mkdir()
    assert presets.find_preset("tiny") == tiny_preset
    assert presets.find_preset(tmp_path / "tiny") == tmp_path / "tiny"
    assert presets.find_preset(str(tiny_preset)) == tiny_preset
    assert presets.find_preset(tiny_preset / "tiny.tflite") == tiny_preset / "tiny.tflite"


def test_near_matches_are_named(tiny_preset, monkeypatch):
    monkeypatch.setattr(presets, "BUILT_IN", tiny_preset.parent)
    with pytest.raises(SettingError, match='Did you mean "tiny"[?].*Received: tinny'):
        presets.find_preset("tinny")
    for name in ("none.tflite", "portrait.json"):
        with pytest.raises(SettingError, match="Received: "):
            presets.find_preset(tiny_preset / name)


def test_the_model_file_alone_is_a_preset(tiny_preset, tmp_path):
    alone = tmp_path / "mine.tflite"
    alone.write_bytes((tiny_preset / "tiny.tflite").read_bytes())
    assert presets.load_preset(alone).metadata.name == "tiny"


def test_a_model_that_is_not_what_its_contract_says(tmp_path):
    folder = write_noise_preset(tmp_path / "noise", length=4)
    text = (folder / "portrait.json").read_text()
    (folder / "portrait.json").write_text(text.replace('"noise": 4', '"noise": 5'))
    with pytest.raises(InputError, match="does not fit.*noise.*1, 5.*Received: .*1, 4"):
        presets.load_preset(folder)
    folder = write_tiny_preset(tmp_path / "tiny")
    text = (folder / "portrait.json").read_text()
    (folder / "portrait.json").write_text(text.replace('"channels": 1', '"channels": 3'))
    with pytest.raises(InputError, match="one output .*1, 64, 64, 3.*Received: .*1, 64, 64, 1"):
        presets.load_preset(folder)


def test_the_command_lists_method_input_and_size(portrait, tmp_path, monkeypatch):
    write_noise_preset(tmp_path / "noise", length=4)
    write_tiny_preset(tmp_path / "tiny")
    monkeypatch.setattr(presets, "BUILT_IN", tmp_path)
    code, out, _ = portrait("presets")
    lines = out.splitlines()
    assert lines[-3].startswith("filter:ink, filter:line, filter:engraving: no network")
    assert lines[-2].startswith("mesh:ink, mesh:line, mesh:engraving: the same with eyes")
    assert code == 0 and lines[:-3] == [
        "noise: no description",
        "  dcgan: noise of 4 to picture in colour, 16 x 16",
        "tiny: the mean of red, green and blue",
        "  none: photo to drawing, 64 x 64",
        "  --style 0 or thin",
        "  --style 1 or bold",
    ]


def test_the_shipped_avatars_are_as_varied_as_pictures(portrait, tmp_path):
    """Out of the base install: no run, no TensorFlow; neither flat nor all the same."""
    code, _, _ = portrait(
        "sample", "avatars", "--grid", "3x2", "-o", tmp_path / "a.png", preset=None
    )
    assert code == 0 and read_image(tmp_path / "a.png").shape == (2 * 68 - 4, 3 * 68 - 4, 3)
    pictures = Sampler("avatars")(random_noise(8, 100)).astype(float)
    assert pictures.shape == (8, 64, 64, 3) and pictures.std(axis=(1, 2)).min() > 15
    differences = np.abs(pictures[:, None] - pictures[None]).mean(axis=(2, 3, 4))
    assert differences[~np.eye(8, dtype=bool)].min() > 15
