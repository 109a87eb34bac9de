import pytest

from keras_portrait import presets
from keras_portrait.contract import read_contract
from keras_portrait.errors import SettingError

MODEL_CARD = "README.md"


def test_every_preset_in_the_package_is_whole():
    assert "pen" in presets.list_presets()
    for name in presets.list_presets():
        folder = presets.find_preset(name)
        assert sum(path.stat().st_size for path in folder.iterdir()) < 1_500_000
        assert read_contract(folder).name == name
        assert read_contract(folder).description and read_contract(folder).data_licence
        assert (folder / MODEL_CARD).is_file()


def test_a_name_wins_and_a_folder_is_found(tiny_preset, tmp_path, monkeypatch):
    monkeypatch.setattr(presets, "BUILT_IN", tiny_preset.parent)
    monkeypatch.chdir(tmp_path)
    assert presets.list_presets() == ["tiny"]
    (tmp_path / "tiny").mkdir()
    assert presets.find_preset("tiny") == tiny_preset
    assert presets.find_preset(tmp_path / "tiny") == tmp_path / "tiny"
    assert presets.find_preset(str(tiny_preset)) == tiny_preset


def test_near_matches_are_named(tiny_preset, monkeypatch):
    monkeypatch.setattr(presets, "BUILT_IN", tiny_preset.parent)
    with pytest.raises(SettingError, match='Did you mean "tiny"[?].*Received: tinny'):
        presets.find_preset("tinny")
    with pytest.raises(SettingError, match="Received: "):
        presets.find_preset(tiny_preset / "tiny.tflite")
